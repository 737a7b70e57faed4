"""Rollups as SQL of the embedded store: their tables, which windows are due, and their rows.

A window is due from the transaction that writes a point into it until the one that stores what it
came to. Whoever computes it claims it first; a point that comes meanwhile takes the claim away, so
that it is computed again.
"""

# ruff: noqa: S608 - names come from closed lists, and every value is bound.

import sqlite3
from collections.abc import Iterable

from devices.clock import HOUR
from ingest.measurement import MEASUREMENTS
from ingest.point import NANOSECONDS
from ingest.rollup import ROLLUPS, Rollup, RollupField, Span, Summary

HOUR_NS = HOUR * NANOSECONDS
_TABLE = """
    CREATE TABLE rollup_due (span TEXT NOT NULL, start INTEGER NOT NULL, claimed INTEGER NOT NULL,
        PRIMARY KEY (span, start)) WITHOUT ROWID"""
_MARK = """
    INSERT INTO rollup_due VALUES (?, ?, 0) ON CONFLICT DO UPDATE SET claimed = 0 WHERE claimed"""
DUE = "SELECT start FROM rollup_due WHERE span = ? AND start <= ? ORDER BY start"
CLAIM = "UPDATE rollup_due SET claimed = 1 WHERE span = ? AND start = ?"
DONE = "DELETE FROM rollup_due WHERE span = ? AND start = ? AND claimed"


def prepare(connection: sqlite3.Connection) -> None:
    """Make what is missing, in a transaction; in a file from before, everything is due."""
    for rollup in ROLLUPS:
        for span in Span:
            names = ", ".join(field.name for field in rollup.fields)  # SQLite needs no types.
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {table(rollup, span)} (series INTEGER NOT NULL, "
                f"time INTEGER NOT NULL, {names}, PRIMARY KEY (series, time)) WITHOUT ROWID"
            )
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rollup_due'").fetchone():
        connection.execute(_TABLE)
        for measurement in MEASUREMENTS:
            hours = connection.execute(f"SELECT DISTINCT time / {HOUR_NS} FROM {measurement}")
            mark(connection, [hour for (hour,) in hours.fetchall()])


def mark(connection: sqlite3.Connection, hours: Iterable[int]) -> None:
    """Make windows due: hours since 1970 that points are written into, in the same transaction."""
    connection.executemany(_MARK, ((Span.HOURLY, hour * HOUR) for hour in hours))


def mark_days(connection: sqlite3.Connection, starts: Iterable[int]) -> None:
    """Make days due: their beginnings, milliseconds UTC."""
    connection.executemany(_MARK, ((Span.DAILY, start) for start in starts))


def table(rollup: Rollup, span: Span) -> str:
    """Return the table of a rollup."""
    return f"{span}_{rollup.name}"


def compute(rollup: Rollup) -> str:
    """Return the question for what each series came to from :start until :end (ns)."""
    values = ", ".join(_value(rollup, field) for field in rollup.fields)
    chosen = ""
    if rollup.where:
        field, words = rollup.where
        chosen = f"AND point.{field} IN ({', '.join(repr(word) for word in words)})"
    return f"""
        SELECT series.id, :start, {values}
        FROM series CROSS JOIN {rollup.measurement} AS point
            ON point.series = series.id AND point.time >= :start AND point.time < :end
        WHERE series.measurement = '{rollup.measurement}' {chosen} GROUP BY series.id"""


def store(rollup: Rollup, span: Span, *, replaces: bool) -> str:
    """Return what stores rows of ``compute``, in the place of those that are there or not."""
    holes = ", ".join("?" for _ in range(len(rollup.fields) + 2))
    updates = ", ".join(f"{field.name} = excluded.{field.name}" for field in rollup.fields)
    then = f"UPDATE SET {updates}" if replaces else "NOTHING"
    return f"INSERT INTO {table(rollup, span)} VALUES ({holes}) ON CONFLICT DO {then}"


def rows(rollup: Rollup, span: Span, condition: str) -> str:
    """Return the question for rows, newest first; then the limit."""
    names = ", ".join(f"point.{field.name}" for field in rollup.fields)
    return f"""
        SELECT point.time, device, channel, site, grid, {names}
        FROM series CROSS JOIN {table(rollup, span)} AS point ON point.series = series.id
        WHERE {condition} ORDER BY point.time DESC LIMIT ?"""


def _value(rollup: Rollup, field: RollupField) -> str:
    if field.summary is Summary.LAST:
        return f"""
            (SELECT late.{field.of} FROM {rollup.measurement} AS late
            WHERE late.series = series.id AND late.time >= :start AND late.time < :end
            AND late.{field.of} IS NOT NULL ORDER BY late.time DESC LIMIT 1)"""
    name = "avg" if field.summary is Summary.MEAN else field.summary.value
    return f"{name}(point.{field.of})"
