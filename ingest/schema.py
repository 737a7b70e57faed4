"""The schema of the time series as a document, from the code that writes them."""

from collections.abc import Iterable, Iterator

from ingest.measurement import (
    CANARY,
    FORBIDDEN,
    MEASUREMENTS,
    TAG_MEANINGS,
    FieldKind,
    Measurement,
)
from ingest.point import NANOSECONDS
from ingest.rollup import ROLLUPS

SIMULATED_HOUSEHOLDS = 100
SIMULATED_SERIES = {"temperature": 102, "crossing": 2, "electricity": 100, "device_status": 114}
"""Series that a day of so many simulated households comes to; a test counts them again."""

_HEAD = """# The schema of the time series

Written by `gatehouse series schema > docs/schema.md` from
[ingest/measurement.py](../ingest/measurement.py); a test holds the two together. It is the same in
InfluxDB (measurements, tags, fields) and in the embedded store (a table a measurement, a column a
field, the tags in the table `series`).
"""
_TIME = f"""## Time

Of the observation, in nanoseconds UTC. Down to the millisecond it is when the device observed it;
the six digits below (0 to {NANOSECONDS - 1:,}) tell events of one millisecond apart and mean
nothing else. What is sent again with a device's time that is believed has the same time, and so
overwrites itself. Without one it is another point each time it is sent, unless the broker marks it
as a repeat (DUP).
"""
_ROLLUPS = """## Rollups

What the points of one series came to in an hour or a day, with the same tags; its time is when the
hour or day began. In InfluxDB 1.x and 2.x they are in the retention policies `gatehouse_hourly` and
`gatehouse_daily`, in the embedded store in tables `hourly_…` and `daily_…`
([ingest/rollup.py](../ingest/rollup.py)).
"""
_CANARY = f"""## `{CANARY}`

Of no device, and in InfluxDB only: every half minute, and when `gatehouse doctor` or a rebuild
wants to know, a point is written and read back, to see that the server keeps what it takes. It has
no tag and one field, `value`, an integer that means nothing. It may be deleted at any time.
"""
_NEVER = f"""## What is never in it

Neither as a tag, a field nor a part of one:
{", ".join(FORBIDDEN)}.
Texts in fields are words of closed lists. Who was measured, and where they live, is known in the
state database only.
"""
_TOTAL = sum(SIMULATED_SERIES.values())
_CARDINALITY = f"""## How many series

Their number grows with devices, never with people, events or time; a device that moves to another
grid has one more. {SIMULATED_HOUSEHOLDS} households of the simulated community, with a meter each
and a thermometer in most, come to {_TOTAL}, {_TOTAL / SIMULATED_HOUSEHOLDS:.1f} a household:
"""


def describe() -> str:
    """Return the schema as Markdown."""
    tags = [f"| `{tag}` | {meaning} |" for tag, meaning in TAG_MEANINGS.items()]
    counts = [
        f"| `{name}` | {count} | {count / SIMULATED_HOUSEHOLDS:.2f} |"
        for name, count in SIMULATED_SERIES.items()
    ]
    parts = [
        _HEAD,
        _TIME,
        "## Tags\n",
        _table("| tag | is |", tags),
        *(_describe(measurement) for measurement in MEASUREMENTS.values()),
        _ROLLUPS,
        _table("| rollup | of | where |", _rollup_sources()),
        _table("| rollup | field | type | unit | is |", _rollup_rows()),
        _CANARY,
        _CARDINALITY,
        _table("| measurement | series | a household |", counts),
        _NEVER,
    ]
    return "\n".join(parts)


def _describe(measurement: Measurement) -> str:
    fields = [
        f"| `{field.name}` | {field.kind.value} | {field.unit} | {field.says} |"
        for field in measurement.fields
    ]
    title = f"## `{measurement.name}`\n\nOne series for each {measurement.series}."
    blank = " A point has at least one of these fields." if measurement.may_be_blank else ""
    return f"{title}{blank}\n\n{_table('| field | type | unit | is |', fields)}"


def _rollup_sources() -> Iterator[str]:
    for rollup in ROLLUPS:
        where = "every point"
        if rollup.where:
            field, values = rollup.where
            where = f"`{field}` is {' or '.join(values)}"
        yield f"| `{rollup.name}` | `{rollup.measurement}` | {where} |"


def _rollup_rows() -> Iterator[str]:
    for rollup in ROLLUPS:
        measurement = MEASUREMENTS[rollup.measurement]
        for field in rollup.fields:
            unit = measurement.field(field.of).unit if field.kind is FieldKind.FLOAT else ""
            row = (f"`{rollup.name}`", f"`{field.name}`", field.kind.value, unit, field.says)
            yield f"| {' | '.join(row)} |"


def _table(heading: str, rows: Iterable[str]) -> str:
    line = "|---" * (heading.count("|") - 1) + "|"
    return "\n".join((heading, line, *rows)) + "\n"
