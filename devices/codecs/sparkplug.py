"""Sparkplug B: births that name metrics, and messages that mean nothing without them.

A birth is kept as a description: owner is the edge node ``group/node``, key is empty for the node
itself and the device's name for a device. A message is read by the newest birth of its node or
device; a device's counts only behind its node's, which may have given every alias anew.
Source: Eclipse Sparkplug specification 3.0, chapters 4 to 6.
"""

import math
from typing import Any

from google.protobuf.message import DecodeError as ProtobufError

from devices.codecs.sparkplug_payload import Payload
from devices.device_time import Arrival
from devices.outcome import DeadLetterReason, DecodeError
from devices.path import checked_id
from devices.topic import TOPIC, Names

FAMILY = "sparkplug_b"
MAX_METRICS = 5_000
REBIRTH = "Node Control/Rebirth"
_NAMESPACE = "spBv1.0/"

_BOOLEAN = 11
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
"""Bits by number of the data type: Int8, Int16, Int32, Int64; all come in unsigned fields."""
_GOOD = 192
"""The property ``Quality`` of a value that may be believed."""
_UNIT_KEYS = frozenset({"engunit", "engunits", "engineeringunits", "unit", "units", "uom"})
_CONTROL = ("bdSeq", "Node Control/", "Device Control/")
_COMPRESSED = "SPBV1.0_COMPRESSED"
_FLOAT_DIGITS = 7
"""What a float of 32 bits holds: its double would be 37.59999847 for 37.6."""


def read_payload(payload: bytes) -> Any:
    """Return a payload as the protobuf message it is.

    Raises:
        DecodeError: BAD_ENCODING, EMPTY; TOO_LARGE for more than ``MAX_METRICS``.
    """
    if not payload:
        raise DecodeError(DeadLetterReason.EMPTY)
    try:
        message = Payload.FromString(payload)
    except ProtobufError:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "protobuf") from None
    if message.uuid == _COMPRESSED:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "compressed")
    if len(message.metrics) > MAX_METRICS:
        raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_METRICS} metrics")
    return message


def resolve(message: Any, names: Names, arrival: Arrival, _profile: str) -> object:
    """Return what a message says by the births that had come.

    Args:
        message: What :func:`read_payload` gives.
        names: The topic, whatever else: ``spBv1.0/group/kind/node`` and of a device's its name,
            behind what a bridge put before it.
        arrival: When it came, and what was known then.

    Returns:
        ``metrics`` with ``name``, ``value``, ``unit``, ``time``; ``statuses`` of registered nodes
        and devices with ``device``, ``online``, ``seq``; ``device``, ``time``. None: no such kind.

    Raises:
        DecodeError: NO_BIRTH, which asks the node for one; UNKNOWN_DEVICE.
    """
    before, _, said = names[TOPIC].partition(_NAMESPACE)
    group, kind, name, part = [*said.split("/", 3), "", "", ""][:4]
    read = _KINDS.get((kind, bool(part)))
    if read is None:
        return None
    node = f"{group}/{name}"
    device = checked_id(f"{node}/{part}" if part else node, "device")
    try:
        return read(message, node, part, arrival) | {"device": device}
    except DecodeError as error:
        if error.reason is DeadLetterReason.NO_BIRTH and not {"+", "#"} & set(node):
            topic = f"{before}{_NAMESPACE}{group}/NCMD/{name}"
            arrival.descriptions.ask(topic, write_rebirth(arrival.received_at))
        raise


def _birth(message: Any, node: str, part: str, arrival: Arrival) -> dict[str, object]:
    by_alias, by_name = {}, {}
    for metric in message.metrics:
        described = [metric.name, metric.datatype, _properties(metric)[0]]
        if metric.HasField("alias"):
            by_alias[metric.alias] = described
        else:
            by_name[metric.name] = described
    body = {"aliases": by_alias, "names": by_name, "bdSeq": _session(message)}
    device = _device(node, part)
    arrival.descriptions.describe(FAMILY, node, part, device=device, body=body)
    _check_registered(device, arrival)
    seq = _sequence(message)
    statuses = [_status(node, online=None if part else True, seq=seq)]
    if part:
        statuses.append(_status(device, online=True))
    return _document(message, _metrics(message, body), statuses, arrival)


def _data(message: Any, node: str, part: str, arrival: Arrival) -> dict[str, object]:
    _check_registered(_device(node, part), arrival)
    known = arrival.descriptions
    birth, of_node = known.find(FAMILY, node, part), known.find(FAMILY, node)
    if birth is None or of_node is None or birth.position < of_node.position:
        missing = "DBIRTH" if of_node and part else "NBIRTH"
        raise DecodeError(DeadLetterReason.NO_BIRTH, missing)
    try:
        metrics = _metrics(message, birth.body)
    except LookupError:
        raise DecodeError(DeadLetterReason.NO_BIRTH, "metric") from None
    return _document(message, metrics, [_status(node, seq=_sequence(message))], arrival)


def _device_death(message: Any, node: str, part: str, arrival: Arrival) -> dict[str, object]:
    device = _device(node, part)
    _check_registered(device, arrival)
    statuses = [_status(node, seq=_sequence(message)), _status(device, online=False)]
    return _document(message, [], statuses, arrival)


def _node_death(message: Any, node: str, _part: str, arrival: Arrival) -> dict[str, object]:
    """Return node and devices as offline, unless the will is of an older connection than the birth.

    Its time is that of the connecting, so it is not read.
    """
    _check_registered(node, arrival)
    births = arrival.descriptions.members(FAMILY, node)
    session, said = _session(message), births.get("")
    statuses = []
    if said is None or session is None or said.body["bdSeq"] in (session, None):
        statuses = [
            _status(_device(node, part), online=False) for part in ("", *filter(None, births))
        ]
    return {"metrics": [], "statuses": _of_registered(statuses, arrival)}


_KINDS = {
    ("NBIRTH", False): _birth,
    ("DBIRTH", True): _birth,
    ("NDATA", False): _data,
    ("DDATA", True): _data,
    ("NDEATH", False): _node_death,
    ("DDEATH", True): _device_death,
}
"""By the topic's word, and whether it names a device."""


def write_rebirth(at: int) -> bytes:
    """Return the payload of the command by which a node is asked for its births.

    Args:
        at: Now; milliseconds UTC.
    """
    command = Payload(timestamp=at)
    command.metrics.add(name=REBIRTH, timestamp=at, datatype=_BOOLEAN, boolean_value=True)
    written: bytes = command.SerializeToString()
    return written


def _metrics(message: Any, birth: dict[str, Any]) -> list[dict[str, object]]:
    """Return the metrics that have a value that may be believed.

    Raises:
        LookupError: The birth knows no such metric.
    """
    aliases, names = birth["aliases"], birth["names"]
    by_name: dict[str, list[Any]] | None = None
    found = []
    for metric in message.metrics:
        if metric.HasField("alias"):
            described = aliases[metric.alias]
        else:
            described = names.get(metric.name)
            if described is None:  # A node that has given an alias may go on to say the name.
                by_name = by_name or {one[0]: one for one in aliases.values()}
                described = by_name[metric.name]
        name, datatype, unit = described
        if name.startswith(_CONTROL):
            continue
        value = _value(metric, metric.datatype or datatype)
        own_unit, is_good = _properties(metric)
        at = metric.timestamp or (None if metric.is_historical else message.timestamp) or None
        if value is not None and is_good and not (metric.is_historical and at is None):
            found.append({"name": name, "value": value, "unit": own_unit or unit, "time": at})
    return found


def _value(metric: Any, datatype: int) -> object:
    """Return a number, a truth value or a text; None for null and for what is not read."""
    if metric.is_null:
        return None
    kind = metric.WhichOneof("value")
    if kind is None:
        return None
    value: object = getattr(metric, kind)
    if isinstance(value, bool | str):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return float(f"{value:.{_FLOAT_DIGITS}g}") if kind == "float_value" else value
    bits = _SIGNED.get(datatype)
    if bits is None or not isinstance(value, int):
        return value
    value &= (1 << bits) - 1  # Some write a negative Int8 with 8 bits set, some with 32.
    return value - (1 << bits) if value >> (bits - 1) else value


def _properties(metric: Any) -> tuple[str, bool]:
    """Return the unit that the properties of a metric name, and whether its quality is good."""
    unit, is_good = "", True
    if metric.HasField("properties"):
        properties = metric.properties
        for key, value in zip(properties.keys, properties.values, strict=False):
            word = key.replace(" ", "").replace("_", "").lower()
            if word in _UNIT_KEYS:
                unit = value.string_value
            elif word == "quality" and not value.is_null:
                is_good = (value.int_value or value.long_value) == _GOOD
    return unit, is_good


def _document(
    message: Any,
    metrics: list[dict[str, object]],
    statuses: list[dict[str, object]],
    arrival: Arrival,
) -> dict[str, object]:
    at = message.timestamp or None
    return {"time": at, "metrics": metrics, "statuses": _of_registered(statuses, arrival)}


def _status(
    device: str, *, online: bool | None = None, seq: int | None = None
) -> dict[str, object]:
    return {"device": device, "online": online, "seq": seq}


def _of_registered(statuses: list[dict[str, object]], arrival: Arrival) -> list[dict[str, object]]:
    if arrival.registry is None:
        return statuses
    known = arrival.registry.devices
    return [status for status in statuses if status["device"] in known]


def _check_registered(device: str, arrival: Arrival) -> None:
    if arrival.registry is not None and device not in arrival.registry.devices:
        raise DecodeError(DeadLetterReason.UNKNOWN_DEVICE, checked_id(device, "device"))


def _sequence(message: Any) -> int | None:
    return message.seq if message.HasField("seq") else None


def _session(message: Any) -> int | None:
    """Return the number that ties a death to its birth."""
    for metric in message.metrics:
        if metric.name == "bdSeq":
            session: int = metric.long_value or metric.int_value
            return session
    return None


def _device(node: str, part: str) -> str:
    return f"{node}/{part}" if part else node
