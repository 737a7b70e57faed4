"""Whose an observation is, and when it was: what a message says once for all it gives."""

from collections.abc import Callable
from typing import NamedTuple

from devices.block import Block, MessageBlock, Paths, Time
from devices.device_time import Arrival, count_from_arrival
from devices.outcome import DeadLetterReason, DecodeError
from devices.path import (
    Scope,
    TextGetter,
    checked_id,
    compile_template,
    compile_templates,
    write_get,
)
from devices.source import Source, Stand


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
        device = source.variable("device")
        read = source.name(_required(compile_templates(block.device, names)), "device")
        source.line(f"{device} = {read}({stand.scope})")
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
    device = source.variable("device")
    if block.device:
        read = source.name(_required(compile_templates(block.device, names)), "device")
        source.line(f"{device} = {read}({stand.scope})")
    elif "device" in names:
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
    channel = source.variable("channel")
    get = source.name(compile_template(said, names), "channel")
    source.line(f"{channel} = checked_id({get}({stand.scope}) or '', 'channel')")
    return channel


def _write_event(source: Source, said: str, stand: Stand, names: frozenset[str]) -> str:
    event = source.variable("event")
    get = source.name(compile_template(said, names), "event")
    source.line(f"{event} = {get}({stand.scope})")
    source.line(f"{event} = None if {event} is None else checked_id({event}, 'event_id')")
    return event


def _write_person(
    source: Source, said: Paths, stand: Stand, names: frozenset[str]
) -> tuple[str, str]:
    """Write what finds whom the device recognised; return where subject and stranger stand then."""
    subject, is_stranger = source.variable("subject"), source.variable("is_stranger")
    recognise = source.name(_compile_person(compile_templates(said, names)), "person")
    source.line(f"{subject}, {is_stranger} = {recognise}({stand.scope}, arrival)")
    return subject, is_stranger


def _required(get: TextGetter) -> Callable[[Scope], str]:
    def read(scope: Scope) -> str:
        text = get(scope)
        if text is None:
            raise DecodeError(DeadLetterReason.MISSING_FIELD, "device")
        return checked_id(text, "device")

    return read


def _compile_person(get: TextGetter) -> Callable[[Scope, Arrival], tuple[str | None, bool]]:
    """Return what finds the subject of whom a device names, and whether no register has them."""

    def recognise(scope: Scope, arrival: Arrival) -> tuple[str | None, bool]:
        external_id = get(scope)
        if external_id is None or arrival.registry is None:
            return None, False
        subject = arrival.registry.subject_of(external_id)
        return subject, subject is None

    return recognise
