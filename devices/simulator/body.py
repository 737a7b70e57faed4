"""Temperatures of healthy bodies, in degrees Celsius. Nobody has a fever who is not in a story.

Sources: PMC6456186 (36 papers, 7,636 people: axillary 35.97, SD 0.48; from sixty years on 0.23
lower); PMC10481327 (Ley 2023, 618,306 visits: the person explains 25.5 % of the variance). Chinese
textbooks give 36.0 to 37.0 in the armpit; the mean and the deviation used here lie between.
"""

import math
from random import Random

HEALTHY_FROM, HEALTHY_TO = 35.3, 37.1
"""No simulated healthy reading in the armpit lies outside: 37.3 would be a fever."""
SKIN_FROM, SKIN_TO = 35.2, 36.8
"""The same on the forehead, where 37.0 asks for a recheck."""

_MEAN, _DEVIATION = 36.4, 0.27
_OLD_FROM_YEARS, _OLD_LOWER = 60, 0.23
_BY_PERSON = 0.255
_RHYTHM, _WARMEST_HOUR = 0.2, 17.0
"""Half of the day's rise and its hour: assumed; Ley 2023 has the afternoon above the morning."""
_NOISE_AT_MOST = 0.35
_SKIN_BELOW_ARMPIT, _SKIN_NOISE = 0.2, 0.25
"""Assumed for a warm room; studies give 0.6 to 1.7 below the ear (10.18502/ijph.v49iS1.3670)."""


def baseline(years: int, random: Random) -> float:
    """Return a person's own mean in the armpit."""
    mean = _MEAN - (_OLD_LOWER if years >= _OLD_FROM_YEARS else 0.0)
    return random.gauss(mean, _DEVIATION * math.sqrt(_BY_PERSON))


def armpit(own: float, hour: float, random: Random) -> float:
    """Return one reading of a home thermometer, to a hundredth.

    Args:
        own: The person's baseline.
        hour: Local time of day, 0 to 24.
        random: For what nobody can predict.
    """
    rhythm = _RHYTHM * math.cos((hour - _WARMEST_HOUR) / 24 * math.tau)
    within = _DEVIATION * math.sqrt(1 - _BY_PERSON)
    noise = min(max(random.gauss(0.0, within), -_NOISE_AT_MOST), _NOISE_AT_MOST)
    return round(min(max(own + rhythm + noise, HEALTHY_FROM), HEALTHY_TO), 2)


def skin(own: float, random: Random) -> float:
    """Return one infrared reading of a forehead, unrounded as terminals send it."""
    reading = random.gauss(own - _SKIN_BELOW_ARMPIT, _SKIN_NOISE)
    return min(max(reading, SKIN_FROM), SKIN_TO)
