"""The night checkpoint: a guard with a thermometer gun, outdoors, from dusk to dawn."""

from collections.abc import Iterator

from devices.clock import HOUR, MINUTE, rfc3339
from devices.simulator import wire
from devices.simulator.body import baseline, skin
from devices.simulator.community import Community
from devices.simulator.event import Event, publish
from devices.simulator.happening import ThermometerGun
from devices.simulator.weather import outside

_OPENS, _CLOSES = 18, 30
"""Hours after midnight: from 18:00 to 06:00 of the next day."""
_BUSY_UNTIL = 22
_APART_BUSY, _APART_LATE = 5 * MINUTE, 35 * MINUTE
_APART_AT_LEAST = 2 * MINUTE
_QUIET = 6 * MINUTE
"""Before and after what a scenario tells, nobody else is measured."""


def readings(community: Community, day: int) -> Iterator[Event]:
    """Yield the readings of the night that begins on a day; some are of the next morning."""
    random, weather = community.random("checkpoint", day), community.scenario.weather
    at = community.midnight(day) + _OPENS * HOUR + MINUTE
    told = _told(community, day) + _told(community, day + 1)
    number = 0
    while at < community.midnight(day) + _CLOSES * HOUR:
        number += 1
        ambient = outside(weather, community.hour(at))
        celsius = skin(baseline(random.randint(18, 75), random), random, ambient=ambient)
        if not any(begins - _QUIET <= at < ends + _QUIET for begins, ends in told):
            yield shot(community, at, celsius, f"{day}-{number}")
        is_busy = at < community.midnight(day) + _BUSY_UNTIL * HOUR
        apart = random.expovariate(1 / (_APART_BUSY if is_busy else _APART_LATE))
        at += _APART_AT_LEAST + round(apart)


def shot(community: Community, at: int, celsius: float, event: str) -> Event:
    """Return one reading of the guard's gun; ``event`` is its id."""
    site = community.site
    reading = wire.thermometer_gun(site.id, site.gun, round(celsius, 1), rfc3339(at), event)
    return publish(at, reading)


def _told(community: Community, day: int) -> list[tuple[int, int]]:
    midnight = community.midnight(day)
    return [
        (midnight + one.readings[0].at, midnight + one.readings[-1].at)
        for one in community.plan.told
        if isinstance(one, ThermometerGun) and one.day == day
    ]
