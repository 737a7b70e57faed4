"""States that are newer in memory than in SQL, and the cursor that stays behind them."""

import time
from collections import deque
from itertools import islice

import msgspec
import sqlalchemy

from alerts import cursor
from alerts.cursor import Books, Progress
from alerts.rule_state import Slot, upsert
from devices.clock import MINUTE

WRITE_EVERY_S = 1.0
"""How long a state may be newer in memory than in SQL; what a restart judges again."""
WRITE_AT_ONCE = 2_000
FRONTIER_EVERY = 5 * MINUTE
"""How far the frontier may move before it is written where nothing else is to be."""


class WriteBehind:
    """What is not yet durable, in the order of its first change.

    Attributes:
        durable: How far everything is written.
    """

    def __init__(self, database: sqlalchemy.Engine) -> None:
        self._database = database
        with database.connect() as connection:
            self.durable = cursor.load(connection)
        self._since: dict[tuple[str, str], tuple[int, Slot]] = {}
        self._marks: deque[Books] = deque()
        self._written_at = time.monotonic()

    def add(self, rule: str, key: str, slot: Slot, position: int) -> None:
        """Note a change by the input at a position; 0 where it was a due time."""
        self._since.setdefault((rule, key), (position, slot))

    def discard(self, rule: str, key: str) -> None:
        """Forget a key that has been written with its effect."""
        self._since.pop((rule, key), None)

    def write_some(self, progress: Progress) -> None:
        """Write what has waited longest, when it has waited long enough or is much."""
        has_waited = time.monotonic() - self._written_at >= WRITE_EVERY_S
        if not has_waited and len(self._since) < WRITE_AT_ONCE:
            return
        has_moved = progress.frontier - self.durable.frontier >= FRONTIER_EVERY
        if self._since or progress.books != self.durable.books or has_moved:
            self._write(progress)
        self._written_at = time.monotonic()

    def write_all(self, progress: Progress) -> None:
        """Write everything; the cursor is then where the progress is."""
        while self._since or progress != self.durable:
            self._write(progress)

    def _write(self, progress: Progress) -> None:
        """Write the states that have waited longest, and the cursor behind what then remains."""
        if not self._marks or self._marks[-1] != progress.books:
            self._marks.append(progress.books)
        written = list(islice(self._since.items(), WRITE_AT_ONCE))
        oldest = self._oldest_behind(len(written))
        books = self.durable.books
        for mark in self._marks:
            if oldest is None or mark.position < oldest:
                books = mark
        durable = msgspec.structs.replace(progress, books=books)
        with self._database.begin() as connection:
            upsert(connection, [(rule, key, slot) for (rule, key), (_, slot) in written])
            cursor.save(connection, durable)
        self.durable = durable
        for name, _ in written:
            del self._since[name]
        while self._marks and self._marks[0].position <= books.position:
            self._marks.popleft()

    def _oldest_behind(self, first: int) -> int | None:
        """Return the oldest input whose change will still be unwritten after so many keys."""
        behind = islice(self._since.values(), first, None)
        return next((position for position, _ in behind if position), None)
