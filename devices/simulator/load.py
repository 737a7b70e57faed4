"""What homes take from the mains: half-hour means in watts, 48 a local day, and what cycles within.

Assumed throughout, after the shapes in Kleiminger 2013 (ECO) and CSO Ireland 2021 (a vacant
dwelling takes less than 180 kWh a quarter, about 2 kWh a day): a base load that never sleeps with
a fridge in it, cooking three times a day, lights and a screen in the evening, and an air
conditioner that heats and cools where the weather asks for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from devices.clock import HOUR, MINUTE

HALF_HOURS = 48
HALF_HOUR = 30 * MINUTE
FRIDGE_W, FRIDGE_MEAN_W, FRIDGE_CYCLE = 110.0, 32.0, 30 * MINUTE
AIRCON_W, AIRCON_CYCLE = 1_000.0, 10 * MINUTE
"""Assumed. Cycles that fit into a half-hour, so that they change its shape and not its mean."""
LIVED_IN_W = {36: 1_450.0, 37: 1_600.0, 38: 1_150.0, 39: 900.0, 40: 640.0, 41: 480.0, 42: 300.0}
"""Half-hours of the day and watts of a cooker, lights and a heater where nobody is registered."""

_EVENING_LIGHTS = range(36, 45)
_OLD_TO_BED = (40, 43)
_MEALS = ((13, 16, 150, 450), (22, 25, 350, 1_200), (35, 38, 600, 1_500))
"""First and last half-hour a meal may begin in, and the least and most watts of it."""
_AIRCON_SHARE, _AWAKE = 0.6, range(13, 45)
_HEATS_BELOW, _COOLS_ABOVE, _DUTY_A_DEGREE = 12.0, 28.0, 0.06
"""Degrees Celsius outside, and how much of the time it runs for each degree beyond."""


@dataclass(frozen=True, slots=True)
class DayLoad:
    """What a home takes on a day.

    Attributes:
        means: Watts by half-hour, all in.
        fridge: Watts of the fridge's mean in each of them.
        aircon: Watts of the air conditioner's mean, by half-hour.
        phase: When the fridge and the air conditioner begin their cycles; milliseconds.
    """

    means: list[float]
    fridge: float
    aircon: Mapping[int, float]
    phase: int

    def within(self, slot: int, rest: int) -> tuple[float, float]:
        """Return the watts at some milliseconds into a half-hour, and the watt-hours until then."""
        aircon = self.aircon.get(slot, 0.0)
        steady = self.means[slot] - self.fridge - aircon
        watts, energy_wh = steady, steady * rest / HOUR
        for mean, rated, cycle in (
            (self.fridge, FRIDGE_W, FRIDGE_CYCLE),
            (aircon, AIRCON_W, AIRCON_CYCLE),
        ):
            if mean:
                running = round(mean / rated * cycle)
                watts += rated if (rest + self.phase) % cycle < running else 0.0
                ran = _ran(rest + self.phase, running, cycle) - _ran(self.phase, running, cycle)
                energy_wh += rated * ran / HOUR
        return watts, energy_wh


def _ran(passed: int, running: int, cycle: int) -> int:
    """Return for how long something has run in the time passed, beginning each cycle running."""
    return passed // cycle * running + min(passed % cycle, running)


def empty_day(habit: Random, day: Random) -> DayLoad:
    """Return the day of a flat in which nobody is."""
    chance, phase = habit.random(), habit.randrange(FRIDGE_CYCLE)
    base, fridge = 0.0, 0.0
    if chance >= 0.75:
        base, fridge = 60.0, FRIDGE_MEAN_W
    elif chance >= 0.4:
        base = 4.0
    return DayLoad(_noisy(base, fridge, day), fridge, {}, phase)


def lived_in_day(habit: Random, day: Random) -> DayLoad:
    """Return the day of a flat that is registered empty and is not."""
    load = empty_day(habit, day)
    for slot, watts in LIVED_IN_W.items():
        load.means[slot] += watts
    return load


def home_day(
    people: int,
    habit: Random,
    day: Random,
    *,
    is_old: bool = False,
    outside: Callable[[float], float],
    empty: Sequence[int] = (),
) -> DayLoad:
    """Return the day of a household.

    Args:
        people: How many live there.
        habit: The home's own stream: the same draws every day.
        day: The day's stream.
        is_old: They stay in by day and go to bed early.
        outside: How warm the air is at a local hour, in degrees Celsius.
        empty: The half-hours in which nobody is there.
    """
    base, phase = 45 + 55 * habit.random(), habit.randrange(FRIDGE_CYCLE)
    evening, has_aircon = habit.uniform(90, 220), habit.random() < _AIRCON_SHARE
    means = _noisy(base, FRIDGE_MEAN_W, day)
    lived = [0.0] * HALF_HOURS
    _cook(lived, people, day)
    _light(lived, evening, day, is_old=is_old)
    aircon = {}
    for slot in range(HALF_HOURS):
        if slot not in empty:
            means[slot] += lived[slot]
            duty = _aircon_duty(outside(slot / 2)) if has_aircon and slot in _AWAKE else 0.0
            if duty:
                aircon[slot] = AIRCON_W * duty
                means[slot] += aircon[slot]
    return DayLoad(means, FRIDGE_MEAN_W, aircon, phase)


def _noisy(base: float, fridge: float, day: Random) -> list[float]:
    """Return a day of a base load; the fridge in it is steady."""
    return [fridge + (base - fridge) * day.uniform(0.9, 1.1) for _ in range(HALF_HOURS)]


def _aircon_duty(celsius: float) -> float:
    beyond = max(_HEATS_BELOW - celsius, celsius - _COOLS_ABOVE, 0.0)
    return min(beyond * _DUTY_A_DEGREE, 0.95)


def _cook(watts: list[float], people: int, day: Random) -> None:
    for first, last, least, most in _MEALS:
        if day.random() < 0.85:
            begin = day.randint(first, last)
            power = day.uniform(least, most) * (0.8 + 0.1 * people)
            watts[begin] += power
            watts[begin + 1] += power * day.uniform(0.1, 0.5)


def _light(watts: list[float], evening: float, day: Random, *, is_old: bool) -> None:
    """Add lights and a screen in the evening, and somebody about by day."""
    to_bed = day.randint(*_OLD_TO_BED) if is_old else day.randint(42, 46)
    for slot in (*_EVENING_LIGHTS, *range(45, to_bed + 1)):
        if slot <= to_bed:
            watts[slot] += evening * day.uniform(0.7, 1.2)
    for slot in range(14, 36):
        watts[slot] += day.uniform(20 if is_old else 0, 90 if is_old else 70)
