"""Sparkplug payloads as the specification prints them, to bytes."""

from typing import Any

from devices.codecs.sparkplug_payload import Payload

TYPES = {
    "Int8": (1, "int_value", 32),
    "Int16": (2, "int_value", 32),
    "Int32": (3, "int_value", 32),
    "Int64": (4, "long_value", 64),
    "UInt8": (5, "int_value", 32),
    "UInt16": (6, "int_value", 32),
    "UInt32": (7, "int_value", 32),
    "UInt64": (8, "long_value", 64),
    "Float": (9, "float_value", 0),
    "Double": (10, "double_value", 0),
    "Boolean": (11, "boolean_value", 0),
    "String": (12, "string_value", 0),
}


def payload(document: dict[str, Any]) -> bytes:
    """Return the bytes of a payload.

    Args:
        document: ``timestamp``, ``seq`` and ``metrics``; of each ``name``, ``alias``,
            ``timestamp``, ``dataType``, ``value`` (None: null), ``historical``, and
            ``properties``. ``typed`` false leaves the type out, as messages after the birth do.
    """
    message = Payload()
    for name in ("timestamp", "seq", "uuid"):
        if document.get(name) is not None:
            setattr(message, name, document[name])
    for said in document.get("metrics", ()):
        metric = message.metrics.add()
        for name in ("name", "alias", "timestamp"):
            if name in said:
                setattr(metric, name, said[name])
        number, field, bits = TYPES[said["dataType"]]
        if said.get("typed", True):
            metric.datatype = number
        if said.get("historical"):
            metric.is_historical = True
        value = said.get("value")
        if value is None:
            metric.is_null = True
        else:
            setattr(metric, field, value & ((1 << bits) - 1) if bits else value)
        _add_properties(metric, said.get("properties", {}))
    written: bytes = message.SerializeToString()
    return written


def _add_properties(metric: Any, said: dict[str, str | int]) -> None:
    for key, word in said.items():
        metric.properties.keys.append(key)
        one = metric.properties.values.add()
        if isinstance(word, str):
            one.type, one.string_value = 12, word
        else:
            one.type, one.int_value = 3, word
