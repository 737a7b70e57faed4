"""How points are written as lines."""

from typing import Any

import pytest

from devices.observation import BodySite, Credential, CrossingOutcome, Direction
from ingest.line_protocol import LineEncoder
from ingest.measurement import tag_text
from ingest.point import Point, make_series


def line(measurement: str, *fields: Any, **tags: str) -> str:
    [written] = LineEncoder().encode([Point(make_series(measurement, **tags), fields, 12)])
    return written


@pytest.mark.parametrize(
    ("measurement", "fields", "written"),
    [
        pytest.param("electricity", (1.5, None), "power_w=1.5", id="later-field-missing"),
        pytest.param("electricity", (None, 2.0), "energy_wh=2.0", id="first-field-missing"),
        pytest.param("electricity", (37, 1e16), "power_w=37,energy_wh=1e+16", id="float"),
        pytest.param("lit_window", (True,), "lit=True", id="boolean"),
        pytest.param("device_status", (None, None, None, 7), "sequence=7i", id="integer"),
        pytest.param(
            "temperature",
            (36.6, BodySite.WRIST, None, -5.0),
            'celsius=36.6,body_site="wrist",ambient_celsius=-5.0',
            id="word",
        ),
        pytest.param(
            "crossing",
            (Direction.IN, CrossingOutcome.ADMITTED, False, Credential.FACE, 0.5, None),
            'direction="in",outcome="admitted",stranger=False,credential="face",score=0.5',
            id="words-and-booleans",
        ),
        pytest.param(
            "temperature",
            (36.6, 'a "b" \\', None, None),
            r'celsius=36.6,body_site="a \"b\" \\"',
            id="text-is-escaped",
        ),
    ],
)
def test_fields(measurement: str, fields: tuple[Any, ...], written: str) -> None:
    """Each kind of field is written as InfluxDB types it; what is not said is left out."""
    assert line(measurement, *fields, device="d") == f"{measurement},device=d {written} 12"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a0:e6:f8", "a0:e6:f8"),
        ("a b,c=d", r"a\ b\,c\=d"),
        ('say "x"', r'say\ "x"'),
        ("东门", "东门"),
        ("50%d %s", r"50%d\ %s"),
        ("end\\", "end/"),
        ("two\nlines", "two␊lines"),
        ("half \ud800", r"half\ ?"),
    ],
)
def test_tags(value: str, written: str) -> None:
    """A tag is escaped, and what no escape exists for is replaced by something visible."""
    assert line("lit_window", True, device=value) == f"lit_window,device={written} lit=True 12"


def test_empty_tags_are_left_out() -> None:
    """InfluxDB refuses a tag without a value."""
    assert line("lit_window", True, device="d", channel="", site="s").startswith(
        "lit_window,device=d,site=s "
    )


def test_shapes_do_not_mix() -> None:
    """Points of one measurement with different fields each keep their own format."""
    series = make_series("electricity", device="d")
    points = [Point(series, fields, 1) for fields in ((1.0, None), (1.0, 2.0), (None, 2.0))]
    assert LineEncoder().encode(points) == [
        "electricity,device=d power_w=1.0 1",
        "electricity,device=d power_w=1.0,energy_wh=2.0 1",
        "electricity,device=d energy_wh=2.0 1",
    ]


def test_cleaning_a_tag_twice_changes_nothing() -> None:
    """What a store returned finds itself again when it is asked for."""
    odd = "a\\b\n\x7f \ud800"
    assert tag_text(tag_text(odd)) == tag_text(odd)
