"""Points as InfluxDB line protocol, one line a point, nanoseconds.

A series key is escaped once and kept with its series; the fields of each kind of observation are
written by a function made once, so that a line costs one f-string instead of a loop.

Source: InfluxDB 1.8 documentation, "InfluxDB line protocol reference".
"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from devices.observation import Observation
from devices.source import Source
from ingest.measurement import MEASUREMENT_OF, Field, FieldKind

if TYPE_CHECKING:
    from ingest.point import Point

_KEY_ESCAPES = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_FORMATS = {
    FieldKind.FLOAT: "{%s!r}",
    FieldKind.INTEGER: "{%s}i",
    FieldKind.BOOLEAN: "{%s}",
    FieldKind.TEXT: '"{%s._value_}"',  # Half as dear as the member itself.
}

_Write = Callable[[str, Any, int], str]
"""Series key, observation and nanoseconds to a line."""


def series_key(measurement: str, tags: Iterable[tuple[str, str]]) -> str:
    """Return the escaped start of a line; a tag without a value is left out.

    Args:
        measurement: A name that needs no escaping.
        tags: Names that need none either, with values as ``tag_text`` returns them.
    """
    written = [f",{name}={value.translate(_KEY_ESCAPES)}" for name, value in tags if value]
    return measurement + "".join(written)


def encode_lines(points: Sequence["Point"]) -> list[str]:
    """Return one line a point, in order, without line ends."""
    write = _WRITE
    return [
        write[point.observation.__class__](point.series.key, point.observation, point.time)
        for point in points
    ]


def _compile(kind: type[Observation]) -> _Write:
    """Return what writes the line of a kind of observation, of which a field at least is said."""
    source = Source(f"line of {kind.__name__}", "key", "observation", "time")
    declared = {field.name: field for field in msgspec.structs.fields(kind)}
    always: list[str] = []
    maybe: list[Field] = []
    for field in MEASUREMENT_OF[kind].fields:
        _check_words(kind, field, declared[field.name].type)
        if declared[field.name].default is None:
            maybe.append(field)
        else:
            always.append(_written(field, f"observation.{field.name}"))
    source.line(f"line = f'{{key}} {','.join(always)}'" if always else "line = ''")
    for field in maybe:
        source.line(f"value = observation.{field.name}")
        with source.inside("if value is not None:"):
            source.line(f"line += f',{_written(field, 'value')}'")
    source.line(f"return f'{'{line}' if always else '{key} {line[1:]}'} {{time}}'")
    return source.compile()


def _written(field: Field, value: str) -> str:
    return f"{field.name}={_FORMATS[field.kind] % value}"


def _check_words(kind: type[Observation], field: Field, declared: Any) -> None:
    """Raise TypeError for a text that is no word of a closed list, or needs escaping."""
    words = [one for one in (declared, *get_args(declared)) if isinstance(one, type)]
    choices = next((one for one in words if issubclass(one, StrEnum)), ())
    is_plain = choices and all(word.isidentifier() for word in choices)
    if field.kind is FieldKind.TEXT and not is_plain:
        raise TypeError(f"{kind.__name__}.{field.name} is no closed list of plain words")


_WRITE: dict[type, _Write] = {kind: _compile(kind) for kind in MEASUREMENT_OF}
