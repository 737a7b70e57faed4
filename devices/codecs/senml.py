"""SenML packs, JSON or CBOR, resolved: every record with its own name, unit, time and value.

Source: RFC 8428, sections 4 (labels, resolving; 4.5.4: a missing value or sum counts as zero where
there is a base of it), 4.6 (records in CBOR), 6 (CBOR labels), as core-wg/senml-spec
draft-ietf-core-senml.md; and RFC 9039, section 3 (device URNs).
"""

import re
from decimal import Decimal
from functools import lru_cache
from io import BytesIO
from typing import Annotated, Any

import cbor2
import msgspec
from msgspec import Meta

from devices.codecs.plain import read_json
from devices.outcome import DeadLetterReason, DecodeError

MAX_RECORDS = 4_096
"""Of one pack; a device that sends a day in one has one a minute."""
MAX_CBOR = 64 * 1024
"""Bytes; so many keys made to collide still cost less than a second."""
VERSION = 10
"""The newest version there is; who says a greater one must not be read."""

_Number = Annotated[float, Meta(ge=-1e300, le=1e300)]
"""Bounded so that the sum of two of them is a number; leaves out NaN and infinity."""
_Name = Annotated[str, Meta(max_length=256)]


class _Bases(msgspec.Struct, gc=False):
    """What a record adds to itself and to those after it: RFC 8428, table 1."""

    bn: _Name | None = None
    bt: _Number | None = None
    bu: str | None = None
    bv: _Number | None = None
    bs: _Number | None = None


class _Record(_Bases, gc=False):
    """A record as it was sent."""

    bver: _Number = VERSION
    n: _Name = ""
    u: str | None = None
    t: _Number | None = None
    v: _Number | None = None
    s: _Number | None = None
    vs: object = None
    vb: object = None
    vd: object = None


_decode = msgspec.json.Decoder(list[_Record]).decode
_LABELS = {
    -6: "bs", -5: "bv", -4: "bu", -3: "bt", -2: "bn", -1: "bver",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_ARRAYS = range(0x80, 0xA0)
"""First bytes of a CBOR array of less than 2^64 records, or of one that does not say how many."""
_URN = re.compile(r"(urn:dev:[a-z0-9]+:[^:_/]+)[:_/]?(.*)", re.DOTALL)
_SAYS_NO_MORE = frozenset(
    {"", "temp", "temperature", "power", "active_power", "energy", "battery", "battery_level"}
)
"""Names of a measurement that say no more than its unit does."""


def read_pack(payload: bytes) -> dict[str, Any]:
    """Return the records of a pack.

    Returns:
        ``records``: objects with ``thing`` (whose the measurement is: the name up to its last
        slash, a device URN without its component, the base name, or a name with a colon),
        ``quantity`` (the rest of the name, or else the unit), ``channel`` (the rest of the name
        where it tells more than the unit does), ``time`` (seconds since 1970, or from now on where
        it is below 2^28); and the number under its unit, a sum under ``∫`` and the unit of what
        was summed. What a record does not say is left out.

    Raises:
        DecodeError: What JSON is refused for; BAD_ENCODING, this is no CBOR, or not a whole one, or
            a version or a label that must be understood and is not; MISSING_FIELD, it has no
            value; WRONG_TYPE, this is no pack; OUT_OF_RANGE; TOO_LARGE.
    """
    is_cbor = bool(payload) and payload[0] in _ARRAYS
    pack = _read_cbor(payload) if is_cbor else _read_json(payload)
    if len(pack) > MAX_RECORDS:
        raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_RECORDS} records")
    bases = _Bases()
    records = [_resolve(record, bases) for record in pack]
    if not any(map(_has_value, pack)):
        raise DecodeError(DeadLetterReason.MISSING_FIELD, "no value in the SenML pack")
    return {"records": records}


def _read_json(payload: bytes) -> list[_Record]:
    if not payload.lstrip().startswith(b"["):
        raise DecodeError(DeadLetterReason.WRONG_TYPE, "no SenML pack")
    try:
        pack = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        read_json(payload)
        raise _refusal(error) from None
    if b'_"' in payload:
        records: Any = read_json(payload)
        for record in records:
            _check_labels(record)
    return pack


def _read_cbor(payload: bytes) -> list[_Record]:
    if len(payload) > MAX_CBOR:
        raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_CBOR} bytes of CBOR")
    file = BytesIO(payload)
    try:
        said = cbor2.load(file, max_depth=8)
    except (cbor2.CBORDecodeError, ValueError, OverflowError):
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "no CBOR") from None
    if file.read(1):
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "more after the SenML pack")
    pack = [_with_names(record) if isinstance(record, dict) else record for record in said]
    try:
        return msgspec.convert(pack, list[_Record])
    except msgspec.ValidationError as error:
        raise _refusal(error) from None


def _with_names(record: dict[object, object]) -> dict[str, object]:
    """Return a record with the labels of JSON, and plain numbers for decimal fractions."""
    named = {
        _LABELS.get(key, "") if type(key) is int else str(key): (
            float(value) if isinstance(value, Decimal) else value
        )
        for key, value in record.items()
    }
    _check_labels(named)
    return named


def _check_labels(record: dict[str, object]) -> None:
    """Refuse what has to be understood and is not."""
    if any(label.endswith("_") for label in record):
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "a label that has to be understood")


def _refusal(error: Exception) -> DecodeError:
    """Return why this is no pack; msgspec names the place, never a value."""
    words = str(error)
    is_range = "out of range" in words or "<=" in words or ">=" in words
    reason = DeadLetterReason.OUT_OF_RANGE if is_range else DeadLetterReason.WRONG_TYPE
    return DecodeError(reason, f"SenML {words.rpartition('`$')[2].rstrip('`')}".rstrip())


def _has_value(record: _Record) -> bool:
    values = (record.v, record.s, record.vs, record.vb, record.vd)
    return any(value is not None for value in values)


def _has_other(record: _Record) -> bool:
    """Return whether a record has a text, a truth value or data in the place of a number."""
    return any(value is not None for value in (record.vs, record.vb, record.vd))


def _resolve(record: _Record, bases: _Bases) -> dict[str, Any]:
    """Return what a record says, the base fields of it and those before it taken into account."""
    if record.bver > VERSION:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "a newer version of SenML")
    _keep_bases(record, bases)
    unit = record.u or bases.bu or ""
    resolved: dict[str, Any] = {}
    has_sum = record.s is not None or (bases.bs is not None and _has_value(record))
    if record.v is not None or (has_sum and bases.bv is not None and not _has_other(record)):
        resolved[unit] = (record.v or 0.0) + (bases.bv or 0.0)
    if has_sum:
        resolved[f"∫{unit}"] = (record.s or 0.0) + (bases.bs or 0.0)
    thing, quantity = _split(bases.bn or "", record.n)
    resolved["thing"], resolved["quantity"] = thing, quantity or unit
    resolved["channel"] = "" if quantity in _SAYS_NO_MORE else quantity
    if record.t is not None or bases.bt is not None:
        resolved["time"] = (record.t or 0.0) + (bases.bt or 0.0)
    return resolved


def _keep_bases(record: _Record, bases: _Bases) -> None:
    if record.bn is not None:
        bases.bn = record.bn
    if record.bt is not None:
        bases.bt = record.bt
    if record.bu is not None:
        bases.bu = record.bu
    if record.bv is not None:
        bases.bv = record.bv
    if record.bs is not None:
        bases.bs = record.bs


@lru_cache(maxsize=8192)
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
