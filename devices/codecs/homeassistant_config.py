"""Home Assistant's discovery: a configuration to what of it is ours to read. Pure.

Of sensors with a temperature, power, energy or battery, their state topic, unit, and where the
value stands; of devices, where they say that they are there. All else is left aside.
Source: home-assistant/home-assistant.io source/_integrations/mqtt.markdown, sensor.mqtt.markdown;
home-assistant/core homeassistant/components/mqtt/abbreviations.py, discovery.py and
components/sensor/const.py (units and state classes of a class).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from devices.codecs.value_template import read_template
from devices.outcome import DeadLetterReason, DecodeError
from devices.path import checked_id

MAX_ENTITIES = 200
"""Components of one device."""
MAX_AT_ONE_TOPIC = 50
"""Of these, those that speak on one topic: each is looked at with every message there."""
MAX_TOPIC = 512

_LONG = {
    "avty": "availability",
    "avty_t": "availability_topic",
    "avty_tpl": "availability_template",
    "cmps": "components",
    "cns": "connections",
    "dev": "device",
    "dev_cla": "device_class",
    "en": "enabled_by_default",
    "ent_cat": "entity_category",
    "ids": "identifiers",
    "p": "platform",
    "pl_avail": "payload_available",
    "pl_not_avail": "payload_not_available",
    "stat_cla": "state_class",
    "stat_t": "state_topic",
    "t": "topic",
    "uniq_id": "unique_id",
    "unit_of_meas": "unit_of_measurement",
    "val_tpl": "value_template",
}
_UNITS = {
    "temperature": frozenset({"°C", "℃", "°F", "K", "C", "F"}),
    "power": frozenset({"W", "kW", "MW", "mW"}),
    "energy": frozenset({"mWh", "Wh", "kWh", "MWh", "J"}),
    "battery": frozenset({"%"}),
}
_CLASS_OF_UNIT = {"°C": "temperature", "℃": "temperature", "°F": "temperature"}
"""Where the class is left out or, as in the documentation's own example, is none that there is."""
_NO_CLASS = frozenset({"", "sensor", "None", "none"})
_COUNTERS = frozenset({"total", "total_increasing"})
_WORD = re.compile(r"[Ll][123]|[A-Z]?[a-z]+|[A-Z]+|\d+")
_ELSEWHERE = {
    "temperature": re.compile(
        "cpu|chip|core|processor|board|internal|mcu|soc|water|boiler|flow|return|supply|target|"
        "setpoint|set|oven|freezer|fridge|heatsink|battery|device"
    ),
    "power": re.compile(
        "reactive|apparent|factor|return|returned|export|exported|production|produced|solar|pv|"
        "max|min|peak|average|phase|l[123]"
    ),
    "energy": re.compile(
        "reactive|apparent|today|yesterday|daily|weekly|monthly|yearly|hourly|period|cost|return|"
        "returned|export|exported|production|produced|generated|solar|pv|phase|l[123]"
    ),
    "battery": re.compile("low|voltage"),
}
"""Words in a name that make it another thing than a room's temperature or what a flat draws."""


def read_entities(
    component: str, object_id: str, document: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Return what is to be read on which topic.

    Args:
        component: What its topic says that it is: ``sensor``, ``device``.
        object_id: How its topic calls it.
        document: The configuration.

    Returns:
        By topic, entities: ``device``, ``channel``, ``class``, ``unit``, and ``steps`` to the
        value, None where the template is none that is read; of ``availability`` ``online`` and
        ``offline``, the payloads.

    Raises:
        DecodeError: WRONG_TYPE, TOO_LARGE: it is no configuration.
    """
    whole = _spelt_out(document)
    found: dict[str, list[dict[str, Any]]] = {}
    if component == "device":
        parts = whole.get("components")
        if not isinstance(parts, Mapping):
            raise DecodeError(DeadLetterReason.WRONG_TYPE, "components")
        if len(parts) > MAX_ENTITIES:
            raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_ENTITIES} components")
        of_all = {name: value for name, value in whole.items() if name != "components"}
        several = [
            (name, of_all | _spelt_out(part, base=document.get("~")))
            for name, part in parts.items()
            if isinstance(part, Mapping)
        ]
    else:
        several = [(object_id, whole | {"platform": component})]
    for name, said in several:
        for at, entity in _entities(name, object_id, said):
            entities = found.setdefault(at, [])
            if entity not in entities:
                entities.append(entity)
            if len(entities) > MAX_AT_ONE_TOPIC:
                raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_AT_ONE_TOPIC}")
    return found


def _entities(
    name: str, object_id: str, said: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    kind, unit = _class(name, said)
    at = _topic(said.get("state_topic"))
    if not kind or not at:
        return
    device = _device(object_id, said)
    steps = read_template(_text(said.get("value_template")))
    channel = "" if kind == "battery" else checked_id(name, "object_id")
    entity = {"device": device, "channel": channel, "class": kind, "unit": unit}
    yield at, entity | {"steps": None if steps is None else list(steps)}
    yield from _availability(device, said)


def _class(name: str, said: Mapping[str, Any]) -> tuple[str, str]:
    """Return what kind of number a sensor tells, and its unit; "" for none of ours."""
    if said.get("platform") != "sensor" or said.get("enabled_by_default") is False:
        return "", ""
    unit, kind = _text(said.get("unit_of_measurement")), _text(said.get("device_class"))
    if kind in _NO_CLASS:
        kind = _CLASS_OF_UNIT.get(unit, "")
    if kind not in _UNITS or unit not in _UNITS[kind]:
        return "", ""
    if kind == "energy" and _text(said.get("state_class")) not in _COUNTERS:
        return "", ""
    if said.get("entity_category") is not None and kind != "battery":
        return "", ""
    named = (name, _text(said.get("name")), _text(said.get("value_template")))
    words = {word.lower() for text in named for word in _WORD.findall(text)}
    is_elsewhere = any(_ELSEWHERE[kind].fullmatch(word) for word in words)
    return ("", "") if is_elsewhere else (kind, unit)


def _device(object_id: str, said: Mapping[str, Any]) -> str:
    """Return the id of the device: what it is identified by, else the entity's own."""
    device = said.get("device")
    told = _spelt_out(device) if isinstance(device, Mapping) else {}
    ids, connections = told.get("identifiers"), told.get("connections")
    first = ids[0] if isinstance(ids, list) and ids else ids
    if first is None and isinstance(connections, list) and connections:
        pair = connections[0]
        first = pair[1] if isinstance(pair, list) and len(pair) == 2 else None
    if first is None:
        first = said.get("unique_id") if not isinstance(device, Mapping) else object_id
    text = _text(first) or object_id
    return checked_id(text, "device")


def _availability(device: str, said: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where a device tells that it is there; of several the last, the device's own."""
    listed = said.get("availability")
    if isinstance(listed, list) and listed:
        listed = listed[-1]
    own = _spelt_out(listed) if isinstance(listed, Mapping) else said
    at = _topic(own.get("topic") if isinstance(listed, Mapping) else said.get("availability_topic"))
    template = own.get("value_template" if isinstance(listed, Mapping) else "availability_template")
    steps = read_template(_text(template))
    if at and steps is not None:
        yield (
            at,
            {
                "device": device,
                "class": "availability",
                "steps": list(steps),
                "online": _text(own.get("payload_available")) or "online",
                "offline": _text(own.get("payload_not_available")) or "offline",
            },
        )


def _spelt_out(said: Mapping[str, Any], base: object = None) -> dict[str, Any]:
    """Return the members under their long names, topics with the base in the place of ``~``."""
    base = said.get("~", base)
    spelt = {_LONG.get(name, name): value for name, value in said.items()}
    if isinstance(base, str):
        for name, value in spelt.items():
            if isinstance(value, str) and name.endswith("topic"):
                spelt[name] = _based(value, base)
            elif name == "availability":
                several = value if isinstance(value, list) else [value]
                spelt[name] = [_spelt_out(one, base) for one in several if isinstance(one, Mapping)]
    return spelt


def _based(topic: str, base: str) -> str:
    if topic.startswith("~"):
        return base + topic[1:]
    return topic[:-1] + base if topic.endswith("~") else topic


def _topic(said: object) -> str:
    text = _text(said)
    return text if len(text) <= MAX_TOPIC and not {"+", "#"} & set(text) else ""


def _text(said: object) -> str:
    return str(said) if isinstance(said, str | int | float) and not isinstance(said, bool) else ""
