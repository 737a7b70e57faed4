"""The JSON Schema of our own format, from the structs that read it.

Written by ``python -m devices.canonical_schema > docs/gatehouse-v1.schema.json``. What a schema
cannot say well stands in the texts: the payload's device is the topic's, times have a zone.
"""

import json
import sys
from typing import Any

import msgspec

from devices.canonical import Said
from devices.measure import AMBIENT_CELSIUS, BODY_CELSIUS
from devices.observation import BodySite

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def describe() -> str:
    """Return the schema as it is published: one observation, or an array of one or more."""
    (one,), parts = msgspec.json.schema_components([Said], ref_template="#/$defs/{name}")
    _bound_temperature(parts["TemperatureSaid"])
    parts["ElectricitySaid"]["anyOf"] = [
        {"required": [name], "properties": {name: {"type": "number"}}}
        for name in ("power_w", "energy_wh")
    ]
    for part in parts.values():
        if "observed_at" in part.get("properties", {}):
            times = part["properties"]["observed_at"]
            times["description"] = "RFC 3339 with a zone; left out or null: when it arrives."
    schema = {
        "$schema": DIALECT,
        "title": "Gatehouse v1",
        "description": "What is published to gatehouse/v1/{site}/{device}, or posted to /intake.",
        "anyOf": [
            {"$ref": "#/$defs/Said"},
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Said"}},
        ],
        "$defs": {"Said": one, **parts},
    }
    return json.dumps(schema, indent=2) + "\n"


def _bound_temperature(part: dict[str, Any]) -> None:
    """Say what is possible: of a room one span, of a body another."""
    low, high = BODY_CELSIUS
    coldest, hottest = AMBIENT_CELSIUS
    part["if"] = {
        "required": ["body_site"],
        "properties": {"body_site": {"const": BodySite.AMBIENT.value}},
    }
    part["then"] = {"properties": {"celsius": {"minimum": coldest, "maximum": hottest}}}
    part["else"] = {"properties": {"celsius": {"minimum": low, "maximum": high}}}


if __name__ == "__main__":
    sys.stdout.write(describe())
