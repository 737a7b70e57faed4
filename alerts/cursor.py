"""How far the engine has come: its cursor, its books, and how long it has been listening.

The cursor is durable up to the last position whose every change is written; the books that go with
it are those of that very position, so that what is judged again after a crash is counted once.
"""

import msgspec
from sqlalchemy import Connection, delete, insert, select

from alerts.tables import alerts_cursor as table
from devices.clock import MINUTE

PAUSE = 15 * MINUTE
"""A frontier that leaps further than this stood still: nobody was listening meanwhile."""
_ONLY_ROW = 1


class Books(msgspec.Struct, frozen=True):
    """Messages up to and including ``position``, each counted once."""

    position: int = 0
    judged: int = 0
    ignored: int = 0
    dead: int = 0


class Progress(msgspec.Struct, frozen=True):
    """What is durable.

    Attributes:
        journal: Id of the journal that positions are of; empty before the first write.
        books: Of the cursor's position.
        frontier: How far time was judged; milliseconds UTC, 0 for not yet.
        listening_since: Since when the frontier has moved without a leap; milliseconds UTC.
    """

    journal: str = ""
    books: Books = Books()
    frontier: int = 0
    listening_since: int = 0

    def move(self, frontier: int) -> "Progress":
        """Return the progress after the frontier has moved; a leap starts listening anew."""
        if frontier <= self.frontier:
            return self
        leapt = frontier - self.frontier > PAUSE
        since = frontier if leapt else self.listening_since
        return msgspec.structs.replace(self, frontier=frontier, listening_since=since)


def load(connection: Connection) -> Progress:
    """Return what is durable."""
    row = connection.execute(select(table)).one_or_none()
    if row is None:
        return Progress()
    return Progress(
        journal=row.journal,
        books=Books(position=row.position, **row.counters),
        frontier=row.frontier,
        listening_since=row.listening_since,
    )


def save(connection: Connection, progress: Progress) -> None:
    """Make progress durable."""
    counters = msgspec.structs.asdict(progress.books)
    position = counters.pop("position")
    connection.execute(delete(table))
    connection.execute(
        insert(table).values(
            id=_ONLY_ROW,
            journal=progress.journal,
            position=position,
            counters=counters,
            frontier=progress.frontier,
            listening_since=progress.listening_since,
        )
    )
