"""Room sensors: they say how warm a room is, never a body. Zigbee, and some over LoRaWAN."""

import math
from collections.abc import Iterator
from random import Random

from devices.clock import MINUTE
from devices.simulator import wire
from devices.simulator.community import Community
from devices.simulator.event import Event, publish
from devices.simulator.home import RoomSensor, RoomSensorKind
from devices.simulator.measuring import battery_percent

_EVERY = 40 * MINUTE
_FIRST_FRAME = 1_000
"""Where a LoRaWAN sensor's frame counter stands when the history would begin."""


def reports(community: Community, day: int) -> Iterator[Event]:
    """Yield a day's reports of every room sensor."""
    for home in community.homes:
        if home.room_sensor:
            yield from _reports(community, home.room_sensor, day)


def _reports(community: Community, sensor: RoomSensor, day: int) -> Iterator[Event]:
    habit = community.random("room", sensor.id)
    random = community.random("room", sensor.id, day)
    usual = habit.uniform(16.5, 21)
    at = community.midnight(day) + round(habit.random() * _EVERY)
    battery = battery_percent(community, sensor.id, at)
    death = community.plan.deaths.get(sensor.id)
    while at < community.midnight(day + 1):
        if death is not None:
            battery = battery_percent(community, sensor.id, at)
        celsius = usual + 1.2 * math.cos((community.hour(at) - 20) / 24 * math.tau)
        report = _report(community, sensor, at, celsius + random.gauss(0, 0.15), battery, random)
        if death is None or at < death:
            yield publish(at, report)
        at += _EVERY


def _report(
    community: Community,
    sensor: RoomSensor,
    at: int,
    celsius: float,
    battery: int,
    random: Random,
) -> wire.Wire:
    humidity, link = random.gauss(48, 4), random.randint(40, 160)
    if sensor.kind is RoomSensorKind.LORAWAN:
        frame = _FIRST_FRAME + (at - community.begins) // _EVERY
        return wire.chirpstack_room_sensor(sensor.id, frame, at, celsius, humidity, battery, -link)
    return wire.room_sensor(sensor.id, celsius, humidity, battery, link)
