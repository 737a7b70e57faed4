"""Ways into a decoded payload: paths, compiled once to plain callables.

A path is keys and array places with dots between (``person.temperatur``, ``Power.0``); ``.`` is
the whole, a star before the last key is any member (``*.Total_in``), a name in braces is one of the
topic, and one that begins with ``/`` starts at the payload's root where others start at the loop's
item. ``*`` alone is any member, whatever its key. What is not there, and JSON's null, are None:
absent. So are the texts in ``BLANK``.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec

from devices.outcome import DeadLetterReason, DecodeError
from devices.source import Source, Stand
from devices.topic import Names

MAX_ID = 128
"""Characters of a device's, a channel's or an event's id; the registry's column is as long."""

BLANK = frozenset({"", "-", "--", "---", "nan", "-nan", "NaN"})


class Scope(msgspec.Struct, gc=False):
    """Where a reader stands: the payload, the topic's names, the item of its loop and its key."""

    root: object
    names: Names
    item: object
    key: str = ""


Getter = Callable[[Scope], object]
"""Gets the value of a path; None where it is absent."""


def compile_path(path: str) -> Getter:
    """Return what gets the value of a path, None where it is absent."""
    if path == "{key}":
        return lambda scope: unless_blank(scope.key)
    if path == "*":
        return _any_member
    if path.startswith("{"):
        name = path.strip("{}")
        return lambda scope: scope.names.get(name)
    if is_member(path.removeprefix("/")):
        return _first_member((path.removeprefix("/"),), of_root=path.startswith("/"))
    if _is_of_any(path):
        return _first_of_any((path,))
    steps = tuple(step for step in path.lstrip("/").split(".") if step)
    of_root = path.startswith("/")
    if len(steps) > 1 and not any(step.isdecimal() for step in steps):
        return _member_of_members(steps, of_root=of_root)
    if of_root:
        return lambda scope: unless_blank(follow(scope.root, steps))
    return lambda scope: unless_blank(follow(scope.item, steps))


def is_member(path: str) -> bool:
    """Return whether a path is one key of an object, as nearly all are."""
    is_plain = bool(path) and path != "*" and path[0] != "{" and not path.isdecimal()
    return is_plain and "." not in path and "/" not in path


def write_get(source: Source, paths: str | Sequence[str], stand: Stand) -> str:
    """Write what gets the value of the first of some paths that is not absent.

    Returns:
        The variable that holds it then, None where there is none.
    """
    value = source.variable("value")
    if not is_writable(paths):
        source.line(f"{value} = {source.name(compile_paths(paths), 'get')}({stand.scope})")
        return value
    with ExitStack() as nested:
        for place, get in enumerate(_chains(paths, stand)):
            if place:
                nested.enter_context(source.inside(f"if {value} is None:"))
            _write_steps(source, value, get)
            with source.inside(f"if {value}.__class__ is str and {value}.strip() in BLANK:"):
                source.line(f"{value} = None")
    return value


def write_raw(source: Source, paths: str | Sequence[str], stand: Stand) -> str:
    """Write what gets the value of the first of some paths where there is one, blank or not.

    Args:
        source: The text.
        paths: Writable ones.
        stand: Where they begin.
    """
    value = source.variable("value")
    for place, chain in enumerate(_chains(paths, stand)):
        if place:
            with source.inside(f"if {value} is None:"):
                _write_steps(source, value, chain)
        else:
            _write_steps(source, value, chain)
    return value


def is_writable(paths: str | Sequence[str]) -> bool:
    """Return whether paths are written out, key by key, as nearly all are."""
    several = (paths,) if isinstance(paths, str) else tuple(paths)
    if several == (".",):
        return True
    if len(several) == 1:
        several = (several[0].removeprefix("/"),)
    steps = [path.split(".") for path in several]
    return all(
        is_member(key) and all(is_member(step) or step.isdecimal() for step in deeper)
        for key, *deeper in steps
    )


def _chains(paths: str | Sequence[str], stand: Stand) -> list[tuple[str, list[str]]]:
    """Return of each path what its first key is asked of, and all its keys; none for the whole."""
    several = (paths,) if isinstance(paths, str) else tuple(paths)
    if several == (".",):
        return [(stand.item, [])]
    of_root = len(several) == 1 and several[0].startswith("/")
    get = "get" if of_root else stand.get
    return [(get, path.removeprefix("/" if of_root else "").split(".")) for path in several]


def _write_steps(source: Source, value: str, chain: tuple[str, list[str]]) -> None:
    """Write what gets the value at the end of some keys; what holds it is got once for all."""
    found, keys = chain
    for place, key in enumerate(keys):
        if place == 0:
            found = f"{found}({key!r})"
            continue
        holder = source.once(found, "holder")
        get = source.once(f"{holder}.get if {holder}.__class__ is dict else no_member", "get")
        found = f"{get}({key!r})"
        if key.isdecimal():
            is_there = f"{holder}.__class__ is list and len({holder}) > {int(key)}"
            found = f"{holder}[{int(key)}] if {is_there} else {found}"
    source.line(f"{value} = {found}")


def write_text(source: Source, paths: str | Sequence[str], stand: Stand) -> str:
    """Write what gets a path's value as the text of an id; see :func:`as_text`.

    Returns:
        The variable that holds it then, None where there is none.
    """
    is_one = is_writable(paths) and (isinstance(paths, str) or len(paths) == 1)
    value = (write_raw if is_one else write_get)(source, paths, stand)
    with source.inside(f"if {value}.__class__ is str:"):
        source.line(f"{value} = {value}.strip()")
        if is_one:
            with source.inside(f"if {value} in BLANK:"):
                source.line(f"{value} = None")
    with source.inside(f"elif {value} is not None:"):
        source.line(f"{value} = as_text({value})")
    return value


def compile_paths(paths: str | Sequence[str]) -> Getter:
    """Return what gets the value of the first of some paths that is not absent."""
    if isinstance(paths, str):
        return compile_path(paths)
    if all(is_member(path) for path in paths):
        return _first_member(tuple(paths))
    if all(_is_of_any(path) for path in paths) and len({_holder(path) for path in paths}) == 1:
        return _first_of_any(tuple(paths))
    getters = tuple(compile_path(path) for path in paths)

    def get(scope: Scope) -> object:
        for getter in getters:
            value = getter(scope)
            if value is not None:
                return value
        return None

    return get


def follow(value: object, steps: tuple[str, ...]) -> object:
    """Return what stands at the end of some steps, None where a step leads nowhere."""
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def as_text(value: object) -> str | None:
    """Return a value as the text of an id: None for absent, blank and composite values."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        return None if text in BLANK else text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else None


def checked_id(text: str, where: str) -> str:
    """Return an id that may be written anywhere.

    Raises:
        DecodeError: WRONG_TYPE, it holds a line break or another sign nobody can print;
            OUT_OF_RANGE, it is longer than ``MAX_ID``.
    """
    if len(text) > MAX_ID:
        raise DecodeError(DeadLetterReason.OUT_OF_RANGE, where)
    if not text.isprintable():
        raise DecodeError(DeadLetterReason.WRONG_TYPE, where)
    return text


def _first_member(keys: tuple[str, ...], *, of_root: bool = False) -> Getter:
    if len(keys) == 1:
        return _member(keys[0], of_root=of_root)

    def get(scope: Scope) -> object:
        holder: Any = scope.root if of_root else scope.item
        if holder.__class__ is not dict:
            return None
        for key in keys:
            value = holder.get(key)
            if value is not None and not (value.__class__ is str and value.strip() in BLANK):
                return value
        return None

    return get


def _member(key: str, *, of_root: bool) -> Getter:
    def get(scope: Scope) -> object:
        holder: Any = scope.root if of_root else scope.item
        if holder.__class__ is not dict:
            return None
        value = holder.get(key)
        return None if value.__class__ is str and value.strip() in BLANK else value

    return get


def _member_of_members(keys: tuple[str, ...], *, of_root: bool) -> Getter:
    *before, last = keys

    def get(scope: Scope) -> object:
        holder: Any = scope.root if of_root else scope.item
        for key in before:
            if holder.__class__ is not dict:
                return None
            holder = holder.get(key)
        if holder.__class__ is not dict:
            return None
        value = holder.get(last)
        return None if value.__class__ is str and value.strip() in BLANK else value

    return get


def _is_of_any(path: str) -> bool:
    """Return whether a path asks any member for its last key: ``*.Total_in``, ``a.*.b``."""
    return f".{path.removeprefix('/')}".rpartition(".")[0].endswith(".*")


def _holder(path: str) -> str:
    return path.rpartition(".")[0]


def _first_of_any(paths: tuple[str, ...]) -> Getter:
    """Return what gets the first value that any member of one holder has under some keys."""
    holder_path = _holder(paths[0])
    steps = tuple(step for step in holder_path.strip("/*").split(".") if step)
    of_root = holder_path.startswith("/")
    keys = tuple(path.rpartition(".")[2] for path in paths)
    wanted = frozenset(keys)

    def get(scope: Scope) -> object:
        holder = follow(scope.root if of_root else scope.item, steps)
        members = holder.values() if isinstance(holder, dict) else ()
        for member in members:
            if isinstance(member, dict) and not wanted.isdisjoint(member):
                for key in keys:
                    value = unless_blank(member.get(key))
                    if value is not None:
                        return value
        return None

    return get


def _any_member(scope: Scope) -> object:
    """Return an object's first value that is not absent; what is no object, itself."""
    item = scope.item
    members = item.values() if isinstance(item, dict) else (item,)
    return next((value for value in map(unless_blank, members) if value is not None), None)


def unless_blank(value: object) -> object:
    """Return a value, None for a text that devices send for "nothing"."""
    return None if isinstance(value, str) and value.strip() in BLANK else value
