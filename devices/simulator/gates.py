"""Comings and goings at two gates, and the guard's rounds.

In the closed compound people went out for approved work and for what the delivery did not bring.
How often, who wears a mask, whom a terminal refuses or takes for somebody else are the scenario's
shares.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from devices.clock import HOUR, MINUTE, SECOND
from devices.observation import Direction
from devices.registry import HouseholdState, ResidentClass
from devices.simulator import wire
from devices.simulator.body import WARM_FROM, skin
from devices.simulator.community import Community
from devices.simulator.event import Event, local, publish
from devices.simulator.home import Home, Person
from devices.simulator.measuring import fever_of
from devices.simulator.weather import outside

_LONE_ELDERLY = 0.4
"""Of the others' trips. Assumed."""
_BY_MAIN_GATE = 0.55
_OPEN = range(7, 20)
"""Hours at which couriers come."""
ROUND_EVERY = 30 * MINUTE
ROUND_AT = 29 * MINUTE + 30 * SECOND
_ROUNDS = 24 * HOUR // ROUND_EVERY
_SHIFTS = 3
_TRIES_AGAIN_AFTER = 20 * SECOND


@dataclass(frozen=True, slots=True)
class Crossing:
    """Somebody passes a gate, as it is and as its terminal sees it.

    Attributes:
        at: When.
        home, person: Who it is.
        direction: Which way.
        by_main_gate: Whether it is the main gate, whose terminal measures and tells no direction.
        is_masked: Whether the person wears a mask.
        taken_for: Whom the terminal takes the person for.
        is_refused: Whether it refuses the person at first.
        resent_after: After how many milliseconds it sends its record again, if it does.
    """

    at: int
    home: Home
    person: Person
    direction: Direction
    by_main_gate: bool
    is_masked: bool
    taken_for: Person
    is_refused: bool
    resent_after: int | None


def crossings(community: Community, day: int) -> Iterator[Event]:
    """Yield a day's crossings of residents and couriers."""
    random = community.random("skin", day)
    for crossing in pass_gates(community, day):
        yield from show(community, crossing, random)
    for at in couriers(community, day):
        yield stranger_at_north_gate(community, at)


def pass_gates(community: Community, day: int) -> Iterator[Crossing]:
    """Yield who goes out on a day, and comes in again."""
    random, shares = community.random("gates", day), community.scenario.shares
    people = community.people
    ill = community.plan.ill(day)
    for home in community.homes:
        if home.state is not HouseholdState.OCCUPIED:
            continue
        absences = community.plan.absences(home, day)
        for person in home.people:
            chance = shares.trips_a_day
            if person.kind is ResidentClass.LONE_ELDERLY:
                chance *= _LONE_ELDERLY
            if random.random() < chance and person.kind is not ResidentClass.HOME_ISOLATION:
                there_and_back = list(_trip(community, day, home, person, people, random))
                if not absences and person.id not in ill:
                    yield from there_and_back


def couriers(community: Community, day: int) -> Iterator[int]:
    """Yield when a courier, whom no terminal knows, stands at the north gate."""
    random = community.random("couriers", day)
    wanted = community.scenario.shares.strangers_a_day
    number = int(wanted) + (random.random() < wanted % 1)
    apart = len(_OPEN) / max(number, 1)
    for place in range(number):
        hour = _OPEN[0] + apart * (place + random.uniform(0.25, 0.75))
        yield community.midnight(day) + round(hour * HOUR)


def guard_rounds(community: Community, day: int) -> Iterator[Event]:
    """Yield the rounds of the volunteer on duty, who shows a face at the main gate each half hour.

    The terminal waits for an answer each time, which is how the simulation of the history knows
    that everything before it has been taken in.
    """
    volunteers = [
        (home, person)
        for home in community.homes
        for person in home.people
        if home.state is HouseholdState.OCCUPIED and 25 <= person.years < 60
    ][:_SHIFTS]
    random = community.random("rounds", day)
    for number in range(_ROUNDS):
        at = community.midnight(day) + number * ROUND_EVERY + ROUND_AT
        home, person = volunteers[number * len(volunteers) // _ROUNDS]
        masked = random.random() < community.scenario.shares.masked
        yield from show(
            community,
            Crossing(at, home, person, Direction.IN, True, masked, person, False, None),
            random,
        )


def heartbeats(community: Community, day: int) -> Iterator[Event]:
    """Yield the north gate's heartbeats, one a minute."""
    terminal = community.site.face_terminal
    for number in range(24 * 60):
        at = community.midnight(day) + number * MINUTE + 17 * SECOND
        beat = wire.face_heartbeat(terminal, local(community.plan.shown_by(terminal, at)))
        yield publish(at, beat, qos=0)


def show(community: Community, crossing: Crossing, random: Random) -> Iterator[Event]:
    """Yield what a gate's terminal says of a crossing."""
    if crossing.by_main_gate:
        yield _capture(community, crossing, random)
        return
    at = crossing.at
    if crossing.is_refused:
        yield _record(community, crossing, at, admitted=False)
        at += _TRIES_AGAIN_AFTER
    record = _record(community, crossing, at, admitted=True)
    yield record
    if crossing.resent_after is not None:
        again = at + crossing.resent_after
        yield Event(again, record.topic, record.payload, record.qos)


def plain_crossing(
    at: int, home: Home, person: Person, direction: Direction, *, by_main_gate: bool
) -> Crossing:
    """Return a crossing at which nothing goes wrong."""
    return Crossing(at, home, person, direction, by_main_gate, True, person, False, None)


def stranger_at_main_gate(community: Community, at: int, celsius: float) -> Event:
    """Return the main gate's capture of somebody it does not know."""
    serial = community.site.huaan
    moment = local(community.plan.shown_by(serial, at))
    number = sequence_number(community, at)
    return publish(at, wire.huaan(serial, number, moment, celsius, person=None, mask=True))


def stranger_at_north_gate(community: Community, at: int) -> Event:
    """Return the north gate's snapshot of somebody it does not know."""
    terminal = community.site.face_terminal
    moment = local(community.plan.shown_by(terminal, at))
    return publish(at, wire.face_stranger(terminal, sequence_number(community, at), moment))


def sequence_number(community: Community, at: int) -> int:
    """Return a terminal's own number of an event: it only ever grows, over restarts too."""
    return (at - community.begins) // 100 + 1


def _trip(
    community: Community,
    day: int,
    home: Home,
    person: Person,
    people: tuple[Person, ...],
    random: Random,
) -> Iterator[Crossing]:
    shares = community.scenario.shares
    leaves = community.midnight(day) + round(random.triangular(6.5, 20.5, 9.5) * HOUR)
    returns = leaves + round(random.triangular(0.4, 5.0, 0.8) * HOUR)
    by_main_gate = random.random() < _BY_MAIN_GATE
    is_masked = random.random() < shares.masked
    refused = shares.refused_masked if is_masked else shares.refused_bare
    for at, direction in ((leaves, Direction.OUT), (returns, Direction.IN)):
        is_mistaken = random.random() < shares.mistaken
        yield Crossing(
            at=at,
            home=home,
            person=person,
            direction=direction,
            by_main_gate=by_main_gate,
            is_masked=is_masked,
            taken_for=random.choice(people) if is_mistaken else person,
            is_refused=random.random() < refused and not by_main_gate,
            resent_after=random.randint(5, 40) * SECOND
            if random.random() < shares.resent and not by_main_gate
            else None,
        )


def _capture(community: Community, crossing: Crossing, random: Random) -> Event:
    at, person, serial = crossing.at, crossing.person, community.site.huaan
    illness = community.plan.ill(community.day_of(at)).get(person.id)
    comes_in = crossing.direction is Direction.IN
    weather = community.scenario.weather
    celsius = skin(
        person.baseline,
        random,
        fever=fever_of(person, illness, at),
        ambient=outside(weather, community.hour(at)) if comes_in else WARM_FROM,
    )
    capture = wire.huaan(
        serial,
        sequence_number(community, at),
        local(community.plan.shown_by(serial, at)),
        celsius,
        person=(crossing.taken_for.id, crossing.taken_for.name),
        mask=crossing.is_masked,
    )
    return publish(at, capture)


def _record(community: Community, crossing: Crossing, at: int, *, admitted: bool) -> Event:
    terminal = community.site.face_terminal
    record = wire.face_record(
        terminal,
        sequence_number(community, at),
        local(community.plan.shown_by(terminal, at)),
        person=(crossing.taken_for.id, crossing.taken_for.name),
        direction=crossing.direction,
        admitted=admitted,
    )
    return publish(at, record)
