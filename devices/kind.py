"""The kinds of observation: their structs, and what is asked of one beside its fields."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devices.measure import possible_celsius
from devices.observation import (
    BodySite,
    Crossing,
    DeviceStatus,
    Electricity,
    LitWindow,
    Observation,
    Temperature,
)
from devices.origin import Origin
from devices.outcome import DeadLetterReason
from devices.source import Source

Values = dict[str, str]
"""The variable or name that holds a field's value, by field."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of observation is made.

    Attributes:
        struct: What is made.
        needs: The field without which there is none.
        is_empty_enough: Whether there is one even without any value.
        is_of_a_person: Whether it takes the subject of whom the device recognised.
        finish: Writes what must hold of the values, or follows from them, given those of them
            that every payload has alike.
    """

    struct: type[Observation]
    needs: str | None = None
    is_empty_enough: bool = False
    is_of_a_person: bool = False
    finish: Callable[[Source, Values, Mapping[str, object], Origin], None] | None = None


def _check_temperature(
    source: Source, values: Values, constants: Mapping[str, object], _origin: Origin
) -> None:
    """Write that a temperature of no living body, or of no room, is out of range."""
    if "body_site" in values and "body_site" not in constants:
        possible = source.name(possible_celsius, "possible")
        source.line(f"low, high = {possible}({values['body_site']})")
    else:
        site = BodySite(str(constants.get("body_site", BodySite.UNKNOWN)))
        low, high = possible_celsius(site)
        source.line(f"low, high = {low!r}, {high!r}")
    out_of_range = source.name(DeadLetterReason.OUT_OF_RANGE, "reason")
    with source.inside(f"if not low <= {values['celsius']} <= high:"):
        source.line(f"raise DecodeError({out_of_range}, 'celsius')")


def _tell_stranger(
    _source: Source, values: Values, _constants: Mapping[str, object], origin: Origin
) -> None:
    """Say that somebody whom no register of ours has is a stranger, and a resident is none."""
    said = values.get("stranger", "False")
    if origin.subject != "None":
        said = f"({said} or {origin.is_stranger}) and {origin.subject} is None"
    values["stranger"] = said


KINDS: dict[str, Kind] = {
    "temperature": Kind(
        Temperature, needs="celsius", is_of_a_person=True, finish=_check_temperature
    ),
    "crossing": Kind(Crossing, is_empty_enough=True, is_of_a_person=True, finish=_tell_stranger),
    "electricity": Kind(Electricity),
    "lit_window": Kind(LitWindow, needs="lit"),
    "device_status": Kind(DeviceStatus),
}
