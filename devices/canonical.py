"""Our own format: JSON on ``gatehouse/v1/{site}/{device}``, one observation or an array of them.

``kind`` in snake case, the field names of :mod:`devices.observation`, RFC 3339 times. It is also
how readings taken by hand arrive.
"""

import re
from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from devices.device_time import Arrival, judge_time
from devices.measure import AMBIENT, ENERGY_WH, PERCENT, POWER_W, possible_celsius
from devices.observation import (
    BodySite,
    Credential,
    Crossing,
    CrossingOutcome,
    DeviceStatus,
    Direction,
    Electricity,
    LitWindow,
    Observation,
    Temperature,
    TimeSource,
)
from devices.outcome import DeadLetterReason, DecodeError
from devices.path import checked_id
from devices.source import Source
from devices.topic import Names

Id = Annotated[str, Meta(min_length=1, max_length=128)]
Percent = Annotated[float, Meta(ge=PERCENT.low, le=PERCENT.high)]
Share = Annotated[float, Meta(ge=0, le=1)]
Watts = Annotated[float, Meta(ge=POWER_W.low, le=POWER_W.high)]
WattHours = Annotated[float, Meta(ge=ENERGY_WH.low, le=ENERGY_WH.high)]
Celsius = Annotated[float, Meta(ge=AMBIENT.low, le=AMBIENT.high)]


class _Said(
    msgspec.Struct,
    frozen=True,
    gc=False,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
):
    """What every observation may say.

    ``received_at`` and ``time_source`` are ours to say: accepted, so that what we publish can be
    read back, and not believed.
    """

    device_id: Id | None = None
    observed_at: str | None = None
    received_at: str | None = None
    time_source: str | None = None
    event_id: Id | None = None
    channel: Annotated[str, Meta(max_length=64)] = ""


class TemperatureSaid(_Said, frozen=True, gc=False, kw_only=True, tag="temperature"):
    """A temperature; without a body site it is of an unknown one, never of a room."""

    celsius: float
    body_site: BodySite = BodySite.UNKNOWN
    adjusted_to: BodySite | None = None
    subject: Id | None = None
    ambient_celsius: Celsius | None = None


class CrossingSaid(_Said, frozen=True, gc=False, kw_only=True, tag="crossing"):
    """Somebody at a gate."""

    direction: Direction = Direction.UNKNOWN
    outcome: CrossingOutcome = CrossingOutcome.UNKNOWN
    subject: Id | None = None
    stranger: bool = False
    credential: Credential | None = None
    score: Share | None = None
    mask: bool | None = None


class ElectricitySaid(_Said, frozen=True, gc=False, kw_only=True, tag="electricity"):
    """Power and/or energy."""

    power_w: Watts | None = None
    energy_wh: WattHours | None = None


class LitWindowSaid(_Said, frozen=True, gc=False, kw_only=True, tag="lit_window"):
    """A window, lit or dark."""

    lit: bool
    household: Id | None = None


class DeviceStatusSaid(_Said, frozen=True, gc=False, kw_only=True, tag="device_status"):
    """What the device says of itself."""

    online: bool | None = None
    battery: Percent | None = None
    signal: float | None = None
    sequence: Annotated[int, Meta(ge=0)] | None = None


_As = TypeVar("_As")
Said = TemperatureSaid | CrossingSaid | ElectricitySaid | LitWindowSaid | DeviceStatusSaid


class _One(msgspec.Struct, gc=False):
    """What ``msgspec.convert`` is asked for: it works a struct out once, a union every time."""

    said: Said


class _Several(msgspec.Struct, gc=False):
    said: list[Said]


_STRUCTS: dict[type[_Said], type[Observation]] = {
    TemperatureSaid: Temperature,
    CrossingSaid: Crossing,
    ElectricitySaid: Electricity,
    LitWindowSaid: LitWindow,
    DeviceStatusSaid: DeviceStatus,
}
_SHARED = ("device_id", "observed_at", "received_at", "time_source", "said_at", "channel")


def _compile_make(said: type[_Said], struct: type[Observation]) -> Callable[..., Observation]:
    """Return what makes the observation of what was said, and of what all of them share."""
    source = Source(f"make {struct.__name__}", "said", *_SHARED, known={"make": struct})
    own = [name for name in said.__struct_fields__ if name not in _Said.__struct_fields__]
    values = [f"{name}={name}" for name in _SHARED]
    values += [f"{name}=said.{name}" for name in ("event_id", *own)]
    source.line(f"return make({', '.join(values)})")
    return source.compile()


_MAKE = {said: _compile_make(said, struct) for said, struct in _STRUCTS.items()}
_PLACE = re.compile(r"`\$\.said([^`]*)`")
_FIELD = re.compile(r"field `([a-z_]{1,32})`")


def read_canonical(document: object, names: Names, arrival: Arrival) -> tuple[Observation, ...]:
    """Return the observations of a document in our own format.

    Args:
        document: One object or an array of them.
        names: The topic's device.
        arrival: When the message came.

    Raises:
        DecodeError: MISSING_FIELD, WRONG_TYPE, OUT_OF_RANGE or BAD_TIME with the field's name;
            UNKNOWN_DEVICE where the payload says another device than the topic; EMPTY for an
            empty array.
    """
    device_id = names["device"]
    if not isinstance(document, list):
        return (_observation(_convert(document, _One).said, device_id, arrival),)
    if not document:
        raise DecodeError(DeadLetterReason.EMPTY, "an array without observations")
    several = _convert(document, _Several).said
    return tuple([_observation(one, device_id, arrival) for one in several])


def _convert(document: object, to: type[_As]) -> _As:
    try:
        return msgspec.convert({"said": document}, to)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None


def _refusal(words: str) -> DecodeError:
    """Return msgspec's words as a reason and a place, without the value they may quote."""
    place = _PLACE.search(words)
    where = place[1].lstrip(".") if place else ""
    field = _FIELD.search(words)
    if field:
        where = f"{where}.{field[1]}" if where else field[1]
    if "missing required field" in words:
        return DecodeError(DeadLetterReason.MISSING_FIELD, where)
    if "unknown field" in words:
        return DecodeError(DeadLetterReason.WRONG_TYPE, f"{where or 'a field'}: unknown")
    if " <= " in words or " >= " in words:
        return DecodeError(DeadLetterReason.OUT_OF_RANGE, where)
    return DecodeError(DeadLetterReason.WRONG_TYPE, where or "not an observation")


def _observation(said: Said, device_id: str, arrival: Arrival) -> Observation:
    if said.device_id is not None and said.device_id != device_id:
        raise DecodeError(DeadLetterReason.UNKNOWN_DEVICE, "device_id is not the topic's device")
    _check(said)
    observed_at, time_source, said_at = _moment(said.observed_at, device_id, arrival)
    return _MAKE[type(said)](
        said,
        device_id,
        observed_at,
        arrival.received_at,
        time_source,
        said_at,
        checked_id(said.channel, "channel"),
    )


def _check(said: Said) -> None:
    if isinstance(said, TemperatureSaid):
        low, high = possible_celsius(said.body_site)
        if not low <= said.celsius <= high:
            raise DecodeError(DeadLetterReason.OUT_OF_RANGE, "celsius")
    if isinstance(said, ElectricitySaid) and said.power_w is None and said.energy_wh is None:
        raise DecodeError(DeadLetterReason.MISSING_FIELD, "power_w or energy_wh")


def _moment(
    said: str | None, device_id: str, arrival: Arrival
) -> tuple[int, TimeSource, int | None]:
    if said is not None and not (said[-1:] in {"Z", "z"} or said[-6:-5] in {"+", "-"}):
        raise DecodeError(DeadLetterReason.BAD_TIME, "observed_at")
    return judge_time(said, arrival, device_id)
