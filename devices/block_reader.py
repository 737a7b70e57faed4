"""One observation's block, compiled to what makes observations of a payload."""

from collections.abc import Callable
from typing import Any

import msgspec

from devices.block import Block, Paths, Time
from devices.condition import compile_condition
from devices.device_time import Arrival, judge_time
from devices.field import Reader, compile_fields
from devices.measure import AMBIENT_CELSIUS, BODY_CELSIUS
from devices.observation import (
    BodySite,
    Crossing,
    DeviceStatus,
    Electricity,
    LitWindow,
    Observation,
    Temperature,
    TimeSource,
)
from devices.outcome import DeadLetterReason, DecodeError
from devices.path import (
    Scope,
    TextGetter,
    checked_id,
    compile_loop,
    compile_paths,
    compile_template,
    compile_templates,
    is_blank,
)

Moment = Callable[[Scope, Arrival, str], tuple[int, TimeSource]]


class Origin(msgspec.Struct, gc=False, frozen=True):
    """What all observations of one message share, unless their block says otherwise.

    Attributes:
        device_id: Whose they are; empty where every block says so itself.
        observed_at, time_source: When it was, and who says so.
        channel, event_id: As in an observation.
        subject: Whom the device recognised, if that is a resident.
        is_stranger: It recognised somebody who is in no register of ours.
    """

    device_id: str
    observed_at: int
    time_source: TimeSource
    channel: str
    event_id: str | None
    subject: str | None
    is_stranger: bool


BlockReader = Callable[[Origin, Scope, Arrival, list[Observation]], None]
"""Appends what a block makes of a payload."""

_STRUCTS: dict[str, Callable[..., Observation]] = {
    "temperature": Temperature,
    "crossing": Crossing,
    "electricity": Electricity,
    "lit_window": LitWindow,
    "device_status": DeviceStatus,
}
_NEEDS = {"temperature": "celsius", "lit_window": "lit"}


def compile_block(block: Block, names: frozenset[str]) -> BlockReader:
    """Return what reads a block.

    Raises:
        ValueError: A unit or a word is none that we know; says which.
    """
    read = _compile_one(block, names)
    applies = compile_condition(block.when, block.unless)
    if block.each is None:
        if applies is None:
            return read
        return _only_when(read, applies)
    patterns = (block.each,) if isinstance(block.each, str) else block.each
    loops = tuple(compile_loop(pattern) for pattern in patterns)

    def read_each(origin: Origin, scope: Scope, arrival: Arrival, found: list[Observation]) -> None:
        for loop in loops:
            for key, item in loop(scope.item):
                inner = Scope(scope.root, scope.names, item, key)
                if applies is None or applies(inner):
                    read(origin, inner, arrival, found)

    return read_each


def _only_when(read: BlockReader, applies: Callable[[Scope], bool]) -> BlockReader:
    def read_when(origin: Origin, scope: Scope, arrival: Arrival, found: list[Observation]) -> None:
        if applies(scope):
            read(origin, scope, arrival, found)

    return read_when


def _compile_one(block: Block, names: frozenset[str]) -> BlockReader:
    fields = compile_fields(block, names)
    struct = _STRUCTS[block.kind]
    needed = _NEEDS.get(block.kind)
    needs_any = block.kind in {"electricity", "device_status"}
    finish = _FINISH.get(block.kind)
    own = _compile_own(block, names)

    def read(origin: Origin, scope: Scope, arrival: Arrival, found: list[Observation]) -> None:
        values = _values(fields, scope)
        if (needs_any and not values) or (needed is not None and needed not in values):
            return
        if own is not None:
            origin = own(origin, scope, arrival)
        if finish is not None:
            finish(values, origin)
        found.append(
            struct(
                device_id=origin.device_id,
                observed_at=origin.observed_at,
                received_at=arrival.received_at,
                event_id=origin.event_id,
                channel=origin.channel,
                time_source=origin.time_source,
                **values,
            )
        )

    return read


def _values(fields: tuple[tuple[str, Reader], ...], scope: Scope) -> dict[str, Any]:
    values = {}
    for name, read in fields:
        value = read(scope)
        if value is not None:
            values[name] = value
    return values


def _finish_temperature(values: dict[str, Any], origin: Origin) -> None:
    body_site = values.get("body_site")
    low, high = AMBIENT_CELSIUS if body_site is BodySite.AMBIENT else BODY_CELSIUS
    if not low <= values["celsius"] <= high:
        raise DecodeError(DeadLetterReason.OUT_OF_RANGE, "celsius")
    if origin.subject is not None:
        values["subject"] = origin.subject


def _finish_crossing(values: dict[str, Any], origin: Origin) -> None:
    if origin.subject is not None:
        values["subject"] = origin.subject
        values["stranger"] = False
    elif origin.is_stranger:
        values["stranger"] = True


_FINISH: dict[str, Callable[[dict[str, Any], Origin], None]] = {
    "temperature": _finish_temperature,
    "crossing": _finish_crossing,
}


def _compile_own(
    block: Block, names: frozenset[str]
) -> Callable[[Origin, Scope, Arrival], Origin] | None:
    """Return what puts a block's own device, channel, event and time in the message's place."""
    if block.device is block.channel is block.event_id is block.time is None:
        return None
    device = required(compile_templates(block.device, names), "device") if block.device else None
    channel = None if block.channel is None else compile_template(block.channel, names)
    event = compile_template(block.event_id, names) if block.event_id else None
    moment = compile_moment(block.time) if block.time else None

    def own(origin: Origin, scope: Scope, arrival: Arrival) -> Origin:
        device_id = device(scope) if device else origin.device_id
        observed_at, time_source = (
            moment(scope, arrival, device_id)
            if moment
            else (origin.observed_at, origin.time_source)
        )
        return Origin(
            device_id,
            observed_at,
            time_source,
            origin.channel if channel is None else checked_id(channel(scope) or "", "channel"),
            optional_id(event(scope), "event_id") if event else origin.event_id,
            origin.subject,
            origin.is_stranger,
        )

    return own


def compile_moment(said: Paths | Time) -> Moment:
    """Return what judges the time that stands at a path."""
    paths, zone = (said.path, said.zone) if isinstance(said, Time) else (said, None)
    get = compile_paths(paths)

    def moment(scope: Scope, arrival: Arrival, device_id: str) -> tuple[int, TimeSource]:
        value = get(scope)
        return judge_time(None if is_blank(value) else value, arrival, device_id, zone)

    return moment


def required(get: TextGetter, where: str) -> Callable[[Scope], str]:
    """Return what gets an id and refuses a payload without it."""

    def read(scope: Scope) -> str:
        text = get(scope)
        if text is None:
            raise DecodeError(DeadLetterReason.MISSING_FIELD, where)
        return checked_id(text, where)

    return read


def optional_id(text: str | None, where: str) -> str | None:
    """Return an id that may be written anywhere, or None."""
    return None if text is None else checked_id(text, where)
