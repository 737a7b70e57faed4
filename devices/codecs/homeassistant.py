"""Home Assistant's discovery: sensors that say where they speak, and what they say there.

Anybody on the broker can publish a configuration, so it only ever describes: an observation comes
of it for a device that is registered with this family and for no other. Kept is, by the topic on
which it speaks, what each configuration says of it; and by configuration, which topics it named.
"""

from typing import Any

from devices.codecs.homeassistant_config import read_entities
from devices.codecs.plain import read_json
from devices.device_time import Arrival
from devices.outcome import DeadLetterReason, DecodeError
from devices.path import as_text, checked_id, follow
from devices.topic import TOPIC, Names

FAMILY = "homeassistant"
MAX_CONFIG = 64 * 1024
_NONE = frozenset({"unavailable", "unknown", "none", "null"})
"""What Home Assistant and its bridges write for a value that there is none of."""


def read_config(payload: bytes) -> Any:
    """Return a configuration; an empty one takes back what was said.

    Raises:
        DecodeError: As :func:`read_json`; WRONG_TYPE, TOO_LARGE.
    """
    if not payload:
        return {}
    if len(payload) > MAX_CONFIG:
        raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_CONFIG} bytes")
    document = read_json(payload)
    if not isinstance(document, dict):
        raise DecodeError(DeadLetterReason.WRONG_TYPE, "no object")
    return document


def read_state(payload: bytes) -> Any:
    """Return a state as it is: how it is read depends on who speaks."""
    return payload


def resolve_config(document: Any, names: Names, arrival: Arrival, profile: str) -> object:
    """Keep what a configuration says of each topic.

    Raises:
        DecodeError: WRONG_TYPE where a registered device's template is none that is read; all that
            is, is kept nevertheless. As :func:`read_entities`.
    """
    config, known = names[TOPIC], arrival.descriptions
    said = read_entities(names["component"], names["object"], document) if document else {}
    before = known.find(FAMILY, config)
    was: dict[str, Any] = before.body if before else {"device": "", "topics": []}
    device = next((one[0]["device"] for one in said.values()), was["device"])
    for topic in dict.fromkeys((*said, *was["topics"])):
        known.describe(FAMILY, topic, config, device=device, body=said.get(topic))
    if said or before:
        body = {"device": device, "topics": list(said)} if said else None
        known.describe(FAMILY, config, device=device, body=body)
    entities = [entity for several in said.values() for entity in several]
    if any(one["steps"] is None and _is_ours(one, arrival, profile) for one in entities):
        raise DecodeError(DeadLetterReason.WRONG_TYPE, "value_template")
    return {}


def resolve_state(payload: bytes, names: Names, arrival: Arrival, profile: str) -> object:
    """Return what registered devices say on a topic that configurations have named.

    Returns:
        ``readings`` of ``device``, ``channel``, ``class``, ``unit`` and ``value``; ``statuses`` of
        ``device`` and ``online``. None: no configuration has named the topic.

    Raises:
        DecodeError: UNKNOWN_DEVICE, none of those who speak there is registered with the family;
            BAD_JSON, BAD_ENCODING.
    """
    said = arrival.descriptions.members(FAMILY, names[TOPIC])
    entities = [entity for one in said.values() for entity in one.body]
    if not entities:
        return None
    ours = [entity for entity in entities if _is_ours(entity, arrival, profile)]
    if not ours:
        raise DecodeError(DeadLetterReason.UNKNOWN_DEVICE, checked_id(entities[0]["device"], "id"))
    document = read_json(payload) if any(entity["steps"] for entity in ours) else None
    text = _decoded(payload)
    readings, statuses = [], []
    for entity in ours:
        steps = entity["steps"]
        if steps is None:
            continue
        value = follow(document, tuple(steps)) if steps else text
        if entity["class"] == "availability":
            online = {entity["online"]: True, entity["offline"]: False}.get(as_text(value) or "")
            statuses.append({"device": entity["device"], "online": online})
        elif not (isinstance(value, str) and value.strip().lower() in _NONE):
            readings.append({**entity, "value": value})
    return {"readings": readings, "statuses": statuses}


def _is_ours(entity: dict[str, Any], arrival: Arrival, profile: str) -> bool:
    if arrival.registry is None:
        return True
    device = arrival.registry.device(entity["device"])
    return device is not None and device.profile == profile


def _decoded(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "text") from None
