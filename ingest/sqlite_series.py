"""The embedded series store: one SQLite file, read by other processes while it is written.

``write`` returns after a commit with ``synchronous=FULL``: the cursor that follows it must never
be ahead of what is on disk. A crash before that leaves nothing of the batch; it is written again.
A table per measurement has the primary key (series, time) and no row ids, so a point written again
meets itself; ``last`` keeps each series' newest time, because finding it would read everything.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from math import isfinite
from operator import itemgetter
from pathlib import Path
from typing import Any

from ingest import rollup_sql
from ingest import series_sql as sql
from ingest.measurement import MEASUREMENT_OF, MEASUREMENTS, measurement_named
from ingest.point import NANOSECONDS, Point, Series
from ingest.private_file import make_private
from ingest.reading import Bucket, Function, Reading, check_aggregate, check_limit
from ingest.refusal import Rejected, StoreHeld
from ingest.rollup import Span, rollup_named

SCANNED_AT_ONCE = 10_000
_BUSY_SECONDS = 5.0
_INT64 = 1 << 63
_BY_SERIES = itemgetter(0)
_Rows = dict[str, list[tuple[Any, ...]]]


class SqliteStore:
    """``series.db``. One process writes; with ``read_only`` any number of others read."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None
        self._ids: dict[str, int] = {}

    def write(self, points: Sequence[Point]) -> Sequence[Rejected]:
        """Store all points except those it returns; see SeriesStore."""
        fields = [
            MEASUREMENT_OF[one.observation.__class__].values(one.observation) for one in points
        ]
        rejected = _rejected(fields)
        if rejected:
            poison = {refusal.index for refusal in rejected}
            points = [point for index, point in enumerate(points) if index not in poison]
            fields = [values for index, values in enumerate(fields) if index not in poison]
        with self._lock:
            try:
                self._store(self._connection(), points, fields)
            except sqlite3.Error as error:
                self._ids.clear()  # What this transaction registered was rolled back.
                raise self._held(error) from error
        return rejected

    def check(self) -> None:
        """Write a canary; what SQLite commits it gives back. See SeriesStore."""
        with self._lock:
            try:
                with self._connection() as connection:
                    connection.execute(sql.CANARY)
            except sqlite3.Error as error:
                raise self._held(error) from error

    def refuses_age(self, age: int) -> str:  # noqa: ARG002 - whatever is stored is taken
        """Return ""; see SeriesStore."""
        return ""

    def last(
        self,
        measurement: str,
        *,
        device: str | None = None,
        site: str | None = None,
        grid: str | None = None,
        limit: int = 1_000,
    ) -> list[Reading]:
        """Return the newest reading of each device and channel; see SeriesReader."""
        fields = measurement_named(measurement).fields
        where, values = sql.where(measurement, {"device": device, "site": site, "grid": grid})
        rows = self._ask(sql.last(measurement, where), (*values, check_limit(limit)))
        return [sql.reading(fields, row) for row in rows]

    def range(
        self,
        measurement: str,
        device: str | None = None,
        *,
        since: int,
        until: int,
        site: str | None = None,
        grid: str | None = None,
        limit: int = 10_000,
    ) -> list[Reading]:
        """Return readings, oldest first; see SeriesReader."""
        fields = measurement_named(measurement).fields
        filters = {"device": device, "site": site, "grid": grid}
        where, values = sql.where(measurement, filters, since, until)
        rows = self._ask(sql.between(measurement, where), (*values, check_limit(limit)))
        return [sql.reading(fields, row) for row in reversed(rows)]

    def scan(
        self,
        measurement: str,
        *,
        since: int,
        until: int,
        device: str | None = None,
        site: str | None = None,
        grid: str | None = None,
    ) -> Iterator[Reading]:
        """Yield every reading of a span, series by series; see SeriesReader.

        No transaction stays open between two pages, so a slow taker holds no checkpoint up.
        """
        fields = measurement_named(measurement).fields
        where, values = sql.where(measurement, {"device": device, "site": site, "grid": grid})
        question, end = sql.page(measurement), until * NANOSECONDS
        for number, *tags in self._ask(sql.series(where), values):
            after = since * NANOSECONDS - 1
            rows: Sequence[tuple[Any, ...]] = [()] * SCANNED_AT_ONCE
            while len(rows) == SCANNED_AT_ONCE:
                rows = self._ask(question, (number, after, end, SCANNED_AT_ONCE))
                for time, *said in rows:
                    yield sql.reading(fields, (time, *tags, *said))
                after = rows[-1][0] if rows else end

    def aggregate(  # noqa: PLR0913 - the parts of one question
        self,
        measurement: str,
        field: str,
        function: Function,
        *,
        window: int,
        since: int,
        until: int,
        device: str | None = None,
        channel: str | None = None,
        site: str | None = None,
        grid: str | None = None,
    ) -> list[Bucket]:
        """Return one value a window, oldest first; see SeriesReader."""
        check_aggregate(measurement, field, function, window=window, since=since, until=until)
        filters = {"device": device, "channel": channel, "site": site, "grid": grid}
        where, values = sql.where(measurement, filters, since, until)
        question = sql.windows(measurement, field, function, window, where)
        return [Bucket(at, float(value)) for at, value in self._ask(question, values)]

    def rolled_up(
        self,
        rollup: str,
        span: Span,
        *,
        since: int,
        until: int,
        device: str | None = None,
        site: str | None = None,
        grid: str | None = None,
        limit: int = 10_000,
    ) -> list[Reading]:
        """Return what windows came to, oldest first; see SeriesReader."""
        wanted = rollup_named(rollup)
        filters = {"device": device, "site": site, "grid": grid}
        where, values = sql.where(wanted.measurement, filters, since, until)
        rows = self._ask(rollup_sql.rows(wanted, span, where), (*values, check_limit(limit)))
        return [sql.reading(wanted.fields, row) for row in reversed(rows)]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def _store(
        self,
        connection: sqlite3.Connection,
        points: Sequence[Point],
        fields: Sequence[tuple[Any, ...]],
    ) -> None:
        rows: _Rows = {name: [] for name in MEASUREMENTS}
        newest: dict[int, int] = {}
        ids = self._ids
        with connection:
            for point, values in zip(points, fields, strict=True):
                series, time = point.series, point.time
                number = ids.get(series.key) or self._register(connection, series)
                rows[series.measurement].append((number, time, *values))
                if time > newest.get(number, 0):
                    newest[number] = time
            for name, measured in rows.items():
                measured.sort(key=_BY_SERIES)  # Each series' page is then looked for once.
                sql.upsert(connection, name, measured)
            connection.executemany(sql.UPSERT_LAST, newest.items())
            rollup_sql.mark(connection, {point.time // rollup_sql.HOUR_NS for point in points})

    def _register(self, connection: sqlite3.Connection, series: Series) -> int:
        tags = (series.measurement, series.device, series.channel, series.site, series.grid)
        row = connection.execute(sql.REGISTER, tags).fetchone()
        number = self._ids[series.key] = int(row[0])
        return number

    def _ask(self, question: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            if self._read_only and not self._path.exists():
                return []  # Nothing has been stored yet.
            try:
                return self._connection().execute(question, values).fetchall()
            except sqlite3.Error as error:
                raise self._held(error) from error

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            mode = "ro" if self._read_only else "rwc"
            if not self._read_only:
                make_private(self._path)
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=_BUSY_SECONDS,
                check_same_thread=False,
            )
            try:
                if not self._read_only:
                    sql.prepare(connection)
            except sqlite3.Error:
                connection.close()
                raise
            self._open = connection
        return self._open

    def _held(self, error: sqlite3.Error) -> StoreHeld:
        return StoreHeld(f"{self._path}: {error}; check the disk's space and the file's owner")


def _rejected(fields: Sequence[tuple[Any, ...]]) -> list[Rejected]:
    """Return the points that cannot be stored; mostly one look at all numbers together is enough.

    The sum of the sizes is finite and small only if each of them is.
    """
    numbers = [
        abs(value)
        for values in fields
        for value in values
        if value.__class__ is float or value.__class__ is int
    ]
    if sum(numbers) < _INT64:
        return []
    return [
        Rejected(index, words) for index, values in enumerate(fields) if (words := _fault(values))
    ]


def _fault(fields: tuple[Any, ...]) -> str:
    """Return why a point cannot be stored, or ""."""
    for value in fields:
        if value.__class__ is float:
            if not isfinite(value):
                return "a value is not a finite number"
        elif value.__class__ is int and not -_INT64 <= value < _INT64:
            return "an integer does not fit 64 bits"
    return ""
