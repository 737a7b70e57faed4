"""Whose an observation is, and when it was: what a message says once for all it gives."""

from collections.abc import Callable

import msgspec

from devices.block import Block, MessageBlock, Paths, Time
from devices.device_time import Arrival, judge_time
from devices.observation import TimeSource
from devices.outcome import DeadLetterReason, DecodeError
from devices.path import (
    Scope,
    TextGetter,
    checked_id,
    compile_paths,
    compile_template,
    compile_templates,
)


class Origin(msgspec.Struct, gc=False, frozen=True):
    """What all observations of one message share, unless their block says otherwise.

    Attributes:
        device_id: Whose they are; empty where every block says so itself.
        observed_at, received_at, time_source: When it was, when it came, and who says so.
        channel, event_id: As in an observation.
        subject: Whom the device recognised, if that is a resident.
        is_stranger: It recognised somebody who is in no register of ours.
    """

    device_id: str
    observed_at: int
    received_at: int
    time_source: TimeSource
    channel: str
    event_id: str | None
    subject: str | None
    is_stranger: bool


Moment = Callable[[Scope, Arrival, str], tuple[int, TimeSource]]
OriginOf = Callable[[Scope, Arrival], Origin]
OwnOrigin = Callable[[Origin, Scope, Arrival], Origin]


def compile_origin(block: MessageBlock, names: frozenset[str]) -> OriginOf:
    """Return what finds the origin of a message.

    Raises:
        ValueError: Nothing says which device it is.
    """
    device = _compile_device(block, names)
    moment = _compile_moment(block.time)
    said = block.channel if block.channel is not None else "{channel}" * ("channel" in names)
    channel = compile_template(said, names) if said else None
    event = compile_template(block.event_id, names) if block.event_id else None
    person = compile_templates(block.person, names) if block.person else None

    def origin_of(scope: Scope, arrival: Arrival) -> Origin:
        device_id = device(scope)
        observed_at, time_source = moment(scope, arrival, device_id)
        subject, is_stranger = _recognised(person, scope, arrival) if person else (None, False)
        return Origin(
            device_id,
            observed_at,
            arrival.received_at,
            time_source,
            "" if channel is None else checked_id(channel(scope) or "", "channel"),
            _optional_id(event, scope, "event_id") if event else None,
            subject,
            is_stranger,
        )

    return origin_of


def compile_own_origin(block: Block, names: frozenset[str]) -> OwnOrigin | None:
    """Return what puts a block's own device, channel, event and time in the message's place.

    None where the block says none of them.
    """
    if block.device is block.channel is block.event_id is block.time is None:
        return None
    device = _required(compile_templates(block.device, names)) if block.device else None
    channel = None if block.channel is None else compile_template(block.channel, names)
    event = compile_template(block.event_id, names) if block.event_id else None
    moment = _compile_moment(block.time) if block.time else None

    def own(origin: Origin, scope: Scope, arrival: Arrival) -> Origin:
        device_id = device(scope) if device else origin.device_id
        observed_at, time_source = origin.observed_at, origin.time_source
        if moment:
            observed_at, time_source = moment(scope, arrival, device_id)
        return Origin(
            device_id,
            observed_at,
            arrival.received_at,
            time_source,
            origin.channel if channel is None else checked_id(channel(scope) or "", "channel"),
            _optional_id(event, scope, "event_id") if event else origin.event_id,
            origin.subject,
            origin.is_stranger,
        )

    return own


def _compile_device(block: MessageBlock, names: frozenset[str]) -> Callable[[Scope], str]:
    if block.device is not None:
        return _required(compile_templates(block.device, names))
    if "device" in names:
        return lambda scope: scope.names["device"]
    if all(part.device for part in block.observation):
        return lambda _: ""
    raise ValueError("no {device} in the topic, and no device = says where it stands")


def _required(get: TextGetter) -> Callable[[Scope], str]:
    def read(scope: Scope) -> str:
        text = get(scope)
        if text is None:
            raise DecodeError(DeadLetterReason.MISSING_FIELD, "device")
        return checked_id(text, "device")

    return read


def _compile_moment(said: Paths | Time | None) -> Moment:
    if said is None:
        return lambda _, arrival, __: (arrival.received_at, arrival.unsaid)
    paths, zone = (said.path, said.zone) if isinstance(said, Time) else (said, None)
    get = compile_paths(paths)

    def moment(scope: Scope, arrival: Arrival, device_id: str) -> tuple[int, TimeSource]:
        value = get(scope)
        if value is None:
            return arrival.received_at, arrival.unsaid
        return judge_time(value, arrival, device_id, zone)

    return moment


def _recognised(person: TextGetter, scope: Scope, arrival: Arrival) -> tuple[str | None, bool]:
    """Return the subject of whom the device names, and whether no register of ours has them."""
    external_id = person(scope)
    if external_id is None or arrival.registry is None:
        return None, False
    subject = arrival.registry.subject_of(external_id)
    return subject, subject is None


def _optional_id(get: TextGetter, scope: Scope, where: str) -> str | None:
    text = get(scope)
    return None if text is None else checked_id(text, where)
