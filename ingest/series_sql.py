"""The SQL of the embedded series store. Times inside are nanoseconds UTC."""

# ruff: noqa: S608 - names come from closed lists, and every value is bound.

import sqlite3
from collections.abc import Sequence
from typing import Any

from ingest import rollup_sql
from ingest.measurement import MEASUREMENTS, Field, FieldKind, Measurement, tag_text
from ingest.point import NANOSECONDS
from ingest.reading import Function, Reading
from ingest.rollup import RollupField

_TYPES = {
    FieldKind.FLOAT: "REAL",
    FieldKind.INTEGER: "INTEGER",
    FieldKind.BOOLEAN: "INTEGER",
    FieldKind.TEXT: "TEXT",
}
_TABLES = (
    """CREATE TABLE IF NOT EXISTS series (
        id INTEGER PRIMARY KEY, measurement TEXT NOT NULL, device TEXT NOT NULL,
        channel TEXT NOT NULL, site TEXT NOT NULL, grid TEXT NOT NULL,
        UNIQUE (measurement, device, channel, site, grid))""",
    "CREATE TABLE IF NOT EXISTS last (series INTEGER PRIMARY KEY, time INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS canary (id INTEGER PRIMARY KEY, written INTEGER NOT NULL)",
)
REGISTER = """
    INSERT INTO series (measurement, device, channel, site, grid) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET measurement = excluded.measurement RETURNING id"""
UPSERT_LAST = """
    INSERT INTO last VALUES (?, ?)
    ON CONFLICT DO UPDATE SET time = excluded.time WHERE excluded.time > time"""
CANARY = """
    INSERT INTO canary VALUES (1, 1) ON CONFLICT DO UPDATE SET written = written + 1"""


_ROWS_A_STATEMENT = 50
"""A statement for many rows takes a fifth less CPU than one for each; more rows gain no more."""
_PAGE_BYTES = 16 * 1024
_CHECKPOINT_PAGES = 1_024
_CACHE_KIB = 32 * 1024
"""A batch touches the last page of nearly every series, and every touched page is written whole to
the log and again to the file. Larger pages and rarer checkpoints than SQLite's own take a third
less CPU and half the time for 900 series (tests/bench)."""


def prepare(connection: sqlite3.Connection) -> None:
    """Bring a new or older file to today's tables; fields it has and we lack are left alone."""
    connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")  # Of a new file only.
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for table in _TABLES:
            connection.execute(table)
        for measurement in MEASUREMENTS.values():
            connection.execute(_table(measurement))
            found = connection.execute(f"PRAGMA table_info({measurement.name})").fetchall()
            have = {row[1] for row in found}
            for field in measurement.fields:
                if field.name not in have:
                    column = f"{field.name} {_TYPES[field.kind]}"
                    connection.execute(f"ALTER TABLE {measurement.name} ADD COLUMN {column}")
        rollup_sql.prepare(connection)


def where(
    measurement: str, filters: dict[str, str | None], since: int | None = None, until: int = 0
) -> tuple[str, list[Any]]:
    """Return a condition over ``series`` and ``point``, and its values; times are ms UTC."""
    terms, values = ["series.measurement = ?"], [measurement]
    for name, value in filters.items():
        if value is not None:
            terms.append(f"series.{name} = ?")
            values.append(tag_text(value))
    bounds: list[int] = []
    if since is not None:
        terms.append("point.time >= ? AND point.time < ?")
        bounds = [since * NANOSECONDS, until * NANOSECONDS]
    return " AND ".join(terms), [*values, *bounds]


def last(measurement: str, condition: str) -> str:
    """Return the question for the newest point of each device and channel; then the limit."""
    # With max() SQLite takes the other columns from the row that has it.
    return f"""
        WITH newest AS (
            SELECT series.*, max(last.time) AS time
            FROM series JOIN last ON last.series = series.id
            WHERE {condition} GROUP BY device, channel)
        SELECT newest.time, device, channel, site, grid, {_columns(measurement)}
        FROM newest JOIN {measurement} AS point
            ON point.series = newest.id AND point.time = newest.time
        ORDER BY device, channel LIMIT ?"""


def between(measurement: str, condition: str) -> str:
    """Return the question for points, newest first; then the limit."""
    return f"""
        SELECT point.time, device, channel, site, grid, {_columns(measurement)}
        FROM series CROSS JOIN {measurement} AS point ON point.series = series.id
        WHERE {condition} ORDER BY point.time DESC LIMIT ?"""


def series(condition: str) -> str:
    """Return the question for the series: number, device, channel, site, grid."""
    return f"""
        SELECT id, device, channel, site, grid FROM series
        WHERE {condition} ORDER BY device, channel, id"""


def page(measurement: str) -> str:
    """Return the question for a series' points, oldest first.

    Its values: number of the series, time after which, time before which, how many at most.
    """
    return f"""
        SELECT point.time, {_columns(measurement)} FROM {measurement} AS point
        WHERE series = ? AND time > ? AND time < ? ORDER BY time LIMIT ?"""


def windows(measurement: str, field: str, function: Function, window: int, condition: str) -> str:
    """Return the question for one value a window of milliseconds, oldest first."""
    name = {"mean": "avg"}.get(function.value, function.value)
    span = window * NANOSECONDS
    return f"""
        SELECT point.time / {span} * {window} AS at, {name}(point.{field})
        FROM series CROSS JOIN {measurement} AS point ON point.series = series.id
        WHERE {condition} AND point.{field} IS NOT NULL GROUP BY at ORDER BY at"""


def reading(fields: Sequence[Field | RollupField], row: tuple[Any, ...]) -> Reading:
    """Return a row of time, four tags and the fields as a reading."""
    time, device, channel, site, grid, *values = row
    return Reading(
        at=time // NANOSECONDS,
        device=device,
        channel=channel,
        site=site,
        grid=grid,
        fields={
            field.name: bool(value) if field.kind is FieldKind.BOOLEAN else value
            for field, value in zip(fields, values, strict=True)
            if value is not None
        },
        digits=time % NANOSECONDS,
    )


def upsert(
    connection: sqlite3.Connection, measurement: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Write rows of number of the series, time and fields, inside a transaction."""
    one, many = _UPSERTS[measurement]
    together = len(rows) // _ROWS_A_STATEMENT * _ROWS_A_STATEMENT
    for start in range(0, together, _ROWS_A_STATEMENT):
        rows_now = rows[start : start + _ROWS_A_STATEMENT]
        connection.execute(many, [value for row in rows_now for value in row])
    connection.executemany(one, rows[together:])


def _table(measurement: Measurement) -> str:
    columns = "".join(f", {field.name} {_TYPES[field.kind]}" for field in measurement.fields)
    return (
        f"CREATE TABLE IF NOT EXISTS {measurement.name} (series INTEGER NOT NULL, "
        f"time INTEGER NOT NULL{columns}, PRIMARY KEY (series, time)) WITHOUT ROWID"
    )


def _columns(measurement: str) -> str:
    return ", ".join(f"point.{field.name}" for field in MEASUREMENTS[measurement].fields)


def _upsert(measurement: Measurement, rows: int) -> str:
    # A field that is not said again stays, as in InfluxDB.
    names = [field.name for field in measurement.fields]
    updates = ", ".join(f"{name} = coalesce(excluded.{name}, {name})" for name in names)
    holes = f"({', '.join('?' for _ in range(len(names) + 2))})"
    return (
        f"INSERT INTO {measurement.name} (series, time, {', '.join(names)}) "
        f"VALUES {', '.join([holes] * rows)} ON CONFLICT DO UPDATE SET {updates}"
    )


_UPSERTS = {
    name: (_upsert(measurement, 1), _upsert(measurement, _ROWS_A_STATEMENT))
    for name, measurement in MEASUREMENTS.items()
}
"""By measurement: the statement for one row, and that for many."""
