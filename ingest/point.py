"""Points of the time series, and how observations become them.

A point's time is the observation's in milliseconds, with the six digits below from a hash of what
makes the observation itself: the device's event id; else the device's time, topic and payload;
else the position in the journal. A resend therefore overwrites itself, and two events of one
device in one second both live. (What has no device time gets a new one when it is sent again.)
"""

from collections.abc import Sequence
from zlib import crc32

import msgspec

from devices.observation import Observation, TimeSource
from devices.registry import Registry
from ingest.line_protocol import series_key
from ingest.measurement import MEASUREMENT_OF, TAGS, tag_text
from ingest.message import Message

NANOSECONDS = 1_000_000
"""In a millisecond; also how many events one millisecond of one series can tell apart."""

_SERIES_KEPT = 100_000
"""Of each measurement."""
_DEVICE = TimeSource.DEVICE  # A member looked up for every observation costs as much as its hash.


class Series(msgspec.Struct, frozen=True, gc=False):
    """What a point belongs to; ``key`` is its measurement and tags as line protocol."""

    measurement: str
    device: str
    channel: str
    site: str
    grid: str
    key: str


class Point(msgspec.Struct, frozen=True, gc=False):
    """One point: the fields are what the observation says of its measurement; time in ns."""

    series: Series
    observation: Observation
    time: int


def make_series(
    measurement: str, *, device: str, channel: str = "", site: str = "", grid: str = ""
) -> Series:
    """Return a series with its tags as a store can hold them; an empty tag is none."""
    tags = [tag_text(value) for value in (device, channel, site, grid)]
    key = series_key(measurement, zip(TAGS, tags, strict=True))
    return Series(measurement, tags[0], tags[1], tags[2], tags[3], key)


class PointEncoder:
    """Turns observations into points; keeps the series of the present registry that it has met."""

    def __init__(self) -> None:
        self._registry: Registry | None = None
        self._stays: dict[type[Observation], _Stays] = {}

    def encode(
        self,
        observations: Sequence[Observation],
        message: Message,
        position: int,
        registry: Registry,
    ) -> list[Point]:
        """Return the points of one message's observations, in order.

        An observation that says nothing (a status whose every field is unknown) gives none.
        """
        if registry is not self._registry:
            self._registry, self._stays = registry, {kind: {} for kind in MEASUREMENT_OF}
        points = []
        for observation in observations:
            kind, at, channel = observation.__class__, observation.observed_at, observation.channel
            if kind in _MAY_BE_BLANK and _is_blank(observation):
                continue
            stays = self._stays[kind]
            key = (observation.device_id, channel) if channel else observation.device_id
            stay = stays.get(key)
            if stay is None or not stay[0] <= at < stay[1]:
                stay = stays[key] = self._find(observation, registry)
            if observation.event_id is not None:
                digits = crc32(observation.event_id.encode("utf-8", "replace")) % NANOSECONDS
            elif observation.time_source is _DEVICE:
                topic = crc32(message.topic.encode("utf-8", "replace"))
                digits = crc32(message.payload, topic) % NANOSECONDS
            else:
                digits = position % NANOSECONDS
            points.append(Point(stay[2], observation, at * NANOSECONDS + digits))
        return _told_apart(points) if len(points) > 1 else points

    def _find(self, observation: Observation, registry: Registry) -> "_Stay":
        """Return the series of a device's channel where the device stood, making room for it."""
        kind, device = observation.__class__, observation.device_id
        since, until, place = registry.stay(device, observation.observed_at)
        series = make_series(
            MEASUREMENT_OF[kind].name,
            device=device,
            channel=observation.channel,
            site=place.site if place else "",
            grid=(place.grid if place else None) or "",
        )
        if len(self._stays[kind]) >= _SERIES_KEPT:
            self._stays[kind].clear()
        return since, until, series


_Stay = tuple[int, int, Series]
"""From when and until when (milliseconds UTC, until excluded) a device's channel is a series."""
_Stays = dict[str | tuple[str, str], _Stay]
"""By device, or device and channel."""

_MAY_BE_BLANK = {kind for kind, measurement in MEASUREMENT_OF.items() if measurement.may_be_blank}


def _is_blank(observation: Observation) -> bool:
    fields = MEASUREMENT_OF[observation.__class__].values(observation)
    return fields.count(None) == len(fields)


def _told_apart(points: list[Point]) -> list[Point]:
    """Give points of one message that share series and time new digits, by their order."""
    first, second = points[0].series.key, points[1].series.key
    if len(points) == 2 and first != second:
        return points
    if len({point.series.key for point in points}) == len(points):
        return points
    taken: set[tuple[str, int]] = set()
    for index, point in enumerate(points):
        time, repeat = point.time, 0
        while (point.series.key, time) in taken:
            repeat += 1
            start = point.time // NANOSECONDS * NANOSECONDS
            time = start + crc32(b"%d/%d" % (point.time, repeat)) % NANOSECONDS
        taken.add((point.series.key, time))
        if repeat:
            points[index] = Point(point.series, point.observation, time)
    return points
