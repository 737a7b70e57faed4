"""Households of the simulated community: who lives there, and which devices stand in them."""

from dataclasses import dataclass, replace
from enum import Enum
from random import Random

from devices.registry import HouseholdState, ResidentClass
from devices.simulator.body import baseline
from devices.simulator.names import invent_name, invent_phone
from devices.simulator.scenario import HouseholdOf, ResidentOf, Shares
from devices.simulator.site import Site

FLATS_A_FLOOR, FLOORS = 4, 6
FLATS_A_BUILDING = FLATS_A_FLOOR * FLOORS

_ROOM_SENSOR, _OLD_HOUSEHOLDS = 0.1, 0.17
"""Shares of households. Assumed."""
_SIZES, _SIZE_WEIGHTS = (1, 2, 3, 4, 5), (38, 36, 17, 7, 2)
"""Assumed, so that 284 households have some 520 people, as Xiaohukou had."""
_BY_NUMBER = 24
"""One household in so many has each of the rarer meters; the others' speak DL/T 645."""
_LORAWAN_ONE_IN = 5


class MeterKind(Enum):
    """A family of meters, by its profile."""

    DLT645 = "dlt645_gateway"
    SHELLY = "shelly_gen1_em"
    TASMOTA = "tasmota_energy"
    WMBUS = "wmbusmeters"
    """Its collector passes on one telegram a day."""


class RoomSensorKind(Enum):
    """A family of room sensors, by its profile."""

    ZIGBEE = "zigbee2mqtt_temperature"
    LORAWAN = "chirpstack_v4"


@dataclass(frozen=True, slots=True)
class Person:
    """A resident. ``baseline`` is their own mean in the armpit, in degrees Celsius."""

    id: str
    name: str
    phone: str
    years: int
    kind: ResidentClass
    baseline: float


@dataclass(frozen=True, slots=True)
class Meter:
    """A household's electricity meter.

    Attributes:
        kind: Its family.
        id: As its messages carry it.
        gateway: What it speaks through, if anything.
        phase: When in its interval it reports, 0 to 1.
        start_wh: What it had counted when the history begins.
    """

    kind: MeterKind
    id: str
    gateway: str | None
    phase: float
    start_wh: float


@dataclass(frozen=True, slots=True)
class RoomSensor:
    """A sensor of a room's temperature; ``id`` as its messages carry it."""

    kind: RoomSensorKind
    id: str


@dataclass(frozen=True, slots=True)
class Home:
    """A household; ``thermometer`` and ``room_sensor`` are None where it has none."""

    id: str
    building: str
    flat: str
    state: HouseholdState
    people: tuple[Person, ...]
    meter: Meter
    thermometer: str | None
    room_sensor: RoomSensor | None

    @property
    def is_lone_elderly(self) -> bool:
        """Whether somebody old lives here alone."""
        return any(person.kind is ResidentClass.LONE_ELDERLY for person in self.people)


def build_home(site: Site, place: int, shares: Shares, random: Random) -> Home:
    """Make up a household; ``place`` is its number in its site, from 0."""
    number = site.first_household + place
    house, rest = divmod(place, FLATS_A_BUILDING)
    floor, door = divmod(rest, FLATS_A_FLOOR)
    building = f"{site.prefix}b{house + 1:02}"
    flat = f"{house + 1}-{floor + 1}{door + 1:02}"
    state = _state(shares, random)
    size = 0 if state is HouseholdState.EMPTY else random.choices(_SIZES, _SIZE_WEIGHTS)[0]
    people = _build_people(number, size, state, random)
    is_watched = any(person.kind is ResidentClass.LONE_ELDERLY for person in people)
    meter = _build_meter(_meter_kind(number), number, building, random)
    has_sensor = is_watched or random.random() < _ROOM_SENSOR
    return Home(
        id=f"h-{site.prefix}{flat}",
        building=building,
        flat=flat,
        state=state,
        people=people,
        meter=meter,
        thermometer=_hardware_address(number) if people else None,
        room_sensor=_room_sensor(site, number, flat) if has_sensor else None,
    )


def arrange(home: Home, site: Site, wanted: HouseholdOf, random: Random) -> Home:
    """Return the household as a scenario needs it."""
    number = site.first_household + wanted.number - 1
    if wanted.meter is not None:
        meter = _build_meter(MeterKind(wanted.meter), number, home.building, random)
        home = replace(home, meter=meter)
    if wanted.state is not None:
        people = tuple(
            _resident(number * 10 + place, one, random)
            for place, one in enumerate(wanted.people, 1)
        )
        home = replace(
            home,
            state=wanted.state,
            people=people,
            thermometer=_hardware_address(number) if people else None,
            room_sensor=home.room_sensor if people else None,
        )
    if wanted.room_sensor or home.is_lone_elderly:
        home = replace(home, room_sensor=_room_sensor(site, number, home.flat))
    return home


def _resident(serial: int, wanted: ResidentOf, random: Random) -> Person:
    name = wanted.name or invent_name(random)
    return _person(serial, name, wanted.years, wanted.resident_class, random)


def _state(shares: Shares, random: Random) -> HouseholdState:
    chance = random.random()
    if chance < shares.empty:
        return HouseholdState.EMPTY
    return HouseholdState.AWAY if chance < shares.empty + shares.away else HouseholdState.OCCUPIED


def _build_people(
    number: int, size: int, state: HouseholdState, random: Random
) -> tuple[Person, ...]:
    """Return a household's people; tenants who came for work are most of those of working age."""
    is_old = random.random() < _OLD_HOUSEHOLDS
    people = []
    for place in range(size):
        years = random.randint(66, 88) if is_old and place < 2 else random.randint(6, 62)
        if place == 0 and not is_old:
            years = max(years, 22)
        kind = ResidentClass.AWAY if state is HouseholdState.AWAY else ResidentClass.NONE
        if is_old and size == 1 and kind is ResidentClass.NONE:
            kind = ResidentClass.LONE_ELDERLY
        people.append(_person(number * 10 + place + 1, invent_name(random), years, kind, random))
    return tuple(people)


def _person(serial: int, name: str, years: int, kind: ResidentClass, random: Random) -> Person:
    return Person(
        id=f"r-{serial:05}",
        name=name,
        phone=invent_phone(serial),
        years=years,
        kind=kind,
        baseline=baseline(years, random),
    )


def _meter_kind(number: int) -> MeterKind:
    rarer = {3: MeterKind.SHELLY, 11: MeterKind.TASMOTA, 15: MeterKind.WMBUS}
    return rarer.get(number % _BY_NUMBER, MeterKind.DLT645)


def _build_meter(kind: MeterKind, number: int, building: str, random: Random) -> Meter:
    phase, start_wh = random.random(), 1_000.0 * random.randint(2_000, 30_000)
    gateway = f"dtu-{building}" if kind is MeterKind.DLT645 else None
    identity = {
        MeterKind.DLT645: f"{200_214_000_000 + number * 13:012}",
        MeterKind.SHELLY: f"shellyem-{0xA4CF12000000 + number * 37:012X}",
        MeterKind.TASMOTA: f"pow-{number:03}",
        MeterKind.WMBUS: f"{20_000_000 + number:08}",
    }[kind]
    return Meter(kind, identity, gateway, phase, start_wh)


def _room_sensor(site: Site, number: int, flat: str) -> RoomSensor:
    if number % _LORAWAN_ONE_IN == 0:
        return RoomSensor(RoomSensorKind.LORAWAN, f"{0x24E124136B500000 + number:016x}")
    return RoomSensor(RoomSensorKind.ZIGBEE, f"room-{site.prefix}{flat}")


def _hardware_address(number: int) -> str:
    return (0xA0E6F8500000 + number).to_bytes(6).hex(":")
