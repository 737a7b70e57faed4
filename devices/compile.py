"""Profiles compiled, once at start, to callables that read a message.

A reader is ``Scope → value``; a block becomes a list of readers and the structure they fill; a
message becomes a :class:`MessageReader`. Nothing looks at a profile again afterwards.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from devices.block import MessageBlock
from devices.block_reader import (
    Origin,
    compile_block,
    compile_moment,
    optional_id,
    required,
)
from devices.canonical import read_canonical
from devices.codecs import CODECS, Codec
from devices.condition import Condition, compile_condition
from devices.device_time import Arrival
from devices.observation import Observation
from devices.outcome import DeadLetterReason, DecodeError, Ignored
from devices.path import (
    Scope,
    TextGetter,
    checked_id,
    compile_paths,
    compile_template,
    compile_templates,
)
from devices.profile import Profile, ProfileError
from devices.reply import Answer, compile_reply
from devices.topic import names_of

MessageRead = Callable[[Scope, Arrival], tuple[Observation, ...] | Ignored]


@dataclass(frozen=True, slots=True)
class MessageReader:
    """One message block, compiled.

    Attributes:
        profile: The family's name.
        parse: Bytes to what the paths walk.
        fits: Whether a payload is this kind of message; None for every payload.
        takes_all: Its messages give nothing, whatever they say; they need not be read.
        read: What it gives: observations, or the reason why there are none.
        answer: What the device waits for.
    """

    profile: str
    parse: Codec
    fits: Condition | None
    takes_all: bool
    read: MessageRead
    answer: Answer | None


def compile_profile(profile: Profile) -> Iterator[tuple[str, MessageReader]]:
    """Yield every topic pattern of a profile with the reader of its messages.

    Raises:
        ProfileError: A unit, a codec or a word is none that we know; says which and where.
    """
    for place, block in enumerate(profile.message):
        try:
            reader = _compile_message(profile.name, block)
        except ValueError as error:
            raise ProfileError(f"{profile.file}: message.{place}: {error}") from error
        for pattern in block.topic:
            yield pattern, reader


def _compile_message(profile: str, block: MessageBlock) -> MessageReader:
    names = frozenset.intersection(*(names_of(pattern) for pattern in block.topic))
    if block.format not in CODECS:
        raise ValueError(f"format {block.format!r} is none of {', '.join(sorted(CODECS))}")
    fits = compile_condition(block.when, block.unless)
    return MessageReader(
        profile=profile,
        parse=CODECS[block.format],
        fits=fits,
        takes_all=block.ignore is not None and fits is None,
        read=_compile_read(block, names),
        answer=compile_reply(block.reply, names) if block.reply else None,
    )


def _compile_read(block: MessageBlock, names: frozenset[str]) -> MessageRead:
    if block.ignore is not None:
        ignored = Ignored(block.ignore)
        return lambda _scope, _arrival: ignored
    if block.canonical:
        if "device" not in names:
            raise ValueError("canonical = true needs {device} in the topic")
        return read_canonical
    return _compile_blocks(block, names)


def _compile_blocks(block: MessageBlock, names: frozenset[str]) -> MessageRead:
    origin_of = _compile_origin(block, names)
    root = compile_paths(block.root) if block.root else None
    readers = tuple(compile_block(part, names) for part in block.observation)
    nothing = Ignored(block.nothing) if block.nothing else None

    def read(scope: Scope, arrival: Arrival) -> tuple[Observation, ...] | Ignored:
        if root is not None:
            scope.item = root(scope)
        origin = origin_of(scope, arrival)
        found: list[Observation] = []
        for reader in readers:
            reader(origin, scope, arrival, found)
        if found:
            return tuple(found)
        if nothing is None:
            raise DecodeError(DeadLetterReason.MISSING_FIELD, "nothing that can be observed")
        return nothing

    return read


def _compile_origin(
    block: MessageBlock, names: frozenset[str]
) -> Callable[[Scope, Arrival], Origin]:
    device = _compile_device(block, names)
    moment = compile_moment(block.time) if block.time else None
    said = block.channel if block.channel is not None else "{channel}" * ("channel" in names)
    channel = compile_template(said, names) if said else None
    event = compile_template(block.event_id, names) if block.event_id else None
    person = compile_templates(block.person, names) if block.person else None

    def origin_of(scope: Scope, arrival: Arrival) -> Origin:
        device_id = device(scope)
        if moment is None:
            observed_at, time_source = arrival.received_at, arrival.unsaid
        else:
            observed_at, time_source = moment(scope, arrival, device_id)
        subject, is_stranger = recognised(person, scope, arrival) if person else (None, False)
        return Origin(
            device_id,
            observed_at,
            time_source,
            "" if channel is None else checked_id(channel(scope) or "", "channel"),
            optional_id(event(scope), "event_id") if event else None,
            subject,
            is_stranger,
        )

    return origin_of


def recognised(person: TextGetter, scope: Scope, arrival: Arrival) -> tuple[str | None, bool]:
    """Return the subject of whom the device names, and whether no register of ours has them."""
    external_id = person(scope)
    if external_id is None or arrival.registry is None:
        return None, False
    subject = arrival.registry.subject_of(external_id)
    return subject, subject is None


def _compile_device(block: MessageBlock, names: frozenset[str]) -> Callable[[Scope], str]:
    if block.device is None and "device" not in names:
        if all(part.device for part in block.observation):
            return lambda _: ""
        raise ValueError("no {device} in the topic, and no device = says where it stands")
    if block.device is None:
        return lambda scope: scope.names["device"]
    return required(compile_templates(block.device, names), "device")
