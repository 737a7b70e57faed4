"""Registered empty but lived in: evenings of a cooker, gaps, resets, fridges and daily meters."""

from collections.abc import Iterator

import pytest

from alerts.finding import IncidentKind
from alerts.rules.occupancy import Occupancy
from devices.clock import DAY, HOUR, MINUTE
from devices.observation import Electricity, TimeSource
from devices.registry import HouseholdState
from tests.judging import Bench, at, community, told

HALF_HOUR = 30 * MINUTE


def power(watts: float, when: int, *, device: str = "meter", **more) -> Electricity:
    return Electricity(device_id=device, observed_at=when, received_at=when, power_w=watts, **more)


def energy(watt_hours: float, when: int, *, after: int = 0, **more) -> Electricity:
    return Electricity(
        device_id="meter", observed_at=when, received_at=when + after, energy_wh=watt_hours, **more
    )


def counter(loads: list[tuple[float, float]], *, start: int, every: int) -> Iterator[Electricity]:
    """A cumulative counter over (hours, watts) in a row, read every so often."""
    watt_hours, when = 5_000.0, start
    yield energy(watt_hours, when)
    for hours, watts in loads:
        for _ in range(round(hours * HOUR / every)):
            when += every
            watt_hours += watts * every / HOUR
            yield energy(watt_hours, when)


def evening(day: int, *, watts: float = 900, half_hours: int = 4) -> list[Electricity]:
    """One day of power every ten minutes: a fridge, and a cooker from 18:00 on."""
    start = at("00:00", day=day)
    cooks = range(at("18:00", day=day), at("18:00", day=day) + half_hours * HALF_HOUR)
    times = range(start, start + DAY, 10 * MINUTE)
    return [power(watts if when in cooks else 55, when) for when in times]


def test_turning_meter_is_a_watch_then_an_incident() -> None:
    """Four active half-hours are a watch, a second such day of three is the incident."""
    bench = Bench(Occupancy())
    assert told(bench.feed(*evening(14))) == ["watch"]
    assert told(bench.feed(*evening(15, half_hours=0))) == []
    assert told(bench.feed(*evening(16))) == ["incident minor"]
    found = bench.findings[-1]
    assert found.kind is IncidentKind.EMPTY_FLAT
    assert (found.key, found.household, found.grid) == ("household:empty", "empty", "g1")
    assert found.evidence["days"] == ["2020-02-14", "2020-02-16"]
    assert found.evidence["active_half_hours"] == 4


def test_watch_opens_when_the_fourth_half_hour_is_over() -> None:
    """A half-hour counts when a later reading says that it is complete, never before."""
    bench = Bench(Occupancy())
    for reading in evening(14):
        found = bench.feed(reading)
        if found:
            assert reading.observed_at == at("20:00")
            return
    pytest.fail("the watch never opened")


@pytest.mark.parametrize(
    ("days", "expected"),
    [((14, 15), ["watch", "incident minor"]), ((14, 17), ["watch", "attach"])],
)
def test_two_days_must_lie_within_three(days: tuple[int, int], expected: list[str]) -> None:
    """Days further apart than three stay a watch."""
    bench = Bench(Occupancy())
    for day in days:
        bench.feed(*evening(day))
    assert told(bench.findings) == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (evening(14, half_hours=3), []),
        (evening(14, watts=119), []),
        (evening(14, watts=121), ["watch"]),
        (evening(14, half_hours=0), []),
    ],
    ids=["three half-hours", "below twice the base", "above it", "a fridge"],
)
def test_active_half_hours(day: list[Electricity], expected: list[str]) -> None:
    """Active is more than twice the base load and more than 50 W above it."""
    bench = Bench(Occupancy())
    bench.feed(*day)
    assert told(bench.findings) == expected


def test_base_load_is_learnt() -> None:
    """A flat whose pump always takes 150 W has its own base; 60 W stand only for three days."""
    bench = Bench(Occupancy())
    start = at("00:00", day=10)
    times = range(start, at("18:00"), 10 * MINUTE)
    quiet = [power(150 if when > start + 3 * DAY else 100, when) for when in times]
    bench.feed(*quiet)
    assert told(bench.findings) == []
    warm = range(at("18:00"), at("20:30"), 10 * MINUTE)
    bench.feed(*(power(190, when) for when in warm))
    assert told(bench.findings) == []
    hot = range(at("20:30"), at("23:00"), 10 * MINUTE)
    bench.feed(*(power(301, when) for when in hot))
    assert told(bench.findings) == ["watch"]


@pytest.mark.parametrize("every", [MINUTE, 15 * MINUTE, HALF_HOUR, HOUR, 2 * HOUR])
def test_counter_gives_half_hours(every: int) -> None:
    """A cumulative counter is as good as power, however often it is read."""
    bench = Bench(Occupancy())
    bench.feed(*counter([(18, 55), (2, 900), (4, 55)], start=at("00:00"), every=every))
    assert told(bench.findings) == ["watch"]
    assert bench.findings[0].evidence["active_half_hours"] == 4


def test_counter_that_starts_again_is_no_consumption() -> None:
    """A reset, or a new meter with a huge count, is neither negative nor huge consumption."""
    bench = Bench(Occupancy())
    bench.feed(*counter([(12, 55)], start=at("00:00"), every=HALF_HOUR))
    bench.feed(energy(3, at("12:30")), energy(30, at("13:00")))
    bench.feed(energy(9_000_000, at("13:30")), energy(9_000_028, at("14:00")))
    bench.feed(energy(9_000_056, at("14:30")), energy(9_000_084, at("15:00")))
    assert told(bench.findings) == []


def test_offline_meter_spreads_what_it_missed() -> None:
    """After a gap the counter says the mean of it: 500 W for four hours are eight half-hours."""
    bench = Bench(Occupancy())
    bench.feed(*counter([(18, 55)], start=at("00:00"), every=HALF_HOUR))
    last = 5_000 + 18 * 55
    bench.feed(energy(last + 2_000, at("22:00")))
    assert told(bench.findings) == ["watch"]
    assert bench.findings[0].evidence["active_half_hours"] == 8


def test_silent_meter_is_no_evidence() -> None:
    """A meter that is silent for days and used a fridge's energy meanwhile proves nothing."""
    bench = Bench(Occupancy())
    bench.feed(energy(1_000, at("00:00", day=10)), energy(1_000 + 4 * 24 * 60, at("00:00")))
    assert told(bench.findings) == []


@pytest.mark.parametrize(
    ("daily", "expected"),
    [
        ((1.4, 1.4, 2.6, 2.6), ["watch", "incident minor"]),
        ((1.4, 1.4, 2.6, 1.4, 2.6), ["watch", "incident minor"]),
        ((1.9, 1.9, 1.9, 1.9), []),
        ((2.4, 2.4, 2.4, 2.4), []),
    ],
    ids=["two days", "two of three", "a fridge", "an old fridge"],
)
def test_meter_read_once_a_day(daily: tuple[float, ...], expected: list[str]) -> None:
    """For a daily meter a day counts that is 1 kWh above the base and no fridge's."""
    bench = Bench(Occupancy())
    loads = [(24, kwh * 1_000 / 24) for kwh in daily]
    bench.feed(*counter(loads, start=at("00:00", day=10), every=DAY))
    assert told(bench.findings) == expected


def test_phases_are_added_up() -> None:
    """Three phases of 50 W are a flat of 150 W."""
    bench = Bench(Occupancy())
    for when in range(at("18:00"), at("20:30"), 10 * MINUTE):
        bench.feed(*(power(50, when, channel=phase) for phase in "abc"))
    assert told(bench.findings) == ["watch"]


def test_only_flats_registered_empty_are_judged() -> None:
    """A cooker in an occupied flat is supper."""
    registry = community(states={"h1": HouseholdState.OCCUPIED, "h2": HouseholdState.AWAY})
    bench = Bench(Occupancy(), registry=registry)
    bench.feed(*(power(2_000, at("18:00") + n * HALF_HOUR, device="meter-h1") for n in range(9)))
    assert bench.states == {}


def test_repeat_changes_nothing() -> None:
    """Readings that come again, and those that waited somewhere, change nothing at all."""
    bench = Bench(Occupancy())
    readings = [*evening(14), *counter([(24, 900)], start=at("00:00", day=15), every=HALF_HOUR)]
    bench.feed(*readings)
    before = dict(bench.states)
    waited = power(3_000, at("23:00", day=15), time_source=TimeSource.BACKLOG)
    assert bench.feed(*readings, waited) == []
    assert bench.states == before


def test_late_counter_readings_are_put_in_place() -> None:
    """What a meter kept while it was offline shows the evening that the mean had hidden."""
    bench = Bench(Occupancy())
    readings = list(counter([(18, 55), (2, 900), (28, 55)], start=at("00:00"), every=HALF_HOUR))
    first, *kept, last = readings
    bench.feed(first, last)
    assert told(bench.findings) == []
    bench.feed(*kept)
    assert told(bench.findings) == ["watch"]


def test_old_evidence_never_pages() -> None:
    """Evidence older than three days is a watch and stays one."""
    bench = Bench(Occupancy())
    loads = [(18, 55), (2, 900), (4, 55)]
    for day in (10, 11):
        for reading in counter(loads, start=at("00:00", day=day), every=HALF_HOUR):
            bench.feed(energy(reading.energy_wh or 0, reading.observed_at, after=5 * DAY))
    assert told(bench.findings) == ["watch", "attach"]
    assert all(found.watch and found.late for found in bench.findings)


def test_closing_begins_anew_the_next_day() -> None:
    """After a person looked, the same evening opens nothing; the next one is a first day again."""
    bench = Bench(Occupancy())
    day = evening(14, half_hours=8)
    bench.feed(*(each for each in day if each.observed_at <= at("20:00")))
    bench.close("household:empty", at("20:30"))
    bench.feed(*(each for each in day if each.observed_at > at("20:00")))
    assert told(bench.findings) == ["watch"]
    bench.feed(*evening(15))
    assert told(bench.findings) == ["watch", "watch"]
