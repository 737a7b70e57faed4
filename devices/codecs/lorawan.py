"""Uplinks of LoRaWAN devices as network servers publish them: an envelope around a frame.

What a server's own decoder made of the frame is left as it is. Where there is none, or it gave
nothing, frames of a few vendors are read here, into what the vendor's decoder would give.
Sources: ChirpStack integration.proto and v3's objectJSON; The Things Stack, Data Formats.
"""

import binascii
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

import msgspec

from devices.codecs.lorawan_frame import read_dragino_lht65, read_elsys, read_milesight
from devices.codecs.plain import read_json
from devices.outcome import DeadLetterReason, DecodeError
from devices.path import as_text, follow

Read = Callable[[bytes, int], dict[str, Any]]

_BY_EUI: tuple[tuple[str, Read], ...] = (("24e124", read_milesight), ("a81758", read_elsys))
"""Vendors all of whose devices write frames alike, by the IEEE's numbers of Xiamen Milesight and
Elsys."""
_BY_MODEL: tuple[tuple[re.Pattern[str], Read], ...] = (
    (re.compile(r"\blht65n?\b(?!-(pir|vib|e31f))"), read_dragino_lht65),
    (re.compile(r"\bmilesight\b"), read_milesight),
    (re.compile(r"\belsys\b"), read_elsys),
)
"""Dragino's other models use the same port for other layouts: the model has to be named."""


class _Envelope(NamedTuple):
    """Where a network server puts what is needed, as keys one below the other.

    Attributes:
        holder: The object that has the frame; it gets the decoded object.
        decoded: Its key of the decoded object.
        frame: Its key of the frame, in base64.
        port: Its key of the frame's port; left out where it is 0.
        eui: The device's EUI.
        model: Texts in which the model may be named.
    """

    holder: tuple[str, ...]
    decoded: str
    frame: str
    port: str
    eui: tuple[str, ...]
    model: tuple[tuple[str, ...], ...]


_CHIRPSTACK = _Envelope(
    holder=(),
    decoded="object",
    frame="data",
    port="fPort",
    eui=("deviceInfo", "devEui"),
    model=(("deviceInfo", "deviceProfileName"), ("deviceInfo", "tags", "model")),
)
_THE_THINGS_STACK = _Envelope(
    holder=("uplink_message",),
    decoded="decoded_payload",
    frame="frm_payload",
    port="f_port",
    eui=("end_device_ids", "dev_eui"),
    model=(
        ("uplink_message", "version_ids", "brand_id"),
        ("uplink_message", "version_ids", "model_id"),
    ),
)


class _ChirpStack(TypedDict, total=False):
    """What is asked of an event: all else, and that is most of it, is passed over unread."""

    deduplicationId: Any
    time: Any
    deviceInfo: Any
    fCnt: Any
    fPort: Any
    data: Any
    object: Any
    objectJSON: Any
    rxInfo: Any


class _Uplink(TypedDict, total=False):
    session_key_id: Any
    f_cnt: Any
    f_port: Any
    frm_payload: Any
    decoded_payload: Any
    normalized_payload: Any
    rx_metadata: Any
    version_ids: Any
    last_battery_percentage: Any
    received_at: Any


class _TheThingsStack(TypedDict, total=False):
    """The same of The Things Stack."""

    end_device_ids: Any
    received_at: Any
    simulated: Any
    uplink_message: _Uplink


_decode_chirpstack = msgspec.json.Decoder(_ChirpStack).decode
_decode_the_things_stack = msgspec.json.Decoder(_TheThingsStack).decode


def read_chirpstack_uplink(payload: bytes) -> object:
    """Return an ``up`` event of ChirpStack, always with an ``object`` where there is a frame.

    The object and the time of version 3 stand where version 4 has them.

    Raises:
        DecodeError: What JSON is refused for; WRONG_TYPE; MISSING_FIELD, nobody has decoded the
            frame and no layout of it is known; BAD_ENCODING, the frame is not what its layout says.
    """
    event = _read(payload, _decode_chirpstack)
    if isinstance(event.get("objectJSON"), str):
        event["object"] = read_json(event["objectJSON"].encode() or b"{}")
    if "time" not in event:
        event["time"] = follow(event.get("rxInfo"), ("0", "time"))
    return _with_object(event, _CHIRPSTACK)


def read_the_things_stack_uplink(payload: bytes) -> object:
    """Return an uplink of The Things Stack, with a ``decoded_payload`` where there is a frame.

    The air's temperature of a normalized payload is its ``air_temperature``. A message that
    somebody simulated is left as it is.

    Raises:
        DecodeError: As :func:`read_chirpstack_uplink`.
    """
    message = _read(payload, _decode_the_things_stack)
    if message.get("simulated"):
        return message
    message = _with_object(message, _THE_THINGS_STACK)
    uplink = message.get("uplink_message", {})
    decoded = uplink.get("decoded_payload")
    celsius = follow(uplink.get("normalized_payload"), ("0", "air", "temperature"))
    if celsius is not None and isinstance(decoded, dict):
        decoded["air_temperature"] = celsius
    return message


def _read(payload: bytes, decode: Callable[[bytes], Any]) -> dict[str, Any]:
    try:
        message: dict[str, Any] = decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        read_json(payload)
        raise DecodeError(DeadLetterReason.WRONG_TYPE, "no uplink") from None
    return message


def _with_object(message: dict[str, Any], envelope: _Envelope) -> dict[str, Any]:
    holder = follow(message, envelope.holder)
    if not isinstance(holder, dict) or holder.get(envelope.decoded):
        return message
    said = holder.get(envelope.frame)
    if not said:
        return message
    port = holder.get(envelope.port, 0)
    if not (isinstance(said, str) and isinstance(port, int)):
        raise DecodeError(DeadLetterReason.WRONG_TYPE, envelope.frame)
    read = _reader(message, envelope)
    if read is None:
        raise DecodeError(
            DeadLetterReason.MISSING_FIELD, f"{envelope.decoded}: an undecoded frame on port {port}"
        )
    try:
        frame = binascii.a2b_base64(said, strict_mode=True)
    except ValueError:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, envelope.frame) from None
    holder[envelope.decoded] = read(frame, port)
    return message


def _reader(message: object, envelope: _Envelope) -> Read | None:
    eui = (as_text(follow(message, envelope.eui)) or "").lower()
    for prefix, read in _BY_EUI:
        if eui.startswith(prefix):
            return read
    model = " ".join(as_text(follow(message, path)) or "" for path in envelope.model).lower()
    return next((read for pattern, read in _BY_MODEL if pattern.search(model)), None)
