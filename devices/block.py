"""The blocks of a profile, as the TOML file writes them; they refuse what they do not know."""

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    field_validator,
    model_validator,
)

from devices.outcome import IgnoredReason
from devices.registry import PlaceKind
from devices.topic import PatternError, names_of


class Strict(BaseModel):
    """Frozen, and without room for unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _zone(name: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not the name of a time zone") from error


Paths = str | tuple[str, ...]
"""A path, or several of which the first that is not absent counts."""

Zone = Annotated[ZoneInfo, PlainValidator(_zone)]
Test = dict[str, str | int | float | bool | tuple[str | int | float | bool, ...]]


class Number(Strict):
    """A number: where it stands, its unit, and which values mean that there is none."""

    path: Paths | None = None
    sum: Paths | None = None
    unit: str | None = None
    unit_from: Paths | None = None
    absent: tuple[float | str | tuple[float, float], ...] = ()
    range: tuple[float, float] | None = None
    scalar: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> "Number":
        if (self.path is None) == (self.sum is None):
            raise ValueError("needs either path or sum")
        if self.unit is not None and self.unit_from is not None:
            raise ValueError("has unit and unit_from; which one?")
        return self


class Word(Strict):
    """One of a closed list of words, or true and false, found by what stands at a path."""

    path: Paths
    map: dict[str, str | bool] | None = None
    other: str | bool | None = None


class Time(Strict):
    """The device's own time, the zone of texts that name none, and which numbers count from now."""

    path: Paths
    zone: Zone | None = None
    relative_below: float | None = None


class _Observed(Strict):
    """What every observation's block may say."""

    each: Paths | None = None
    when: Test | tuple[Test, ...] | None = None
    unless: Test | tuple[Test, ...] | None = None
    device: Paths | None = None
    channel: str | None = None
    event_id: str | None = None
    time: Paths | Time | None = None
    person: Paths | None = None
    at: tuple[PlaceKind, ...] = ()


class TemperatureBlock(_Observed):
    """A temperature of a body or a room."""

    kind: Literal["temperature"]
    celsius: Paths | Number
    body_site: str | Word
    adjusted_to: str | Word | None = None
    ambient_celsius: Paths | Number | None = None


class CrossingBlock(_Observed):
    """Somebody at a gate."""

    kind: Literal["crossing"]
    direction: str | Word | None = None
    outcome: str | Word | None = None
    credential: str | Word | None = None
    stranger: bool | str | Word | None = None
    score: Paths | Number | None = None
    mask: bool | str | Word | None = None


class ElectricityBlock(_Observed):
    """Power and energy of one meter channel."""

    kind: Literal["electricity"]
    power_w: Paths | Number | None = None
    energy_wh: Paths | Number | None = None


class LitWindowBlock(_Observed):
    """A flat's window."""

    kind: Literal["lit_window"]
    lit: bool | str | Word
    household: str | None = None


class DeviceStatusBlock(_Observed):
    """What the device says of itself."""

    kind: Literal["device_status"]
    online: bool | str | Word | None = None
    battery: Paths | Number | None = None
    signal: Paths | Number | None = None
    sequence: Paths | Number | None = None


Block = Annotated[
    TemperatureBlock | CrossingBlock | ElectricityBlock | LitWindowBlock | DeviceStatusBlock,
    Field(discriminator="kind"),
]


class Reply(Strict):
    """What the device waits for: published once its message is on disk."""

    topic: str
    body: dict[str, Any]


class MessageBlock(Strict):
    """One kind of message of the family: its topics, how to read it, what it gives."""

    topic: tuple[str, ...]
    format: str = "json"
    when: Test | tuple[Test, ...] | None = None
    unless: Test | tuple[Test, ...] | None = None
    ignore: IgnoredReason | None = None
    nothing: IgnoredReason | None = None
    canonical: bool = False
    root: str | None = None
    each: Paths | None = None
    device: Paths | None = None
    channel: str | None = None
    time: Paths | Time | None = None
    event_id: str | None = None
    person: Paths | None = None
    reply: Reply | None = None
    observation: tuple[Block, ...] = ()
    shared: str | None = None

    @field_validator("topic", mode="before")
    @classmethod
    def _several(cls, topic: object) -> object:
        return (topic,) if isinstance(topic, str) else topic

    @model_validator(mode="after")
    def _is_one_thing(self) -> "MessageBlock":
        if sum((self.ignore is not None, self.canonical, bool(self.observation))) != 1:
            raise ValueError("needs one of observation, ignore and canonical")
        for pattern in self.topic:
            try:
                names_of(pattern)
            except PatternError as error:
                raise ValueError(str(error)) from None
        return self
