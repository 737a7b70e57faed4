"""What one meter channel used, half-hour by half-hour, from power or from a counter.

Half-hours are numbered since 1970-01-01 UTC. Fifteen days of means take 1.4 KB; beside them stand
the readings of the last days they were made from, so that one that comes late or twice is put in
its place: the latest counter reading of each half-hour, and the minutes power was sampled in.
"""

import struct
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from devices.clock import MINUTE, SECOND

HALF_HOUR = 30 * MINUTE
SLOTS = 15 * 48
RECENT = 4 * 48
UNKNOWN = 0xFFFF
COARSE = 0x8000
"""Marks the mean of a span too long to say anything of a single half-hour."""
MAX_WATTS = COARSE - 2
_HALF_HOUR_S = HALF_HOUR // SECOND
_COUNTER = struct.Struct(">qd")
_SAMPLES = struct.Struct(">IIf")
_EMPTY = b"\xff" * (2 * SLOTS)

Counter = tuple[int, float]
"""Time in seconds since 1970 and watt-hours."""


class Channel(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One channel of one meter.

    Attributes:
        name: Device and channel.
        first: Number of the first half-hour in ``means``.
        means: Watts of SLOTS half-hours, two bytes each; UNKNOWN where nothing is known.
        counters: The latest counter reading of each recent half-hour, by time.
        samples: Of each recent half-hour: its number, the minutes sampled, the sum of watts.
    """

    name: str
    first: int = 0
    means: bytes = _EMPTY
    counters: bytes = b""
    samples: bytes = b""

    def mean(self, slot: int) -> int:
        """Return the mean of a half-hour in watts, maybe with COARSE, or UNKNOWN."""
        place = slot - self.first
        if not 0 <= place < SLOTS:
            return UNKNOWN
        return int.from_bytes(self.means[2 * place : 2 * place + 2], "big")


def add_power(channel: Channel, at: int, watts: float) -> tuple[Channel, range]:
    """Return the channel with one sample of power, and the half-hours that changed.

    At most one sample a minute counts, the first to come; a counter is better and rules it out.
    """
    minute = at // MINUTE
    slot, bit = minute // 30, 1 << minute % 30
    if channel.counters or _is_over(channel, slot):
        return channel, range(0)
    samples, step = channel.samples, _SAMPLES.size
    end = len(samples)
    while end and _SAMPLES.unpack_from(samples, end - step)[0] > slot:
        end -= step
    start, mask, sum_w = end, 0, 0.0
    if end and _SAMPLES.unpack_from(samples, end - step)[0] == slot:
        start = end - step
        _, mask, sum_w = _SAMPLES.unpack_from(samples, start)
    if mask & bit:
        return channel, range(0)
    mask, sum_w = mask | bit, sum_w + min(max(watts, 0.0), MAX_WATTS)
    samples = samples[:start] + _SAMPLES.pack(slot, mask, sum_w) + samples[end:]
    changed = _set(channel, {slot: round(sum_w / mask.bit_count())})
    kept = samples[-RECENT * step :]
    return msgspec.structs.replace(changed, samples=kept), range(slot, slot + 1)


def add_counter(
    channel: Channel, at: int, watt_hours: float, *, coarse_after: float, gap_after: float
) -> tuple[Channel, range]:
    """Return the channel with one counter reading, and the half-hours that changed.

    The difference of two readings is spread evenly over the time between them. A counter that
    starts again, or leaps beyond what a flat's wires carry, says nothing of that time.

    Args:
        channel: The channel.
        at: Time of observation; milliseconds UTC.
        watt_hours: The counter.
        coarse_after: Seconds between readings from which a mean is COARSE.
        gap_after: Seconds between readings beyond which it says nothing of any one day either.
    """
    reading, slot = (at // SECOND, watt_hours), at // HALF_HOUR
    counters, step = channel.counters, _COUNTER.size
    end = len(counters)
    while end and _COUNTER.unpack_from(counters, end - step)[0] > reading[0]:
        end -= step
    later = _unpack(counters[end : end + 2 * step])
    is_superseded = bool(later) and _slot(later[0]) == slot
    if is_superseded or _is_over(channel, slot):
        return channel, range(0)
    earlier = _unpack(counters[max(0, end - 3 * step) : end])
    start = end
    if earlier and _slot(earlier[-1]) == slot:
        if earlier[-1] == reading:
            return channel, range(0)
        start -= step
        earlier = earlier[:-1]
    counters = counters[:start] + _COUNTER.pack(*reading) + counters[end:]
    near = [*earlier, reading, *later]
    first = _slot(earlier[-1]) if earlier else slot
    last = _slot(later[0]) if later else slot
    means = {
        number: mean
        for number in range(max(first, last - SLOTS + 1), last + 1)
        if (mean := _spread(near, number, coarse_after, gap_after))
        not in (UNKNOWN, channel.mean(number))
    }
    after = msgspec.structs.replace(_set(channel, means), counters=_recent(counters))
    return after, range(min(means), max(means) + 1) if means else range(0)


def total(channels: Sequence[Channel], slot: int) -> int:
    """Return the mean of a half-hour over all channels, maybe with COARSE, or UNKNOWN."""
    known = [mean for channel in channels if (mean := channel.mean(slot)) != UNKNOWN]
    if not known:
        return UNKNOWN
    watts = min(sum(mean & ~COARSE for mean in known), MAX_WATTS)
    return watts | (COARSE if any(mean & COARSE for mean in known) else 0)


def _is_over(channel: Channel, slot: int) -> bool:
    """Return whether a half-hour is so long ago that its readings are gone."""
    newest = channel.first + SLOTS - 1
    return bool(channel.first) and slot <= newest - RECENT


def _unpack(counters: bytes) -> list[Counter]:
    return list(_COUNTER.iter_unpack(counters))


def _slot(counter: Counter) -> int:
    return counter[0] // _HALF_HOUR_S


def _recent(counters: bytes) -> bytes:
    """Return the readings of the last days, and the one before them."""
    step = _COUNTER.size
    oldest = _COUNTER.unpack_from(counters, len(counters) - step)[0] - RECENT * _HALF_HOUR_S
    start = 0
    while start + step < len(counters):
        if _COUNTER.unpack_from(counters, start + step)[0] >= oldest:
            break
        start += step
    return counters[start:]


def _spread(counters: Sequence[Counter], slot: int, coarse_after: float, gap_after: float) -> int:
    """Return the mean of a half-hour from the readings around it, UNKNOWN if they leave a gap."""
    begins, ends = slot * _HALF_HOUR_S, (slot + 1) * _HALF_HOUR_S
    covered, watt_hours, is_coarse = 0, 0.0, False
    for (since, before), (until, after) in pairwise(counters):
        overlap = min(ends, until) - max(begins, since)
        if overlap <= 0:
            continue
        used, span = after - before, until - since
        if span > gap_after or not 0 <= used <= MAX_WATTS * span / 3_600:
            return UNKNOWN
        covered += overlap
        watt_hours += used * overlap / span
        is_coarse = is_coarse or span >= coarse_after
    if covered < _HALF_HOUR_S:
        return UNKNOWN
    return round(watt_hours * 2) | (COARSE if is_coarse else 0)


def _set(channel: Channel, means: dict[int, int]) -> Channel:
    """Return the channel with some half-hours set; the window moves on with the newest."""
    if not means:
        return channel
    newest = max(means)
    first = max(channel.first, newest - SLOTS + 1)
    shift = min(first - channel.first, SLOTS)
    kept = bytearray(channel.means[2 * shift :] + _EMPTY[: 2 * shift])
    for slot, mean in means.items():
        if slot >= first:
            kept[2 * (slot - first) : 2 * (slot - first) + 2] = mean.to_bytes(2, "big")
    return msgspec.structs.replace(channel, first=first, means=bytes(kept))
