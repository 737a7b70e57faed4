"""How points are written as lines."""

import pytest

from devices.observation import (
    BodySite,
    Credential,
    Crossing,
    CrossingOutcome,
    DeviceStatus,
    Direction,
    LitWindow,
    Observation,
    Temperature,
)
from ingest.line_protocol import encode_lines
from ingest.measurement import MEASUREMENT_OF, tag_text
from ingest.point import Point, make_series
from tests.observed import metered, observed


def line(observation: Observation, **tags: str) -> str:
    series = make_series(MEASUREMENT_OF[type(observation)].name, **tags)
    [written] = encode_lines([Point(series, observation, 12)])
    return written


@pytest.mark.parametrize(
    ("observation", "written"),
    [
        pytest.param(metered(power_w=1.5), "electricity power_w=1.5", id="later-field-missing"),
        pytest.param(metered(energy_wh=2.0), "electricity energy_wh=2.0", id="first-missing"),
        pytest.param(
            metered(power_w=37, energy_wh=1e16),
            "electricity power_w=37,energy_wh=1e+16",
            id="float",
        ),
        pytest.param(observed(LitWindow, lit=True), "lit_window lit=True", id="boolean"),
        pytest.param(observed(DeviceStatus, sequence=7), "device_status sequence=7i", id="integer"),
        pytest.param(
            observed(Temperature, celsius=36.6, body_site=BodySite.WRIST, ambient_celsius=-5.0),
            'temperature celsius=36.6,body_site="wrist",ambient_celsius=-5.0',
            id="word",
        ),
        pytest.param(
            observed(
                Crossing,
                direction=Direction.IN,
                outcome=CrossingOutcome.ADMITTED,
                credential=Credential.FACE,
                score=0.5,
            ),
            'crossing direction="in",outcome="admitted",stranger=False,credential="face",score=0.5',
            id="words-and-booleans",
        ),
    ],
)
def test_fields(observation: Observation, written: str) -> None:
    """Each kind of field is written as InfluxDB types it; what is not said is left out."""
    measurement, fields = written.split(" ")
    assert line(observation, device="d") == f"{measurement},device=d {fields} 12"


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
    assert (
        line(observed(LitWindow, lit=True), device=value)
        == f"lit_window,device={written} lit=True 12"
    )


def test_empty_tags_are_left_out() -> None:
    """InfluxDB refuses a tag without a value."""
    written = line(observed(LitWindow, lit=True), device="d", channel="", site="s")
    assert written.startswith("lit_window,device=d,site=s ")


def test_shapes_do_not_mix() -> None:
    """Points of one measurement with different fields each keep their own."""
    series = make_series("electricity", device="d")
    said = [metered(1.0), metered(1.0, 2.0), metered(None, 2.0)]
    assert encode_lines([Point(series, one, 1) for one in said]) == [
        "electricity,device=d power_w=1.0 1",
        "electricity,device=d power_w=1.0,energy_wh=2.0 1",
        "electricity,device=d energy_wh=2.0 1",
    ]


def test_cleaning_a_tag_twice_changes_nothing() -> None:
    """What a store returned finds itself again when it is asked for."""
    odd = "a\\b\n\x7f \ud800"
    assert tag_text(tag_text(odd)) == tag_text(odd)
