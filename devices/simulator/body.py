"""Temperatures of bodies, in degrees Celsius: healthy, feverish, and of foreheads in the cold.

Sources: PMC6456186 (36 papers, 7,636 people: axillary 35.97, SD 0.48; from sixty years on 0.23
lower); PMC10481327 (Ley 2023, 618,306 visits: the person explains 25.5 % of the variance). Chinese
textbooks give 36.0 to 37.0 in the armpit; the mean and the deviation used here lie between.
"""

import math
from itertools import pairwise
from random import Random

HEALTHY_FROM, HEALTHY_TO = 35.3, 37.1
"""No simulated healthy reading in the armpit lies outside: 37.3 would be a fever."""
SKIN_FROM, SKIN_TO = 35.2, 36.8
"""The same on the forehead, where 37.0 asks for a recheck."""
FEVER_TO = 42.0

MEAN, DEVIATION = 36.4, 0.27
"""Of one reading of anybody below sixty in the armpit, rhythm and all."""
OLD_FROM_YEARS, OLD_LOWER = 60, 0.23
BY_PERSON = 0.255
"""Share of the variance that the person explains."""
RHYTHM, WARMEST_HOUR = 0.2, 17.0
"""Half of the day's rise and its hour: assumed; Ley 2023 has the afternoon above the morning."""
_NOISE, _NOISE_AT_MOST = 0.175, 0.35
"""What is left of the deviation: at the hours at which people measure the rhythm deviates by 0.162,
the noise, cut off, by 0.168, and 0.27² = 0.255 · 0.27² + 0.162² + 0.168²."""
_SKIN_BELOW_ARMPIT, _SKIN_NOISE = 0.2, 0.25
"""Assumed for a warm room; studies give 0.6 to 1.7 below the ear (10.18502/ijph.v49iS1.3670)."""

_RISE_DAYS, _FALLS_FROM = 0.4, 0.7
"""A fever rises so long, and falls over the last part of its time. Assumed."""

WARM_FROM, COLD_AT = 16.0, -5.0
"""Where a forehead reads as indoors (FDA: ambient from 16 °C on), and where Dzien 2020 measured."""
COLD_FOREHEAD = ((0, 33.17), (1, 34.90), (3, 35.77), (5, 36.08), (60, 36.6))
_COLD_DEVIATION = ((0, 1.45), (5, 0.79), (60, 0.24))
"""Minutes after coming in from -5.5 to 0 °C, mean and deviation: Dzien 2020
(10.1007/s00508-020-01754-2)."""
_COLD_FROM = 29.0
"""In the cold a reading says so little that some of the healthy read as feverish, too."""


def baseline(years: int, random: Random) -> float:
    """Return a person's own mean in the armpit."""
    mean = MEAN - (OLD_LOWER if years >= OLD_FROM_YEARS else 0.0)
    return random.gauss(mean, DEVIATION * math.sqrt(BY_PERSON))


def rhythm(hour: float) -> float:
    """Return by how much a body is warmer than its mean at a local hour, 0 to 24."""
    return RHYTHM * math.cos((hour - WARMEST_HOUR) / 24 * math.tau)


def armpit(own: float, hour: float, random: Random, *, fever: float = 0.0) -> float:
    """Return one reading of a home thermometer, to a hundredth.

    Args:
        own: The person's baseline.
        hour: Local time of day, 0 to 24.
        random: For what nobody can predict.
        fever: By how much an illness warms this body now; 0 in health.
    """
    noise = min(max(random.gauss(0.0, _NOISE), -_NOISE_AT_MOST), _NOISE_AT_MOST)
    highest = FEVER_TO if fever else HEALTHY_TO
    return round(min(max(own + rhythm(hour) + fever + noise, HEALTHY_FROM), highest), 2)


def fever_at(own: float, peak: float, since_days: float, lasts_days: float) -> float:
    """Return by how much a fever warms a body: it rises, stays, and falls.

    Args:
        own: The person's baseline.
        peak: What the armpit reads in the afternoons while it stays.
        since_days: How long it has been there.
        lasts_days: How long it is in all.
    """
    rise = min(_RISE_DAYS, lasts_days / 2)
    fall = lasts_days * (1 - max(_FALLS_FROM, rise / lasts_days))
    share = min(since_days / rise, (lasts_days - since_days) / fall, 1.0)
    return max(0.0, share) * max(0.0, peak - own - RHYTHM)


def skin(
    own: float,
    random: Random,
    *,
    fever: float = 0.0,
    ambient: float = WARM_FROM,
    minutes_inside: float = 0.0,
) -> float:
    """Return one infrared reading of a forehead, unrounded as terminals send it.

    Args:
        own: The person's baseline.
        random: For what nobody can predict.
        fever: By how much an illness warms this body now.
        ambient: The air that the person comes from, in degrees Celsius.
        minutes_inside: For how long the person has been out of that air.
    """
    cold = min(max((WARM_FROM - ambient) / (WARM_FROM - COLD_AT), 0.0), 1.0)
    warm_mean = own - _SKIN_BELOW_ARMPIT + fever
    if not cold:
        reading = random.gauss(warm_mean, _SKIN_NOISE)
        return min(max(reading, SKIN_FROM), FEVER_TO if fever else SKIN_TO)
    cold_mean = _between(COLD_FOREHEAD, minutes_inside) + own - MEAN + fever
    spread = _between(_COLD_DEVIATION, minutes_inside) ** 2 - BY_PERSON * DEVIATION**2
    mean = (1 - cold) * warm_mean + cold * cold_mean
    reading = random.gauss(mean, (1 - cold) * _SKIN_NOISE + cold * math.sqrt(max(spread, 0.0)))
    return min(max(reading, _COLD_FROM), FEVER_TO)


def _between(points: tuple[tuple[float, float], ...], at: float) -> float:
    """Return a value between the nearest points of a table, or its last one."""
    for (first, low), (last, high) in pairwise(points):
        if at <= last:
            return low + (high - low) * (at - first) / (last - first)
    return points[-1][1]
