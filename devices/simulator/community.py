"""Who lives in the simulated community, and which devices stand where. The same for one seed."""

from dataclasses import dataclass, replace
from enum import Enum
from random import Random
from zoneinfo import ZoneInfo

from devices.clock import DAY, HOUR, parse_rfc3339
from devices.registry import HouseholdState, ResidentClass
from devices.simulator.body import baseline
from devices.simulator.names import invent_name, invent_phone
from devices.simulator.site import FIRST_SITE, Site

ZONE = ZoneInfo("Asia/Shanghai")
HOUSEHOLDS = 284
"""As Xiaohukou in Wuhan had, with some 520 people."""
LEAST_HOUSEHOLDS = 20
"""From here on every story has a household of its own."""
SUN, LIVED_IN = 2, 37
"""Numbers of the households of Ms Sun and of the family that nobody registered: in a smaller
community, the last."""
SEED = 2020
EVENING = parse_rfc3339("2020-02-14T18:00:00+08:00")
HISTORY_DAYS = 14
FLATS_A_FLOOR, FLOORS = 4, 6
FLATS_A_BUILDING = FLATS_A_FLOOR * FLOORS
BUILDINGS_A_GRID = 4
ELDERLY_YEARS = 65

_EMPTY, _AWAY, _ROOM_SENSOR, _OLD_HOUSEHOLDS = 0.042, 0.07, 0.1, 0.17
_OTHER_METERS = 24
"""One household in so many has a Shelly, and one a Tasmota; the others' meters speak DL/T 645."""
_SIZES, _SIZE_WEIGHTS = (1, 2, 3, 4, 5), (38, 36, 17, 7, 2)


class MeterKind(Enum):
    """A family of meters, by its profile."""

    DLT645 = "dlt645_gateway"
    SHELLY = "shelly_gen1_em"
    TASMOTA = "tasmota_energy"


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
class Home:
    """A household; ``thermometer`` and ``room_sensor`` are None where it has none."""

    id: str
    building: str
    flat: str
    state: HouseholdState
    people: tuple[Person, ...]
    meter: Meter
    thermometer: str | None
    room_sensor: str | None


@dataclass(frozen=True, slots=True)
class Community:
    """Everything that is simulated in one compound.

    Attributes:
        seed: Of everything random.
        site: Which compound of the city it is.
        evening: 18:00 local of day 0; milliseconds UTC.
        has_history: Whether two weeks of thinned history lead to that evening, on which it comes
            alive; without, it is alive from the midnight before.
        homes: Every household.
        buildings: Grid by building.
        sun: The household of Ms Sun, who lives alone.
        lived_in: The household that is registered empty and is not.
    """

    seed: int
    site: Site
    evening: int
    has_history: bool
    homes: tuple[Home, ...]
    buildings: dict[str, str]
    sun: Home
    lived_in: Home

    @property
    def begins(self) -> int:
        """When the first day begins: a midnight."""
        return self.midnight(self.first_day)

    @property
    def first_day(self) -> int:
        """The first day that anything is known of."""
        return -HISTORY_DAYS if self.has_history else 0

    @property
    def alive_at(self) -> int:
        """From when on every device says all that it says; the history before is thinned."""
        return self.evening if self.has_history else self.begins

    def midnight(self, day: int) -> int:
        """Return when a day begins; 0 is the evening's day."""
        return self.evening - 18 * HOUR + day * DAY

    def day_of(self, at: int) -> int:
        """Return the day of a time; 0 is the evening's day."""
        return (at - self.midnight(0)) // DAY

    def random(self, *what: object) -> Random:
        """Return a random stream of its own for a thing (and a day): the same each time."""
        return _stream(self.seed, self.site, *what)

    @property
    def people(self) -> tuple[Person, ...]:
        """Every resident."""
        return tuple(person for home in self.homes for person in home.people)


def build_community(
    *,
    seed: int = SEED,
    households: int = HOUSEHOLDS,
    evening: int = EVENING,
    site: Site = FIRST_SITE,
    has_history: bool = True,
) -> Community:
    """Make up a community.

    Args:
        seed: The same number gives the same people, homes and devices.
        households: How many, :data:`LEAST_HOUSEHOLDS` or more.
        evening: 18:00 local of day 0; milliseconds UTC.
        site: Which compound of the city it is.
        has_history: Whether two weeks lead to the evening.
    """
    random = _stream(seed, site, "community")
    homes = [_build_home(site, place, random) for place in range(households)]
    lived_in = min(LIVED_IN, households - 1)
    homes[SUN] = _move_in_sun(site, homes[SUN], random)
    homes[lived_in] = _move_out(site, homes[lived_in])
    return Community(
        seed=seed,
        site=site,
        evening=evening,
        has_history=has_history,
        homes=tuple(homes),
        buildings={home.building: _grid_of(site, place) for place, home in enumerate(homes)},
        sun=homes[SUN],
        lived_in=homes[lived_in],
    )


def _stream(seed: int, site: Site, *what: object) -> Random:
    return Random(f"{site.prefix}{seed}/{'/'.join(map(str, what))}")  # noqa: S311 - repeatable


def _build_home(site: Site, place: int, random: Random) -> Home:
    number = site.first_household + place
    house, rest = divmod(place, FLATS_A_BUILDING)
    floor, door = divmod(rest, FLATS_A_FLOOR)
    building = f"{site.prefix}b{house + 1:02}"
    flat = f"{house + 1}-{floor + 1}{door + 1:02}"
    state = _state(random)
    size = 0 if state is HouseholdState.EMPTY else random.choices(_SIZES, _SIZE_WEIGHTS)[0]
    people = _build_people(number, size, state, random)
    is_watched = any(person.kind is ResidentClass.LONE_ELDERLY for person in people)
    meter = _build_meter(number, building, random)
    has_sensor = is_watched or random.random() < _ROOM_SENSOR
    return Home(
        id=f"h-{site.prefix}{flat}",
        building=building,
        flat=flat,
        state=state,
        people=people,
        meter=meter,
        thermometer=_hardware_address(number) if people else None,
        room_sensor=f"room-{site.prefix}{flat}" if has_sensor else None,
    )


def _state(random: Random) -> HouseholdState:
    chance = random.random()
    if chance < _EMPTY:
        return HouseholdState.EMPTY
    return HouseholdState.AWAY if chance < _EMPTY + _AWAY else HouseholdState.OCCUPIED


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
        serial = number * 10 + place + 1
        people.append(
            Person(
                id=f"r-{serial:05}",
                name=invent_name(random),
                phone=invent_phone(serial),
                years=years,
                kind=kind,
                baseline=baseline(years, random),
            )
        )
    return tuple(people)


def _build_meter(number: int, building: str, random: Random) -> Meter:
    phase, start_wh = random.random(), 1_000.0 * random.randint(2_000, 30_000)
    if number % _OTHER_METERS == 3:
        identity = f"shellyem-{0xA4CF12000000 + number * 37:012X}"
        return Meter(MeterKind.SHELLY, identity, None, phase, start_wh)
    if number % _OTHER_METERS == 11:
        return Meter(MeterKind.TASMOTA, f"pow-{number:03}", None, phase, start_wh)
    identity = f"{200_214_000_000 + number * 13:012}"
    return Meter(MeterKind.DLT645, identity, f"dtu-{building}", phase, start_wh)


def _hardware_address(number: int) -> str:
    return (0xA0E6F8500000 + number).to_bytes(6).hex(":")


def _move_in_sun(site: Site, home: Home, random: Random) -> Home:
    """Let Ms Sun live in a household, alone: what its thermometer reads is hers."""
    number = site.first_household + SUN
    serial = number * 10 + 1
    sun = Person(
        id=f"r-{serial:05}",
        name="孙梅 Sun Mei",
        phone=invent_phone(serial),
        years=47,
        kind=ResidentClass.NONE,
        baseline=baseline(47, random),
    )
    thermometer = _hardware_address(number)
    state = HouseholdState.OCCUPIED
    return replace(home, state=state, people=(sun,), thermometer=thermometer)


def _move_out(site: Site, home: Home) -> Home:
    """Register a household as empty, with a meter that reports power each few minutes."""
    identity = f"{site.prefix}pow-empty"
    meter = replace(home.meter, kind=MeterKind.TASMOTA, id=identity, gateway=None)
    state = HouseholdState.EMPTY
    return replace(home, state=state, people=(), meter=meter, thermometer=None, room_sensor=None)


def _grid_of(site: Site, place: int) -> str:
    """Return a household's grid: the patch of one worker."""
    return f"{site.id}-{place // (FLATS_A_BUILDING * BUILDINGS_A_GRID) + 1}"
