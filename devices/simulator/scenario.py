"""A scenario: what kind of community is simulated, and what happens in it. A small TOML file.

Every number that shapes a life stands here with where it is from; what is assumed says so. Unknown
keys are refused, so a file that loads means what it says. The sources are listed in README.md.
"""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from devices.clock import parse_rfc3339
from devices.registry import HouseholdState, ResidentClass
from devices.simulator.happening import (
    ClockDrifts,
    Fever,
    GatewayFails,
    Happening,
    IsolationLeft,
    LivedIn,
    PensionerSilent,
    Trip,
)

BUILT_IN = Path(__file__).parent / "scenarios"
DEFAULT = "fever_evening"
ZONE = ZoneInfo("Asia/Shanghai")
ALIVE_AT = time(18)
"""Local time at which a simulated community comes alive; before it there is only its history."""
SEED, HOUSEHOLDS = 2020, 284
"""Unless a scenario says otherwise: a household each that Xiaohukou in Wuhan had."""
FIRST_DAY = date(2020, 2, 14)
EVENING = parse_rfc3339("2020-02-14T18:00:00+08:00")
"""When a scenario that says nothing of it comes alive."""
MOST_BYTES = 1 << 20
MOST_HAPPENINGS = 10_000

_OF_METERS = (GatewayFails, ClockDrifts)
_Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(_Part):
    """A sentence in both languages."""

    en: str = Field(min_length=1, max_length=400)
    zh: str = Field(min_length=1, max_length=400)


class Weather(_Part):
    """The air outside, which follows the sun: coldest twelve hours after it is warmest."""

    mean_celsius: float = Field(default=17.0, ge=-50, le=50)
    """Mild by default, where foreheads read as indoors (FDA: from 16 °C on)."""
    swing_celsius: float = Field(default=1.0, ge=0, le=20)
    """Half of what lies between the coldest and the warmest hour. Assumed."""


class Shares(_Part):
    """How often things happen by themselves. Each has a default; 0 means never."""

    compliance: _Share = 0.62
    """Of the occasions to measure that are used. Facente 2021: 61.6 %, 2,912 people."""
    fevers_per_1000_days: float = Field(default=0.0, ge=0, le=1_000)
    """Fevers that begin among 1,000 people in a day. Assumed; none but what is told, by default."""
    empty: _Share = 0.042
    """Households registered empty. Assumed."""
    away: _Share = 0.07
    """Households registered away, and away. Assumed."""
    lived_in: _Share = 0.0
    """Of those registered empty, lived in all the time. Assumed."""
    leaving_per_1000_days: float = Field(default=0.0, ge=0, le=1_000)
    """Households of 1,000 that leave for some days, on a day, and tell nobody. Assumed."""
    trips_a_day: float = Field(default=0.25, ge=0, le=1)
    """Of a person, out through a gate and in again. Assumed; lone elderly people 0.4 of it."""
    masked: _Share = 0.9
    """Of the people at a gate. Assumed."""
    refused_masked: _Share = 0.05
    """Of masked residents, at first. NISTIR 8311: 0.3 % unmasked becomes about 5 %."""
    refused_bare: _Share = 0.003
    """Of residents without a mask, at first. NISTIR 8311."""
    mistaken: _Share = 0.003
    """Crossings that are put down to somebody else. NIST's 1:N tables fix FPIR at 0.003."""
    strangers_a_day: float = Field(default=4.0, ge=0, le=200)
    """Couriers at the north gate. Assumed."""
    low_batteries: _Share = 0.015
    """Home thermometers whose battery dies within two days of the evening. Assumed."""
    gateway_failures_a_day: float = Field(default=0.0, ge=0, le=1)
    """Of a gateway: the chance to fail on a day, for one to six hours. Assumed."""
    drifting_clocks: _Share = 0.0
    """Of the meters that tell the time, by up to a minute a day. Assumed."""
    resent: _Share = 0.04
    """Records that the north gate's terminal sends twice. Assumed."""
    garbage_a_day: int = Field(default=14, ge=0, le=1_000)
    """Messages a day that nobody can use. Assumed."""


class ResidentOf(_Part):
    """Somebody whom a scenario needs."""

    name: str | None = Field(default=None, max_length=100)
    years: int = Field(ge=0, le=120)
    resident_class: ResidentClass = Field(default=ResidentClass.NONE, alias="class")


class HouseholdOf(_Part):
    """A household that a scenario needs as it says.

    Attributes:
        name: What the scenario calls it.
        number: Which of the households it is, from 1.
        state: What it is registered as; left out, it is as it comes.
        people: Who lives there; nobody where it is registered empty.
        meter: The family of its electricity meter, by profile; what comes if left out.
        room_sensor: Whether it certainly has one.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    number: int = Field(ge=1, le=100_000)
    state: HouseholdState | None = None
    people: tuple[ResidentOf, ...] = Field(default=(), max_length=12)
    meter: Literal["dlt645_gateway", "shelly_gen1_em", "tasmota_energy", "wmbusmeters"] | None = (
        None
    )
    room_sensor: bool = False

    @model_validator(mode="after")
    def _people_fit_the_state(self) -> "HouseholdOf":
        if bool(self.people) is (self.state in {None, HouseholdState.EMPTY}):
            raise ValueError("people: an empty household has none, an occupied or absent one some")
        return self


def _is_date_only(value: object) -> object:
    if isinstance(value, datetime):
        raise ValueError("a date without a time: a community comes alive at 18:00")  # noqa: TRY004
    return value


_Date = Annotated[date, BeforeValidator(_is_date_only)]


class Scenario(_Part):
    """What is simulated.

    Attributes:
        name: Of the file.
        title: What it shows.
        households: How many, unless somebody asks for another number.
        seed: Of everything random, unless somebody asks for another one.
        date: Day 0. The community comes alive at 18:00 local, after two weeks of history.
        days: How many days are worth watching from day 0 on; life goes on after them.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    title: Text
    households: int = Field(default=HOUSEHOLDS, ge=20, le=100_000)
    seed: int = SEED
    date: _Date = FIRST_DAY
    days: int = Field(default=2, ge=1, le=400)
    weather: Weather = Weather()
    shares: Shares = Shares()
    household: tuple[HouseholdOf, ...] = Field(default=(), max_length=1_000)
    happens: tuple[Happening, ...] = Field(default=(), max_length=MOST_HAPPENINGS)

    @property
    def evening(self) -> int:
        """When it comes alive; milliseconds UTC."""
        return round(datetime.combine(self.date, ALIVE_AT, ZONE).timestamp() * 1_000)

    @model_validator(mode="after")
    def _hangs_together(self) -> "Scenario":
        named = {one.name: one for one in self.household}
        if len(named) < len(self.household):
            raise ValueError("household: a name is given twice")
        if len({one.number for one in self.household}) < len(self.household):
            raise ValueError("household: a number is given twice")
        for place, one in enumerate(self.happens):
            reason = _misfit(one, named)
            if reason is not None:
                raise ValueError(f"happens.{place}: {reason}")
        self.check_size(self.households)
        return self

    def check_size(self, households: int) -> None:
        """Make sure that there are enough households for everything that happens.

        Raises:
            ValueError: There are not.
        """
        needed = max((one.number for one in self.household), default=1)
        if households < needed:
            raise ValueError(f"households: {self.name} needs {needed} of them or more")


def _misfit(happening: Happening, named: Mapping[str, HouseholdOf]) -> str | None:
    """Return why something cannot happen in the household it names, or None."""
    name: str | None = getattr(happening, "household", None)
    if name is None:
        return None
    if name not in named:
        return f"household: none is named {name!r}"
    home = named[name]
    place: int = getattr(happening, "resident", 1)
    if isinstance(happening, LivedIn):
        return None if home.state is HouseholdState.EMPTY else f"{name} is not registered empty"
    if home.state is not HouseholdState.OCCUPIED and not isinstance(happening, _OF_METERS):
        return f"{name} is not registered occupied"
    if isinstance(happening, (Fever, Trip, IsolationLeft)) and place > len(home.people):
        return f"{name} has no resident {place}"
    if isinstance(happening, IsolationLeft):
        isolated = home.people[place - 1].resident_class is ResidentClass.HOME_ISOLATION
        return None if isolated else f"resident {place} of {name} is not in home isolation"
    if isinstance(happening, PensionerSilent) and len(home.people) != 1:
        return f"{name} is not somebody who lives alone"
    return None


class ScenarioError(Exception):
    """A scenario cannot be used; the message has a line for each reason, with file and key."""


def load_scenario(name: str) -> Scenario:
    """Load a scenario by the name of a built-in one, or from a file.

    Args:
        name: A built-in scenario's name, or a path that ends in ``.toml``.

    Raises:
        ScenarioError: There is none, or it is not one.
    """
    path = Path(name) if name.endswith(".toml") else BUILT_IN / f"{name}.toml"
    if path.parent == BUILT_IN and not path.is_file():
        known = ", ".join(sorted(found.stem for found in BUILT_IN.glob("*.toml")))
        raise ScenarioError(f"{name!r} is no scenario; there are {known}, or name a .toml file")
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from error
    if len(text) > MOST_BYTES:
        raise ScenarioError(f"{path}: larger than {MOST_BYTES >> 20} MiB")
    try:
        document: dict[str, Any] = tomllib.loads(text.decode())
    except ValueError as error:
        raise ScenarioError(f"{path}: {error}") from error
    try:
        return Scenario.model_validate({**document, "name": path.stem.lower()})
    except ValidationError as error:
        raise ScenarioError("\n".join(_reasons(path, error))) from error


def built_in_scenarios() -> tuple[Scenario, ...]:
    """Return every scenario that comes with Gatehouse, by name."""
    return tuple(load_scenario(path.stem) for path in sorted(BUILT_IN.glob("*.toml")))


def _reasons(path: Path, error: ValidationError) -> Iterator[str]:
    for one in error.errors():
        key = ".".join(str(part) for part in one["loc"])
        message = one["msg"].removeprefix("Value error, ")
        yield f"{path}: {key}: {message}" if key else f"{path}: {message}"
