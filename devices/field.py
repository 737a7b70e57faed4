"""The fields of an observation's block, and what writes what reads each.

What is usual is written out; the rest is a reader, which gives a value, None where it is absent.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from devices.block import Block, Number, Paths, Word
from devices.loop import compile_sum, write_sum
from devices.measure import (
    AMBIENT,
    CELSIUS,
    COUNT,
    ENERGY_WH,
    PERCENT,
    POWER_W,
    SHARE,
    SIGNAL,
    Conversion,
    Measure,
    as_number,
    convert,
    text_number,
    write_convert,
)
from devices.observation import BodySite, Credential, CrossingOutcome, Direction
from devices.outcome import DeadLetterReason, DecodeError
from devices.path import (
    Scope,
    compile_paths,
    is_writable,
    write_get,
    write_raw,
    write_text,
)
from devices.source import Source, Stand
from devices.template import write_template

Reader = Callable[[Scope], Any]
Writer = Callable[[Source, Stand], str]

MEASURES: dict[str, Measure] = {
    "celsius": CELSIUS,
    "ambient_celsius": AMBIENT,
    "power_w": POWER_W,
    "energy_wh": ENERGY_WH,
    "score": SHARE,
    "battery": PERCENT,
    "signal": SIGNAL,
    "sequence": COUNT,
}
CHOICES: dict[str, type[StrEnum]] = {
    "body_site": BodySite,
    "adjusted_to": BodySite,
    "direction": Direction,
    "outcome": CrossingOutcome,
    "credential": Credential,
}
FLAGS = frozenset({"stranger", "mask", "lit", "online"})
TEXTS = frozenset({"household"})


class Field(NamedTuple):
    """A field of an observation, and what writes what reads it.

    ``write`` returns the variable that holds the value then, None where it is absent.
    """

    name: str
    write: Writer


class _Usual(NamedTuple):
    """What nearly every number is: under the first of some keys, converted or not, possible."""

    where: str
    paths: tuple[str, ...]
    conversion: Conversion | None
    low: float
    high: float
    absent: tuple[float | str, ...]


def compile_fields(block: Block, names: frozenset[str]) -> tuple[dict[str, Any], tuple[Field, ...]]:
    """Return what a block says of every payload alike, by field, and the other fields.

    Raises:
        ValueError: A unit or a word is none that we know; says which.
    """
    constants: dict[str, Any] = {}
    fields: list[Field] = []
    for name in type(block).model_fields:
        said = getattr(block, name)
        if said is None or name not in MEASURES.keys() | CHOICES.keys() | FLAGS | TEXTS:
            continue
        if name in CHOICES and isinstance(said, str):
            constants[name] = _choice(name, said, CHOICES[name])
        elif isinstance(said, bool):
            constants[name] = said
        else:
            fields.append(_compile_field(name, said, names))
    return constants, tuple(fields)


def _write_number(usual: _Usual, read: Reader, source: Source, stand: Stand) -> str:
    """Write what reads a usual number; all else is left to its reader."""
    value = write_raw(source, usual.paths, stand)
    low, high = source.number(usual.low), source.number(usual.high)
    if usual.absent:
        with source.inside(f"if {value} in {source.name(usual.absent, 'absent')}:"):
            source.line(f"{value} = None")
    if len(usual.paths) == 1:
        with source.inside(f"if {value}.__class__ is str:"):
            number = source.name(text_number, "text_number")
            source.line(f"{value} = {number}({value}, {usual.where!r}, {usual.absent!r})")
    if usual.conversion is not None:
        with source.inside(f"if {value}.__class__ is float or {value}.__class__ is int:"):
            write_convert(source, value, usual.conversion)
    with source.inside(f"if {value}.__class__ is float and {low} <= {value} <= {high}:"):
        source.line("pass")
    with source.inside(f"elif {value}.__class__ is int and {low} <= {value} <= {high}:"):
        source.line(f"{value} = float({value})")
    with source.inside(f"elif {value} is not None:"):
        source.line(f"{value} = {source.name(read, 'read')}({stand.scope})")
    return value


def _write_rare(read: Reader, source: Source, stand: Stand) -> str:
    """Write that a callable reads a field."""
    value = source.variable("value")
    source.line(f"{value} = {source.name(read, 'read')}({stand.scope})")
    return value


def _compile_field(name: str, said: Any, names: frozenset[str]) -> Field:
    if name in MEASURES:
        number = said if isinstance(said, Number) else Number(path=said)
        return _compile_number(name, number, MEASURES[name])
    if name in CHOICES:
        return Field(name, _compile_choice(name, said, CHOICES[name]))
    if name in FLAGS:
        return Field(name, _compile_flag(name, said))
    return Field(name, lambda source, stand: write_template(source, said, stand, names))


def _compile_number(name: str, number: Number, measure: Measure) -> Field:
    get = compile_paths(number.path) if number.path else compile_sum(number.sum or (), name)
    where = f"{name}: {number.path or number.sum}"
    low, high = number.range or (measure.low, measure.high)
    absent = frozenset(one for one in number.absent if not isinstance(one, tuple))
    gaps = tuple(one for one in number.absent if isinstance(one, tuple))
    conversion = _conversion(name, number.unit, measure)
    unit_from = _compile_unit(number.unit_from, measure, where) if number.unit_from else None
    is_whole = measure is COUNT
    skips_arrays = number.scalar

    def read(scope: Scope) -> float | int | None:
        value = get(scope)
        if value is None or (absent and _hashable(value) in absent):
            return None
        if not (type(value) is float or type(value) is int):
            if skips_arrays and isinstance(value, list | dict):
                return None
            value = as_number(value, where)
            if value in absent:
                return None
        if gaps and any(first <= value <= last for first, last in gaps):
            return None
        by = unit_from(scope) if unit_from else conversion
        if by is not None:
            value = convert(value, by)
        if not low <= value <= high:
            raise DecodeError(DeadLetterReason.OUT_OF_RANGE, where)
        return _whole(value, where) if is_whole else float(value)

    paths = (number.path,) if isinstance(number.path, str) else number.path or ()
    is_usual = paths and is_writable(paths) and not (gaps or unit_from or is_whole)
    usual = _Usual(where, paths, conversion, low, high, tuple(absent)) if is_usual else None
    return Field(name, _writer(number, usual, read))


def _writer(number: Number, usual: _Usual | None, read: Reader) -> Writer:
    if usual is not None:
        return partial(_write_number, usual, read)
    if isinstance(number.sum, str):
        return partial(write_sum, number.sum, read)
    return partial(_write_rare, read)


def _hashable(value: object) -> object:
    return value if isinstance(value, str | int | float) else None


def _whole(value: float, where: str) -> int:
    if value != int(value):
        raise DecodeError(DeadLetterReason.WRONG_TYPE, where)
    return int(value)


def _conversion(name: str, unit: str | None, measure: Measure) -> Conversion | None:
    """Return how a unit is converted; None where it is the observation's own."""
    own = next(iter(measure.units))
    if unit is None or unit == own:
        return None
    if unit not in measure.units:
        raise ValueError(f"{name}: unit {unit!r} is none of {', '.join(measure.units)}")
    return measure.units[unit]


def _compile_unit(
    paths: Paths, measure: Measure, where: str
) -> Callable[[Scope], Conversion | None]:
    """Return what finds the conversion of the unit a payload names; None where there is none."""
    get = compile_paths(paths)
    own, *others = measure.units
    known: dict[str, Conversion | None] = {own: None, **{one: measure.units[one] for one in others}}
    known |= {word: known[unit] for word, unit in measure.spellings.items()}

    def conversion(scope: Scope) -> Conversion | None:
        said = get(scope)
        if said is None:
            return None
        if not isinstance(said, str) or said not in known:
            raise DecodeError(DeadLetterReason.WRONG_TYPE, f"{where}: unit")
        return known[said]

    return conversion


def _compile_choice(name: str, said: Word, choices: type[StrEnum]) -> Writer:
    words = {word: _choice(name, value, choices) for word, value in (said.map or {}).items()}
    other = None if said.other is None else _choice(name, said.other, choices)
    return partial(_write_word, said.path, words, other)


def _choice(name: str, word: str | bool, choices: type[StrEnum]) -> StrEnum:
    try:
        return choices(str(word))
    except ValueError:
        raise ValueError(f"{name}: {word!r} is none of {', '.join(choices)}") from None


def _compile_flag(name: str, said: str | Word) -> Writer:
    if isinstance(said, Word) and said.map is not None:
        words = [value for value in (*said.map.values(), said.other) if isinstance(value, str)]
        if words:
            raise ValueError(f"{name}: {words[0]!r} is neither true nor false")
        return partial(_write_word, said.path, said.map, said.other)
    return partial(_write_flag, name, said.path if isinstance(said, Word) else said)


def _write_word(
    paths: Paths, words: Mapping[str, object], other: object, source: Source, stand: Stand
) -> str:
    """Write what finds the meaning of a word."""
    value = write_text(source, paths, stand)
    with source.inside(f"if {value} is not None:"):
        meaning, unknown = source.name(words.get, "meaning"), source.name(other, "other")
        source.line(f"{value} = {meaning}({value}, {unknown})")
    return value


def _write_flag(name: str, paths: Paths, source: Source, stand: Stand) -> str:
    """Write what reads a boolean, or the word for one."""
    value = write_get(source, paths, stand)
    with source.inside(f"if {value} is not None and {value}.__class__ is not bool:"):
        source.line(f"{value} = {source.name(_flag, 'flag')}({value}, {name!r})")
    return value


def _flag(value: object, name: str) -> bool:
    if value in ("true", "false"):  # A list is in no set.
        return value == "true"
    raise DecodeError(DeadLetterReason.WRONG_TYPE, name)
