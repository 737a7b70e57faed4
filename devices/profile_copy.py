"""A profile's text for topics that begin otherwise than its family's, to be an operator's own."""

import re

_TOPICS = re.compile(
    r"""^(?P<key>\s*(?:(?:(?:reply\s*=\s*)?\{\s*)?topic|asks)\s*=\s*)
    (?P<value>\[[^\]]*\]|"[^"]*"|'[^']*')""",
    re.MULTILINE | re.VERBOSE,
)
_TOPIC = re.compile(r"""(?P<quote>["'])(?P<topic>[^"']+)(?P=quote)""")
_ANY = "#"


def with_prefix(text: str, prefix: str, *, instead_of: str = "") -> str:
    """Return a profile's TOML with another beginning of every topic, in examples and answers too.

    Args:
        text: As the file has it.
        prefix: What topics begin with, whole levels; with or without a slash at the end.
        instead_of: The levels in whose place it stands; empty where it stands before all.
            Topics that do not begin so stay as they are.

    Raises:
        ValueError: The prefix is no such levels, or no topic begins with ``instead_of``.
    """
    found, expected = _levels(prefix), _levels(instead_of)
    if not found:
        raise ValueError("a prefix is a level of a topic or several, like home/b3")
    changed = 0

    def renamed(match: re.Match[str]) -> str:
        nonlocal changed
        topic = match["topic"]
        if topic == _ANY or not topic.startswith(expected):
            return match[0]
        changed += 1
        return f"{match['quote']}{found}{topic.removeprefix(expected)}{match['quote']}"

    copied = _TOPICS.sub(lambda match: match["key"] + _TOPIC.sub(renamed, match["value"]), text)
    if not changed:
        raise ValueError(f"none of its topics begins with {instead_of!r}")
    return copied


def _levels(prefix: str) -> str:
    """Return levels with a slash at the end; "" for none."""
    levels = prefix.strip("/")
    if any(sign in levels for sign in "+#{}\"'\\") or not levels.isprintable():
        raise ValueError(f"{prefix!r} is no beginning of a topic: leave out + # {{ }} and quotes")
    return f"{levels}/" if levels else ""
