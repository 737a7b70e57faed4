"""Lines say what the point says, whatever stands in it."""

import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingest.line_protocol import LineEncoder
from ingest.measurement import MEASUREMENTS, TAGS, FieldKind, Measurement, tag_text
from ingest.point import Point, make_series

VALUES = {
    FieldKind.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    FieldKind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    FieldKind.BOOLEAN: st.booleans(),
    FieldKind.TEXT: st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00")),
}
ODD = st.text(st.sampled_from(string.ascii_letters + ' ,=\\"\n\r\t%{}#东门\x00\ud800'))


@st.composite
def points(draw: st.DrawFn) -> Point:
    measurement = draw(st.sampled_from(list(MEASUREMENTS.values())))
    tags = {name: draw(ODD) for name in TAGS}
    fields = draw(
        st.tuples(*(st.none() | VALUES[field.kind] for field in measurement.fields)).filter(
            lambda values: any(value is not None for value in values)
        )
    )
    return Point(make_series(measurement.name, **tags), fields, draw(st.integers(0, 2**62)))


def split(text: str, separator: str, *, quoted: bool = False) -> list[str]:
    """Split at a separator that is neither escaped nor, where quotes count, inside quotes."""
    pieces, piece, inside, escaped = [], "", False, False
    for character in text:
        if character == separator and not inside and not escaped:
            pieces.append(piece)
            piece = ""
            continue
        if quoted and character == '"' and not escaped:
            inside = not inside
        escaped = character == "\\" and not escaped
        piece += character
    return [*pieces, piece]


def parse_tag(text: str) -> tuple[str, str]:
    name, value = split(text, "=")
    for escaped in ",= ":
        value = value.replace("\\" + escaped, escaped)
    return name, value


def parse_value(kind: FieldKind, text: str) -> Any:
    if kind is FieldKind.TEXT:
        assert text[0] == text[-1] == '"'
        return text[1:-1].replace(r"\"", '"').replace(r"\\", "\\")
    if kind is FieldKind.INTEGER:
        assert text.endswith("i")
        return int(text[:-1])
    return float(text) if kind is FieldKind.FLOAT else {"True": True, "False": False}[text]


def parse(line: str, measurement: Measurement) -> tuple[dict[str, str], dict[str, Any], int]:
    """Read a line as the documentation says it is read."""
    key = split(line, " ")[0]
    fields, time = split(line.removeprefix(key + " "), " ", quoted=True)
    name, *tags = split(key, ",")
    assert name == measurement.name
    values = {}
    for text in split(fields, ",", quoted=True):
        field, _, value = text.partition("=")
        values[field] = parse_value(measurement.field(field).kind, value)
    return dict(map(parse_tag, tags)), values, int(time)


@given(points())
def test_line_says_what_the_point_says(point: Point) -> None:
    """Tags, every field bit for bit and the time come back out of the line."""
    measurement = MEASUREMENTS[point.series.measurement]
    [line] = LineEncoder().encode([point])
    tags, values, time = parse(line, measurement)
    names = [field.name for field in measurement.fields]
    said = dict(zip(names, point.fields, strict=True))
    assert {name: repr(value) for name, value in values.items()} == {
        name: repr(value) for name, value in said.items() if value is not None
    }
    assert tags == {name: getattr(point.series, name) for name in tags}
    assert time == point.time


@given(ODD)
def test_tag_text_is_one_line_and_encodable(text: str) -> None:
    """Whatever a device calls itself, its tag is one line of UTF-8 that ends in no backslash."""
    clean = tag_text(text)
    assert "\n" not in clean
    assert "\\" not in clean
    assert clean.encode("utf-8").decode("utf-8") == clean
