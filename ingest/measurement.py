"""What is written to the time series: measurements, their fields and units. A closed list.

Tags of every measurement are device, channel, site and grid, as of the time of observation. A
subject, a topic, a vendor, a flat or a person's name is never a tag or a field.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any

from devices.observation import (
    Crossing,
    DeviceStatus,
    Electricity,
    LitWindow,
    Observation,
    Temperature,
)

TAG_MEANINGS = {
    "device": "the device's id in the registry",
    "channel": "which of its sensors or meter phases; left out where it has one",
    "site": "where it stood when it observed this; left out where it stood nowhere",
    "grid": "the worker's patch of the household it stood in then; left out elsewhere",
}
TAGS = tuple(TAG_MEANINGS)
FORBIDDEN = (
    "subject",
    "name",
    "phone",
    "flat",
    "household",
    "event id",
    "topic",
    "payload",
    "vendor",
    "picture",
)
"""What is neither a tag, a field nor part of one; who it was is in the state database only."""


class FieldKind(StrEnum):
    """Type of a field; one field never changes it, or the store refuses the point."""

    FLOAT = "float"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Field:
    """One field; ``name`` is also the observation's attribute it is read from."""

    name: str
    kind: FieldKind
    unit: str
    says: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One kind of observation in the time series.

    Attributes:
        series: Of what there is one series each.
        values: Reads an observation's fields, in order; None where it says nothing.
        may_be_blank: Whether an observation may say nothing at all.
    """

    name: str
    series: str
    fields: tuple[Field, ...]
    values: Callable[[Observation], tuple[Any, ...]]
    may_be_blank: bool

    def field(self, name: str) -> Field:
        """Return a field by name.

        Raises:
            ValueError: The measurement has no such field.
        """
        for field in self.fields:
            if field.name == name:
                return field
        known = ", ".join(field.name for field in self.fields)
        raise ValueError(f"{self.name} has no field {name!r}; it has {known}")


def _measurement(name: str, series: str, *fields: Field, may_be_blank: bool = False) -> Measurement:
    names = [field.name for field in fields]
    values = attrgetter(*names)
    if len(names) == 1:  # With one name attrgetter gives the bare value.
        return Measurement(name, series, fields, lambda one: (values(one),), may_be_blank)
    return Measurement(name, series, fields, values, may_be_blank)


TEMPERATURE = _measurement(
    "temperature",
    "thermometer, room sensor, and terminal or gun that measures",
    Field("celsius", FieldKind.FLOAT, "°C", "what was measured, after the device's adjustment"),
    Field("body_site", FieldKind.TEXT, "", "where on the body; ambient is a room, never a body"),
    Field("adjusted_to", FieldKind.TEXT, "", "body site an infrared value was converted to"),
    Field("ambient_celsius", FieldKind.FLOAT, "°C", "air around the instrument"),
)
CROSSING = _measurement(
    "crossing",
    "gate terminal or camera",
    Field("direction", FieldKind.TEXT, "", "in, out or unknown"),
    Field("outcome", FieldKind.TEXT, "", "admitted, refused or unknown"),
    Field("stranger", FieldKind.BOOLEAN, "", "a face that nobody enrolled"),
    Field("credential", FieldKind.TEXT, "", "face, card, code or plate"),
    Field("score", FieldKind.FLOAT, "", "how sure the gate was, as the gate says it"),
    Field("mask", FieldKind.BOOLEAN, "", "whether a mask was worn"),
)
ELECTRICITY = _measurement(
    "electricity",
    "meter, plug, or phase of one",
    Field("power_w", FieldKind.FLOAT, "W", "power drawn"),
    Field("energy_wh", FieldKind.FLOAT, "Wh", "the meter's cumulative counter"),
    may_be_blank=True,
)
LIT_WINDOW = _measurement(
    "lit_window",
    "worker who looks up at windows",
    Field("lit", FieldKind.BOOLEAN, "", "whether a worker saw light"),
)
DEVICE_STATUS = _measurement(
    "device_status",
    "device that says something of itself, or gateway",
    Field("online", FieldKind.BOOLEAN, "", "what the device or its gateway says of it"),
    Field("battery", FieldKind.FLOAT, "%", "charge left"),
    Field("signal", FieldKind.FLOAT, "", "radio signal in dBm or the device's own unit"),
    Field("sequence", FieldKind.INTEGER, "", "the device's message number"),
    may_be_blank=True,
)

CANARY = "gatehouse_canary"
"""The one measurement that is of no observation: written into InfluxDB and read back."""
MEASUREMENTS: dict[str, Measurement] = {
    measurement.name: measurement
    for measurement in (TEMPERATURE, CROSSING, ELECTRICITY, LIT_WINDOW, DEVICE_STATUS)
}
MEASUREMENT_OF: dict[type[Observation], Measurement] = {
    Temperature: TEMPERATURE,
    Crossing: CROSSING,
    Electricity: ELECTRICITY,
    LitWindow: LIT_WINDOW,
    DeviceStatus: DEVICE_STATUS,
}


def measurement_named(name: str) -> Measurement:
    """Return a measurement by name.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in MEASUREMENTS:
        raise ValueError(f"no measurement {name!r}; there are {', '.join(MEASUREMENTS)}")
    return MEASUREMENTS[name]


_UNPRINTABLE: dict[int, int | str] = {
    **{code: 0x2400 + code for code in range(0x20)},
    0x7F: 0x2421,
    ord("\\"): "/",
}


def tag_text(text: str) -> str:
    """Return a tag's value as every store can hold and return it.

    Line protocol has no escape for a line break, nor for a backslash at the end, and servers
    disagree about other backslashes: control characters become their pictures (␊), a backslash
    a slash, and half a surrogate pair a question mark.
    """
    if text.isalnum():
        return text
    return text.translate(_UNPRINTABLE).encode("utf-8", "replace").decode("utf-8")
