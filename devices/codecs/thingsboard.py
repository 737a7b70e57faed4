"""ThingsBoard's telemetry: one shape for the several in which it may be sent.

Source: ThingsBoard documentation, MQTT Device API (Telemetry) and MQTT Gateway API.
"""

from typing import Any

from devices.codecs.plain import read_json
from devices.outcome import DeadLetterReason, DecodeError

MAX_READINGS = 4_096
"""Of one message."""


def read_telemetry(payload: bytes) -> dict[str, Any]:
    """Return the readings that a device says of itself: values, values with a time, or an array.

    Returns:
        ``readings``: objects of values by key, with ``$time`` where it was said.

    Raises:
        DecodeError: What JSON is refused for; WRONG_TYPE; TOO_LARGE.
    """
    return {"readings": list(map(_read, _several(read_json(payload))))}


def read_gateway_telemetry(payload: bytes) -> dict[str, Any]:
    """Return the readings of the devices behind a gateway: by their names.

    Returns:
        As :func:`read_telemetry`, with ``$device``.

    Raises:
        DecodeError: As :func:`read_telemetry`.
    """
    document = read_json(payload)
    if not isinstance(document, dict):
        raise DecodeError(DeadLetterReason.WRONG_TYPE, "telemetry of a gateway")
    readings = [
        {**_read(reading), "$device": device}
        for device, said in document.items()
        for reading in _several(said)
    ]
    return {"readings": _several(readings)}


def _several(said: object) -> list[object]:
    readings = said if isinstance(said, list) else [said]
    if len(readings) > MAX_READINGS:
        raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_READINGS} readings")
    return readings


def _read(said: object) -> dict[str, Any]:
    """Return one reading; ``values`` beside ``ts`` are the reading, with a time."""
    if not isinstance(said, dict):
        raise DecodeError(DeadLetterReason.WRONG_TYPE, "telemetry")
    values = said.get("values")
    if isinstance(values, dict):
        return {**values, "$time": said.get("ts")}
    return said
