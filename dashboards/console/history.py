"""What one device measured in a span of time: the field its chart shows, a line per channel."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from ingest.series import Reading, SeriesReader

POINTS = 2_000
_CHARTED = (
    ("temperature", "celsius"),
    ("electricity", "power_w"),
    ("electricity", "energy_wh"),
    ("device_status", "battery"),
)
_SHOWN_IN = {"energy_wh": 1 / 1_000}
"""What a stored value is multiplied with to be shown: a meter counts Wh and people kWh."""
Points = Sequence[tuple[int, float]]


class History(msgspec.Struct, frozen=True):
    """What there is to draw.

    Attributes:
        field: The field, as in the series.
        lines: By channel, in its order: (milliseconds UTC, value), oldest first, at least one.
            A device with a single sensor has the channel "".
    """

    field: str = "celsius"
    lines: dict[str, Points] = {}

    def rows(self, limit: int) -> list[tuple[int, str, float]]:
        """Return the latest (milliseconds UTC, channel, value) of all channels, latest first."""
        every = [(at, name, value) for name, line in self.lines.items() for at, value in line]
        return sorted(every, key=lambda row: (-row[0], row[1]))[:limit]


def read_history(store: SeriesReader, device: str, *, since: int, until: int) -> History:
    """Return the first of the charted fields of which a device has said anything in a span."""
    for measurement, field in _CHARTED:
        readings = store.range(measurement, device, since=since, until=until, limit=POINTS)
        lines = _by_channel(readings, field)
        if lines:
            return History(field, lines)
    return History()


def _by_channel(readings: Iterable[Reading], field: str) -> dict[str, Points]:
    lines: dict[str, list[tuple[int, float]]] = defaultdict(list)
    scale = _SHOWN_IN.get(field, 1)
    for reading in readings:
        if field in reading.fields:
            lines[reading.channel].append((reading.at, float(reading.fields[field]) * scale))
    return {name: lines[name] for name in sorted(lines)}
