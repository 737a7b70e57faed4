"""A profile's text for topics that begin otherwise than its family's, to be an operator's own."""

import re
import tomllib
from typing import Any

from devices.topic import TopicTree

_TOPICS = re.compile(
    r"""(?P<key>(?:^|\{)\s*(?:topic|asks)\s*=\s*)(?P<value>\[[^\]]*\]|"[^"]*"|'[^']*')""",
    re.MULTILINE,
)
_TOPIC = re.compile(r"""(?P<quote>["'])(?P<topic>[^"']+)(?P=quote)""")
_ANY = "#"


def with_prefix(text: str, prefix: str, *, instead_of: str = "") -> str:
    """Return a profile's TOML with another beginning of every topic, in examples and answers too.

    Args:
        text: As the file has it.
        prefix: What topics begin with, whole levels; with or without a slash at the end.
        instead_of: The levels in whose place it stands; empty where it stands before all.
            Topics that do not begin so stay as they are, and so do examples of messages that may
            come on any topic.

    Raises:
        ValueError: The prefix is no such levels, or no topic begins with ``instead_of``.
    """
    found, expected = _levels(prefix), _levels(instead_of)
    if not found:
        raise ValueError("a prefix is a level of a topic or several, like home/b3")
    patterns = [
        pattern for block in tomllib.loads(text).get("message", ()) for pattern in _several(block)
    ]
    tree: TopicTree[str] = TopicTree()
    for pattern in patterns:
        if pattern != _ANY:
            tree.add(pattern, pattern)
    is_anywhere = _ANY in patterns
    changed = 0

    def renamed(match: re.Match[str]) -> str:
        nonlocal changed
        topic = match["topic"]
        if topic == _ANY or not topic.startswith(expected):
            return match[0]
        if is_anywhere and topic not in patterns and not any(tree.find(topic)):
            return match[0]
        changed += 1
        return f"{match['quote']}{found}{topic.removeprefix(expected)}{match['quote']}"

    copied = _TOPICS.sub(lambda match: match["key"] + _TOPIC.sub(renamed, match["value"]), text)
    if not changed:
        raise ValueError(f"none of its topics begins with {instead_of!r}")
    return copied


def _several(block: dict[str, Any]) -> list[str]:
    topic = block.get("topic", [])
    return [topic] if isinstance(topic, str) else topic


def _levels(prefix: str) -> str:
    """Return levels with a slash at the end; "" for none."""
    levels = prefix.strip("/")
    if any(sign in levels for sign in "+#{}\"'\\") or not levels.isprintable():
        raise ValueError(f"{prefix!r} is no beginning of a topic: leave out + # {{ }} and quotes")
    return f"{levels}/" if levels else ""
