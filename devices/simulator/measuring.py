"""People who measure themselves at home, twice a day if they remember.

Two windows a day: Wuhan's order of February 2020. How often it is done is the scenario's
compliance, by default Facente's (2021, 2,912 people: 61.6 %).
"""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from devices.clock import DAY, HOUR, MINUTE
from devices.registry import HouseholdState
from devices.simulator import wire
from devices.simulator.body import armpit, fever_at
from devices.simulator.chance import Illness
from devices.simulator.community import Community
from devices.simulator.event import Event, local, publish
from devices.simulator.happening import Window
from devices.simulator.home import Home, Person
from devices.simulator.plan import WINDOWS

HOURS = ((6.0, 7.8, 10.4), (14.0, 17.6, 19.5))
"""Of each window: earliest, likeliest and latest first reading of a household. Assumed."""
FEVER = 37.3
"""From here on people report at once, and measure again."""
_ILL_COMPLIANCE, _MEASURES_AGAIN, _AGAIN_AFTER = 0.95, 0.8, (10, 25)
"""Assumed: how often the ill measure, how often a fever is measured again, after how many minutes;
not while others of the household take their turns."""
_NOON = 12 * HOUR
_LAST_DAYS = 2 * DAY
_LAST_PERCENT = 12


class Measurement(NamedTuple):
    """When who is measured at home, and what is read; degrees Celsius in the armpit."""

    at: int
    person: Person
    celsius: float


def readings(community: Community, day: int) -> Iterator[Event]:
    """Yield a day's readings of every home thermometer, and its battery once a day."""
    for home in community.homes:
        if home.state is HouseholdState.OCCUPIED and home.thermometer:
            yield from _home_readings(community, home, home.thermometer, day)


def measured(community: Community, home: Home, day: int) -> Iterator[Measurement]:
    """Yield who of a household is measured on a day, and what is read, but for what is told."""
    random = community.random("measuring", home.id, day)
    midnight, plan = community.midnight(day), community.plan
    told = {reading.at < _NOON for reading in plan.exact_readings(home, day)}
    for window, (earliest, likeliest, latest) in zip(WINDOWS, HOURS, strict=True):
        at = midnight + round(random.triangular(earliest, latest, likeliest) * HOUR)
        for one in _window(community, home, day, window, at, random):
            if (window == WINDOWS[0]) not in told and plan.is_at_home(home, one.at):
                yield one


def _home_readings(community: Community, home: Home, thermometer: str, day: int) -> Iterator[Event]:
    death = community.plan.deaths.get(thermometer)
    for one in measured(community, home, day):
        if death is None or one.at < death:
            reading = wire.home_thermometer(thermometer, one.celsius, local(one.at))
            yield publish(one.at, reading, retain=True)
    random = community.random("battery", thermometer, day)
    at = community.midnight(day) + round(random.uniform(18.1, 21.9) * HOUR)
    if day >= 0 and (death is None or at < death):
        percent = battery_percent(community, thermometer, at)
        yield publish(at, wire.thermometer_battery(thermometer, percent), retain=True)


def _window(
    community: Community, home: Home, day: int, window: Window, at: int, random: Random
) -> Iterator[Measurement]:
    """Yield a household's turns, one after the other; then those who are measured again."""
    missing, ill = community.plan.not_measuring(day, window), community.plan.ill(day)
    again: list[Measurement] = []
    for person in home.people:
        at += round(random.uniform(3, 8) * MINUTE)
        illness, chance = ill.get(person.id), random.random()
        celsius = reading_of(community, person, at, random, illness)
        if missing is not None:
            is_done = home.id not in missing
        else:
            compliance = community.scenario.shares.compliance
            is_done = chance < (max(compliance, _ILL_COMPLIANCE) if illness else compliance)
        if is_done:
            yield Measurement(at, person, celsius)
            if illness and celsius >= FEVER and random.random() < _MEASURES_AGAIN:
                later = at + round(random.uniform(*_AGAIN_AFTER) * MINUTE)
                second = reading_of(community, person, later, random, illness)
                again.append(Measurement(later, person, second))
    for one in again:
        at = max(one.at, at + 3 * MINUTE)
        yield Measurement(at, one.person, one.celsius)


def reading_of(
    community: Community, person: Person, at: int, random: Random, illness: Illness | None
) -> float:
    """Return what a person's thermometer reads in the armpit at a time."""
    return armpit(person.baseline, community.hour(at), random, fever=fever_of(person, illness, at))


def fever_of(person: Person, illness: Illness | None, at: int) -> float:
    """Return by how much an illness, if any, warms a person at a time."""
    if illness is None or not illness.begins <= at < illness.ends:
        return 0.0
    since, lasts = (at - illness.begins) / DAY, (illness.ends - illness.begins) / DAY
    return fever_at(person.baseline, illness.peak_celsius, since, lasts)


def battery_percent(community: Community, device: str, at: int) -> int:
    """Return what is left of a battery; one that dies runs down over its last two days."""
    charge = community.random("battery", device).randint(40, 100)
    usual = max(15, charge - max(community.day_of(at), 0) // 7)
    death = community.plan.deaths.get(device)
    if death is None:
        return usual
    return max(1, min(usual, round((death - at) / _LAST_DAYS * _LAST_PERCENT)))
