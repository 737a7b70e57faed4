"""The night checkpoint: a guard with a thermometer gun, from dusk to dawn."""

from collections.abc import Iterator

from devices.clock import HOUR, MINUTE, rfc3339
from devices.simulator import wire
from devices.simulator.body import baseline, skin
from devices.simulator.community import Community
from devices.simulator.event import Event, publish
from devices.simulator.stories import is_quiet

_OPENS, _CLOSES = 18, 30
"""Hours after midnight: from 18:00 to 06:00 of the next day."""
_BUSY_UNTIL = 22
_APART_BUSY, _APART_LATE = 5 * MINUTE, 35 * MINUTE
_APART_AT_LEAST = 2 * MINUTE


def readings(community: Community, day: int) -> Iterator[Event]:
    """Yield the readings of the night that begins on a day; some are of the next morning."""
    random = community.random("checkpoint", day)
    at = community.midnight(day) + _OPENS * HOUR + MINUTE
    number = 0
    while at < community.midnight(day) + _CLOSES * HOUR:
        number += 1
        celsius = round(skin(baseline(random.randint(18, 75), random), random), 1)
        if not is_quiet(community, at):
            event, site = f"{day}-{number}", community.site
            shot = wire.thermometer_gun(site.id, site.gun, celsius, rfc3339(at), event)
            yield publish(at, shot)
        is_busy = at < community.midnight(day) + _BUSY_UNTIL * HOUR
        apart = random.expovariate(1 / (_APART_BUSY if is_busy else _APART_LATE))
        at += _APART_AT_LEAST + round(apart)
