"""States that are newer in memory than in SQL, and the cursor that stays behind them.

A key's *bound* is the first input it has taken since its state was last written: its row lacks
that input and whatever came later. Time changes a state too but comes again by itself, so a key
that only time has changed has no bound until an input changes it.

The durable cursor is always below the least bound of what stays unwritten. So after a kill every
input up to the cursor is in a written state, and every later one comes again. Which keys are
written first does not matter to that; they go in the order of their first change, so that none
waits for ever.
"""

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
        self._unwritten: dict[tuple[str, str], tuple[int, Slot]] = {}
        self._marks: deque[Books] = deque()
        self._written_at = time.monotonic()

    def add(self, rule: str, key: str, slot: Slot, position: int) -> None:
        """Note a change by the input at a position; 0 where it was a due time."""
        bound, _ = self._unwritten.get((rule, key), (0, slot))
        self._unwritten[rule, key] = (bound or position, slot)  # Keeps its place in the order.

    def discard(self, rule: str, key: str) -> None:
        """Forget a key that has been written with its effect."""
        self._unwritten.pop((rule, key), None)

    def write_some(self, progress: Progress) -> None:
        """Write what has waited longest, when it has waited long enough or is much."""
        has_waited = time.monotonic() - self._written_at >= WRITE_EVERY_S
        if not has_waited and len(self._unwritten) < WRITE_AT_ONCE:
            return
        has_moved = progress.frontier - self.durable.frontier >= FRONTIER_EVERY
        if self._unwritten or progress.books != self.durable.books or has_moved:
            self._write(progress)
        self._written_at = time.monotonic()

    def write_all(self, progress: Progress) -> None:
        """Write everything; the cursor is then where the progress is."""
        while self._unwritten or progress != self.durable:
            self._write(progress)

    def _write(self, progress: Progress) -> None:
        """Write the states that have waited longest, and the cursor behind what then remains."""
        if not self._marks or self._marks[-1] != progress.books:
            self._marks.append(progress.books)
        written = list(islice(self._unwritten.items(), WRITE_AT_ONCE))
        bound = self._least_bound(len(written))
        books = self.durable.books
        for mark in self._marks:
            if bound is None or mark.position < bound:
                books = mark
        durable = msgspec.structs.replace(progress, books=books)
        with self._database.begin() as connection:
            upsert(connection, [(rule, key, slot) for (rule, key), (_, slot) in written])
            cursor.save(connection, durable)
        self.durable = durable
        for name, _ in written:
            del self._unwritten[name]
        while self._marks and self._marks[0].position <= books.position:
            self._marks.popleft()

    def _least_bound(self, first: int) -> int | None:
        """Return the least bound after so many keys will have been written; None for no bound."""
        behind = islice(self._unwritten.values(), first, None)
        return min((bound for bound, _ in behind if bound), default=None)
