"""What a device says about time, and whether it is believed."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from devices.clock import DAY, MINUTE, SECOND
from devices.description import UNDESCRIBED, Descriptions
from devices.measure import parse_number
from devices.observation import TimeSource
from devices.outcome import DeadLetterReason, DecodeError
from devices.registry import Registry

OLDEST = 7 * DAY
NEWEST = 5 * MINUTE
"""A device time is believed when it is after ``received_at − OLDEST`` and before ``+ NEWEST``."""

_FIRST = -30_610_224_000_000
_LAST = 253_402_300_799_999
"""The years 1000 and 9999, of four digits: what is said outside counts as these."""

_SECONDS_BELOW = 100_000_000_000
_MILLISECONDS_BELOW = _SECONDS_BELOW * 1_000
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local wall time; the zone is added afterwards
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_FAR = 1e10
"""Seconds from now that are farther than any device means; keeps numbers within bounds."""
_DEVICE = TimeSource.DEVICE  # A member looked up for every message costs as much as a dict.
_TO_MINUTES = len("2020-02-14T12:03")
_P1 = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)[SW]", re.ASCII)
"""``170102192002W``, summer or winter time: P1 Companion Standard 5.0.2, 6.4 (TST)."""


class Arrival(msgspec.Struct, gc=False, frozen=True):
    """What is known of a message without reading it.

    Attributes:
        received_at: When it came; milliseconds UTC.
        unsaid: What stands for the time where the device says none: ARRIVAL, or BACKLOG where a
            broker kept the message while we were away.
        registry: Which devices and people are known, and where they are; None where nobody is.
        default_zone: The zone of a device that stands nowhere.
        descriptions: What devices had said of themselves when it came.
    """

    received_at: int
    unsaid: TimeSource
    registry: Registry | None
    default_zone: ZoneInfo
    descriptions: Descriptions = UNDESCRIBED

    def zone_of(self, device_id: str) -> ZoneInfo:
        """Return the zone of the place where a device stands."""
        if self.registry is None:
            return self.default_zone
        place = self.registry.place(device_id, self.received_at)
        return self.registry.zone(place.site) if place else self.default_zone


def judge_time(
    said: object, arrival: Arrival, device_id: str, zone: ZoneInfo | None = None
) -> tuple[int, TimeSource, int | None]:
    """Return ``observed_at``, where it comes from, and what the device said where it is refused.

    Args:
        said: ISO text with or without a zone (``/`` or ``.`` may separate the date), or seconds,
            milliseconds or microseconds since 1970 UTC, told apart by their size; None where the
            device says nothing.
        arrival: The message's arrival.
        device_id: Whose place gives the zone of a local time.
        zone: The zone of local times, when the profile knows it.

    Raises:
        DecodeError: BAD_TIME, this is no time at all; WRONG_TYPE, this is not even text or number.
    """
    if said is None:
        return arrival.received_at, arrival.unsaid, None
    received_at = arrival.received_at
    if isinstance(said, str):
        at = _parse(said, zone or arrival.zone_of(device_id), received_at)
    else:
        at = _since_1970(said)
    if received_at - OLDEST < at < received_at + NEWEST:
        return at, _DEVICE, None
    if arrival.unsaid is TimeSource.BACKLOG:
        return received_at, TimeSource.BACKLOG, None
    return received_at, TimeSource.REFUSED, min(max(at, _FIRST), _LAST)


def count_from_arrival(seconds: float, arrival: Arrival) -> tuple[int, TimeSource, int | None]:
    """Return the same for a time that a device counts from now on; before now it is negative.

    The time is no better known than the arrival.
    """
    received_at = arrival.received_at
    at = received_at + round(min(max(seconds, -_FAR), _FAR) * SECOND)
    if received_at - OLDEST < at < received_at + NEWEST:
        return at, arrival.unsaid, None
    if arrival.unsaid is TimeSource.BACKLOG:
        return received_at, TimeSource.BACKLOG, None
    return received_at, TimeSource.REFUSED, min(max(at, _FIRST), _LAST)


def _since_1970(said: object) -> int:
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise DecodeError(DeadLetterReason.WRONG_TYPE, "time")
    try:
        if said < _SECONDS_BELOW:
            return round(said * 1_000)
        if said < _MILLISECONDS_BELOW:
            return round(said)
        return round(said // 1_000)
    except (OverflowError, ValueError):  # Beyond all numbers, or none.
        raise DecodeError(DeadLetterReason.BAD_TIME, "time") from None


def _parse(text: str, zone: ZoneInfo, near: int) -> int:
    first, second = _moments(text, zone)
    return first if first == second else min(first, second, key=lambda at: abs(at - near))


@lru_cache(maxsize=8192)
def _moments(text: str, zone: ZoneInfo) -> tuple[int, int]:
    """Return both moments that a text may mean, mostly the same one.

    They differ in the hour that a clock change repeats and in the one it leaves out. Devices talk
    about the same few seconds, so most texts have been read before.
    """
    text = text.strip()
    if p1 := _P1.fullmatch(text):
        text = "20{}-{}-{}T{}:{}:{}".format(*p1.groups())
    if len(text) < _TO_MINUTES:
        return (_since_1970(_number(text)),) * 2
    if text[4] in "/.":
        text = text.replace(text[4], "-", 2)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return (_since_1970(_number(text)),) * 2
    if moment.tzinfo is not None:
        return (_milliseconds(moment - _EPOCH_UTC),) * 2
    local = _milliseconds(moment - _EPOCH)
    early, late = _offsets(zone, local // MINUTE)
    return local - early, local - late


def _milliseconds(span: timedelta) -> int:
    """Return whole milliseconds; a timedelta's own division takes twice as long."""
    return (span.days * 86_400 + span.seconds) * SECOND + span.microseconds // 1_000


def _number(text: str) -> float:
    try:
        return parse_number(text, "time")
    except DecodeError:
        raise DecodeError(DeadLetterReason.BAD_TIME, "time") from None


@lru_cache(maxsize=4096)
def _offsets(zone: ZoneInfo, minute: int) -> tuple[int, int]:
    """Return the offsets from UTC, in milliseconds, of both candidates of a local minute.

    A zone's offset does not change within a minute, and devices talk about the same few minutes.

    Args:
        zone: The zone.
        minute: Minutes since 1970 of its wall clock.
    """
    moment = (_EPOCH + timedelta(minutes=minute)).replace(tzinfo=zone)
    offsets = (moment.replace(fold=fold).utcoffset() for fold in (0, 1))
    early, late = (_milliseconds(offset or timedelta(0)) for offset in offsets)
    return early, late
