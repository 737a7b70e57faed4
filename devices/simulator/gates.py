"""Comings and goings at two gates, and the guard's rounds.

In the closed compound people went out for approved work and for what the delivery did not bring:
the rate is assumed. One masked face in twenty is refused at first (NISTIR 8311).
"""

from collections.abc import Iterator
from random import Random

from devices.clock import HOUR, MINUTE, SECOND
from devices.observation import Direction
from devices.registry import HouseholdState, ResidentClass
from devices.simulator import wire
from devices.simulator.body import skin
from devices.simulator.community import Community, Person
from devices.simulator.event import Event, local, publish
from devices.simulator.stories import sequence_number

_TRIPS_A_DAY, _TRIPS_OF_LONE_ELDERLY = 0.25, 0.1
_BY_MAIN_GATE = 0.55
_REFUSED_AT_FIRST = 0.05
_RESENT = 0.04
_STRANGERS_A_DAY = (9.5, 14.2, 17.1, 19.3)
"""Hours at which a courier stands at the north gate, more or less."""
ROUND_EVERY = 30 * MINUTE
ROUND_AT = 29 * MINUTE + 30 * SECOND
_ROUNDS = 24 * HOUR // ROUND_EVERY
_SHIFTS = 3


def crossings(community: Community, day: int) -> Iterator[Event]:
    """Yield a day's crossings of residents and couriers."""
    random = community.random("gates", day)
    for home in community.homes:
        if home.state is not HouseholdState.OCCUPIED:
            continue
        for person in home.people:
            is_lone = person.kind is ResidentClass.LONE_ELDERLY
            if random.random() < (_TRIPS_OF_LONE_ELDERLY if is_lone else _TRIPS_A_DAY):
                yield from _trip(community, day, person, random)
    for hour in _STRANGERS_A_DAY:
        at = community.midnight(day) + round((hour + random.uniform(-0.4, 0.4)) * HOUR)
        number = sequence_number(community, at)
        snap = wire.face_stranger(community.site.face_terminal, number, local(at))
        yield publish(at, snap)


def guard_rounds(community: Community, day: int) -> Iterator[Event]:
    """Yield the rounds of the volunteer on duty, who shows a face at the main gate each half hour.

    The terminal waits for an answer each time, which is how the simulation of the history knows
    that everything before it has been taken in.
    """
    volunteers = [
        person
        for home in community.homes
        for person in home.people
        if home.state is HouseholdState.OCCUPIED and 25 <= person.years < 60
    ][:_SHIFTS]
    random = community.random("rounds", day)
    for number in range(_ROUNDS):
        at = community.midnight(day) + number * ROUND_EVERY + ROUND_AT
        yield _main_gate(community, at, volunteers[number * len(volunteers) // _ROUNDS], random)


def heartbeats(community: Community, day: int) -> Iterator[Event]:
    """Yield the north gate's heartbeats, one a minute."""
    for number in range(24 * 60):
        at = community.midnight(day) + number * MINUTE + 17 * SECOND
        beat = wire.face_heartbeat(community.site.face_terminal, local(at))
        yield publish(at, beat, qos=0)


def _trip(community: Community, day: int, person: Person, random: Random) -> Iterator[Event]:
    leaves = community.midnight(day) + round(random.triangular(6.5, 20.5, 9.5) * HOUR)
    returns = leaves + round(random.triangular(0.4, 5.0, 0.8) * HOUR)
    crossing = _main_gate if random.random() < _BY_MAIN_GATE else None
    for at, direction in ((leaves, Direction.OUT), (returns, Direction.IN)):
        if crossing is not None:
            yield crossing(community, at, person, random)
        else:
            yield from _north_gate(community, at, person, direction, random)


def _main_gate(community: Community, at: int, person: Person, random: Random) -> Event:
    sequence = sequence_number(community, at)
    capture = wire.huaan(
        community.site.huaan,
        sequence,
        local(at),
        skin(person.baseline, random),
        person=(person.id, person.name),
        mask=random.random() < 0.9,
    )
    return publish(at, capture)


def _north_gate(
    community: Community, at: int, person: Person, direction: Direction, random: Random
) -> Iterator[Event]:
    is_refused = random.random() < _REFUSED_AT_FIRST
    for when, admitted in ((at, False), (at + 20 * SECOND, True)):
        if admitted or is_refused:
            record = wire.face_record(
                community.site.face_terminal,
                sequence_number(community, when),
                local(when),
                person=(person.id, person.name),
                direction=direction,
                admitted=admitted,
            )
            yield publish(when, record)
            if random.random() < _RESENT:
                yield publish(when + random.randint(5, 40) * SECOND, record)
