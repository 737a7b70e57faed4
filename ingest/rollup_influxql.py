"""Rollups as InfluxQL: continuous queries of 1.x, the same for a span of time, and their rows.

Source: InfluxDB 1.8 documentation, "Continuous queries" (advanced syntax: EVERY says how often,
FOR how far back, and only windows that are over are computed; an offset in GROUP BY time() moves
both windows and runs).
"""

# ruff: noqa: S608 - names come from closed lists or are quoted.

from devices.clock import HOUR, MINUTE
from ingest.influxql import Series, quoted, reading
from ingest.influxql import rows as rows_of
from ingest.measurement import TAGS, tag_text
from ingest.point import NANOSECONDS
from ingest.reading import Reading
from ingest.rollup import LATE_DAYS, ROLLUPS, SOON_HOURS, Rollup, Span

PREFIX = "gatehouse_"
"""Of the names of everything that we make in somebody's database, and touch."""


def identifier(name: str) -> str:
    """Return a name of a database, policy or measurement."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def continuous_queries(database: str, policy: str, offset: int) -> dict[str, str]:
    """Return the statements that create the continuous queries, by their names.

    Args:
        database: That has the raw points.
        policy: Retention policy that has them.
        offset: When a day begins, as from day_offset.
    """
    late = f"RESAMPLE EVERY 1d FOR {LATE_DAYS}d"
    queries = {}
    for rollup in ROLLUPS:
        for name, when, span in (
            ("hourly", f"RESAMPLE EVERY 1h FOR {SOON_HOURS}h", Span.HOURLY),
            ("hourly_late", late, Span.HOURLY),
            ("daily", late, Span.DAILY),
        ):
            full = f"{PREFIX}{rollup.name}_{name}"
            queries[full] = (
                f"CREATE CONTINUOUS QUERY {identifier(full)} ON {identifier(database)} "
                f"{when} BEGIN {_select(rollup, span, database, policy)}{_where(rollup)}"
                f"{_group(span, offset)} END"
            )
    return queries


def roll_up(
    rollup: Rollup, span: Span, database: str, policy: str, *, offset: int, since: int, until: int
) -> str:
    """Return the statement that computes a rollup for whole windows; milliseconds UTC."""
    bounds = f"time >= {since * NANOSECONDS} AND time < {until * NANOSECONDS}"
    return (
        f"{_select(rollup, span, database, policy)}{_where(rollup, bounds)}{_group(span, offset)}"
    )


def rows(
    rollup: Rollup,
    span: Span,
    filters: dict[str, str | None],
    *,
    since: int,
    until: int,
    limit: int,
) -> str:
    """Return the question for the rows of a rollup, newest first; milliseconds UTC."""
    fields = ", ".join(f'"{field.name}"' for field in rollup.fields)
    terms = [
        f"{name} = {quoted(tag_text(value))}"
        for name, value in filters.items()
        if value is not None
    ]
    terms += [f"time >= {since * NANOSECONDS}", f"time < {until * NANOSECONDS}"]
    return (
        f"SELECT {fields}, {', '.join(TAGS)} FROM {span.policy}.{rollup.name} "
        f"WHERE {' AND '.join(terms)} ORDER BY time DESC LIMIT {limit}"
    )


def readings(rollup: Rollup, answer: list[Series]) -> list[Reading]:
    """Return the rows of an answer as readings, in its order."""
    return [reading(rollup.fields, row) for series in answer for row in rows_of(series)]


def _select(rollup: Rollup, span: Span, database: str, policy: str) -> str:
    fields = ", ".join(
        f'{field.summary.value}("{field.of}") AS "{field.name}"' for field in rollup.fields
    )
    into = f'{identifier(database)}."{span.policy}"."{rollup.name}"'
    source = f'{identifier(database)}.{identifier(policy)}."{rollup.measurement}"'
    return f"SELECT {fields} INTO {into} FROM {source}"


def _where(rollup: Rollup, bounds: str = "") -> str:
    terms = [bounds] if bounds else []
    if rollup.where:
        field, values = rollup.where
        terms.append("(" + " OR ".join(f"\"{field}\" = '{value}'" for value in values) + ")")
    return f" WHERE {' AND '.join(terms)}" if terms else ""


def _group(span: Span, offset: int) -> str:
    tags = ", ".join(f'"{tag}"' for tag in TAGS)
    window = "1h" if span is Span.HOURLY else f"1d, {_duration(offset)}"
    return f" GROUP BY time({window}), {tags}"


def _duration(milliseconds: int) -> str:
    """Return a duration as a server lists it, so that both can be compared."""
    hours, rest = divmod(milliseconds, HOUR)
    if not milliseconds:
        return "0s"
    return f"{milliseconds // MINUTE}m" if rest else f"{hours}h"
