"""Profiles compiled, once at start, to functions that read a message.

What is usual is written out in the function's text; what is rare is a callable ``Scope → value``
that the text calls. Nothing looks at a profile again afterwards.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from devices.block import MessageBlock, Test
from devices.block_reader import write_block, write_loop
from devices.canonical import read_canonical
from devices.codecs import CODECS, RESOLVERS, Codec
from devices.condition import Condition, compile_condition, write_tests
from devices.device_time import Arrival, judge_time
from devices.observation import Observation
from devices.origin import write_origin
from devices.outcome import DeadLetterReason, DecodeError, Ignored
from devices.path import BLANK, Scope, as_text, checked_id, write_get
from devices.profile import Profile, ProfileError
from devices.reply import Answer, compile_reply
from devices.source import Source, Stand, no_member
from devices.topic import Names, names_of

_KNOWN: dict[str, object] = {
    "BLANK": BLANK,
    "DecodeError": DecodeError,
    "Scope": Scope,
    "as_text": as_text,
    "checked_id": checked_id,
    "judge_time": judge_time,
    "no_member": no_member,
}
ANY_TOPIC = ("#",)
MessageRead = Callable[[object, Names, Arrival], tuple[Observation, ...] | Ignored | None]
"""Document, names of the topic, and arrival to what the message gives; None: it is another kind
of message."""


@dataclass(frozen=True, slots=True)
class MessageReader:
    """One message block, compiled.

    Attributes:
        profile: The family's name.
        parse: Bytes to what the paths walk.
        asks: The keys by which its messages are known, where it asks for some.
        fits: Whether a payload is this kind of message; None for every payload. ``read`` asks the
            same itself; this is for who only wants the answer.
        any_topic: It is asked of topics that nobody claims, and makes no claim of its own.
        takes_all: Its messages give nothing, whatever they say; they need not be read.
        is_resolved: Its messages are read by their topic and by what the device had said of itself;
            an empty one says something too.
        read: What it gives: observations, or the reason why there are none.
        answer: What the device waits for.
    """

    profile: str
    parse: Codec
    asks: tuple[str, ...]
    fits: Condition | None
    any_topic: bool
    takes_all: bool
    is_resolved: bool
    read: MessageRead
    answer: Answer | None


def compile_profile(profile: Profile) -> Iterator[tuple[str, MessageReader]]:
    """Yield every topic pattern of a profile with the reader of its messages.

    Raises:
        ProfileError: A unit, a codec or a word is none that we know; says which and where.
    """
    for place, block in enumerate(profile.message):
        try:
            reader = _compile_message(profile.name, place, block)
        except ValueError as error:
            raise ProfileError(f"{profile.file}: message.{place}: {error}") from error
        for pattern in block.topic:
            yield pattern, reader


def _compile_message(profile: str, place: int, block: MessageBlock) -> MessageReader:
    names = frozenset.intersection(*(names_of(pattern) for pattern in block.topic))
    if block.format not in CODECS:
        raise ValueError(f"format {block.format!r} is none of {', '.join(sorted(CODECS))}")
    fits = compile_condition(block.when, block.unless)
    is_resolved = block.format in RESOLVERS
    return MessageReader(
        profile=profile,
        parse=CODECS[block.format],
        asks=_asked(block.when),
        fits=fits,
        any_topic=block.topic == ANY_TOPIC,
        takes_all=block.ignore is not None and fits is None and not is_resolved,
        is_resolved=is_resolved,
        read=_compile_read(profile, place, block, names),
        answer=compile_reply(block.reply, names, block.device) if block.reply else None,
    )


def _asked(when: Test | Sequence[Test] | None) -> tuple[str, ...]:
    """Return the keys of a payload that conditions look at first."""
    tables = [when] if isinstance(when, dict) else when or ()
    return tuple(key for table in tables for key in list(table)[:1] if not key.startswith("{"))


def _compile_read(
    profile: str, place: int, block: MessageBlock, names: frozenset[str]
) -> MessageRead:
    """Write the function that reads one kind of message, and compile it."""
    title = f"{profile} message {place}"
    source = Source(title, "document", "names", "arrival", known=_KNOWN)
    if block.format in RESOLVERS:
        resolve = source.name(RESOLVERS[block.format], "resolve")
        source.line(f"document = {resolve}(document, names, arrival, {profile!r})")
        with source.inside("if document is None:"):
            source.line("return None")
    document = Stand("document", "get", "Scope(document, names, document)")
    source.line("get = document.get if document.__class__ is dict else no_member")
    for test in write_tests(source, block.when, block.unless, document):
        with source.inside(f"if not ({test}):"):
            source.line("return None")
    if block.ignore is not None:
        source.line(f"return {source.name(Ignored(block.ignore), 'ignored')}")
    elif block.canonical:
        if "device" not in names:
            raise ValueError("canonical = true needs {device} in the topic")
        source.line(f"return {source.name(read_canonical, 'read')}(document, names, arrival)")
    else:
        _write_blocks(source, block, document, names)
    return source.compile()


def _write_blocks(source: Source, block: MessageBlock, stand: Stand, names: frozenset[str]) -> None:
    if block.root:
        source.line(f"item = {write_get(source, block.root, stand)}")
        source.line("get_item = item.get if item.__class__ is dict else no_member")
        stand = Stand("item", "get_item", "Scope(document, names, item)")
    source.line("received_at, unsaid = arrival.received_at, arrival.unsaid")
    source.line("found = ()")
    with ExitStack() as nested:
        if block.each is not None:
            patterns = (block.each,) if isinstance(block.each, str) else block.each
            stand = write_loop(source, patterns, stand, nested, nested)
        origin = write_origin(source, block, stand, names)
        for part in block.observation:
            write_block(source, part, origin, stand, names)
    with source.inside("if found:"):
        source.line("return found")
    if block.nothing:
        source.line(f"return {source.name(Ignored(block.nothing), 'ignored')}")
    else:
        missing = source.name(DeadLetterReason.MISSING_FIELD, "reason")
        source.line(f"raise DecodeError({missing}, 'nothing that can be observed')")
