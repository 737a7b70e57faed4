"""Which point an observation becomes: its time, its series, its fields."""

from typing import Any

import pytest

from devices.history import History
from devices.observation import (
    BodySite,
    DeviceStatus,
    Electricity,
    LitWindow,
    Observation,
    Temperature,
    TimeSource,
)
from devices.registry import Place, PlaceKind, Registry
from ingest.measurement import MEASUREMENT_OF, MEASUREMENTS, TAGS
from ingest.message import Message
from ingest.point import NANOSECONDS, Point, PointEncoder

NOON = 1_581_681_600_000
EAST = Place(kind=PlaceKind.GATE, site="east", grid="east-3")
WEST = Place(kind=PlaceKind.GATE, site="west")
MOVED = Registry(
    bindings=History([("gun", (0, NOON, EAST)), ("gun", (NOON, None, WEST))]),
)


def reading(**changes: Any) -> Temperature:
    known: dict[str, Any] = {"device_id": "gun", "observed_at": NOON, "received_at": NOON}
    return Temperature(**{**known, "celsius": 36.5, **changes})


def points(
    *observations: Observation, payload: bytes = b"{}", topic: str = "t", position: int = 7
) -> list[Point]:
    return PointEncoder().encode(observations, Message(topic, payload, NOON), position, MOVED)


def time_of(observation: Observation, **message: Any) -> int:
    [point] = points(observation, **message)
    return point.time


@pytest.mark.parametrize(
    ("observation", "first", "again"),
    [
        pytest.param(
            reading(event_id="42"),
            {"payload": b"first", "position": 1},
            {"payload": b"resent", "position": 9},
            id="event-id",
        ),
        pytest.param(reading(), {"position": 1}, {"position": 9}, id="device-time-and-payload"),
        pytest.param(
            reading(time_source=TimeSource.ARRIVAL),
            {"payload": b"a"},
            {"payload": b"b"},
            id="position",
        ),
    ],
)
def test_the_same_observation_has_the_same_time(
    observation: Temperature, first: dict[str, Any], again: dict[str, Any]
) -> None:
    """What comes again, or is decoded again, overwrites itself."""
    assert time_of(observation, **first) == time_of(observation, **again)


@pytest.mark.parametrize(
    ("one", "other", "messages"),
    [
        pytest.param(reading(event_id="1"), reading(event_id="2"), ({}, {}), id="event-id"),
        pytest.param(reading(), reading(), ({"payload": b"a"}, {"payload": b"b"}), id="payload"),
        pytest.param(reading(), reading(), ({"topic": "a"}, {"topic": "b"}), id="topic"),
        *(
            pytest.param(
                reading(time_source=source),
                reading(time_source=source),
                ({"position": 1}, {"position": 2}),
                id=source.value,
            )
            for source in (TimeSource.ARRIVAL, TimeSource.BACKLOG, TimeSource.REFUSED)
        ),
    ],
)
def test_two_events_of_one_device_in_one_second_both_live(
    one: Temperature, other: Temperature, messages: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """Different events at one device time have different times within that millisecond."""
    times = time_of(one, **messages[0]), time_of(other, **messages[1])
    assert times[0] != times[1]
    assert {time // NANOSECONDS for time in times} == {NOON}


def test_many_events_of_one_millisecond_hardly_ever_meet() -> None:
    """A hundred numbered events in the same millisecond keep a hundred times."""
    assert len({time_of(reading(event_id=str(number))) for number in range(100)}) == 100


def test_observations_of_one_message_do_not_meet() -> None:
    """Values of one series and instant in one message all live, and again at the same times."""
    observations = [reading(celsius=36.0 + tenth / 10) for tenth in range(5)]
    first, again = points(*observations), points(*observations, position=99)
    assert len({point.time for point in first}) == 5
    assert first == again


def test_channels_and_kinds_are_series_of_their_own() -> None:
    """Phases of a meter and the status beside them share a time without meeting."""
    when = {"device_id": "gun", "observed_at": NOON, "received_at": NOON}
    made = points(
        Electricity(channel="a", power_w=1.0, **when),
        Electricity(channel="b", power_w=2.0, **when),
        DeviceStatus(battery=90.0, **when),
    )
    assert len({point.series.key for point in made}) == 3
    assert len({point.time for point in made}) == 1


def test_place_is_the_one_of_the_time_of_observation() -> None:
    """A device that moved keeps its old site and grid for what it said before."""
    [before] = points(reading(observed_at=NOON - 1))
    [after] = points(reading())
    assert (before.series.site, before.series.grid) == ("east", "east-3")
    assert (after.series.site, after.series.grid) == ("west", "")
    assert after.series.key == "temperature,device=gun,site=west"


def test_what_an_encoder_remembers_does_not_outlive_a_move_or_a_registry() -> None:
    """One encoder gives each instant its own place, in any order, and each snapshot its own."""
    encoder = PointEncoder()
    home = Registry(bindings=History([("gun", (0, None, Place(PlaceKind.GATE, "home")))]))

    def site(at: int, registry: Registry) -> str:
        message = Message("t", b"", at)
        [point] = encoder.encode([reading(observed_at=at)], message, 1, registry)
        return point.series.site

    assert [site(at, MOVED) for at in (NOON, NOON - 1, NOON, NOON - 1)] == [
        *("west", "east", "west", "east")
    ]
    assert [site(NOON, registry) for registry in (home, MOVED, home)] == ["home", "west", "home"]


def test_unplaced_device_has_neither_site_nor_grid() -> None:
    """A device bound nowhere is still stored."""
    [point] = points(reading(device_id="spare"))
    assert point.series.key == "temperature,device=spare"


def test_observation_that_says_nothing_gives_no_point() -> None:
    """A status whose every field is unknown cannot be written as a line, and is not."""
    status = DeviceStatus(device_id="gun", observed_at=NOON, received_at=NOON)
    assert points(status, reading()) == points(reading())


def test_no_measurement_names_a_person() -> None:
    """Subjects, households, topics and event ids are neither tag nor field anywhere."""
    secret = {"subject", "household", "event_id", "topic", "payload"}
    fields = {field.name for kind in MEASUREMENTS.values() for field in kind.fields}
    assert not secret & (fields | set(TAGS))


def test_every_observation_has_its_measurement() -> None:
    """A new kind of observation cannot be forgotten here, and its fields are its attributes."""
    assert set(MEASUREMENT_OF) == set(Observation.__args__)
    for kind, measurement in MEASUREMENT_OF.items():
        assert {field.name for field in measurement.fields} <= set(kind.__struct_fields__)


def test_fields_follow_the_measurement() -> None:
    """Values stand in the measurement's order, None where the observation says nothing."""
    measured = reading(celsius=37.7, body_site=BodySite.FOREHEAD)
    assert MEASUREMENT_OF[Temperature].values(measured) == (37.7, "forehead", None, None)
    window = LitWindow(device_id="gun", observed_at=NOON, received_at=NOON, lit=True)
    assert MEASUREMENT_OF[LitWindow].values(window) == (True,)
