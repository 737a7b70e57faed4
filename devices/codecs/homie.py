"""Homie 4 and 5: properties whose unit stands in a message of its own, or in a description.

Owner of what is kept is the device: of Homie 4 the unit by ``node/property``, whether somebody may
set it, and the list of nodes; of Homie 5 one ``$description``. Nobody can be asked for it: all is
retained by the broker. What may be set is what somebody wishes, and no measurement.
Source: homieiot/convention, convention.md of v4.0.0 (attributes) and of 5 (description, forward
compatibility).
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
_SETTABLE = "/$settable"


def read_description(payload: bytes) -> Any:
    """Return a description as it is: one that cannot be read is no other kind of message."""
    return payload


def resolve_attribute(text: str, names: Names, arrival: Arrival, _profile: str) -> object:
    """Keep the unit of a property, that it may be set, or that there are nodes."""
    device = names["device"]
    key = names[TOPIC].partition(f"/{device}/")[2].removesuffix("/$unit")
    is_kept = text == "true" if key.endswith(_SETTABLE) else bool(text)
    body = text[:MAX_TEXT] if is_kept else None
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
    if of_all is not None:
        unit = of_all.body.get(key)
    else:
        may_be_set = known.find(FAMILY, device, key + _SETTABLE) is not None
        unit = None if own is None or may_be_set else own.body
    return {"value": text, "unit": unit, "node": node, "property": name}


def _units(document: object) -> dict[str, str]:
    """Return units by ``node/property``; a node or a property that is none is left out.

    Raises:
        DecodeError: WRONG_TYPE, this is no description; TOO_LARGE.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("nodes", {}), Mapping):
        raise DecodeError(DeadLetterReason.WRONG_TYPE, "nodes")
    found: dict[str, str] = {}
    for node, said in _members(document, "nodes"):
        for name, told in _members(said, "properties"):
            unit = told.get("unit") if isinstance(told, Mapping) else None
            if isinstance(unit, str) and told.get("settable") is not True:
                found[f"{node}/{name}"] = unit[:MAX_TEXT]
            if len(found) > MAX_PROPERTIES:
                raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_PROPERTIES} units")
    return found


def _members(holder: object, name: str) -> list[tuple[str, Any]]:
    """Return the members of an object's member, none where one of the two is no object."""
    inner = holder.get(name) if isinstance(holder, Mapping) else None
    return list(inner.items()) if isinstance(inner, Mapping) else []
