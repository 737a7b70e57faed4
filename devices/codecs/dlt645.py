"""DL/T 645-2007 frames, as a transparent gateway passes them on: bytes, or their hex text.

``68 address(6) 68 control length data checksum 16``, up to four FE before; address and values are
BCD with the last byte first, each data byte has 0x33 added, the checksum is the sum from the first
68 modulo 256. Source: DL/T 645-2007, sections 5 and 7, annex A.
"""

import re
from typing import Any

from devices.outcome import DeadLetterReason, DecodeError

START, END, WAKE = 0x68, 0x16, 0xFE
IS_ANSWER, IS_ERROR = 0x80, 0x40
READ = 0x11
_HEAD = 10
_MAX_FRAMES = 64
_MINUS_33 = bytes((byte - 0x33) & 0xFF for byte in range(256))
_PLUS_33 = bytes((byte + 0x33) & 0xFF for byte in range(256))
_WAKES = bytes([WAKE])
_REQUEST = re.compile(r"([0-9]{12}) ([0-9a-fA-F]{8})")

VALUES = {
    "00010000": ("forward_energy_kwh", 4, 0.01, False),
    "02030000": ("active_power_kw", 3, 0.0001, True),
}
"""Data identifiers: (field, bytes of the value, worth of its last digit, whether signed)."""


def read_frames(payload: bytes) -> dict[str, Any]:
    """Return the frames of a payload.

    Returns:
        ``answers``: objects with ``address`` (12 digits), ``identifier`` (8 hex digits) and the
        fields of ``VALUES``. ``requests``: the addresses of frames that a master sent, and
        ``refusals`` those of meters that answered with an error.

    Raises:
        DecodeError: BAD_ENCODING, this is no frame; BAD_CHECKSUM; WRONG_TYPE, a value is not BCD.
    """
    data = _bytes(payload).lstrip(_WAKES)
    found: dict[str, Any] = {"answers": [], "requests": [], "refusals": []}
    if not data:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "no DL/T 645 frame")
    for _ in range(_MAX_FRAMES):
        data = _read_frame(data, found).lstrip(_WAKES)
        if not data:
            return found
    raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {_MAX_FRAMES} frames")


def write_read_request(text: str) -> bytes:
    """Return the frame that asks a meter for one value.

    Args:
        text: The meter's address, 12 digits, and a data identifier, 8 hex digits.

    Raises:
        ValueError: It is not that.
    """
    match = _REQUEST.fullmatch(text)
    if not match:
        raise ValueError("a read request is an address of 12 digits and 8 hex digits")
    address, identifier = (bytes.fromhex(part)[::-1] for part in match.groups())
    data = identifier.translate(_PLUS_33)
    frame = bytes([START]) + address + bytes([START, READ, len(data)]) + data
    return _WAKES * 4 + frame + bytes([sum(frame) & 0xFF, END])


def _read_frame(data: bytes, found: dict[str, Any]) -> bytes:
    """Add the first frame to what was found and return what follows it."""
    if len(data) < _HEAD + 2 or data[0] != START or data[7] != START:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "no DL/T 645 frame")
    control, length = data[8], data[9]
    size = _HEAD + length + 2
    if len(data) < size or data[size - 1] != END:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "a DL/T 645 frame cut short")
    if sum(data[: size - 2]) & 0xFF != data[size - 2]:
        raise DecodeError(DeadLetterReason.BAD_CHECKSUM, "DL/T 645 frame")
    address = data[6:0:-1].hex()
    body = data[_HEAD : _HEAD + length].translate(_MINUS_33)
    if not control & IS_ANSWER:
        found["requests"].append(address)
    elif control & IS_ERROR:
        found["refusals"].append(address)
    else:
        found["answers"].append({"address": address, **_read_body(control, body)})
    return data[size:]


def _read_body(control: int, body: bytes) -> dict[str, Any]:
    if control & 0x1F != READ or len(body) < 4:
        return {}
    identifier = body[3::-1].hex()
    field, size, worth, is_signed = VALUES.get(identifier, ("", 0, 0.0, False))
    if not field:
        return {"identifier": identifier}
    value = body[4 : 4 + size]
    if len(value) != size:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, f"{field}: cut short")
    return {"identifier": identifier, field: _read_bcd(value, worth, field, is_signed)}


def _read_bcd(value: bytes, worth: float, field: str, is_signed: bool) -> float:
    """Return a number; in signed ones the top bit is the sign (2007 edition)."""
    is_negative = is_signed and bool(value[-1] & 0x80)
    if is_negative:
        value = value[:-1] + bytes([value[-1] & 0x7F])
    number = round(int(_digits(value, field)) * worth, 4)
    return -number if is_negative else number


def _digits(value: bytes, where: str) -> str:
    digits = value[::-1].hex()
    if not digits.isdecimal():
        raise DecodeError(DeadLetterReason.WRONG_TYPE, f"{where}: not BCD")
    return digits


def _bytes(payload: bytes) -> bytes:
    """Return the frames' bytes: hex text begins with neither of the two bytes that frames do."""
    if payload[:1] in {b"\x68", _WAKES}:
        return payload
    try:
        return bytes.fromhex(payload.decode("ascii"))
    except ValueError:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "no DL/T 645 frame") from None
