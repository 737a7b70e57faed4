"""Whose an observation is, and when it was: what a message says once for all it gives."""

from collections.abc import Sequence
from typing import NamedTuple

from devices.block import Block, MessageBlock, Paths, Time
from devices.device_time import Arrival, count_from_arrival
from devices.outcome import DeadLetterReason
from devices.path import write_get
from devices.source import Source, Stand
from devices.template import write_template


class Origin(NamedTuple):
    """What all observations of one message share, unless their block says otherwise.

    Each is a variable or a literal of the text that reads the message: the observation's fields
    of these names, and whether a stranger was recognised.
    """

    device_id: str
    channel: str
    event_id: str
    observed_at: str
    time_source: str
    said_at: str = "None"
    subject: str = "None"
    is_stranger: str = "False"


def write_origin(
    source: Source, block: MessageBlock, stand: Stand, names: frozenset[str]
) -> Origin:
    """Write what finds the origin of a message, and whom the device recognised.

    Raises:
        ValueError: Nothing says which device it is.
    """
    device = _write_device(source, block, stand, names)
    moment = _write_moment(source, block.time, stand, device)
    said = block.channel if block.channel is not None else "{channel}" * ("channel" in names)
    channel = _write_channel(source, said, stand, names)
    event = _write_event(source, block.event_id, stand, names) if block.event_id else "None"
    if block.person:
        recognised = _write_person(source, block.person, stand, names)
        return Origin(device, channel, event, *moment, *recognised)
    return Origin(device, channel, event, *moment)


def write_own_origin(
    source: Source, block: Block, origin: Origin, stand: Stand, names: frozenset[str]
) -> Origin:
    """Write what puts a block's own device, channel, event, time and person in the message's."""
    device, channel, event = origin.device_id, origin.channel, origin.event_id
    moment = origin.observed_at, origin.time_source, origin.said_at
    recognised = origin.subject, origin.is_stranger
    if block.device:
        device = _write_named(source, block.device, stand, names)
    if block.time:
        moment = _write_moment(source, block.time, stand, device)
    if block.channel is not None:
        channel = _write_channel(source, block.channel, stand, names)
    if block.event_id:
        event = _write_event(source, block.event_id, stand, names)
    if block.person:
        recognised = _write_person(source, block.person, stand, names)
    return Origin(device, channel, event, *moment, *recognised)


def _write_device(source: Source, block: MessageBlock, stand: Stand, names: frozenset[str]) -> str:
    if block.device:
        device = _write_named(source, block.device, stand, names)
    elif "device" in names:
        device = source.variable("device")
        source.line(f"{device} = names['device']")
    elif all(part.device for part in block.observation):
        return "''"
    else:
        raise ValueError("no {device} in the topic, and no device = says where it stands")
    return device


def _write_moment(
    source: Source, said: Paths | Time | None, stand: Stand, device: str
) -> tuple[str, str, str]:
    """Write what finds the time; return where it, its source and what was refused stand then."""
    if said is None:
        return "received_at", "unsaid", "None"
    time = said if isinstance(said, Time) else Time(path=said)
    value = write_get(source, time.path, stand)
    at, by, refused = map(source.variable, ("at", "by", "refused"))
    with source.inside(f"if {value} is None:"):
        source.line(f"{at}, {by}, {refused} = received_at, unsaid, None")
    if time.relative_below is not None:
        count = source.name(count_from_arrival, "count")
        is_number = f"({value}.__class__ is int or {value}.__class__ is float)"
        with source.inside(f"elif {is_number} and {value} < {source.number(time.relative_below)}:"):
            source.line(f"{at}, {by}, {refused} = {count}({value}, arrival)")
    with source.inside("else:"):
        zoned = f", {source.name(time.zone, 'zone')}" if time.zone else ""
        source.line(f"{at}, {by}, {refused} = judge_time({value}, arrival, {device}{zoned})")
    return at, by, refused


def _write_channel(source: Source, said: str, stand: Stand, names: frozenset[str]) -> str:
    if not said:
        return "''"
    channel = write_template(source, said, stand, names)
    source.line(f"{channel} = checked_id({channel} or '', 'channel')")
    return channel


def _write_event(source: Source, said: str, stand: Stand, names: frozenset[str]) -> str:
    event = write_template(source, said, stand, names)
    with source.inside(f"if {event} is not None:"):
        source.line(f"{event} = checked_id({event}, 'event_id')")
    return event


def _write_person(
    source: Source, said: Paths, stand: Stand, names: frozenset[str]
) -> tuple[str, str]:
    """Write what finds whom the device recognised; return where subject and stranger stand then."""
    subject, is_stranger = source.variable("subject"), source.variable("is_stranger")
    known_as = write_template(source, said, stand, names)
    recognise = source.name(_recognise, "recognise")
    source.line(f"{subject}, {is_stranger} = {recognise}({known_as}, arrival)")
    return subject, is_stranger


def _write_named(
    source: Source, said: str | Sequence[str], stand: Stand, names: frozenset[str]
) -> str:
    """Write what finds a device's id, and that there must be one."""
    device = write_template(source, said, stand, names)
    missing = source.name(DeadLetterReason.MISSING_FIELD, "reason")
    with source.inside(f"if {device} is None:"):
        source.line(f"raise DecodeError({missing}, 'device')")
    source.line(f"{device} = checked_id({device}, 'device')")
    return device


def _recognise(known_as: str | None, arrival: Arrival) -> tuple[str | None, bool]:
    """Return the subject of whom a device knows by an id, and whether no register has them."""
    if known_as is None or arrival.registry is None:
        return None, False
    subject = arrival.registry.subject_of(known_as)
    return subject, subject is None
