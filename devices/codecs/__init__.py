"""Bytes to what a profile's paths walk: objects, arrays, texts, numbers.

A codec knows a wire format and no meaning; which field is what stands in the profile that names
it. It raises :class:`devices.outcome.DecodeError` and nothing else.

Of some formats the bytes alone mean nothing: what they say follows from what the device has said
of itself before. A resolver makes the document of them, and keeps what they say of the device.
"""

from collections.abc import Callable
from typing import Any

from devices.codecs.ble2mqtt import read_lywsd02, read_temperature_measurement_text
from devices.codecs.bthome import read_advertisement
from devices.codecs.dlt645 import read_frames
from devices.codecs.face_terminal import read_wrapped_json
from devices.codecs.homeassistant import (
    read_config,
    read_state,
    resolve_config,
    resolve_state,
)
from devices.codecs.homie import (
    read_description,
    resolve_attribute,
    resolve_description,
    resolve_value,
)
from devices.codecs.isapi import read_event
from devices.codecs.lorawan import read_chirpstack_uplink, read_the_things_stack_uplink
from devices.codecs.obis import read_telegram
from devices.codecs.plain import read_json, read_json_or_text, read_text
from devices.codecs.senml import read_pack
from devices.codecs.sparkplug import read_payload, resolve
from devices.codecs.temperature_measurement import read_temperature_measurement
from devices.codecs.thingsboard import read_gateway_telemetry, read_telemetry
from devices.device_time import Arrival
from devices.topic import Names

Codec = Callable[[bytes], object]
Resolve = Callable[[Any, Names, Arrival, str], object]
"""What a codec gave, names of the topic, arrival and the profile's name to what the paths walk;
None: it is another kind of message. The message may be empty."""

CODECS: dict[str, Codec] = {
    "json": read_json,
    "text": read_text,
    "json_or_text": read_json_or_text,
    "wrapped_json": read_wrapped_json,
    "temperature_measurement": read_temperature_measurement,
    "ble2mqtt_temperature_measurement": read_temperature_measurement_text,
    "ble2mqtt_lywsd02": read_lywsd02,
    "bluetooth_advertisement": read_advertisement,
    "dlt645": read_frames,
    "isapi_event": read_event,
    "obis": read_telegram,
    "senml": read_pack,
    "chirpstack_uplink": read_chirpstack_uplink,
    "the_things_stack_uplink": read_the_things_stack_uplink,
    "thingsboard": read_telemetry,
    "thingsboard_gateway": read_gateway_telemetry,
    "homeassistant_config": read_config,
    "homeassistant_state": read_state,
    "homie_attribute": read_text,
    "homie_description": read_description,
    "homie_value": read_text,
    "sparkplug_b": read_payload,
}
RESOLVERS: dict[str, Resolve] = {
    "homeassistant_config": resolve_config,
    "homeassistant_state": resolve_state,
    "homie_attribute": resolve_attribute,
    "homie_description": resolve_description,
    "homie_value": resolve_value,
    "sparkplug_b": resolve,
}
