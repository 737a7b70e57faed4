"""Answers that some devices wait for before they stop sending the same thing again."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from devices.block import Reply
from devices.path import Getter, Scope, as_text, compile_path
from devices.template import compile_template, placeholders

Answer = Callable[[Scope], tuple[str, bytes] | None]
_ALONE = re.compile(r"\{([^{}]+)\}")
_SAFE = re.compile(r"[\w.:@-]+")
_encode = msgspec.json.Encoder().encode


def compile_reply(
    reply: Reply, names: frozenset[str], device: str | Sequence[str] | None
) -> Answer:
    """Return what makes topic and payload of the answer; None where a value for it is absent.

    No device can have an answer sent to a topic that is not its own: what fills the topic stands
    in the topic of its message, or is what the message is taken to be from, and it fills one level
    and no more.

    Args:
        reply: Topic and body.
        names: What the topics of the message name.
        device: What names the device, in the message's block.

    Raises:
        ValueError: The topic names no device, or is filled with what is not the device's.
    """
    filled = placeholders(reply.topic)
    if not filled:
        raise ValueError(f"reply topic {reply.topic!r} would be the same for every device")
    templates = (device,) if isinstance(device, str) else device or ()
    own = names.union(*(placeholders(template) for template in templates))
    foreign = next((name for name in filled if name not in own), None)
    if foreign or {"+", "#"} & set(reply.topic) or reply.topic.startswith("$"):
        raise ValueError(f"reply topic {reply.topic!r} is not the device's own")
    parts = tuple(compile_template(f"{{{name}}}", names) for name in placeholders(reply.topic))
    topic = compile_template(reply.topic, names)
    body = _compile_value(reply.body, names)

    def answer(scope: Scope) -> tuple[str, bytes] | None:
        if not all(_SAFE.fullmatch(part(scope) or "") for part in parts):
            return None
        try:
            return topic(scope) or "", _encode(body(scope))
        except LookupError:
            return None

    return answer


def _compile_value(value: Any, names: frozenset[str]) -> Getter:
    if isinstance(value, dict):
        members = {key: _compile_value(member, names) for key, member in value.items()}
        return lambda scope: {key: member(scope) for key, member in members.items()}
    if isinstance(value, list):
        items = [_compile_value(item, names) for item in value]
        return lambda scope: [item(scope) for item in items]
    if not isinstance(value, str) or not placeholders(value):
        return lambda _: value
    alone = _ALONE.fullmatch(value)
    if alone and alone[1] not in names:
        return _present(compile_path(alone[1]))
    return _present(compile_template(value, names))


def _present(get: Callable[[Scope], object]) -> Getter:
    def read(scope: Scope) -> object:
        value = get(scope)
        if as_text(value) is None:
            raise LookupError
        return value

    return read
