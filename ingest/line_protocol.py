"""Points as InfluxDB line protocol, one line a point, nanoseconds.

A series key is escaped once and kept with its series; the fields of a measurement are written by
a function made once for each combination of types that occurs, so that a line costs one f-string
instead of a loop.

Source: InfluxDB 1.8 documentation, "InfluxDB line protocol reference".
"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from devices.source import Source
from ingest.measurement import MEASUREMENTS, FieldKind

if TYPE_CHECKING:
    from ingest.point import Point

_KEY_ESCAPES = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_TEXT_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\""})
_FORMATS = {FieldKind.FLOAT: "{%s!r}", FieldKind.INTEGER: "{%s}i", FieldKind.BOOLEAN: "{%s}"}

Write = Callable[[str, tuple[Any, ...], int], str]
"""Series key, fields and nanoseconds to a line."""


def series_key(measurement: str, tags: Iterable[tuple[str, str]]) -> str:
    """Return the escaped start of a line; a tag without a value is left out.

    Args:
        measurement: A name that needs no escaping.
        tags: Names that need none either, with values as ``tag_text`` returns them.
    """
    written = [f",{name}={value.translate(_KEY_ESCAPES)}" for name, value in tags if value]
    return measurement + "".join(written)


def field_text(text: str) -> str:
    """Return the inside of a quoted string field."""
    return text.translate(_TEXT_ESCAPES)


class LineEncoder:
    """Writes points as lines, with the functions for what it has met."""

    def __init__(self) -> None:
        self._writers: dict[str, dict[tuple[type, ...], Write]] = {
            name: {} for name in MEASUREMENTS
        }

    def encode(self, points: Sequence["Point"]) -> list[str]:
        """Return one line a point, in order, without line ends."""
        lines = []
        writers = self._writers
        for point in points:
            series, fields = point.series, point.fields
            known = writers[series.measurement]
            types = tuple(map(type, fields))
            write = known.get(types)
            if write is None:
                write = known[types] = _compile(series.measurement, types)
            lines.append(write(series.key, fields, point.time))
        return lines


def _compile(measurement: str, types: tuple[type, ...]) -> Write:
    """Return what writes the line of a point with fields of these types."""
    source = Source(f"line of {measurement}", "key", "fields", "time")
    escape = source.name(field_text, "escape")
    values = [f"value{place}" for place in range(len(types))]
    pieces = []
    for field, kind, value in zip(MEASUREMENTS[measurement].fields, types, values, strict=True):
        if kind is type(None):
            continue
        if field.kind is FieldKind.TEXT:
            written = f"{{{value}}}" if _is_plain(kind) else f"{{{escape}({value})}}"
            pieces.append(f'{field.name}="{written}"')
        else:
            pieces.append(f"{field.name}={_FORMATS[field.kind] % value}")
    source.line(f"{', '.join(values)}, = fields")
    source.line(f"return f'{{key}} {','.join(pieces)} {{time}}'")
    return source.compile()


def _is_plain(kind: type) -> bool:
    """Return whether a text type is a closed list of words none of which needs escaping."""
    return issubclass(kind, StrEnum) and all(field_text(word) == word for word in kind)
