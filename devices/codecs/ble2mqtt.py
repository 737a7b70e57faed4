"""GATT values as esp32-ble2mqtt prints them: numbers with commas between.

Source: shmuelzon/esp32-ble2mqtt, main/ble_utils.c (chartoa) and main/gatt.c; issue #38.
"""

from typing import Any

from devices.codecs.temperature_measurement import FAHRENHEIT, HAS_TYPE, KNOWN_FLAGS, TYPES
from devices.measure import parse_number
from devices.outcome import DeadLetterReason, DecodeError

_LYWSD02_READING = 3
_LYWSD02_HISTORY = 14


def read_temperature_measurement_text(payload: bytes) -> dict[str, Any]:
    """Return value, unit and type of ``flags,value[,…]``.

    What follows the value is unreliable: the firmware prints four bytes of the timestamp as a
    second FLOAT, and reads beyond the end where there is none. Only the last number can be the
    type, and only where the flags say that there is one and it is a whole number.

    Raises:
        DecodeError: BAD_ENCODING, it does not begin with flags and a number.
    """
    parts = _split(payload)
    said, last = parts[0].strip(), parts[-1].strip()
    flags = int(said) if said.isdecimal() and len(said) <= 3 else KNOWN_FLAGS + 1
    if flags > KNOWN_FLAGS or len(parts) == 1:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "not flags,value")
    has_type = flags & HAS_TYPE and len(parts) > 2 and last.isdecimal() and len(last) == 1
    return {
        "value": parse_number(parts[1], "value"),
        "unit": "F" if flags & FAHRENHEIT else "C",
        "type": TYPES.get(int(last)) if has_type else None,
    }


def read_lywsd02(payload: bytes) -> dict[str, Any]:
    """Return temperature in °C and humidity in % of a LYWSD02's reading.

    Its history records come on another characteristic but in the same form: they are told apart
    by their length and say ``history``.

    Raises:
        DecodeError: BAD_ENCODING, these are not the bytes of either.
    """
    parts = [part.strip() for part in _split(payload)]
    if not all(part.isdecimal() and len(part) <= 3 and int(part) < 256 for part in parts):
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "not decimal bytes")
    data = bytes(int(part) for part in parts)
    if len(data) == _LYWSD02_HISTORY:
        return {"history": True}
    if len(data) != _LYWSD02_READING:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "not a LYWSD02 reading")
    return {
        "temperature": int.from_bytes(data[:2], "little", signed=True) / 100,
        "humidity": data[2],
    }


def _split(payload: bytes) -> list[str]:
    try:
        return payload.decode("ascii").split(",", 64)
    except UnicodeDecodeError:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "not ASCII") from None
