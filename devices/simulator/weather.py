"""The air outside. It follows the sun, and one day is like the other."""

import math

from devices.simulator.scenario import Weather

_WARMEST_HOUR = 15.0
"""Assumed."""


def outside(weather: Weather, hour: float) -> float:
    """Return how warm the air is at a local hour, in degrees Celsius."""
    rhythm = math.cos((hour - _WARMEST_HOUR) / 24 * math.tau)
    return weather.mean_celsius + weather.swing_celsius * rhythm
