"""Frames of LoRaWAN thermometers and metering sockets, as objects with the vendors' own keys.

Sources: Milesight's payload definitions (SensorDecoders, EM300-TH and WS52x README.md); ELSYS
Generic Payload (lorawan-devices, elsys.js); Dragino LHT65 manual, 2.4 (lorawan-devices, lht65.js,
lht65n.js).
"""

import struct
from typing import Any

from devices.outcome import DeadLetterReason, DecodeError

Items = dict[Any, tuple[str, str, float]]
"""By what introduces an item: key ("" for what nobody needs), format of ``struct``, worth of 1."""

_NO_VALUE = 0x7FFF
"""What an SHT or a DS18B20 that does not answer gives."""

_MILESIGHT: Items = {
    b"\x01\x75": ("battery", "<B", 1),
    b"\x03\x67": ("temperature", "<h", 0.1),
    b"\x83\x67": ("temperature", "<hx", 0.1),  # With an alarm's state.
    b"\x04\x68": ("humidity", "<B", 0.5),
    b"\x03\x74": ("voltage", "<H", 0.1),
    b"\x04\x80": ("power", "<I", 1),
    b"\x05\x81": ("power_factor", "<B", 1),
    b"\x06\x83": ("power_consumption", "<I", 1),
    b"\x07\xc9": ("current", "<H", 1),
    b"\x08\x70": ("", "<x", 1),
    b"\xff\x01": ("", "<x", 1),
    b"\xff\x09": ("", "<2x", 1),
    b"\xff\x0a": ("", "<2x", 1),
    b"\xff\x0b": ("", "<x", 1),
    b"\xff\x0f": ("", "<x", 1),
    b"\xff\x16": ("", "<8x", 1),
    b"\xff\xfe": ("", "<x", 1),
    b"\xff\xff": ("", "<2x", 1),
}
_MILESIGHT_HISTORY = b"\x20\xce"

_ELSYS: Items = {
    b"\x01": ("temperature", ">h", 0.1),
    b"\x02": ("humidity", ">B", 1),
    b"\x03": ("", ">3x", 1),
    b"\x04": ("light", ">H", 1),
    b"\x05": ("motion", ">B", 1),
    b"\x06": ("co2", ">H", 1),
    b"\x07": ("vdd", ">H", 1),
    b"\x08": ("", ">2x", 1),
    b"\x09": ("", ">6x", 1),
    b"\x0a": ("", ">2x", 1),
    b"\x0b": ("", ">4x", 1),
    b"\x0c": ("externalTemperature", ">h", 0.1),
    b"\x0d": ("", ">x", 1),
    b"\x0e": ("", ">2x", 1),
    b"\x0f": ("", ">x", 1),
    b"\x10": ("", ">4x", 1),
    b"\x11": ("", ">x", 1),
    b"\x12": ("", ">x", 1),
    b"\x13": ("", ">65x", 1),
    b"\x14": ("", ">4x", 1),
    b"\x15": ("", ">2x", 1),
    b"\x16": ("", ">2x", 1),
    b"\x17": ("", ">4x", 1),
    b"\x18": ("", ">2x", 1),
    b"\x19": ("externalTemperature2", ">h", 0.1),
    b"\x1a": ("", ">x", 1),
    b"\x1b": ("", ">4x", 1),
    b"\x1c": ("", ">2x", 1),
    b"\x3d": ("", ">4x", 1),
}


def read_milesight(frame: bytes, _port: int) -> dict[str, Any]:
    """Return what a frame of channel, type and value says; kept readings are its ``history``.

    Raises:
        DecodeError: BAD_ENCODING, it is cut short; MISSING_FIELD, nothing in it is known.
    """
    found: dict[str, Any] = {}
    kept, at = [], 0
    while frame[at : at + 2] == _MILESIGHT_HISTORY:
        timestamp, celsius, humidity = _unpack("<IhBx", frame, at + 2)
        kept.append({"timestamp": timestamp, "temperature": celsius / 10, "humidity": humidity / 2})
        at += 10
    if kept:
        found["history"] = kept
        return found
    return _read_items(frame, _MILESIGHT, size=2)


def read_elsys(frame: bytes, _port: int) -> dict[str, Any]:
    """Return what a frame of types and values says.

    Raises:
        DecodeError: As :func:`read_milesight`.
    """
    return _read_items(frame, _ELSYS, size=1)


def read_dragino_lht65(frame: bytes, port: int) -> dict[str, Any]:
    """Return what an LHT65 or LHT65N says; readings it kept and was asked for are ``history``.

    Raises:
        DecodeError: BAD_ENCODING, it is cut short; MISSING_FIELD, it says something else.
    """
    if not frame or len(frame) % 11:
        raise DecodeError(DeadLetterReason.MISSING_FIELD, f"no reading on port {port}")
    if frame[6] & 0x40:
        return {"history": [_read_kept(frame, at) for at in range(0, len(frame), 11)]}
    first, celsius, _, status, second = _unpack(">hhHBh", frame, 0)
    probe = status & 0x0F
    if len(frame) != 11 or port != 2 or probe == 0x0F:
        raise DecodeError(DeadLetterReason.MISSING_FIELD, f"no reading on port {port}")
    return _room(celsius) | _probe(probe, first if probe == 9 else second)


def _read_kept(frame: bytes, at: int) -> dict[str, Any]:
    outside, celsius, _, status, timestamp = _unpack(">hhHBI", frame, at)
    return {"timestamp": timestamp} | _room(celsius) | _probe(status & 0x0F, outside)


def _room(celsius: int) -> dict[str, float]:
    return {} if celsius == _NO_VALUE else {"TempC_SHT": celsius / 100}


def _probe(kind: int, celsius: int) -> dict[str, float]:
    """Return the temperature of a probe: 1 and 9 are a DS18B20, 2 a TMP117; others measure else."""
    key = {1: "TempC_DS", 2: "TempC_TMP117", 9: "TempC_DS"}.get(kind)
    return {} if key is None or celsius == _NO_VALUE else {key: celsius / 100}


def _read_items(frame: bytes, known: Items, *, size: int) -> dict[str, Any]:
    """Return the items up to the first of a kind that is not known: nobody tells its length."""
    found: dict[str, Any] = {}
    at = 0
    while (mark := frame[at : at + size]) in known:
        key, layout, worth = known[mark]
        values = _unpack(layout, frame, at + size)
        if key:
            found[key] = round(values[0] * worth, 1) if worth != 1 else values[0]
        at += size + struct.calcsize(layout)
    if not at:
        raise DecodeError(DeadLetterReason.MISSING_FIELD, "a frame of an unknown layout")
    return found


def _unpack(layout: str, frame: bytes, at: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(layout, frame, at)
    except struct.error:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "a frame cut short") from None
