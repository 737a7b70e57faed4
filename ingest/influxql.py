"""The few InfluxQL questions that are asked, and what their answers mean.

Only what InfluxDB 1.6, 2.x and 3 Core all understand: no SLIMIT, no bound parameters.
"""

# ruff: noqa: S608 - names come from closed lists, and every value is quoted.

from collections.abc import Sequence
from typing import Any

from ingest.measurement import MEASUREMENTS, Field, FieldKind, tag_text
from ingest.point import NANOSECONDS
from ingest.reading import Bucket, Function, Reading, Value
from ingest.rollup import RollupField

Series = dict[str, Any]
"""One entry of ``results[0].series``: name, tags, columns, values."""


def last(measurement: str, filters: dict[str, str | None]) -> str:
    """Return the question for the newest point of each device and channel."""
    return (
        f"SELECT {_fields(measurement)}, site, grid FROM {measurement}{_where(filters)} "
        "GROUP BY device, channel ORDER BY time DESC LIMIT 1"
    )


def between(
    measurement: str, filters: dict[str, str | None], *, since: int, until: int, limit: int
) -> str:
    """Return the question for the newest points of a time span (ns), newest first."""
    return f"{_points(measurement, filters, since, until)} ORDER BY time DESC LIMIT {limit}"


def page(
    measurement: str, filters: dict[str, str | None], *, since: int, until: int, limit: int
) -> str:
    """Return the question for the oldest points of a time span (ns), oldest first."""
    return f"{_points(measurement, filters, since, until)} ORDER BY time LIMIT {limit}"


def windows(
    measurement: str,
    field: str,
    function: Function,
    *,
    window: int,
    since: int,
    until: int,
    filters: dict[str, str | None],
) -> str:
    """Return the question for one value a window."""
    return (
        f"SELECT {function.value}({field}) AS value FROM {measurement}"
        f"{_where(filters, since * NANOSECONDS, until * NANOSECONDS)} "
        f"GROUP BY time({window}ms) fill(none)"
    )


def recent(measurement: str, value: int) -> str:
    """Return the question for a point of the last hour with this ``value``."""
    return f"SELECT value FROM {measurement} WHERE value = {value} AND time > now() - 1h"


def readings(measurement: str, answer: list[Series]) -> list[Reading]:
    """Return the rows of an answer as readings, in its order."""
    return [
        reading(MEASUREMENTS[measurement].fields, {**series.get("tags", {}), **row})
        for series in answer
        for row in rows(series)
    ]


def buckets(answer: list[Series]) -> list[Bucket]:
    """Return the rows of an answer as buckets, in its order."""
    return [
        Bucket(row["time"] // NANOSECONDS, float(row["value"]))
        for series in answer
        for row in rows(series)
    ]


def quoted(text: str) -> str:
    """Return a string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _fields(measurement: str) -> str:
    return ", ".join(f'"{field.name}"' for field in MEASUREMENTS[measurement].fields)


def _points(measurement: str, filters: dict[str, str | None], since: int, until: int) -> str:
    where = _where(filters, since, until)
    return f"SELECT {_fields(measurement)}, device, channel, site, grid FROM {measurement}{where}"


def _where(filters: dict[str, str | None], since: int | None = None, until: int = 0) -> str:
    terms = [
        f"{name} = {quoted(tag_text(value))}"
        for name, value in filters.items()
        if value is not None
    ]
    if since is not None:
        terms += [f"time >= {since}", f"time < {until}"]
    return f" WHERE {' AND '.join(terms)}" if terms else ""


def rows(series: Series) -> list[dict[str, Any]]:
    """Return the rows of one series of an answer, by column."""
    return [dict(zip(series["columns"], values, strict=True)) for values in series["values"]]


def reading(fields: Sequence[Field | RollupField], row: dict[str, Any]) -> Reading:
    """Return a row that has the tags among its columns as a reading."""
    return Reading(
        at=row["time"] // NANOSECONDS,
        device=row["device"] or "",
        channel=row["channel"] or "",
        site=row["site"] or "",
        grid=row["grid"] or "",
        fields={
            field.name: _value(field.kind, row[field.name])
            for field in fields
            if row[field.name] is not None
        },
        digits=row["time"] % NANOSECONDS,
    )


def _value(kind: FieldKind, value: Value) -> Value:
    return float(value) if kind is FieldKind.FLOAT else value  # 37.0 comes back as 37.
