"""What one device measured in a span of time: the field its chart shows, a line per channel.

Every reading where there are few; else one value a window, so that the whole span is there.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from devices.clock import DAY, MINUTE
from ingest.reading import Value
from ingest.rollup import Span
from ingest.series import Function, Reading, SeriesReader

POINTS = 2_000
"""Readings that are drawn one by one."""
WINDOWS = 500
"""Values of a channel where there are more."""
_CHARTED = (
    ("temperature", "celsius"),
    ("electricity", "power_w"),
    ("electricity", "energy_wh"),
    ("device_status", "battery"),
)
_BY = {"celsius": Function.MAX}
"""How many values become one where it is not their mean: a fever must not vanish in an average."""
BY_DAY = 90 * DAY
"""Spans from this on are drawn from what each day came to, which outlives the readings."""
_ROLLED_UP = (
    ("contact_temperature", "max_celsius", "celsius", Function.MAX),
    ("infrared_temperature", "max_celsius", "celsius", Function.MAX),
    ("room_temperature", "mean_celsius", "celsius", Function.MEAN),
    ("consumption", "mean_power_w", "power_w", Function.MEAN),
    ("consumption", "energy_wh", "energy_wh", Function.MAX),
)
"""Rollup, its field, the field that it is of, and how it was made of it."""
Points = Sequence[tuple[int, float]]


class History(msgspec.Struct, frozen=True):
    """What there is to draw.

    Attributes:
        field: The field, as in the series.
        lines: By channel, in its order: (milliseconds UTC, value), oldest first, at least one.
            A device with a single sensor has the channel "".
        window: Milliseconds that each value stands for, from its time on; None for readings.
        function: How the readings of a window became one value.
    """

    field: str = "celsius"
    lines: dict[str, Points] = {}
    window: int | None = None
    function: Function = Function.MEAN

    def rows(self, limit: int) -> list[tuple[int, str, float]]:
        """Return the latest (milliseconds UTC, channel, value) of all channels, latest first."""
        every = [(at, name, value) for name, line in self.lines.items() for at, value in line]
        return sorted(every, key=lambda row: (-row[0], row[1]))[:limit]


def read_history(store: SeriesReader, device: str, *, since: int, until: int) -> History:
    """Return the first of the charted fields of which a device has said anything in a span."""
    if until - since >= BY_DAY:
        return _by_day(store, device, since=since, until=until)
    for measurement, field in _CHARTED:
        readings = store.range(measurement, device, since=since, until=until, limit=POINTS + 1)
        if len(readings) > POINTS:
            found = _by_window(store, measurement, field, device, since=since, until=until)
        else:
            found = History(field, _by_channel(readings, field))
        if found.lines:
            return found
    return History()


def _by_day(store: SeriesReader, device: str, *, since: int, until: int) -> History:
    for rollup, kept, field, function in _ROLLED_UP:
        rows = store.rolled_up(rollup, Span.DAILY, since=since, until=until, device=device)
        lines = _by_channel(rows, kept, shown_as=field)
        if lines:
            return History(field, lines, DAY, function)
    return History()


def _by_channel(
    readings: Iterable[Reading], field: str, *, shown_as: str = ""
) -> dict[str, Points]:
    lines: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for reading in readings:
        if field in reading.fields:
            value = _shown(shown_as or field, reading.fields[field])
            lines[reading.channel].append((reading.at, value))
    return {name: lines[name] for name in sorted(lines)}


def _by_window(
    store: SeriesReader, measurement: str, field: str, device: str, *, since: int, until: int
) -> History:
    window = math.ceil((until - since) / WINDOWS / MINUTE) * MINUTE
    function = _BY.get(field, Function.MEAN)
    channels = sorted({one.channel for one in store.last(measurement, device=device)})
    lines: dict[str, Points] = {}
    for name in channels:
        buckets = store.aggregate(
            measurement,
            field,
            function,
            window=window,
            since=since,
            until=until,
            device=device,
            channel=name if len(channels) > 1 else None,
        )
        if buckets:
            lines[name] = [(max(one.at, since), _shown(field, one.value)) for one in buckets]
    return History(field, lines, window, function)


def _shown(field: str, value: Value) -> float:
    """Return a stored value as people read it: a meter counts Wh and they count kWh."""
    return float(value) / 1_000 if field == "energy_wh" else float(value)
