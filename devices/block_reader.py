"""One observation's block, compiled to what makes observations of a payload."""

from collections.abc import Callable

from devices.block import Block
from devices.condition import compile_condition
from devices.device_time import Arrival
from devices.field import compile_fields
from devices.kind import KINDS
from devices.observation import Observation
from devices.origin import Origin, compile_own_origin
from devices.path import Scope, compile_loop

BlockReader = Callable[[Origin, Scope, Arrival, list[Observation]], None]
"""Appends what a block makes of a payload."""


def compile_block(block: Block, names: frozenset[str]) -> BlockReader:
    """Return what reads a block.

    Raises:
        ValueError: A unit or a word is none that we know; says which.
    """
    read = _compile_one(block, names)
    applies = compile_condition(block.when, block.unless)
    if block.each is None:
        return read if applies is None else _only_when(read, applies)
    patterns = (block.each,) if isinstance(block.each, str) else block.each
    loops = tuple(compile_loop(pattern) for pattern in patterns)

    def read_each(origin: Origin, scope: Scope, arrival: Arrival, found: list[Observation]) -> None:
        for loop in loops:
            for key, item in loop(scope.item):
                inner = Scope(scope.root, scope.names, item, key)
                if applies is None or applies(inner):
                    read(origin, inner, arrival, found)

    return read_each


def _only_when(read: BlockReader, applies: Callable[[Scope], bool]) -> BlockReader:
    def read_when(origin: Origin, scope: Scope, arrival: Arrival, found: list[Observation]) -> None:
        if applies(scope):
            read(origin, scope, arrival, found)

    return read_when


def _compile_one(block: Block, names: frozenset[str]) -> BlockReader:
    constants, fields = compile_fields(block, names)
    kind = KINDS[block.kind]
    make, needed, is_empty_enough = kind.make, kind.needs, kind.is_empty_enough
    own = compile_own_origin(block, names)

    def read(origin: Origin, scope: Scope, arrival: Arrival, found: list[Observation]) -> None:
        values = constants.copy()
        for name, get in fields:
            value = get(scope)
            if value is not None:
                values[name] = value
            elif name == needed:
                return
        if values or is_empty_enough:
            found.append(make(origin if own is None else own(origin, scope, arrival), values))

    return read
