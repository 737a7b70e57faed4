"""What a scenario says that happens, one class for each kind. Only said here; others act it out.

A time of day is local and counts from the midnight of its day; day 0 is the day on whose evening
the community comes alive.
"""

from datetime import time
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from devices.clock import DAY, HOUR, SECOND

EVENING_AFTER = 18 * HOUR
"""What is published before this time of day 0 is only a thinned history."""
HISTORY_DAYS = 14


def _milliseconds(value: object) -> object:
    """Take ``20:00`` or ``20:00:30``, as TOML's local time or as text."""
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value)
        except ValueError:
            raise ValueError("a time of day like 20:00 or 20:00:30") from None
    if not isinstance(value, time) or value.tzinfo is not None:
        raise ValueError("a time of day like 20:00 or 20:00:30")
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * SECOND + value.microsecond // 1_000


TimeOfDay = Annotated[int, BeforeValidator(_milliseconds), Field(ge=0, lt=DAY)]
"""Milliseconds after midnight."""
HouseholdName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Days = Annotated[float, Field(gt=0, le=400)]
Hours = Annotated[float, Field(gt=0, le=240)]
Window = Literal["morning", "afternoon"]
GateName = Literal["main-gate", "north-gate"]


class Reading(NamedTuple):
    """When somebody was measured, and what was read; degrees Celsius."""

    at: TimeOfDay
    celsius: Annotated[float, Field(ge=30, le=43)]


Readings = Annotated[tuple[Reading, ...], Field(min_length=1, max_length=100)]


class _Happening(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    day: int = Field(default=0, ge=-HISTORY_DAYS, le=400)

    @property
    def first(self) -> int:
        """When it begins; milliseconds after the midnight of its day."""
        return 0


class _At(_Happening):
    at: TimeOfDay

    @property
    def first(self) -> int:
        """When it begins; milliseconds after the midnight of its day."""
        return self.at


class Fever(_At):
    """Somebody falls ill.

    ``readings`` are what their thermometer says on the day it begins, in place of what they would
    have measured in that half of the day.
    """

    kind: Literal["fever"]
    household: HouseholdName
    resident: int = Field(default=1, ge=1)
    peak_celsius: float = Field(default=38.5, ge=37.3, le=41.5)
    lasts_days: Days = 4
    readings: Annotated[tuple[Reading, ...], Field(max_length=100)] = ()


class Away(_At):
    """A family leaves, and nobody registers it; without ``lasts_days`` it does not come back."""

    kind: Literal["away"]
    household: HouseholdName
    lasts_days: Days | None = None


class LivedIn(_Happening):
    """Somebody lives in a flat that is registered empty, from the beginning of a day on."""

    kind: Literal["lived_in"]
    household: HouseholdName
    lasts_days: Days | None = None


class PensionerSilent(_At):
    """Somebody who lives alone uses nothing and goes nowhere any more."""

    kind: Literal["pensioner_silent"]
    household: HouseholdName
    lasts_days: Days | None = None


class NotMeasured(_Happening):
    """Half a day in which all households measure everybody, but for so many that do not at all."""

    kind: Literal["not_measured"]
    window: Window = "morning"
    households: int = Field(ge=0, le=100_000)


class _Published(_Happening):
    """What publishes by itself, so it cannot be before the community is alive."""

    @model_validator(mode="after")
    def _is_alive(self) -> "_Published":
        if self.day < 0 or (self.day == 0 and self.first < EVENING_AFTER):
            raise ValueError("before 18:00 of day 0 there is only a history without it")
        return self


class _PublishedAt(_Published):
    at: TimeOfDay

    @property
    def first(self) -> int:
        """When it begins; milliseconds after the midnight of its day."""
        return self.at


class ThermometerGun(_Published):
    """The guard at the night checkpoint measures one person after the other, or one repeatedly."""

    kind: Literal["thermometer_gun"]
    readings: Readings

    @property
    def first(self) -> int:
        """When it begins; milliseconds after the midnight of its day."""
        return min(reading.at for reading in self.readings)


class Stranger(_Published):
    """A face that nobody knows, at a gate; the main gate's terminal measures it."""

    kind: Literal["stranger"]
    gate: GateName = "main-gate"
    readings: Readings

    @property
    def first(self) -> int:
        """When it begins; milliseconds after the midnight of its day."""
        return min(reading.at for reading in self.readings)


class Trip(_PublishedAt):
    """A resident goes out through a gate and comes back."""

    kind: Literal["trip"]
    household: HouseholdName
    resident: int = Field(default=1, ge=1)
    gate: GateName = "north-gate"
    hours: Hours = 1
    approved: bool = True


class IsolationLeft(_PublishedAt):
    """Somebody in home isolation goes out without leave; without ``hours`` for good."""

    kind: Literal["isolation_left"]
    household: HouseholdName
    resident: int = Field(default=1, ge=1)
    hours: Hours | None = None


class GatewayFails(_At):
    """The gateway of a household's meter passes nothing on: what its meters say is lost."""

    kind: Literal["gateway_fails"]
    household: HouseholdName
    hours: Hours


class ClockDrifts(_At):
    """The clock of a household's meter, or of a gate's terminal, goes wrong.

    Attributes:
        seconds_a_day: By how much it gains; a negative one loses.
        resets: It begins again at its factory's time instead, and finds no time server.
    """

    kind: Literal["clock_drifts"]
    household: HouseholdName | None = None
    gate: GateName | None = None
    seconds_a_day: float = Field(default=0.0, ge=-86_400, le=86_400)
    resets: bool = False

    @model_validator(mode="after")
    def _is_one_device(self) -> "ClockDrifts":
        if (self.household is None) is (self.gate is None):
            raise ValueError("a household or a gate")
        if self.resets is bool(self.seconds_a_day):
            raise ValueError("seconds_a_day or resets = true")
        return self


class BatteryDies(_At):
    """A thermometer or a room sensor has been running down for two days and falls silent."""

    kind: Literal["battery_dies"]
    household: HouseholdName
    device: Literal["thermometer", "room_sensor"] = "thermometer"


class UnknownTerminal(_PublishedAt):
    """A gate terminal that nobody registered, on topics that no profile knows, begins to send."""

    kind: Literal["unknown_terminal"]
    topic_prefix: str = Field(pattern=r"^[a-z0-9][a-z0-9/-]{0,60}$")
    captures: int = Field(default=20, ge=1, le=1_000)
    every_minutes: float = Field(default=3, gt=0, le=1_440)
    celsius: float = Field(default=36.4, ge=30, le=43)


Happening = Annotated[
    Fever
    | Away
    | LivedIn
    | PensionerSilent
    | NotMeasured
    | ThermometerGun
    | Stranger
    | Trip
    | IsolationLeft
    | GatewayFails
    | ClockDrifts
    | BatteryDies
    | UnknownTerminal,
    Field(discriminator="kind"),
]
