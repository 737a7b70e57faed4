"""What one row of each registry file may say. Times and references are checked by the import."""

import contextlib
import re
from datetime import date, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from devices.clock import parse_rfc3339
from devices.registry import GateKind, HouseholdState, PlaceKind, ResidentClass, Role, plain_plate

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_CONFIG = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, defer_build=True)


def blank_to_none(text: object) -> object:
    """Return None for what says nothing."""
    return None if isinstance(text, str) and not text.strip() else text


def _blank_to_one(text: object) -> object:
    return 1 if isinstance(text, str) and not text.strip() else text


def _moment(text: object) -> object:
    """Return None, a date (midnight), a date and time in the site's zone, or milliseconds UTC."""
    if not isinstance(text, str) or not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        pass
    if _LOCAL.fullmatch(text.strip()):
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(text.strip())
    try:
        return parse_rfc3339(text.strip())
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no time; write 2020-02-14 or 2020-02-14T18:00:00+08:00"
        ) from error


def _said(moment: int | date | None) -> int | date:
    if moment is None:
        raise ValueError("must be given")
    return moment


def _plate(text: object) -> object:
    return plain_plate(text) if isinstance(text, str) else text


def _minutes(text: object) -> object:
    """Return minutes after midnight of HH:MM, 00:00 to 24:00."""
    hours, colon, minutes = str(text).strip().partition(":")
    if colon and len(minutes) == 2 and hours.isdecimal() and minutes.isdecimal():
        value = int(hours) * 60 + int(minutes)
        if int(minutes) < 60 and value <= 24 * 60:
            return value
    raise ValueError(f"{text!r} is no time of day; write HH:MM, 00:00 to 24:00")


def _weekdays(text: object) -> object:
    """Return the days of ``mon-fri sun`` as numbers, 0 Monday to 6 Sunday."""
    days: set[int] = set()
    for part in str(text).lower().split():
        first, _, last = part.partition("-")
        if first not in WEEKDAYS or (last or first) not in WEEKDAYS:
            raise ValueError(f"{part!r} is no weekday; write mon tue … sun, or mon-fri")
        begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        days.update(day % 7 for day in range(begin, end + (7 if end < begin else 0) + 1))
    return frozenset(days)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is no time zone; write it like Asia/Shanghai") from error
    return name


Id = Annotated[str, Field(pattern=r"^[\w.:@-]{1,64}$")]
DeviceId = Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,128}$")]
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Words on one line: they stand in pages, whose titles are mail headers too."""
Name = Annotated[Line, Field(min_length=1, max_length=200)]
Words = Annotated[Line, Field(max_length=200)]
OptionalId = Annotated[Id | None, BeforeValidator(blank_to_none)]
OptionalDeviceId = Annotated[DeviceId | None, BeforeValidator(blank_to_none)]
Plate = Annotated[str, Field(pattern=r"^\w{2,16}$"), BeforeValidator(_plate)]
Moment = Annotated[int | datetime | date | None, BeforeValidator(_moment)]
TimeOfDay = Annotated[int, BeforeValidator(_minutes)]
Url = Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*://\S*$", max_length=500)]


class SiteRow(BaseModel):
    """A compound with gates, in one time zone."""

    model_config = _CONFIG
    id: Id
    name: Name
    district: Words = ""
    street: Words = ""
    community: Words = ""
    zone: Annotated[str, AfterValidator(_known_zone)]


class GateRow(BaseModel):
    """Where people pass, by a name of the site's own; the outermost has rank 1."""

    model_config = _CONFIG
    id: Id
    site: Id
    name: Name
    kind: GateKind
    rank: Annotated[int, Field(ge=1, le=99), BeforeValidator(_blank_to_one)] = 1
    entry_limit: Annotated[
        Annotated[int, Field(ge=1, le=100_000)] | None, BeforeValidator(blank_to_none)
    ] = None

    @model_validator(mode="after")
    def _only_a_shop_fills(self) -> "GateRow":
        if self.entry_limit is not None and self.kind is not GateKind.SHOP:
            raise ValueError(f"column entry_limit must be blank when kind is {self.kind}")
        return self


class GridRow(BaseModel):
    """A worker's patch of households."""

    model_config = _CONFIG
    id: Id
    site: Id
    name: Name


class BuildingRow(BaseModel):
    """A building of a grid."""

    model_config = _CONFIG
    id: Id
    grid: Id
    name: Name


class WorkerRow(BaseModel):
    """Somebody who can be on call."""

    model_config = _CONFIG
    id: Id
    name: Name


class ChannelRow(BaseModel):
    """One way to reach a worker; the lowest rank is tried first."""

    model_config = _CONFIG
    worker: Id
    rank: Annotated[int, Field(ge=1, le=9)]
    url: Url


class RotaRow(BaseModel):
    """A weekly duty, in the site's zone; an end at or before the beginning is the next day's."""

    model_config = _CONFIG
    worker: Id
    role: Role
    site: Id
    grid: OptionalId = None
    weekdays: Annotated[frozenset[int], Field(min_length=1), BeforeValidator(_weekdays)]
    begins: Annotated[TimeOfDay, Field(lt=24 * 60)]
    ends: TimeOfDay


class HouseholdRow(BaseModel):
    """A flat and what the register says of it from a time on."""

    model_config = _CONFIG
    id: Id
    building: Id
    flat: Annotated[Line, Field(min_length=1, max_length=64)]
    state: HouseholdState
    since: Moment = None
    until: Moment = None


class ResidentRow(BaseModel):
    """Somebody who lives somewhere from a time on, and the class that rules read.

    A blank class says nothing; ``none`` ends the one before.
    """

    model_config = ConfigDict(**_CONFIG, populate_by_name=True)
    id: Id
    household: Id
    name: Name
    phone: Annotated[Line, Field(max_length=64)] = ""
    since: Moment = None
    until: Moment = None
    resident_class: Annotated[
        ResidentClass | None, Field(alias="class"), BeforeValidator(blank_to_none)
    ] = None
    class_since: Moment = None
    class_until: Moment = None


class TripRow(BaseModel):
    """A way out that was approved for a resident, from a time until a time."""

    model_config = _CONFIG
    resident: Id
    since: Annotated[Moment, AfterValidator(_said)]
    until: Annotated[Moment, AfterValidator(_said)]
    reason: Name


class VehicleRow(BaseModel):
    """Whose vehicle carries a plate from a time on."""

    model_config = _CONFIG
    plate: Plate
    household: Id
    since: Moment = None
    until: Moment = None


class DeviceRow(BaseModel):
    """A device and where it stands from a time on."""

    model_config = _CONFIG
    id: DeviceId
    profile: Id
    place: PlaceKind
    site: Id
    household: OptionalId = None
    gate: OptionalId = None
    worker: OptionalId = None
    gateway: OptionalDeviceId = None
    renamed_from: OptionalDeviceId = None
    since: Moment = None
    until: Moment = None

    @model_validator(mode="after")
    def _place_is_named(self) -> "DeviceRow":
        needs: dict[PlaceKind, Literal["household", "gate", "worker"]] = {
            PlaceKind.HOUSEHOLD: "household",
            PlaceKind.GATE: "gate",
            PlaceKind.CHECKPOINT: "gate",
            PlaceKind.WORKER: "worker",
        }
        needed = needs.get(self.place)
        for column in ("household", "gate", "worker"):
            said = getattr(self, column) is not None
            if said != (column == needed):
                what = "must be given" if column == needed else "must be blank"
                raise ValueError(f"column {column} {what} when place is {self.place}")
        return self


FILES: dict[str, type[BaseModel]] = {
    "sites.csv": SiteRow,
    "gates.csv": GateRow,
    "grids.csv": GridRow,
    "buildings.csv": BuildingRow,
    "workers.csv": WorkerRow,
    "households.csv": HouseholdRow,
    "residents.csv": ResidentRow,
    "trips.csv": TripRow,
    "vehicles.csv": VehicleRow,
    "channels.csv": ChannelRow,
    "rota.csv": RotaRow,
    "devices.csv": DeviceRow,
}
"""The files of a registry folder, in the order in which they refer to each other."""
