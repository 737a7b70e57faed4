"""BTHome: what a Bluetooth sensor says in its advertisements, however a gateway passes it on.

Of the objects only those are read that are an observation of ours; the others are stepped over.
What is encrypted is never read: the key is the gateway's to know.
Source: bthome.io, format.html (version 2), v1.html and encryption.html (home-assistant/bthome.io);
Bluetooth-Devices/bthome-ble, parser.py; the gateways: theengs/gateway ble_gateway.py,
ALLTERCO/shelly-script-examples ble/, ioBroker.shelly docs/en/ble-devices.md.
"""

from typing import Any, NamedTuple

from devices.codecs.plain import read_json
from devices.outcome import DeadLetterReason, DecodeError

_UUID = {"fcd2": 2, "181c": 1}
"""Services by which BTHome is known, and its version; of 181c all is in the clear."""
_UUID_ENCRYPTED = "181e"
_ENCRYPTED, _HAS_ADDRESS = 0x01, 0x02
"""Bits of the first byte of version 2; by the second the sensor's address comes first."""
_ADDRESS = 6
_LENGTH = 0x1F
"""Bits of the byte before an object of version 1, and of a command's second byte."""

_LENGTHS = {
    number: length
    for length, numbers in {
        1: (
            *(0x00, 0x01, 0x09, *range(0x0F, 0x12), *range(0x15, 0x30)),
            *(0x3A, 0x46, *range(0x57, 0x5A), 0x60, 0x64, 0x65),
        ),
        2: (
            *(0x02, 0x03, *range(0x06, 0x09), *range(0x0C, 0x0F), *range(0x12, 0x15)),
            *(0x3C, 0x3D, *range(0x3F, 0x42), *range(0x43, 0x46), *range(0x47, 0x4B)),
            *(0x51, 0x52, 0x56, 0x5A, *range(0x5D, 0x60), 0x61, 0xF0),
        ),
        3: (0x04, 0x05, 0x0A, 0x0B, 0x42, 0x4B, 0xF2),
        4: (0x3E, *range(0x4C, 0x51), 0x55, 0x5B, 0x5C, 0x62, 0x63, 0xF1),
    }.items()
    for number in numbers
}
"""Bytes of an object's value by its id."""
_COMMAND, _TEXT, _RAW = 0x3B, 0x53, 0x54
"""Objects that say their own length."""


class _Property(NamedTuple):
    name: str
    factor: float
    signed: bool = False


_READ = {
    0x01: _Property("battery", 1),
    0x02: _Property("temperature", 0.01, signed=True),
    0x0A: _Property("energy", 0.001),
    0x0B: _Property("power", 0.01),
    0x45: _Property("temperature", 0.1, signed=True),
    0x4D: _Property("energy", 0.001),
    0x57: _Property("temperature", 1, signed=True),
    0x58: _Property("temperature", 0.35, signed=True),
    0x5C: _Property("power", 0.01, signed=True),
}
_DECIMALS = 3
_FORMATS = {0: False, 1: True}
"""Formats of a number of version 1, and whether it is signed."""


def read_advertisement(payload: bytes) -> Any:
    """Return the JSON of a Bluetooth gateway, with BTHome's readings where it has them.

    Returns:
        The document as it is; where it is about a BTHome sensor, ``service_data`` has what the
        sensor says, by BTHome's names: ``temperature`` in °C, ``battery`` in %, ``power`` in W,
        ``energy`` in kWh, each a number, or a list where the sensor has several. Of gateways whose
        document is all about the sensor, ``service_data`` is the document.

    Raises:
        DecodeError: What JSON is refused for; BAD_ENCODING, it is encrypted, or no BTHome though
            the service's number says so.
    """
    document = read_json(payload)
    if not isinstance(document, dict):
        return document
    if document.get("encr") or "_ENCR" in str(document.get("model_id", "")):
        raise _encrypted()
    uuid = document.get("servicedatauuid")
    if uuid is not None:
        said = read_service_data(uuid, document.get("servicedata"))
        return document if said is None else {**document, "service_data": said}
    if "srcBle" in document:
        said = document.get("payload")
        document["service_data"] = (
            read_service_data("fcd2", said) if isinstance(said, str) else said
        )
    elif "BTHome_version" in document:
        document = {**document, "service_data": document}
    said = document.get("service_data")
    if isinstance(said, dict) and said.get("encryption"):
        raise _encrypted()
    return document


def read_service_data(uuid: object, data: object) -> dict[str, Any] | None:
    """Return what a sensor says in the data of one service.

    Args:
        uuid: The service's number, four hex digits.
        data: What follows it in the advertisement, as hex digits.

    Returns:
        See :func:`read_advertisement`; None: the service is another one.

    Raises:
        DecodeError: BAD_ENCODING.
    """
    known_as = uuid.lower().removeprefix("0x") if isinstance(uuid, str) else ""
    if known_as == _UUID_ENCRYPTED:
        raise _encrypted()
    version = _UUID.get(known_as)
    if version is None:
        return None
    try:
        found = bytes.fromhex(data) if isinstance(data, str) else b""
    except ValueError:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "BTHome: no hex digits") from None
    if version == 1:
        return _read_objects_of_version_1(found)
    if not found or found[0] >> 5 != version:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "BTHome: another version")
    if found[0] & _ENCRYPTED:
        raise _encrypted()
    return _read_objects(found)


def _read_objects(data: bytes) -> dict[str, Any]:
    """Return what the objects say by name, up to the first whose id is not known.

    Ids come in rising order, so that what is newer than a receiver comes last: format.html.
    """
    found: dict[str, Any] = {}
    place, end = 1 + (_ADDRESS if data[0] & _HAS_ADDRESS else 0), len(data)
    if place > end:
        raise _cut_short()
    while place < end:
        number = data[place]
        length = _LENGTHS.get(number) or _said_length(number, data, place + 1)
        if length is None:
            break
        begin, place = place + 1, place + 1 + length
        if place > end:
            raise _cut_short()
        known = _READ.get(number)
        if known is not None:
            _add(found, known, int.from_bytes(data[begin:place], "little", signed=known.signed))
    return found


def _said_length(number: int, data: bytes, place: int) -> int | None:
    """Return how long an object is that says so itself, its length counted."""
    if number not in (_COMMAND, _TEXT, _RAW):
        return None
    if place >= len(data):
        raise _cut_short()
    return (data[place] & _LENGTH) + 2 if number == _COMMAND else data[place] + 1


def _read_objects_of_version_1(data: bytes) -> dict[str, Any]:
    """Return the same of version 1, where each object says its length and format."""
    found: dict[str, Any] = {}
    place = 0
    while place < len(data):
        said, begin = data[place], place + 1
        place = begin + (said & _LENGTH)
        if place > len(data):
            raise _cut_short()
        known = _READ.get(data[begin]) if place > begin else None
        if known is None:
            continue
        signed = _FORMATS.get(said >> 5)
        if signed is None:
            raise DecodeError(DeadLetterReason.BAD_ENCODING, "BTHome: no whole number")
        _add(found, known, int.from_bytes(data[begin + 1 : place], "little", signed=signed))
    return found


def _add(found: dict[str, Any], known: _Property, count: int) -> None:
    """Add a number; a second one of its name makes a list of it."""
    value, before = round(count * known.factor, _DECIMALS), found.get(known.name)
    if before is None:
        found[known.name] = value
    elif isinstance(before, list):
        before.append(value)
    else:
        found[known.name] = [before, value]


def _cut_short() -> DecodeError:
    return DecodeError(DeadLetterReason.BAD_ENCODING, "BTHome: cut short")


def _encrypted() -> DecodeError:
    return DecodeError(
        DeadLetterReason.BAD_ENCODING, "encrypted: give the gateway the key, or switch it off"
    )
