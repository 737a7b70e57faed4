"""What homes take from the mains: half-hour means in watts, 48 a local day.

Assumed throughout, after the shapes in Kleiminger 2013 (ECO) and CSO Ireland 2021 (a vacant
dwelling takes about 2 kWh a day): a base load that never sleeps, cooking three times a day, lights
and a screen in the evening.
"""

from collections.abc import Sequence
from random import Random

from devices.registry import HouseholdState

HALF_HOURS = 48

_EVENING_LIGHTS = range(36, 45)
_MEALS = ((13, 16, 150, 450), (22, 25, 350, 1_200), (35, 38, 600, 1_500))
"""First and last half-hour a meal may begin in, and the least and most watts of it."""


def half_hours(state: HouseholdState, people: int, habit: Random, day: Random) -> Sequence[float]:
    """Return one day's means.

    Args:
        state: What the household is registered as, and here really is.
        people: How many live there.
        habit: The home's own stream: the same draws every day.
        day: The day's stream.
    """
    base = _base(state, habit)
    watts = [base * day.uniform(0.9, 1.1) for _ in range(HALF_HOURS)]
    if state is HouseholdState.OCCUPIED and people:
        _cook(watts, people, day)
        _light(watts, habit.uniform(90, 220), day)
    return watts


def _base(state: HouseholdState, habit: Random) -> float:
    chance = habit.random()
    if state is HouseholdState.EMPTY:
        return 0.0 if chance < 0.4 else 4.0 if chance < 0.75 else 32.0
    return 42.0 if state is HouseholdState.AWAY else 45 + 55 * chance


def _cook(watts: list[float], people: int, day: Random) -> None:
    for first, last, least, most in _MEALS:
        if day.random() < 0.85:
            begin = day.randint(first, last)
            power = day.uniform(least, most) * (0.8 + 0.1 * people)
            watts[begin] += power
            watts[begin + 1] += power * day.uniform(0.1, 0.5)


def _light(watts: list[float], evening: float, day: Random) -> None:
    """Add lights and a screen in the evening, and somebody about by day."""
    to_bed = day.randint(42, 46)
    for slot in (*_EVENING_LIGHTS, *range(45, to_bed + 1)):
        watts[slot] += evening * day.uniform(0.7, 1.2)
    for slot in range(14, 36):
        watts[slot] += day.uniform(0, 70)
