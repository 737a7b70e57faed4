"""Profiles compiled, once at start, to callables that read a message.

A reader is ``Scope → value``; a block becomes a list of readers and the structure they fill; a
message becomes a :class:`MessageReader`. Nothing looks at a profile again afterwards.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from devices.block import MessageBlock
from devices.block_reader import compile_block
from devices.canonical import read_canonical
from devices.codecs import CODECS, Codec
from devices.condition import Condition, compile_condition
from devices.device_time import Arrival
from devices.observation import Observation
from devices.origin import compile_origin
from devices.outcome import DeadLetterReason, DecodeError, Ignored
from devices.path import Scope, compile_paths
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
    origin_of = compile_origin(block, names)
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
