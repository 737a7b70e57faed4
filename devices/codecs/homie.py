"""Homie 4 and 5: properties whose unit stands in a message of its own, or in a description.

Owner of what is kept is the device: of Homie 4 the unit by ``node/property`` and the list of nodes,
of Homie 5 one ``$description``. Nobody can be asked for it: both are retained by the broker.
Source: Homie convention 4.0.0 (attributes) and 5.0 (device description).
"""

from collections.abc import Mapping
from typing import Any

from devices.codecs.plain import read_json
from devices.device_time import Arrival
from devices.outcome import DeadLetterReason, DecodeError
from devices.topic import TOPIC, Names

FAMILY = "homie"
MAX_PROPERTIES = 1_000
MAX_TEXT = 128
"""Characters kept of a unit."""
_DESCRIPTION = "$description"


def read_description(payload: bytes) -> Any:
    """Return a description as it is: one that cannot be read is no other kind of message."""
    return payload


def resolve_attribute(text: str, names: Names, arrival: Arrival, _profile: str) -> object:
    """Keep the unit of a property, or that there are nodes."""
    device = names["device"]
    key = names[TOPIC].partition(f"/{device}/")[2].removesuffix("/$unit")
    body = text[:MAX_TEXT] or None
    arrival.descriptions.describe(FAMILY, device, key, device=device, body=body)
    return {}


def resolve_description(payload: bytes, names: Names, arrival: Arrival, _profile: str) -> object:
    """Keep the units of a device's properties; an empty description takes them back.

    Raises:
        DecodeError: As :func:`read_json`; WRONG_TYPE, TOO_LARGE: it is no description.
    """
    body = _units(read_json(payload)) if payload else None
    device = names["device"]
    arrival.descriptions.describe(FAMILY, device, _DESCRIPTION, device=device, body=body)
    return {}


def resolve_value(text: str, names: Names, arrival: Arrival, _profile: str) -> object:
    """Return ``value``, ``unit``, ``node`` and ``property``.

    Raises:
        DecodeError: NO_BIRTH, the device has described nothing; UNKNOWN_DEVICE.
    """
    device, node, name = names["device"], names["node"], names["property"]
    registry, known = arrival.registry, arrival.descriptions
    if registry is not None and device not in registry.devices:
        raise DecodeError(DeadLetterReason.UNKNOWN_DEVICE, device)
    key = f"{node}/{name}"
    of_all, own = known.find(FAMILY, device, _DESCRIPTION), known.find(FAMILY, device, key)
    if of_all is None and own is None and not known.members(FAMILY, device):
        raise DecodeError(DeadLetterReason.NO_BIRTH, "units")
    unit = of_all.body.get(key) if of_all is not None else own.body if own is not None else None
    return {"value": text, "unit": unit, "node": node, "property": name}


def _units(document: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for node, said in _members(document, "nodes"):
        for name, told in _members(said, "properties"):
            unit = told.get("unit") if isinstance(told, Mapping) else None
            if isinstance(unit, str):
                found[f"{node}/{name}"] = unit[:MAX_TEXT]
            if len(found) > MAX_PROPERTIES:
                raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_PROPERTIES} units")
    return found


def _members(holder: object, name: str) -> list[tuple[str, object]]:
    """Return the members of an object's member; WRONG_TYPE where one of the two is no object."""
    inner = holder.get(name, {}) if isinstance(holder, Mapping) else None
    if not isinstance(inner, Mapping):
        raise DecodeError(DeadLetterReason.WRONG_TYPE, name)
    return list(inner.items())
