"""A rebuilt embedded store: what the old file alone knows is taken over, then the new one's name.

Of the old file everything observed before a time is added to the new one, where it has nothing at
that place; the points observed since are those of the new file alone. Nobody else may have either
file open. The old file keeps its content under another name; nothing here deletes a point.
"""

# ruff: noqa: S608 - names come from closed lists, and every value is bound.

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from devices.clock import HOUR
from ingest import rollup_sql, series_sql
from ingest.journal_file import sync_folder
from ingest.measurement import MEASUREMENTS
from ingest.point import NANOSECONDS
from ingest.private_file import make_private
from ingest.reading import END_OF_TIME
from ingest.rollup import ROLLUPS, Span

_SERIES_AT_ONCE = 50
_MAP = """
    CREATE TEMP TABLE pair AS SELECT old.id AS old, new.id AS new, new.measurement
    FROM old.series AS old JOIN main.series AS new USING (measurement, device, channel, site, grid)
    ORDER BY new.id"""
_REGISTER = """
    INSERT INTO main.series (measurement, device, channel, site, grid)
    SELECT measurement, device, channel, site, grid FROM old.series WHERE true
    ON CONFLICT DO NOTHING"""


class InUse(Exception):
    """Somebody has a file open that must be ours alone; the sentence names it."""


def adopt(old: Path, new: Path, *, before: int) -> Iterator[int]:
    """Add to the new file what the old one holds of before a time; yield rows added, part by part.

    Args:
        old: A store's file; brought to today's tables.
        new: Another, that nobody else writes.
        before: Milliseconds UTC; rollups of windows that begin before it are taken too.

    Raises:
        sqlite3.Error: A disk is full or refuses; the same may be begun again.
    """
    _open(old).close()
    with closing(_open(new)) as connection:
        connection.execute("ATTACH DATABASE ? AS old", (str(old),))
        with connection:
            connection.execute(_REGISTER)
            connection.execute(_MAP)
        for table, measurement in _tables():
            yield from _copied(connection, table, measurement, before)
        with connection:
            _set_last(connection)
            connection.execute("INSERT OR IGNORE INTO main.rollup_due SELECT * FROM old.rollup_due")
            if before < END_OF_TIME:  # In its hour there are points of both.
                rollup_sql.mark(connection, [before // HOUR])


def take_place(old: Path, new: Path, *, aside: Path) -> None:
    """Give the new file the old one's name, and the old one another, at once.

    Raises:
        InUse: Somebody has one of them open.
        OSError: The disk refuses; the old file has its name still.
    """
    for path in (old, new):
        if path.exists():
            _settle(path)
    descriptor = os.open(new, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if old.exists():
        os.link(old, aside)
    new.replace(old)
    sync_folder(old.parent)


def _tables() -> Iterator[tuple[str, str]]:
    """Yield every table of points and of rollups, and the measurement of its series."""
    yield from ((name, name) for name in MEASUREMENTS)
    for rollup in ROLLUPS:
        yield from ((rollup_sql.table(rollup, span), rollup.measurement) for span in Span)


def _copied(
    connection: sqlite3.Connection, table: str, measurement: str, before: int
) -> Iterator[int]:
    described = connection.execute(f"PRAGMA main.table_info({table})").fetchall()
    columns = ", ".join(row[1] for row in described if row[1] != "series")
    copy = (
        f"INSERT INTO main.{table} (series, {columns}) SELECT ?, {columns} "
        f"FROM old.{table} WHERE series = ? AND time < ? ON CONFLICT DO NOTHING"
    )
    query = "SELECT new, old FROM pair WHERE measurement = ?"
    pairs = connection.execute(query, (measurement,)).fetchall()
    for first in range(0, len(pairs), _SERIES_AT_ONCE):
        some = pairs[first : first + _SERIES_AT_ONCE]
        with connection:
            values = [(new, old, before * NANOSECONDS) for new, old in some]
            yield connection.executemany(copy, values).rowcount


def _set_last(connection: sqlite3.Connection) -> None:
    for name in MEASUREMENTS:
        connection.execute(
            f"""INSERT OR REPLACE INTO main.last SELECT id, time FROM (
                SELECT id, (SELECT max(time) FROM main.{name} WHERE series = id) AS time
                FROM main.series WHERE measurement = ?) WHERE time IS NOT NULL""",
            (name,),
        )


def _open(path: Path) -> sqlite3.Connection:
    make_private(path)
    connection = sqlite3.connect(path)
    series_sql.prepare(connection)
    return connection


def _settle(path: Path) -> None:
    """Bring everything into the file itself; the last one to close it takes its log away."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        raise InUse(f"somebody has {path} open: end what reads it, and run the same again")
