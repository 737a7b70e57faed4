"""Bluetooth's Temperature Measurement (0x2A1C) and Intermediate Temperature (0x2A1E).

Source: Bluetooth SIG, org.bluetooth.characteristic.temperature_measurement.xml and
temperature_type.xml; the FLOAT and its special values: ISO/IEEE 11073-20601.
"""

from typing import Any

from devices.outcome import DeadLetterReason, DecodeError

FAHRENHEIT = 0x01
HAS_TIME = 0x02
HAS_TYPE = 0x04
KNOWN_FLAGS = FAHRENHEIT | HAS_TIME | HAS_TYPE
SPECIAL_MANTISSAS = frozenset({0x7FFFFF, 0x800000, 0x7FFFFE, 0x800002, 0x800001})
"""NaN, NRes, +INFINITY, −INFINITY and the reserved one."""

TYPES = {
    1: "armpit",
    2: "body",
    3: "ear",
    4: "finger",
    5: "gastrointestinal",
    6: "mouth",
    7: "rectum",
    8: "toe",
    9: "tympanum",
}
_FLOAT_BYTES = 4
_TIME_BYTES = 7
_LARGEST = 1e9


def read_temperature_measurement(payload: bytes) -> dict[str, Any]:
    """Return value, unit, time and type of a characteristic, from its bytes or their hex text.

    Four bytes alone are a FLOAT without flags, as some gateways pass it on: taken as Celsius,
    which is safe, because no body temperature in Fahrenheit is a possible one in Celsius.

    Returns:
        ``value``; ``unit`` C or F; ``time`` local, ISO, without a zone, absent where the
        thermometer knows none; ``type`` one of ``TYPES``.

    Raises:
        DecodeError: BAD_ENCODING, these are not the bytes of one; OUT_OF_RANGE, the thermometer
            says that it has no number.
    """
    data = _bytes(payload)
    if len(data) == _FLOAT_BYTES:
        return {"value": read_float(data), "unit": "C"}
    flags = data[0] if data else KNOWN_FLAGS + 1
    has_time, has_type = bool(flags & HAS_TIME), bool(flags & HAS_TYPE)
    length = 1 + _FLOAT_BYTES + _TIME_BYTES * has_time + has_type
    if flags & ~KNOWN_FLAGS or len(data) != length:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "not a temperature measurement")
    measured: dict[str, Any] = {
        "value": read_float(data[1:5]),
        "unit": "F" if flags & FAHRENHEIT else "C",
    }
    if has_time:
        measured["time"] = _read_time(data[5:12])
    if has_type:
        measured["type"] = TYPES.get(data[-1])
    return measured


def read_float(data: bytes) -> float:
    """Return an IEEE 11073 FLOAT: 24 bits of mantissa and 8 of exponent to ten, both signed.

    Raises:
        DecodeError: OUT_OF_RANGE, it is one of the special values, or larger than any use.
    """
    mantissa = int.from_bytes(data[:3], "little", signed=True)
    exponent = int.from_bytes(data[3:4], "little", signed=True)
    if mantissa & 0xFFFFFF in SPECIAL_MANTISSAS:
        raise DecodeError(DeadLetterReason.OUT_OF_RANGE, "no number was measured")
    number = mantissa / 10**-exponent if exponent < 0 else float(mantissa * 10**exponent)
    if abs(number) > _LARGEST:
        raise DecodeError(DeadLetterReason.OUT_OF_RANGE, "value")
    return number


def _bytes(payload: bytes) -> bytes:
    """Return the characteristic; a first byte that is a hex digit has flags that do not exist."""
    if payload and payload[0] <= KNOWN_FLAGS:
        return payload
    try:
        return bytes.fromhex(payload.decode("ascii"))
    except ValueError:
        return payload


def _read_time(data: bytes) -> str | None:
    year = int.from_bytes(data[:2], "little")
    month, day, hour, minute, second = data[2:]
    if not (year and month and day):
        return None
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
