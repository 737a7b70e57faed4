"""Points of the time series, and how observations become them.

A point's time is the observation's in milliseconds, with the six digits below from a hash of what
makes the observation itself: the device's event id; else the device's time, topic and payload;
else the position in the journal. A resend therefore overwrites itself, and two events of one
device in one second both live. (What has no device time gets a new one when it is sent again.)
"""

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import msgspec

from devices.observation import Observation, TimeSource
from devices.registry import Registry
from ingest.line_protocol import series_key
from ingest.measurement import MEASUREMENT_OF, TAGS, tag_text

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
    """One point: fields in the measurement's order, None where nothing is said; time in ns."""

    series: Series
    fields: tuple[Any, ...]
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
        self._stays: dict[type[Observation], dict[tuple[str, str], _Stay]] = {}

    def encode(
        self,
        observations: Sequence[Observation],
        *,
        payload: bytes,
        topic: str,
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
            kind = observation.__class__
            fields = MEASUREMENT_OF[kind].values(observation)
            if fields.count(None) == len(fields):
                continue
            at, channel = observation.observed_at, (observation.device_id, observation.channel)
            stay = self._stays[kind].get(channel)
            if stay is None or not stay[0] <= at < stay[1]:
                stay = self._find(kind, channel, at, registry)
            digits = _identity(observation, payload, topic, position)
            points.append(Point(stay[2], fields, at * NANOSECONDS + digits))
        return _told_apart(points) if len(points) > 1 else points

    def _find(
        self, kind: type[Observation], channel: tuple[str, str], at: int, registry: Registry
    ) -> "_Stay":
        """Return the series of a device's channel where the device stood, and keep it."""
        since, until, place = registry.stay(channel[0], at)
        series = make_series(
            MEASUREMENT_OF[kind].name,
            device=channel[0],
            channel=channel[1],
            site=place.site if place else "",
            grid=(place.grid if place else None) or "",
        )
        stays = self._stays[kind]
        if len(stays) >= _SERIES_KEPT:
            stays.clear()
        stays[channel] = stay = (since, until, series)
        return stay


_Stay = tuple[int, int, Series]
"""From when and until when (milliseconds UTC, until excluded) a device's channel is a series."""


def _identity(observation: Observation, payload: bytes, topic: str, position: int) -> int:
    """Return six digits that are the same whenever the same observation comes again."""
    if observation.event_id is not None:
        return crc32(observation.event_id.encode("utf-8", "replace")) % NANOSECONDS
    if observation.time_source is _DEVICE:
        return crc32(payload, crc32(topic.encode("utf-8", "replace"))) % NANOSECONDS
    return position % NANOSECONDS


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
            points[index] = Point(point.series, point.fields, time)
    return points
