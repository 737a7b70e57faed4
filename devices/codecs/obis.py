"""Telegrams of electricity meters with OBIS codes in plain text: P1 (DSMR, eMUCS) and D0.

``/`` and the meter's name, lines ``A-B:C.D.E(value*unit)``, ``!`` and, of newer meters, a checksum.
Sources: P1 Companion Standard 5.0.2, section 6 (CRC-16, polynomial x16+x15+x2+1, over all from
``/`` to ``!``); IEC 62056-21; IEC 62056-6-1 (A = 1: electricity, B = 0: the meter itself).
"""

import re
from typing import Any

from devices.outcome import DeadLetterReason, DecodeError

MAX_TELEGRAM = 16_384
"""Bytes; the longest known telegrams are a tenth of it."""
_LINE = re.compile(
    r"(?:1-[01]:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\*\d{1,3})?\(([^()*]*)\*([^()]*)\)"
)
_TIME = re.compile(r"0-0:1\.0\.0\((\d{12}[SW])\)")
_CHECKSUM = re.compile(r"[0-9A-Fa-f]{4}")


def read_telegram(payload: bytes) -> dict[str, Any]:
    """Return what a telegram says of electricity.

    Returns:
        By code, as ``1_8_0``: an object with ``value`` and ``unit``, both text; and ``time`` as the
        meter writes it, where it does. Meters behind it (gas, water) and lists are left out.

    Raises:
        DecodeError: BAD_ENCODING, this is no telegram, or not a whole one; BAD_CHECKSUM; TOO_LARGE.
    """
    if len(payload) > MAX_TELEGRAM:
        raise DecodeError(DeadLetterReason.TOO_LARGE, "OBIS telegram")
    head, mark, checksum = payload.decode("latin-1").strip().rpartition("!")
    if not (mark and head.startswith("/")):
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "no whole OBIS telegram")
    lines = head.splitlines()
    if _CHECKSUM.fullmatch(checksum) and int(checksum, 16) != _crc16("\r\n".join([*lines, "!"])):
        raise DecodeError(DeadLetterReason.BAD_CHECKSUM, "OBIS telegram")
    found: dict[str, Any] = {}
    for line in lines[1:]:
        if match := _LINE.fullmatch(line.strip()):
            c, d, e, value, unit = match.groups()
            found[f"{c}_{d}_{e}"] = {"value": value, "unit": unit}
        elif match := _TIME.fullmatch(line.strip()):
            found["time"] = match[1]
    return found


def _crc16(text: str) -> int:
    crc = 0
    for byte in text.encode("latin-1"):
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0xA001 if byte & 1 else 0)
    return byte


_TABLE = tuple(_entry(byte) for byte in range(256))
