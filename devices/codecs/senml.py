"""SenML packs, JSON or CBOR, resolved: every record with its own name, unit, time and value.

Source: RFC 8428, sections 4 (labels, resolving), 4.6 (records in CBOR), 6 (CBOR labels), and
RFC 9039, section 3 (device URNs).
"""

import re
from decimal import Decimal
from io import BytesIO
from typing import Any

import cbor2

from devices.codecs.plain import read_json
from devices.outcome import DeadLetterReason, DecodeError

MAX_RECORDS = 4_096
"""Of one pack; a device that sends a day in one has one a minute."""
MAX_CBOR = 64 * 1024
"""Bytes; so many keys made to collide still cost less than a second."""
VERSION = 10
"""The newest version there is; who says a greater one must not be read."""

_LABELS = {
    -6: "bs", -5: "bv", -4: "bu", -3: "bt", -2: "bn", -1: "bver",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_NUMBERS = frozenset({"bt", "t", "bv", "v", "bs", "s", "bver"})
_MOST = 1e300
"""What a number may be, so that the sum of two of them is one; leaves out NaN and infinity."""
_TEXTS = frozenset({"bn", "n", "bu", "u"})
_VALUES = frozenset({"v", "vs", "vb", "vd", "s"})
_MAPS = range(0x80, 0xA0)
"""First bytes of a CBOR array of less than 2^64 records, or of one that says its length last."""
_URN = re.compile(r"(urn:dev:[a-z0-9]+:[^:_/]+)[:_/]?(.*)", re.DOTALL)
_SAYS_NO_MORE = frozenset(
    {"", "temp", "temperature", "power", "active_power", "energy", "battery", "battery_level"}
)
"""Names of a measurement that say no more than its unit does."""


def read_pack(payload: bytes) -> dict[str, Any]:
    """Return the records of a pack that have a number.

    Returns:
        ``records``: objects with ``thing`` (whose the measurement is: the name up to its last
        slash, a device URN without its component, the base name, or a name with a colon),
        ``quantity`` (the rest of the name), ``channel`` (the same where it tells more than the unit
        does), ``unit``, ``value``, ``sum`` and ``time`` (seconds since 1970, or from now on where
        it is below 2^28). What a record does not say is left out.

    Raises:
        DecodeError: What JSON is refused for; BAD_ENCODING, this is no CBOR, or not a whole one, or
            a version or a label that must be understood and is not; MISSING_FIELD, this is no
            pack; WRONG_TYPE; TOO_LARGE.
    """
    is_cbor = bool(payload) and payload[0] in _MAPS
    pack = _read_cbor(payload) if is_cbor else read_json(payload)
    if not isinstance(pack, list) or not pack:
        raise DecodeError(DeadLetterReason.MISSING_FIELD, "no SenML pack")
    if len(pack) > MAX_RECORDS:
        raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_RECORDS} records")
    base: dict[str, Any] = {}
    records = [_resolve(_checked(record), base) for record in pack]
    if not any(record["has_value"] for record in records):
        raise DecodeError(DeadLetterReason.MISSING_FIELD, "no value in the SenML pack")
    return {"records": [record for record in records if "value" in record or "sum" in record]}


def _read_cbor(payload: bytes) -> object:
    if len(payload) > MAX_CBOR:
        raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_CBOR} bytes of CBOR")
    file = BytesIO(payload)
    try:
        pack = cbor2.load(file, max_depth=8)
    except (cbor2.CBORDecodeError, ValueError, OverflowError):
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "no CBOR") from None
    if file.read(1):
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "more after the SenML pack")
    if not isinstance(pack, list):
        return pack
    return [_with_names(record) if isinstance(record, dict) else record for record in pack]


def _with_names(record: dict[object, object]) -> dict[object, object]:
    """Return a record with the labels of JSON, and plain numbers for decimal fractions."""
    return {
        _LABELS.get(key, key) if type(key) is int else key: (
            float(value) if isinstance(value, Decimal) else value
        )
        for key, value in record.items()
    }


def _checked(record: object) -> dict[str, Any]:
    """Return a record whose labels are of the type that they have to be.

    Raises:
        DecodeError: WRONG_TYPE; BAD_ENCODING, it has to be understood, and we do not.
    """
    if not isinstance(record, dict):
        raise DecodeError(DeadLetterReason.MISSING_FIELD, "no SenML record")
    for label, value in record.items():
        if label in _NUMBERS:
            if value.__class__ is not float and value.__class__ is not int:
                raise DecodeError(DeadLetterReason.WRONG_TYPE, label)
            if not abs(value) <= _MOST:
                raise DecodeError(DeadLetterReason.OUT_OF_RANGE, label)
        elif label in _TEXTS:
            if value.__class__ is not str:
                raise DecodeError(DeadLetterReason.WRONG_TYPE, label)
        elif label.__class__ is str and label[-1:] == "_":
            raise DecodeError(DeadLetterReason.BAD_ENCODING, "a label that has to be understood")
    if record.get("bver", VERSION) > VERSION:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "a newer version of SenML")
    return record


def _resolve(record: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """Return what a record says, the base fields of it and those before it taken into account."""
    for label in ("bn", "bt", "bu", "bv", "bs"):
        if label in record:
            base[label] = record[label]
    resolved: dict[str, Any] = {"has_value": not _VALUES.isdisjoint(record)}
    thing, quantity = _split(base.get("bn", ""), record.get("n", ""))
    resolved["thing"], resolved["quantity"] = thing, quantity
    resolved["channel"] = "" if quantity in _SAYS_NO_MORE else quantity
    resolved["unit"] = record.get("u") or base.get("bu")
    if "t" in record or "bt" in base:
        resolved["time"] = record.get("t", 0) + base.get("bt", 0)
    if "v" in record:
        resolved["value"] = record["v"] + base.get("bv", 0)
    if "s" in record:
        resolved["sum"] = record["s"] + base.get("bs", 0)
    return resolved


def _split(base: str, name: str) -> tuple[str, str]:
    """Return whose a measurement is, and which of its measurements.

    A pack and the same pack resolved are split alike wherever the name alone shows where.
    """
    whole = base + name
    if urn := _URN.fullmatch(whole):
        return urn[1], urn[2]
    if "/" in whole:
        thing, _, quantity = whole.rpartition("/")
        return thing, quantity
    if base:
        return base.rstrip(":._-"), name
    return (whole, "") if ":" in whole else ("", whole)
