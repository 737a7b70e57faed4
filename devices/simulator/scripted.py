"""What a scenario tells, acted out by the devices, on top of everybody's ordinary life."""

from collections.abc import Iterator

from devices.clock import HOUR, MINUTE
from devices.observation import Direction
from devices.simulator import wire
from devices.simulator.checkpoint import shot
from devices.simulator.community import Community
from devices.simulator.event import Event, local, publish
from devices.simulator.gates import (
    plain_crossing,
    sequence_number,
    show,
    stranger_at_main_gate,
    stranger_at_north_gate,
)
from devices.simulator.happening import (
    Fever,
    Happening,
    IsolationLeft,
    Stranger,
    ThermometerGun,
    Trip,
    UnknownTerminal,
)

UNKNOWN_SERIAL = "01234E-D16546-FFFFFE"


def tell(community: Community, day: int) -> Iterator[Event]:
    """Yield what is published on a day because the scenario tells it, whenever that began."""
    begin, end = community.midnight(day), community.midnight(day + 1)
    for happening in community.plan.told:
        if happening.day <= day:
            for event in act(community, happening):
                if begin <= event.at < end:
                    yield event


def act(community: Community, happening: Happening) -> Iterator[Event]:
    """Yield what one happening makes the devices publish, beside what it changes elsewhere."""
    midnight = community.midnight(happening.day)
    match happening:
        case Fever():
            thermometer = community.plan.named[happening.household].thermometer or ""
            for at, celsius in happening.readings:
                moment = local(midnight + at)
                reading = wire.home_thermometer(thermometer, celsius, moment)
                yield publish(midnight + at, reading, retain=True)
        case ThermometerGun():
            for number, (at, celsius) in enumerate(happening.readings, 1):
                yield shot(community, midnight + at, celsius, f"told-{happening.day}-{at}-{number}")
        case Stranger():
            for at, celsius in happening.readings:
                if happening.gate == "main-gate":
                    yield stranger_at_main_gate(community, midnight + at, celsius)
                else:
                    yield stranger_at_north_gate(community, midnight + at)
        case Trip() | IsolationLeft():
            yield from _go_out(community, happening)
        case UnknownTerminal():
            yield from _unknown(community, happening)
        case _:
            pass


def _go_out(community: Community, told: Trip | IsolationLeft) -> Iterator[Event]:
    home = community.plan.named[told.household]
    person = home.people[told.resident - 1]
    by_main_gate = isinstance(told, Trip) and told.gate == "main-gate"
    leaves = community.midnight(told.day) + told.at
    ways = [(leaves, Direction.OUT)]
    if told.hours is not None:
        ways.append((leaves + round(told.hours * HOUR), Direction.IN))
    random = community.random("told", told.household, told.day, told.at)
    for at, direction in ways:
        crossing = plain_crossing(at, home, person, direction, by_main_gate=by_main_gate)
        yield from show(community, crossing, random)


def _unknown(community: Community, told: UnknownTerminal) -> Iterator[Event]:
    random = community.random("unknown", told.topic_prefix)
    for number in range(told.captures):
        at = community.midnight(told.day) + told.at + round(number * told.every_minutes * MINUTE)
        celsius = told.celsius + random.uniform(-0.3, 0.3)
        topic, payload = wire.huaan(
            UNKNOWN_SERIAL,
            sequence_number(community, at),
            local(at),
            celsius,
            person=None,
            mask=True,
        )
        yield Event(at, f"{told.topic_prefix}/{topic}", payload, faulty=True)
