"""A person's own usual temperature: few readings over at least a week, by body site.

At most one reading in four hours is kept, so that a thermometer that never stops talking cannot
fill the memory with one afternoon. Seven bytes each: minutes since 1970, tenths, scale.
"""

import struct
from statistics import median

from alerts.rules.readings import Reading
from alerts.thresholds import FeverThresholds
from devices.clock import DAY, HOUR, MINUTE
from devices.observation import BodySite, Temperature

ENTRIES = 60
APART = 4 * HOUR
_ENTRY = struct.Struct(">IhB")
_SITES = {site: number for number, site in enumerate(BodySite, start=1)}
_TO_STANDARD_DEVIATION = 1.4826
"""Median absolute deviation times this is the standard deviation of a normal distribution."""


def scale(observation: Temperature) -> int:
    """Return a number for the body site and the site it was adjusted to: one scale of values."""
    adjusted = _SITES[observation.adjusted_to] if observation.adjusted_to else 0
    return _SITES[observation.body_site] * (len(_SITES) + 1) + adjusted


def sites(scale: int) -> tuple[BodySite, BodySite | None]:
    """Return the body site, and the site it was adjusted to, that a scale stands for."""
    site, adjusted = divmod(scale, len(_SITES) + 1)
    named = tuple(_SITES)
    return named[site - 1], named[adjusted - 1] if adjusted else None


def add(baseline: bytes, reading: Reading, scale: int) -> bytes:
    """Return the baseline with a reading, or the same one when a kept reading is near."""
    minute = reading.observed_at // MINUTE
    for place in range(len(baseline) - _ENTRY.size, -1, -_ENTRY.size):
        kept, _, kept_scale = _ENTRY.unpack_from(baseline, place)
        if kept_scale == scale and abs(minute - kept) < APART // MINUTE:
            return baseline
    return (baseline + _ENTRY.pack(minute, reading.tenths, scale))[-ENTRIES * _ENTRY.size :]


def remove(baseline: bytes, reading: Reading, scale: int) -> bytes:
    """Return the baseline without a reading that turned out to be another's."""
    wanted = _ENTRY.pack(reading.observed_at // MINUTE, reading.tenths, scale)
    kept = [baseline[at : at + _ENTRY.size] for at in range(0, len(baseline), _ENTRY.size)]
    if wanted in kept:
        kept.remove(wanted)
    return b"".join(kept)


def is_exceeded(baseline: bytes, reading: Reading, scale: int, limits: FeverThresholds) -> bool:
    """Return whether a reading is far above what is usual for this person at this body site."""
    if len(baseline) < limits.baseline_readings * _ENTRY.size:
        return False
    minute = reading.observed_at // MINUTE
    usual = [
        (kept, tenths)
        for kept, tenths, kept_scale in _ENTRY.iter_unpack(baseline)
        if kept_scale == scale and kept < minute
    ]
    if len(usual) < limits.baseline_readings:
        return False
    if minute - min(kept for kept, _ in usual) < limits.baseline_days * DAY // MINUTE:
        return False
    middle = median(tenths for _, tenths in usual)
    deviation = _TO_STANDARD_DEVIATION * median(abs(tenths - middle) for _, tenths in usual)
    rise = reading.tenths - middle
    spread = max(deviation, limits.baseline_floor_celsius * 10)
    return bool(rise >= limits.baseline_rise_celsius * 10 and rise / spread >= limits.baseline_z)
