"""Points as InfluxDB line protocol, one line a point, nanoseconds.

A series key is escaped once and kept with its series; the fields of a measurement are written
through a format made once for each combination of types that occurs, so that a line costs one
``%`` instead of a loop.

Source: InfluxDB 1.8 documentation, "InfluxDB line protocol reference".
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ingest.measurement import MEASUREMENTS, FieldKind

if TYPE_CHECKING:
    from ingest.point import Point

_KEY_ESCAPES = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_TEXT_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\""})
_FORMATS = {FieldKind.FLOAT: "%r", FieldKind.INTEGER: "%di", FieldKind.BOOLEAN: "%s"}
_NOTHING = "%.0s"
"""Takes a value and writes none of it."""


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
    """Writes points as lines, with the formats it has met."""

    def __init__(self) -> None:
        self._formats: dict[str, dict[tuple[type, ...], tuple[str, bool]]] = {
            name: {} for name in MEASUREMENTS
        }

    def encode(self, points: Sequence["Point"]) -> list[str]:
        """Return one line a point, in order, without line ends."""
        lines = []
        formats = self._formats
        for point in points:
            series, fields = point.series, point.fields
            known = formats[series.measurement]
            types = tuple(map(type, fields))
            found = known.get(types)
            if found is None:
                found = known[types] = _line_format(series.measurement, types)
            template, has_free_text = found
            if has_free_text:
                fields = tuple(map(_escaped, fields))
            lines.append(f"{series.key} {template % fields} {point.time}")
        return lines


def _line_format(measurement: str, types: tuple[type, ...]) -> tuple[str, bool]:
    """Return the format of a point's fields, and whether texts must be escaped first."""
    pieces, comma, has_free_text = [], "", False
    for field, kind in zip(MEASUREMENTS[measurement].fields, types, strict=True):
        if kind is type(None):
            pieces.append(_NOTHING)
            continue
        if field.kind is FieldKind.TEXT:
            pieces.append(f'{comma}{field.name}="%s"')
            has_free_text = has_free_text or not _is_plain(kind)
        else:
            pieces.append(f"{comma}{field.name}={_FORMATS[field.kind]}")
        comma = ","
    return "".join(pieces), has_free_text


def _is_plain(kind: type) -> bool:
    """Return whether a text type is a closed list of words none of which needs escaping."""
    return issubclass(kind, StrEnum) and all(field_text(word) == word for word in kind)


def _escaped(value: Any) -> Any:
    return field_text(value) if isinstance(value, str) else value
