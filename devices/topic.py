"""Topic patterns, and finding the ones that claim a topic.

A pattern is an MQTT topic whose levels may hold a name in braces: ``{device}`` stands for a whole
level, ``em:{channel}`` for the rest of one, ``{device+}`` for one level or more, ``+`` for a level
nobody needs and ``#`` at the end for all that follows. ``{person}`` is a level that names somebody:
it is never read, and shown and kept as these letters. Literal levels win over those with a name.
"""

import re
from collections.abc import Iterator
from typing import Generic, TypeVar

MAX_LEVELS = 32
_NAME = r"[a-z_][a-z0-9_]*"
_PART = re.compile(rf"(?P<before>[^{{}}+#]*)\{{(?P<name>{_NAME})\}}(?P<after>[^{{}}+#]*)")
_PERSONAL = re.compile(r"\{person\+?\}")
_REST = re.compile(rf"\{{(?P<name>{_NAME})\+\}}")

TOPIC = ""
"""The name that stands for the whole topic; no pattern can say it."""

PERSON = "{person}"
"""The level of a pattern that names somebody, and what stands for it where a topic is kept."""

T = TypeVar("T")
Names = dict[str, str]
"""What the names of a pattern stood for in a topic."""


class PatternError(ValueError):
    """A topic pattern is not one; says why."""


class _Node(Generic[T]):
    """One level of the tree of all patterns."""

    __slots__ = ("literals", "parts", "rests", "values")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.parts: dict[tuple[str, str, str], _Node[T]] = {}
        self.rests: dict[str, _Node[T]] = {}
        self.values: list[T] = []


class TopicTree(Generic[T]):
    """Every pattern with what claims it. A look-up does not grow with the number of patterns."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, pattern: str, value: T) -> None:
        """Let a value claim a pattern; several may claim the same.

        Raises:
            PatternError: The pattern is not one.
        """
        node = self._root
        for level in _levels(pattern):
            node = _step(node, level)
        node.values.append(value)

    def find(self, topic: str) -> Iterator[tuple[T, Names]]:
        """Yield who claims a topic and what the names stood for, the most literal claim first."""
        levels = topic.split("/")
        if len(levels) <= MAX_LEVELS:
            yield from _walk(self._root, levels, 0, {})


def place_of_person(pattern: str) -> int | None:
    """Return which level of a pattern names somebody, counted from 0.

    Raises:
        PatternError: The pattern is not one, or does not say which.
    """
    levels = _levels(pattern)
    if PERSON not in levels:
        return None
    place = levels.index(PERSON)
    if PERSON in levels[place + 1 :] or any(_REST.fullmatch(level) for level in levels[:place]):
        raise PatternError(
            f"topic {pattern!r}: {PERSON} has to be one level, the same of each topic"
        )
    return place


def names_of(pattern: str) -> frozenset[str]:
    """Return the names in a pattern that can be used.

    Raises:
        PatternError: The pattern is not one.
    """
    levels = [level for level in _levels(pattern) if level != PERSON]
    return frozenset(match["name"] for level in levels for match in [_name_in(level)] if match)


def _levels(pattern: str) -> list[str]:
    levels = pattern.split("/")
    if len(levels) > MAX_LEVELS:
        raise PatternError(f"topic {pattern!r} has more than {MAX_LEVELS} levels")
    for place, level in enumerate(levels):
        is_end = place == len(levels) - 1
        if level != PERSON and _PERSONAL.search(level):
            raise PatternError(f"topic {pattern!r}: {PERSON} has to be a whole level")
        if level == "+" or (level == "#" and is_end) or _name_in(level):
            continue
        if not level or any(sign in level for sign in "{}+#"):
            raise PatternError(f"topic {pattern!r}: level {level!r} is neither text nor {{name}}")
    return levels


def _name_in(level: str) -> re.Match[str] | None:
    return _REST.fullmatch(level) or _PART.fullmatch(level)


def _step(node: _Node[T], level: str) -> _Node[T]:
    if level in ("+", PERSON):
        return node.parts.setdefault(("", "", ""), _Node())
    if level == "#":
        return node.rests.setdefault("", _Node())
    if rest := _REST.fullmatch(level):
        return node.rests.setdefault(rest["name"], _Node())
    if part := _PART.fullmatch(level):
        return node.parts.setdefault((part["before"], part["after"], part["name"]), _Node())
    return node.literals.setdefault(level, _Node())


def _walk(node: _Node[T], levels: list[str], place: int, names: Names) -> Iterator[tuple[T, Names]]:
    if place == len(levels):
        for value in node.values:
            yield value, names
        return
    level = levels[place]
    if literal := node.literals.get(level):
        yield from _walk(literal, levels, place + 1, names)
    for (before, after, name), child in sorted(node.parts.items(), key=_longest_first):
        stood = _between(level, before, after)
        if stood:
            found = {**names, name: stood} if name else names
            yield from _walk(child, levels, place + 1, found)
    for name, child in sorted(node.rests.items(), key=_named_first):
        for end in range(place + 1, len(levels) + 1):
            stood = "/".join(levels[place:end])
            if not stood:
                continue
            found = {**names, name: stood} if name else names
            yield from _walk(child, levels, end, found)


def _longest_first(item: tuple[tuple[str, str, str], object]) -> int:
    (before, after, _), _ = item
    return -len(before) - len(after)


def _named_first(item: tuple[str, object]) -> bool:
    return not item[0]


def _between(level: str, before: str, after: str) -> str:
    if len(level) <= len(before) + len(after):
        return ""
    if not (level.startswith(before) and level.endswith(after)):
        return ""
    return level[len(before) : len(level) - len(after)]
