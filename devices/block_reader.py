"""One observation's block, written as what makes observations of a payload."""

from collections.abc import Callable
from contextlib import ExitStack

import msgspec

from devices.block import Block
from devices.condition import write_tests
from devices.device_time import Arrival
from devices.field import compile_fields
from devices.kind import KINDS, Kind, Values
from devices.loop import compile_loop, write_guard
from devices.origin import Origin, write_own_origin
from devices.registry import PlaceKind
from devices.source import Source, Stand


def write_block(
    source: Source, block: Block, origin: Origin, stand: Stand, names: frozenset[str]
) -> None:
    """Write what adds to the tuple ``found`` the observations that a block makes of a payload.

    Raises:
        ValueError: A unit or a word is none that we know; says which.
    """
    with ExitStack() as guarded:
        with ExitStack() as nested:
            if block.each is not None:
                patterns = (block.each,) if isinstance(block.each, str) else block.each
                stand = write_loop(source, patterns, stand, guarded, nested)
            for test in write_tests(source, block.when, block.unless, stand):
                nested.enter_context(source.inside(f"if {test}:"))
            made = _write_one(source, block, origin, stand, names, nested)
            if made:
                each = block.each is not None
                source.line(f"several.append({made})" if each else f"found += ({made},)")
        if block.each is not None:
            source.line("found += tuple(several)")


def write_loop(
    source: Source,
    patterns: tuple[str, ...],
    stand: Stand,
    guarded: ExitStack,
    nested: ExitStack,
) -> Stand:
    """Write the loop over what some patterns list, and what guards it.

    Returns:
        Where its body stands; that fills the list ``several``.
    """
    key, item, get = map(source.variable, ("key", "item", "get"))
    if len(patterns) == 1:
        loop = source.name(compile_loop(patterns[0]), "loop")
        if is_several := write_guard(source, patterns[0], stand):
            guarded.enter_context(source.inside(f"if {is_several}:"))
        source.line("several = []")
    else:
        loops = source.name(tuple(compile_loop(pattern) for pattern in patterns), "loops")
        loop = source.variable("loop")
        source.line("several = []")
        nested.enter_context(source.inside(f"for {loop} in {loops}:"))
    nested.enter_context(source.inside(f"for {key}, {item} in {loop}({stand.item}):"))
    source.line(f"{get} = {item}.get if {item}.__class__ is dict else no_member")
    return Stand(item, get, f"Scope(document, names, {item}, {key})", key)


def _write_one(
    source: Source,
    block: Block,
    origin: Origin,
    stand: Stand,
    names: frozenset[str],
    nested: ExitStack,
) -> str:
    """Write what reads the fields; return the call that makes the observation of them, or ""."""
    constants, fields = compile_fields(block, names)
    kind = KINDS[block.kind]
    values: Values = {name: source.name(value, name) for name, value in constants.items()}
    if not (constants or fields or kind.is_empty_enough):
        source.line("pass")  # The block says nothing, so nothing comes of it.
        return ""
    for field in fields:
        value = values[field.name] = field.write(source, stand)
        if field.name == kind.needs:
            nested.enter_context(source.inside(f"if {value} is not None:"))
    if not (constants or kind.needs or kind.is_empty_enough):
        is_something = " or ".join(f"{value} is not None" for value in values.values())
        nested.enter_context(source.inside(f"if {is_something}:"))
    _write_defaults(source, kind, {field.name: values[field.name] for field in fields})
    own = write_own_origin(source, block, origin, stand, names)
    if block.at:
        stands = source.name(_compile_places(block.at), "stands")
        test = f"if {stands}(arrival, {own.device_id}, {own.observed_at}):"
        nested.enter_context(source.inside(test))
    if kind.finish is not None:
        kind.finish(source, values, constants, own)
    return _construction(source, kind, own, values)


def _compile_places(kinds: tuple[PlaceKind, ...]) -> Callable[[Arrival, str, int], bool]:
    """Return what tells whether a device may stand at a place of these kinds at a time."""

    def stands(arrival: Arrival, device_id: str, at: int) -> bool:
        if arrival.registry is None:
            return True
        place = arrival.registry.place(device_id, at)
        return place is None or place.kind in kinds

    return stands


def _write_defaults(source: Source, kind: Kind, values: Values) -> None:
    """Write the struct's defaults in the place of what is absent, where that is not None."""
    for field in msgspec.structs.fields(kind.struct):
        if field.name in values and field.default not in (None, msgspec.NODEFAULT):
            value = values[field.name]
            with source.inside(f"if {value} is None:"):
                source.line(f"{value} = {source.name(field.default, field.name)}")


def _construction(source: Source, kind: Kind, origin: Origin, values: Values) -> str:
    """Return the call that makes the observation; what has its default is left out."""
    shared = origin._asdict() | {"received_at": "received_at"}
    del shared["is_stranger"]
    if not kind.is_of_a_person:
        del shared["subject"]
    said = {name: value for name, value in shared.items() if value not in ("None", "''")}
    arguments = ", ".join(f"{name}={value}" for name, value in (said | values).items())
    return f"{source.name(kind.struct, 'make')}({arguments})"
