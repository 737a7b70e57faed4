"""People who measure themselves at home, twice a day if they remember.

Two windows a day: Wuhan's order of February 2020. Done on 62 % of occasions: Facente 2021
(2,912 people: 61.6 %).
"""

from collections.abc import Iterator

from devices.clock import HOUR, MINUTE
from devices.registry import HouseholdState
from devices.simulator import wire
from devices.simulator.body import armpit
from devices.simulator.community import Community, Home
from devices.simulator.event import Event, local, publish
from devices.simulator.stories import is_told_apart

COMPLIANCE = 0.62
WINDOWS = ((6.0, 7.8, 10.4), (14.0, 17.6, 19.5))
"""Hours: earliest, likeliest and latest first reading of a household."""
_LOW_BATTERY = 0.015
_MORNING_OF_DEATH = 2


def readings(community: Community, day: int) -> Iterator[Event]:
    """Yield a day's readings of every home thermometer, and its battery once a day."""
    for home in community.homes:
        if home.state is HouseholdState.OCCUPIED and home.thermometer:
            yield from _home_readings(community, home, home.thermometer, day)


def _home_readings(community: Community, home: Home, thermometer: str, day: int) -> Iterator[Event]:
    random = community.random("measuring", home.id, day)
    percent = battery_percent(community, home, day)
    for earliest, likeliest, latest in WINDOWS:
        at = community.midnight(day) + round(random.triangular(earliest, latest, likeliest) * HOUR)
        for person in home.people:
            at += round(random.uniform(3, 8) * MINUTE)
            celsius = armpit(person.baseline, (at - community.midnight(day)) / HOUR, random)
            is_done = random.random() < COMPLIANCE and percent > 0
            if is_done and not is_told_apart(community, home.id, day, likeliest):
                reading = wire.home_thermometer(thermometer, celsius, local(at))
                yield publish(at, reading, retain=True)
    if day >= 0 and percent > 0:
        at = community.midnight(day) + round(random.uniform(18.1, 21.9) * HOUR)
        yield publish(at, wire.thermometer_battery(thermometer, percent), retain=True)


def battery_percent(community: Community, home: Home, day: int) -> int:
    """Return what is left of a thermometer's battery; a few are nearly empty on the evening."""
    habit = community.random("battery", home.id)
    if habit.random() < _LOW_BATTERY and home is not community.sun:
        return max(0, 3 * (_MORNING_OF_DEATH - day))
    return max(5, habit.randint(40, 100) - max(day, 0) // 7)
