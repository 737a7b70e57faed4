"""One conformance suite for every series store: the same answers from each of them."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from devices.clock import DAY, HOUR, MINUTE, SECOND
from devices.history import History
from devices.observation import (
    BodySite,
    Crossing,
    DeviceStatus,
    Direction,
    Electricity,
    LitWindow,
    Observation,
    Temperature,
)
from devices.registry import Place, PlaceKind, Registry
from ingest import household_series
from ingest.measurement import MEASUREMENTS
from ingest.message import Message
from ingest.point import NANOSECONDS, Point, PointEncoder
from ingest.reading import END_OF_TIME, Reading, Value
from ingest.rollup import Span
from ingest.series import Bucket, Function, SeriesStore, open_store
from tests import given_store
from tests.given_store import given_database
from tests.observed import fields_of
from tests.property.test_line_protocol import points
from tests.servers import InfluxDB

NIGHT = 1_581_681_600_000
EAST = Place(kind=PlaceKind.CHECKPOINT, site="east side", grid="east-3")
WEST = Place(kind=PlaceKind.HOUSEHOLD, site="west", grid="west-1", household="w-1")
REGISTRY = Registry(
    bindings=History(
        [("gun", (0, NIGHT + HOUR, EAST)), ("gun", (NIGHT + HOUR, None, WEST))]
        + [(f"meter {number}", (0, None, WEST)) for number in range(3)]
    )
)


@pytest.fixture(params=["sqlite", "influxdb", *(["given"] if given_store.URL else [])])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, influxdb_server: InfluxDB
) -> Iterator[SeriesStore]:
    """An empty store of each kind; of somebody's InfluxDB too, where the environment names it."""
    name = f"t{abs(hash(request.node.nodeid))}"
    with ExitStack() as stack:
        url = token = None
        if request.param == "influxdb":
            url = influxdb_server.database(name)
        elif request.param == "given":
            url, token = stack.enter_context(given_database(name)), given_store.TOKEN
        opened = open_store(url, token=token, data_dir=tmp_path)
        stack.callback(opened.close)
        yield opened


def encoded(observations: Sequence[Observation]) -> list[Point]:
    encoder = PointEncoder()
    return [
        point
        for position, observation in enumerate(observations, 1)
        for point in encoder.encode(
            [observation], Message("t", b"%d" % position, NIGHT), position, REGISTRY
        )
    ]


def gun(at: int, celsius: float, **more: Any) -> Temperature:
    return Temperature(device_id="gun", observed_at=at, received_at=at, celsius=celsius, **more)


def meter(number: int, at: int, power_w: float, channel: str = "") -> Electricity:
    return Electricity(
        device_id=f"meter {number}",
        observed_at=at,
        received_at=at,
        power_w=power_w,
        channel=channel,
    )


def test_every_kind_of_field_comes_back(store: SeriesStore) -> None:
    """Floats, integers, booleans and words read back equal to what was observed."""
    when = {"device_id": "gun", "observed_at": NIGHT, "received_at": NIGHT}
    observations: list[Observation] = [
        gun(NIGHT, 37.0, body_site=BodySite.FOREHEAD, ambient_celsius=-5.25),
        Crossing(direction=Direction.IN, stranger=True, score=0.1 + 0.2, mask=False, **when),
        Electricity(energy_wh=1e9 + 0.5, **when),
        LitWindow(lit=True, **when),
        DeviceStatus(online=False, battery=12.0, sequence=2**53 + 1, **when),
    ]
    assert not store.write(encoded(observations))
    read = {name: store.last(name)[0] for name in MEASUREMENTS}
    assert read["temperature"].fields == {
        "celsius": 37.0,
        "body_site": "forehead",
        "ambient_celsius": -5.25,
    }
    assert read["crossing"].fields == {
        "direction": "in",
        "outcome": "unknown",
        "stranger": True,
        "score": 0.1 + 0.2,
        "mask": False,
    }
    assert read["electricity"].fields == {"energy_wh": 1e9 + 0.5}
    assert read["lit_window"].fields == {"lit": True}
    assert read["device_status"].fields == {"online": False, "battery": 12.0, "sequence": 2**53 + 1}
    types = {type(value) for reading in read.values() for value in reading.fields.values()}
    assert types == {float, str, bool, int}
    assert all(reading.at == NIGHT for reading in read.values())


def test_a_resend_overwrites_itself(store: SeriesStore) -> None:
    """Writing points again, whole or in part, changes nothing."""
    written = encoded([gun(NIGHT + step * SECOND, 36.0 + step) for step in range(10)])
    store.write(written)
    once = store.range("temperature", "gun", since=0, until=NIGHT + DAY)
    store.write(written[3:])
    store.write(written)
    assert store.range("temperature", "gun", since=0, until=NIGHT + DAY) == once
    assert [reading.fields["celsius"] for reading in once] == [36.0 + step for step in range(10)]


def test_two_events_of_one_second_both_live(store: SeriesStore) -> None:
    """Two different readings of a device at the same device time are two readings."""
    store.write(encoded([gun(NIGHT, 36.9), gun(NIGHT, 37.0)]))
    read = store.range("temperature", "gun", since=NIGHT, until=NIGHT + 1)
    assert sorted(reading.fields["celsius"] for reading in read) == [36.9, 37.0]


def test_last_is_one_reading_of_each_device_and_channel(store: SeriesStore) -> None:
    """The newest by time of observation, whatever came last, with the place of that time."""
    late = encoded([meter(1, NIGHT + MINUTE, 5.0, "b"), meter(1, NIGHT, 4.0, "a")])
    store.write(encoded([meter(1, NIGHT + MINUTE, 6.0, "a"), meter(0, NIGHT, 7.0)]))
    store.write(late)
    store.write(encoded([meter(1, NIGHT - DAY, 1.0, "b")]))
    read = store.last("electricity")
    assert [(reading.device, reading.channel, reading.fields["power_w"]) for reading in read] == [
        ("meter 0", "", 7.0),
        ("meter 1", "a", 6.0),
        ("meter 1", "b", 5.0),
    ]
    assert store.last("electricity", device="meter 1", limit=1) == read[1:2]
    assert store.last("electricity", grid="west-1") == read
    assert store.last("electricity", site="east side") == []


def test_a_device_that_moved_has_a_last_reading_at_each_place(store: SeriesStore) -> None:
    """Asked for a site, the newest there; asked for nothing, the newest of all."""
    store.write(encoded([gun(NIGHT, 36.0), gun(NIGHT + HOUR, 36.5)]))
    assert [reading.site for reading in store.last("temperature")] == ["west"]
    [east] = store.last("temperature", site="east side")
    assert (east.fields["celsius"], east.grid) == (36.0, "east-3")


def test_range_is_bounded_on_every_side(store: SeriesStore) -> None:
    """Since is included, until is not; beyond the limit the newest stay, oldest first."""
    store.write(encoded([gun(NIGHT + step * MINUTE, 36.0 + step) for step in range(5)]))
    store.write(encoded([meter(0, NIGHT, 1.0)]))

    def celsius(since: int, until: int, **bounds: int) -> list[Any]:
        read = store.range("temperature", "gun", since=since, until=until, **bounds)
        return [reading.fields["celsius"] for reading in read]

    assert celsius(NIGHT + MINUTE, NIGHT + 3 * MINUTE) == [37.0, 38.0]
    assert celsius(NIGHT, NIGHT + HOUR, limit=2) == [39.0, 40.0]
    assert celsius(NIGHT + HOUR, NIGHT + DAY) == []
    with pytest.raises(ValueError, match="limit"):
        celsius(0, NIGHT, limit=1_000_000)


def test_range_of_a_place(store: SeriesStore) -> None:
    """Without a device, everything of a grid or site, as it was placed then, in order of time."""
    store.write(encoded([gun(NIGHT, 36.0), gun(NIGHT + HOUR, 38.0)]))
    store.write(encoded([meter(number, NIGHT + number, 1.0) for number in range(3)]))

    def devices(measurement: str, **filters: str) -> list[str]:
        read = store.range(measurement, since=NIGHT, until=NIGHT + DAY, **filters)
        return [reading.device for reading in read]

    assert devices("electricity", grid="west-1") == ["meter 0", "meter 1", "meter 2"]
    assert devices("electricity", site="east side") == []
    assert devices("temperature", site="west") == ["gun"]
    assert devices("temperature") == ["gun", "gun"]


PAGE = 4
"""Readings a scan brings at once, in the tests below."""


@pytest.fixture
def paged(store: SeriesStore, monkeypatch: pytest.MonkeyPatch) -> SeriesStore:
    """A store that scans in small pages."""
    monkeypatch.setattr(sys.modules[type(store).__module__], "SCANNED_AT_ONCE", PAGE)
    return store


def test_scan_gives_every_reading_once(paged: SeriesStore) -> None:
    """Over many pages, series and ties, each with its nanoseconds, and each series in order."""
    same = [Point(one.series, one.observation, NIGHT * NANOSECONDS) for one in _of_many(2 * PAGE)]
    written = [*same, *encoded([gun(NIGHT + step, 36.0) for step in range(3 * PAGE)])]
    written += encoded([meter(0, NIGHT + step, 1.0, "ab"[step % 2]) for step in range(PAGE)])
    paged.write(written)
    found = [
        (name, one.device, one.channel, one.site, one.grid, one.time)
        for name in ("temperature", "electricity")
        for one in paged.scan(name, since=0, until=END_OF_TIME)
    ]
    assert sorted(found) == sorted(
        (at.measurement, at.device, at.channel, at.site, at.grid, point.time)
        for point in written
        for at in [point.series]
    )
    guns = [time for _, device, *_, time in found if device == "gun"]
    assert guns == sorted(guns)


def test_scan_keeps_to_its_bounds(paged: SeriesStore) -> None:
    """Since is included, until is not; a device, site or grid alone."""
    paged.write(encoded([gun(NIGHT + step * MINUTE, 36.0) for step in range(70)]))
    paged.write(_of_many(3))

    def times(**filters: Any) -> list[int]:
        bounds = {"since": NIGHT + MINUTE, "until": NIGHT + 70 * MINUTE, **filters}
        return [(one.at - NIGHT) // MINUTE for one in paged.scan("temperature", **bounds)]

    assert times() == list(range(1, 70))
    assert times(until=NIGHT + 3 * MINUTE) == [1, 2]
    assert times(site="west") == list(range(60, 70))
    assert times(grid="east-3", since=0, device="gun") == list(range(60))
    assert times(device="nobody") == []


def test_scan_is_not_disturbed_by_writing(paged: SeriesStore) -> None:
    """What was there before the first reading comes once, though the store is written meanwhile."""
    paged.write(encoded([gun(NIGHT + step * MINUTE, 36.0) for step in range(20)]))
    seen = []
    for reading in paged.scan("temperature", since=0, until=END_OF_TIME):
        seen.append(reading.at)
        if len(seen) in (1, 10):
            again = [gun(NIGHT + step * MINUTE, 36.0) for step in range(20)]
            paged.write(encoded([*again, gun(NIGHT - DAY, 35.0), meter(0, NIGHT, 1.0)]))
    known = [NIGHT + step * MINUTE for step in range(20)]
    assert [at for at in seen if at >= NIGHT] == known
    assert len(seen) <= 21


def _of_many(count: int) -> list[Point]:
    """Return a point of each of so many thermometers, before midnight."""
    return encoded(
        [
            Temperature(
                device_id=f"t{number}", observed_at=NIGHT - 1, received_at=NIGHT, celsius=20.0
            )
            for number in range(count)
        ]
    )


@pytest.mark.parametrize(
    ("function", "values"),
    [
        (Function.MEAN, [1.5, 4.0]),
        (Function.MAX, [2.0, 4.0]),
        (Function.MIN, [1.0, 4.0]),
        (Function.COUNT, [2.0, 1.0]),
        (Function.SUM, [3.0, 4.0]),
    ],
)
def test_aggregate(store: SeriesStore, function: Function, values: list[float]) -> None:
    """Windows begin at multiples of their length; empty ones are left out."""
    times = [NIGHT + MINUTE, NIGHT + 2 * MINUTE, NIGHT + 65 * MINUTE, NIGHT + DAY]
    store.write(encoded([meter(0, at, 2.0**power) for power, at in enumerate(times)]))
    found = store.aggregate(
        "electricity",
        "power_w",
        function,
        window=HOUR,
        since=NIGHT + MINUTE,
        until=NIGHT + DAY,
    )
    assert found == [Bucket(NIGHT, values[0]), Bucket(NIGHT + HOUR, values[1])]


def test_aggregate_keeps_to_its_filters(store: SeriesStore) -> None:
    """By device, channel, site and grid; over several series the values join in one window."""
    store.write(encoded([meter(number, NIGHT + number, 1.0 + number) for number in range(3)]))
    store.write(encoded([meter(1, NIGHT, 8.0, "a"), meter(1, NIGHT, 9.0, "b")]))
    store.write(encoded([gun(NIGHT, 36.0), gun(NIGHT + HOUR, 38.0)]))

    def value(measurement: str, field: str, function: Function, **filters: str) -> list[float]:
        found = store.aggregate(
            measurement,
            field,
            function,
            window=DAY,
            since=NIGHT,
            until=NIGHT + DAY,
            **filters,
        )
        return [bucket.value for bucket in found]

    assert value("electricity", "power_w", Function.MEAN) == [4.6]
    assert value("electricity", "power_w", Function.MAX, device="meter 1") == [9.0]
    assert value("electricity", "power_w", Function.MAX, device="meter 1", channel="a") == [8.0]
    assert value("electricity", "power_w", Function.MAX, device="meter 1", channel="") == [2.0]
    assert value("temperature", "celsius", Function.MIN, site="west") == [38.0]
    assert value("temperature", "celsius", Function.COUNT, grid="east-3") == [1.0]
    assert value("temperature", "celsius", Function.COUNT, grid="nowhere") == []


FLAT = Place(kind=PlaceKind.HOUSEHOLD, site="west", grid="west-1", household="w-2")
MOVES = Registry(
    bindings=History(
        [
            ("meter 0", (0, None, FLAT)),
            ("meter 1", (0, NIGHT + 2 * MINUTE, FLAT)),
            ("meter 1", (NIGHT + 2 * MINUTE, None, WEST)),
            ("meter 2", (0, None, WEST)),
            ("gun", (0, NIGHT, WEST)),
            ("gun", (NIGHT, NIGHT + DAY, FLAT)),
        ]
    )
)
"""Of flat w-2 is meter 0, meter 1 until two minutes past midnight, and the gun for a day."""


def test_a_household_is_what_stood_in_it_and_when(store: SeriesStore) -> None:
    """Each device counts for the time in which it was bound to the flat, and no other."""
    times = [NIGHT + step * MINUTE for step in range(4)]
    store.write(encoded([meter(0, at, 10.0 + step) for step, at in enumerate(times)]))
    store.write(encoded([meter(1, at, 20.0 + step, "a") for step, at in enumerate(times)]))
    store.write(encoded([meter(2, at, 99.0) for at in times]))
    store.write(encoded([gun(NIGHT - 1, 35.0), gun(NIGHT, 36.0), gun(NIGHT + DAY, 37.0)]))
    stays = MOVES.stays_in("w-2")

    def watts(readings: Iterable[Reading]) -> list[Value]:
        return [reading.fields["power_w"] for reading in readings]

    def hour(function: Function) -> list[Bucket]:
        return household_series.aggregate(
            *(store, stays, "electricity", "power_w", function),
            window=HOUR,
            since=NIGHT,
            until=NIGHT + HOUR,
        )

    def ask(answer: Callable[..., Iterable[Reading]], **bounds: int) -> list[Value]:
        span = {"since": NIGHT, "until": NIGHT + HOUR, **bounds}
        return watts(answer(store, stays, "electricity", **span))

    assert sorted(ask(household_series.scan)) == [10.0, 11.0, 12.0, 13.0, 20.0, 21.0]
    assert ask(household_series.read, limit=3) == [21.0, 12.0, 13.0]
    assert ask(household_series.read, until=NIGHT + 1) == [10.0, 20.0]
    assert watts(household_series.last(store, stays, "electricity")) == [13.0, 21.0]
    [reading] = household_series.last(store, stays, "temperature")
    assert reading.fields["celsius"] == 36.0
    assert hour(Function.COUNT) == [Bucket(NIGHT, 6.0)]
    assert hour(Function.MEAN) == [Bucket(NIGHT, 87.0 / 6)]
    assert hour(Function.MAX) == [Bucket(NIGHT, 21.0)]
    assert hour(Function.MIN) == [Bucket(NIGHT, 10.0)]
    assert MOVES.stays_in("nowhere") == []


@pytest.mark.parametrize(
    ("measurement", "field", "function", "window", "sentence"),
    [
        ("weather", "celsius", Function.MEAN, HOUR, "no measurement"),
        ("temperature", "power_w", Function.MEAN, HOUR, "no field"),
        ("temperature", "body_site", Function.MEAN, HOUR, "no number"),
        ("temperature", "celsius", Function.MEAN, 1, "window"),
        ("temperature", "celsius", Function.MEAN, 0, "window"),
    ],
)
def test_senseless_or_boundless_question_is_refused(
    store: SeriesStore, measurement: str, field: str, function: Function, window: int, sentence: str
) -> None:
    """A question about what does not exist, or with too long an answer, is the caller's error."""
    with pytest.raises(ValueError, match=sentence):
        store.aggregate(measurement, field, function, window=window, since=0, until=NIGHT)


def test_nothing_stored_is_no_answer_and_no_error(store: SeriesStore) -> None:
    """Before the first point every question has an empty answer."""
    assert store.last("temperature") == []
    assert store.range("temperature", "gun", since=0, until=NIGHT) == []
    assert store.rolled_up("crossings", Span.DAILY, since=0, until=NIGHT) == []
    assert not store.aggregate(
        "temperature", "celsius", Function.MEAN, window=DAY, since=NIGHT, until=NIGHT + DAY
    )


def test_poison_is_returned_and_its_neighbours_are_stored(store: SeriesStore) -> None:
    """Points no store can hold come back with words; everything around them is there."""
    good = encoded([gun(NIGHT + step * SECOND, 36.0) for step in range(40)])
    when = {"device_id": "gun", "observed_at": NIGHT, "received_at": NIGHT}
    poison = dict(
        zip(
            (0, 17, 39),
            encoded(
                [
                    gun(NIGHT, float("nan")),
                    gun(NIGHT, float("inf")),
                    DeviceStatus(sequence=2**63, **when),
                ]
            ),
            strict=True,
        )
    )
    mixed = [poison.get(index, point) for index, point in enumerate(good)]
    rejected = store.write(mixed)
    assert [refusal.index for refusal in rejected] == [0, 17, 39]
    assert all(refusal.words for refusal in rejected)
    assert len(store.range("temperature", "gun", since=0, until=NIGHT + DAY)) == 37


def test_check_passes_on_a_store_that_works(store: SeriesStore) -> None:
    """A canary is taken and given back, again and again, and shows up in no measurement."""
    store.check()
    store.check()
    assert all(store.last(name) == [] for name in MEASUREMENTS)


@given(batch=points())
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_point_comes_back_as_it_was(store: SeriesStore, batch: Point) -> None:
    """Whatever stands in tags and fields, every store returns it bit for bit."""
    series = batch.series
    assert not store.write([batch])
    at = batch.time // NANOSECONDS
    found = [
        reading
        for reading in store.range(series.measurement, series.device, since=at, until=at + 1)
        if (reading.channel, reading.site, reading.grid)
        == (series.channel, series.site, series.grid)
    ]
    said = {name: value for name, value in fields_of(batch).items() if value is not None}
    assert found
    assert any(said.items() <= reading.fields.items() for reading in found)
    assert batch.time in {reading.time for reading in found}
