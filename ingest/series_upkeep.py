"""Upkeep of the embedded series store beside its writer: rolling up, and deleting what is old.

A round is cut into transactions of a few thousand rows, so that the writer waits for milliseconds.
Each leaves the file right: a window stays due until its rows are stored, and nothing is deleted
before the hours and days that it belongs to are stored. What a crash cuts off is done again.
"""

# ruff: noqa: S608 - names come from closed lists, and every value is bound.

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from devices.clock import HOUR, MINUTE
from ingest import rollup_sql, series_sql
from ingest.measurement import MEASUREMENTS
from ingest.point import NANOSECONDS
from ingest.refusal import StoreHeld
from ingest.retention import Retention
from ingest.rollup import ROLLUPS, Span, window_of

log = structlog.get_logger()

ROUND = 10 * MINUTE
"""From the beginning of a round to that of the next: late points come in crowds."""
SETTLED = MINUTE
"""What an hour waits after its end for points that are on the way."""
_PAUSE_S = 60.0
"""Between two rounds at least, also by a clock that runs faster."""
_BUDGET_S = 1.0
_BUSY_SECONDS = 5.0
_SERIES_AT_ONCE = 100
_DELETED_AT_ONCE = 6 * HOUR
"""With a point a minute that is 36,000 rows of 100 series, about a fifth of a second."""


class SeriesUpkeep:
    """The upkeep of ``series.db``, in the process that writes it; may be closed while it works."""

    def __init__(self, path: Path, retention: Retention, *, offset: int) -> None:
        """Connect to nothing yet; ``offset`` is as from day_offset."""
        self._path = path
        self._retention = retention
        self._offset = offset
        self._open: sqlite3.Connection | None = None
        self._round: Iterator[None] | None = None
        self._began: int | None = None
        self._rests_until = 0.0
        self._lock = threading.Lock()

    def step(self, now: int) -> None:
        """Work for about a second at most; a round that is not over goes on at the next call.

        Args:
            now: Milliseconds UTC.

        Raises:
            StoreHeld: The file cannot be used; the round begins again at a later call.
        """
        with self._lock:
            self._step(now)

    def _step(self, now: int) -> None:
        deadline = time.monotonic() + _BUDGET_S
        if self._round is None and self._is_due(now) and self._path.exists():
            self._began, self._round = now, self._work(now)
            self._rests_until = time.monotonic() + _PAUSE_S
        try:
            while self._round is not None:
                if next(self._round, self) is self:
                    self._round = None
                if time.monotonic() >= deadline:
                    break
        except sqlite3.Error as error:
            self._round = self._began = None
            raise StoreHeld(f"{self._path}: {error}; check the disk's space") from error

    @property
    def is_busy(self) -> bool:
        """Whether a round is not over."""
        return self._round is not None

    def close(self) -> None:
        """End what is being asked, and close the file; a later round does what this one has not."""
        if self._open is not None:
            self._open.interrupt()
        with self._lock:
            self._round = None
            if self._open is not None:
                self._open.close()
                self._open = None

    def _is_due(self, now: int) -> bool:
        began = self._began
        if began is None:
            return True
        return time.monotonic() >= self._rests_until and not began <= now < began + ROUND

    def _work(self, now: int) -> Iterator[None]:
        """Do one round, a short piece at a time."""
        connection = self._connection()
        for span in Span:
            yield from self._roll_up(connection, span, now)
        yield from self._expire(connection, now)

    def _roll_up(self, connection: sqlite3.Connection, span: Span, now: int) -> Iterator[None]:
        """Compute the windows that are over and due, oldest first."""
        over = now - span.length - SETTLED
        due = connection.execute(rollup_sql.DUE, (span, over)).fetchall()
        for (start,) in due:
            self._compute(connection, span, start, is_whole=start >= self._kept_from(None, now))
            yield
        if due:
            log.info("series_rolled_up", span=span.value, windows=len(due))

    def _compute(
        self, connection: sqlite3.Connection, span: Span, start: int, *, is_whole: bool
    ) -> None:
        """Compute one window; where its oldest points may be gone, only what is missing is stored.

        The points are read outside the transaction that stores the rows: a day takes seconds.
        """
        with connection:
            connection.execute(rollup_sql.CLAIM, (span, start))
        bounds = {"start": start * NANOSECONDS, "end": (start + span.length) * NANOSECONDS}
        rows = [
            (rollup, connection.execute(rollup_sql.compute(rollup), bounds).fetchall())
            for rollup in ROLLUPS
        ]
        with connection:
            for rollup, computed in rows:
                statement = rollup_sql.store(rollup, span, replaces=is_whole)
                connection.executemany(statement, computed)
            if span is Span.HOURLY:
                ends = (start, start + HOUR - 1)
                days = {window_of(at, Span.DAILY, self._offset) for at in ends}
                rollup_sql.mark_days(connection, days)
            connection.execute(rollup_sql.DONE, (span, start))

    def _expire(self, connection: sqlite3.Connection, now: int) -> Iterator[None]:
        """Delete what is older than it may be, a few series and hours at a time."""
        tables: list[tuple[str, str, Span | None]] = [(name, name, None) for name in MEASUREMENTS]
        tables += [
            (rollup_sql.table(rollup, span), rollup.measurement, span)
            for rollup in ROLLUPS
            for span in Span
        ]
        deleted = 0
        for table, measurement, span in tables:
            before = self._kept_from(span, now) * NANOSECONDS
            for ids in _series(connection, measurement):
                yield
                for cut in _cuts(connection, table, ids, before):
                    with connection:
                        deleted += connection.execute(
                            f"DELETE FROM {table} WHERE time < ? AND series IN ({ids})", (cut,)
                        ).rowcount
                    yield
        if deleted:
            log.info("series_expired", points=deleted)

    def _kept_from(self, span: Span | None, now: int) -> int:
        """Return the beginning of what is kept: of an hour, so that a round has much to delete."""
        return (now - self._retention.kept(span)) // HOUR * HOUR

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, check_same_thread=False)
            try:
                series_sql.prepare(connection)
                connection.execute("PRAGMA synchronous=NORMAL")  # What a power cut takes is redone.
            except sqlite3.Error:
                connection.close()
                raise
            self._open = connection
        return self._open


def _series(connection: sqlite3.Connection, measurement: str) -> Iterator[str]:
    """Yield the ids of a measurement's series, as SQL lists of them, a hundred at a time."""
    last = 0
    while True:
        found = connection.execute(
            "SELECT id FROM series WHERE measurement = ? AND id > ? ORDER BY id LIMIT ?",
            (measurement, last, _SERIES_AT_ONCE),
        ).fetchall()
        if not found:
            return
        last = found[-1][0]
        yield ", ".join(str(number) for (number,) in found)


def _cuts(connection: sqlite3.Connection, table: str, ids: str, before: int) -> Iterator[int]:
    """Yield the times (ns) before which to delete next, until nothing is older than it may be."""
    oldest = f"""
        SELECT min((SELECT time FROM {table} WHERE series = id ORDER BY time LIMIT 1))
        FROM series WHERE id IN ({ids})"""
    while True:
        (time_,) = connection.execute(oldest).fetchone()
        if time_ is None or time_ >= before:
            return
        yield min(before, time_ + _DELETED_AT_ONCE * NANOSECONDS)
