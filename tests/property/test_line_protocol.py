"""Lines say what the point says, whatever stands in it."""

import string
from enum import StrEnum
from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from devices.observation import (
    BodySite,
    Credential,
    CrossingOutcome,
    Direction,
    Observation,
)
from ingest.line_protocol import encode_lines
from ingest.measurement import (
    MEASUREMENT_OF,
    MEASUREMENTS,
    TAGS,
    FieldKind,
    Measurement,
    tag_text,
)
from ingest.point import Point, make_series
from tests.observed import fields_of, observed

VALUES = {
    FieldKind.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    FieldKind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    FieldKind.BOOLEAN: st.booleans(),
}
WORDS: dict[str, st.SearchStrategy[Any]] = {
    "body_site": st.sampled_from(BodySite),
    "adjusted_to": st.sampled_from(BodySite),
    "direction": st.sampled_from(Direction),
    "outcome": st.sampled_from(CrossingOutcome),
    "credential": st.sampled_from(Credential),
}
ODD = st.text(st.sampled_from(string.ascii_letters + ' ,=\\"\n\r\t%{}#东门\x00\ud800'))


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    """Draw an observation that says something; what needs a value has one."""
    kind = draw(st.sampled_from(list(MEASUREMENT_OF)))
    fields = {}
    for field in msgspec.structs.fields(kind):
        known = {one.name: one for one in MEASUREMENT_OF[kind].fields}.get(field.name)
        if known is None:
            continue
        values = WORDS[known.name] if known.kind is FieldKind.TEXT else VALUES[known.kind]
        fields[known.name] = draw(st.none() | values if field.default is None else values)
    assume(any(value is not None for value in fields.values()))
    return observed(kind, **fields)


@st.composite
def points(draw: st.DrawFn) -> Point:
    observation = draw(observations())
    tags = {name: draw(ODD) for name in TAGS}
    series = make_series(MEASUREMENT_OF[type(observation)].name, **tags)
    return Point(series, observation, draw(st.integers(0, 2**62)))


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
    [line] = encode_lines([point])
    tags, values, time = parse(line, measurement)
    said = {name: value for name, value in fields_of(point).items() if value is not None}
    assert {name: repr(value) for name, value in values.items()} == {
        name: repr(value.value if isinstance(value, StrEnum) else value)
        for name, value in said.items()
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
