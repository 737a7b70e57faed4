"""Zigbee room sensors: they say how warm the room is, never a body. Two batteries die."""

import math
from collections.abc import Iterator

from devices.clock import HOUR, MINUTE
from devices.simulator import wire
from devices.simulator.community import Community
from devices.simulator.event import Event, publish

_EVERY = 40 * MINUTE
_DYING = {0: 19.4, 1: 22.1}
"""Room sensors whose battery dies on the evening, and the hour of its last report."""
_LAST_HOURS = 2.0


def reports(community: Community, day: int) -> Iterator[Event]:
    """Yield a day's reports of every room sensor."""
    homes = [home for home in community.homes if home.room_sensor]
    for place, home in enumerate(homes):
        habit = community.random("room", home.id)
        random = community.random("room", home.id, day)
        usual, battery = habit.uniform(16.5, 21), habit.randint(45, 100)
        at = community.midnight(day) + round(habit.random() * _EVERY)
        death = (
            community.midnight(0) + round(_DYING.get(place, math.inf) * HOUR)
            if (place in _DYING)
            else None
        )
        while at < community.midnight(day + 1):
            if death is not None:
                battery = max(1, min(battery, round((death - at) / HOUR / _LAST_HOURS * 4)))
            if death is None or at <= death:
                hour = (at - community.midnight(day)) / HOUR
                celsius = usual + 1.2 * math.cos((hour - 20) / 24 * math.tau)
                yield publish(
                    at,
                    wire.room_sensor(
                        home.room_sensor or "",
                        celsius + random.gauss(0, 0.15),
                        random.gauss(48, 4),
                        battery,
                        random.randint(40, 160),
                    ),
                )
            at += _EVERY
