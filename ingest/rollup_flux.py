"""Rollups as Flux: the tasks of InfluxDB 2.x.

The text is what the documentation says, not tried: no 2.x can be installed where the tests run.

Source: InfluxDB OSS 2.7 documentation, "Define task options" (now() is when a task was due); Flux
documentation, "aggregateWindow()", "pivot()", "to()", "yield()", "date.truncate()", "date.sub()".
"""

import json

from devices.clock import HOUR, MINUTE
from ingest.rollup import LATE_DAYS, ROLLUPS, SOON_HOURS, Rollup, RollupField, Span

SOON_TASK, LATE_TASK = "gatehouse_rollups", "gatehouse_rollups_late"


def bucket_of(bucket: str, span: Span) -> str:
    """Return the bucket of a rollup's rows, which InfluxQL reads as a retention policy."""
    return f"{bucket.partition('/')[0]}/{span.policy}"


def tasks(bucket: str, organisation: str, offset: int) -> dict[str, str]:
    """Return the scripts of the tasks by name: every hour, and every day for what came late.

    Args:
        bucket: That has the raw points.
        organisation: That owns the buckets.
        offset: When a day begins, as from day_offset.
    """
    return {
        name: "\n\n".join(
            (
                'import "date"',
                f'option task = {{name: "{name}", every: {every}, offset: 2m}}',
                *(
                    _script(rollup, span, bucket, organisation, back, offset)
                    for span in spans
                    for rollup in ROLLUPS
                ),
            )
        )
        for name, every, back, spans in (
            (SOON_TASK, "1h", f"{SOON_HOURS}h", (Span.HOURLY,)),
            (LATE_TASK, "1d", f"{LATE_DAYS}d", tuple(Span)),
        )
    }


def _whole(span: Span, back: str, offset: int) -> tuple[str, str]:
    """Return the beginning and the end of the windows that are over: half of one would be wrong."""
    shift = _duration(offset) if span is Span.DAILY else "0s"

    def edge(moment: str) -> str:
        moved = f"date.sub(d: {shift}, from: {moment})"
        return f"date.add(d: {shift}, to: date.truncate(t: {moved}, unit: {_every(span)}))"

    return edge(f"date.sub(d: {back}, from: now())"), edge("now()")


def _script(
    rollup: Rollup, span: Span, bucket: str, organisation: str, back: str, offset: int
) -> str:
    start, stop = _whole(span, back, offset)
    window = f"every: {_every(span)}, offset: {_duration(offset if span is Span.DAILY else 0)}"
    parts = []
    for field in rollup.fields:
        steps = [
            f"from(bucket: {_text(bucket)})",
            f"range(start: {start}, stop: {stop})",
            *_values(rollup, field),
            f"aggregateWindow({window}, fn: {field.summary.value}, createEmpty: false, "
            'timeSrc: "_start")',
            f'set(key: "_measurement", value: "{rollup.name}")',
            f'set(key: "_field", value: "{field.name}")',
            f"to(bucket: {_text(bucket_of(bucket, span))}, org: {_text(organisation)})",
            f'yield(name: "{rollup.name}_{span.value}_{field.name}")',
        ]
        parts.append("\n    |> ".join(steps))
    return "\n\n".join(parts)


def _values(rollup: Rollup, field: RollupField) -> list[str]:
    """Return the steps to the values that count.

    Pivoting makes a row of a point, so that another of its fields can choose.
    """
    wanted = f'r._measurement == "{rollup.measurement}" and '
    if rollup.where is None:
        return [f'filter(fn: (r) => {wanted}r._field == "{field.of}")']
    chooser, values = rollup.where
    return [
        f'filter(fn: (r) => {wanted}(r._field == "{field.of}" or r._field == "{chooser}"))',
        'pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")',
        f"filter(fn: (r) => contains(value: r.{chooser}, set: {json.dumps(values)}))",
        f'rename(columns: {{{field.of}: "_value"}})',
        f'drop(columns: ["{chooser}"])',
    ]


def _every(span: Span) -> str:
    return "1h" if span is Span.HOURLY else "1d"


def _duration(milliseconds: int) -> str:
    return f"{milliseconds // HOUR}h" if milliseconds % HOUR == 0 else f"{milliseconds // MINUTE}m"


def _text(text: str) -> str:
    """Return a string literal; ``${`` would begin an expression in it."""
    return json.dumps(text, ensure_ascii=False).replace("${", "\\${")
