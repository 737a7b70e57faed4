"""Loops and sums of a profile: what a pattern with a star lists of a payload, compiled once."""

from collections.abc import Callable

from devices.block import Paths
from devices.measure import as_number
from devices.outcome import DeadLetterReason, DecodeError
from devices.path import Getter, Scope, compile_paths, follow, is_member, unless_blank
from devices.source import Source, Stand

MAX_MEMBERS = 16_384
"""Members of an object or array that a loop goes through; births of large plants have fewer."""


def compile_loop(pattern: str) -> Callable[[object], list[tuple[str, object]]]:
    """Return what lists (key, item) of a loop: ``params.switch:*`` or ``*`` or ``readings.*``.

    The star stands for the key, or its rest, of an object's members, or for the place in an
    array. Where there is neither object nor array, or nothing at all, the loop is empty; of more
    than :data:`MAX_MEMBERS` it raises DecodeError, TOO_LARGE.
    """
    before, _, last = pattern.rpartition(".")
    steps = tuple(step for step in before.split(".") if step)
    start, _, end = last.partition("*")

    def loop(root: object) -> list[tuple[str, object]]:
        holder = follow(root, steps) if steps else root
        if not isinstance(holder, dict) and not isinstance(holder, list):
            return []
        if len(holder) > MAX_MEMBERS:
            raise DecodeError(DeadLetterReason.TOO_LARGE, f"more than {MAX_MEMBERS} members")
        if isinstance(holder, dict):
            if last == "*":
                return list(holder.items())
            return [
                (key[len(start) : len(key) - len(end)], item)
                for key, item in holder.items()
                if key.startswith(start) and key.endswith(end)
            ]
        return [(str(place), item) for place, item in enumerate(holder)] if last == "*" else []

    return loop


def write_guard(source: Source, pattern: str, stand: Stand) -> str:
    """Write what is asked before a loop, as mostly there is nothing to loop over.

    Returns:
        The expression that is true where there may be something; "" where asking is no cheaper
        than looping.
    """
    before, _, last = pattern.rpartition(".")
    if last != "*" or not is_member(before):
        return ""
    holder = source.variable("holder")
    source.line(f"{holder} = {stand.get}({before!r})")
    return f"{holder}.__class__ is list or {holder}.__class__ is dict"


def compile_sum(paths: Paths, name: str) -> Getter:
    """Return what adds what is at some paths, or all that one with a star lists.

    Where one is absent there is no sum.
    """
    if isinstance(paths, str):
        loop = compile_loop(paths)
        return lambda scope: _add([unless_blank(item) for _, item in loop(scope.item)], name)
    getters = tuple(compile_paths(path) for path in paths)
    return lambda scope: _add([getter(scope) for getter in getters], name)


def write_sum(path: str, read: Callable[[Scope], object], source: Source, stand: Stand) -> str:
    """Write that a callable reads a sum, where there is something to add."""
    value = source.variable("value")
    source.line(f"{value} = None")
    with source.inside(f"if {write_guard(source, path, stand) or 'True'}:"):
        source.line(f"{value} = {source.name(read, 'read')}({stand.scope})")
    return value


def _add(values: list[object], name: str) -> float | None:
    if not values or None in values:
        return None
    return sum((as_number(value, name) for value in values), 0.0)
