"""The truth beside the simulated messages, and that both tell the same."""

import json
from collections import defaultdict
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from devices.clock import DAY, HOUR, MINUTE, parse_rfc3339
from devices.decoder import Decoder
from devices.observation import (
    BodySite,
    DeviceStatus,
    Electricity,
    Observation,
    Temperature,
    TimeSource,
)
from devices.profile import built_in, load_profiles
from devices.registry import HouseholdState
from devices.simulator.body import HEALTHY_TO
from devices.simulator.community import Community, build_community
from devices.simulator.event import Event
from devices.simulator.events import events
from devices.simulator.gates import pass_gates
from devices.simulator.home import MeterKind
from devices.simulator.scenario import load_scenario
from devices.simulator.truth import Truth, TruthKind, truth, write_truth

Said = dict[str, list[tuple[int, Observation]]]
DAYS = 4
BUSY = """
title.en = "Everything, often"
title.zh = "样样都多"
[shares]
fevers_per_1000_days = 60
empty = 0.12
lived_in = 0.4
leaving_per_1000_days = 40
gateway_failures_a_day = 0.3
drifting_clocks = 0.6
low_batteries = 0.1
"""


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> Community:
    """Homes with more of everything than anybody could bear."""
    path = tmp_path_factory.mktemp("scenario") / "busy.toml"
    path.write_text(BUSY, encoding="utf-8")
    return build_community(load_scenario(str(path)), households=96, has_history=False)


@pytest.fixture(scope="module")
def life(community: Community) -> list[Event]:
    return list(events(community, community.midnight(0), community.midnight(DAYS)))


@pytest.fixture(scope="module")
def facts(community: Community) -> list[Truth]:
    return list(truth(community, community.midnight(0), community.midnight(DAYS)))


@pytest.fixture(scope="module")
def said(life: list[Event]) -> Said:
    """What each device said: when it arrived, and the observation."""
    decoder = Decoder(load_profiles(built_in()), default_zone=ZoneInfo("Asia/Shanghai"))
    found: Said = defaultdict(list)
    for event in life:
        if not event.faulty:
            outcome = decoder.decode(event.topic, event.payload, received_at=event.at)
            assert isinstance(outcome, tuple)
            for observation in outcome:
                found[observation.device_id].append((event.at, observation))
    return found


def of(facts: list[Truth], kind: TruthKind, **what: object) -> list[Truth]:
    return [
        fact
        for fact in facts
        if fact.kind is kind and all(getattr(fact, key) == value for key, value in what.items())
    ]


def covers(some: list[Truth], at: int) -> bool:
    return any(fact.since <= at and (fact.until is None or at < fact.until) for fact in some)


def body_readings(said: Said, device: str | None) -> list[Temperature]:
    return [
        one
        for _, one in said.get(device or "", [])
        if isinstance(one, Temperature) and one.body_site is BodySite.AXILLARY
    ]


def test_the_ill_read_high_and_nobody_else(
    community: Community, facts: list[Truth], said: Said
) -> None:
    """A thermometer reads beyond health only while somebody of its household is ill, and those who
    live alone and measure at the height of a fever read near its peak."""
    feverish = heights = 0
    for home in community.homes:
        ill = of(facts, TruthKind.ILL, household=home.id)
        for reading in body_readings(said, home.thermometer):
            if reading.celsius > HEALTHY_TO:
                feverish += 1
                assert covers(ill, reading.observed_at), (home, reading)
            if len(home.people) == 1:
                for fact in ill:
                    assert fact.until is not None
                    assert fact.peak_celsius is not None
                    share = (reading.observed_at - fact.since) / (fact.until - fact.since)
                    if 0.25 < share < 0.65:
                        heights += 1
                        assert fact.peak_celsius - 1.0 < reading.celsius < fact.peak_celsius + 0.5
    assert feverish > 20
    assert heights > 5


def test_a_fever_is_measured_again_within_half_an_hour(
    community: Community, facts: list[Truth], said: Said
) -> None:
    """Of the fevers of people who live alone most have a second reading 5 to 30 minutes later."""
    again = alone = 0
    for home in community.homes:
        if len(home.people) == 1 and of(facts, TruthKind.ILL, household=home.id):
            readings = body_readings(said, home.thermometer)
            for first in (one for one in readings if one.celsius >= 37.3):
                alone += 1
                again += any(
                    5 * MINUTE <= later.observed_at - first.observed_at <= 30 * MINUTE
                    for later in readings
                )
    assert again > alone / 4


def test_nobody_is_heard_of_a_family_that_is_away(
    community: Community, facts: list[Truth], said: Said
) -> None:
    """While a family is away nobody is measured there or passes a gate, and its meter is at its
    base load, whether the register knows of it or not."""
    homes = {home.id: home for home in community.homes}
    away = of(facts, TruthKind.AWAY)
    assert {fact.registered for fact in away} == {True, False}
    crossings = [one for day in range(DAYS) for one in pass_gates(community, day)]
    metered = 0
    for fact in away:
        home = homes[fact.household or ""]
        assert not any(covers([fact], r.observed_at) for r in body_readings(said, home.thermometer))
        assert not any(covers([fact], one.at) for one in crossings if one.home is home)
        for watts in base_watts(said, home.meter.id, fact):
            metered += 1
            assert watts < 120, (fact, watts)
    assert metered > 100


def test_who_lives_in_an_empty_flat_uses_power(
    community: Community, facts: list[Truth], said: Said
) -> None:
    """Every flat that is registered empty uses a life's energy each day if and only if the truth
    says that somebody lives there; without, less than the 2 kWh of CSO Ireland's vacant ones."""
    settled = {fact.household for fact in of(facts, TruthKind.LIVES_UNREGISTERED)}
    empty = [home for home in community.homes if home.state is HouseholdState.EMPTY]
    assert 2 < len(settled) < len(empty)
    for home in empty:
        counted = [
            (at, one.energy_wh)
            for at, one in said[home.meter.id]
            if isinstance(one, Electricity) and one.energy_wh is not None
        ]
        days = (counted[-1][0] - counted[0][0]) / DAY
        kwh = (counted[-1][1] - counted[0][1]) / 1_000 / days
        assert (kwh > 2.0) is (home.id in settled), (home, kwh)


def test_what_a_failing_gateway_should_pass_on_is_lost(
    facts: list[Truth], life: list[Event]
) -> None:
    """While a gateway is broken nothing comes through it; before and after it does."""
    failures = of(facts, TruthKind.DEVICE_BROKEN, what="gateway")
    assert failures
    for device in {fact.device for fact in failures}:
        through = [e.at for e in life if e.topic == f"dtu/{device}/up" and not e.faulty]
        broken = [fact for fact in failures if fact.device == device]
        assert len(through) > 500
        assert not any(covers(broken, at) for at in through)


def test_a_clock_that_drifts_is_off_by_more_each_day(
    community: Community, facts: list[Truth], said: Said
) -> None:
    """Meters whose clock the truth calls broken say another time than it is, more so each day;
    the others' is right to the second."""
    broken = {fact.device for fact in of(facts, TruthKind.DEVICE_BROKEN, what="clock")}
    clocks = [home.meter.id for home in community.homes if home.meter.kind is MeterKind.TASMOTA]
    assert 0 < len(broken) < len(clocks)
    for meter in clocks:
        off = [
            abs(one.observed_at - at)
            for at, one in said[meter]
            if one.time_source is TimeSource.DEVICE
        ]
        assert off, meter
        assert max(off[: len(off) // DAYS]) <= max(off[-len(off) // DAYS :])
        assert (max(off) > 2_000) is (meter in broken), (meter, max(off))


def test_a_device_with_an_empty_battery_is_silent(facts: list[Truth], said: Said) -> None:
    """It says less and less, then nothing from the moment that the truth names."""
    deaths = of(facts, TruthKind.DEVICE_BROKEN, what="battery")
    assert len(deaths) > 3
    for fact in deaths:
        heard = said[fact.device or ""]
        assert all(at < fact.since for at, _ in heard)
        levels = [one.battery for _, one in heard if isinstance(one, DeviceStatus) and one.battery]
        assert levels == sorted(levels, reverse=True)
        assert levels[-1] < 10


def test_counts_of_a_day_are_those_of_its_messages(
    community: Community, facts: list[Truth], life: list[Event]
) -> None:
    """Garbage by topic, records that are sent twice, couriers: as many as were published."""
    for day in range(DAYS - 1):
        begins = community.midnight(day)
        today = [e for e in life if begins <= e.at < begins + DAY]
        garbage = {f.topic: f.count for f in of(facts, TruthKind.GARBAGE, since=begins)}
        found: dict[str, int] = defaultdict(int)
        for event in today:
            found[event.topic] += event.faulty
        assert {topic: count for topic, count in found.items() if count} == garbage
    records = [e.payload for e in life if e.topic.endswith("/Rec")]
    resent = sum(fact.count or 0 for fact in of(facts, TruthKind.RESENT))
    assert resent > 0
    assert abs(len(records) - len(set(records)) - resent) <= 1  # One may come after midnight.
    couriers = sum(e.topic.endswith("/Snap") for e in life)
    assert couriers == sum(fact.count or 0 for fact in of(facts, TruthKind.STRANGER))


def test_who_is_out_has_passed_the_gate(
    community: Community, facts: list[Truth], life: list[Event]
) -> None:
    """At the north gate, which knows directions, each way out and in is a record of that person,
    but for those whom the terminal took for somebody else."""
    records = {
        (json.loads(e.payload)["info"]["customId"], e.at) for e in life if e.topic.endswith("/Rec")
    }
    taken = {(fact.taken_for, fact.since) for fact in of(facts, TruthKind.MISTAKEN)}
    seen = 0
    for fact in of(facts, TruthKind.OUT, gate=community.site.north_gate):
        if fact.since >= community.midnight(0):
            seen += (fact.resident, fact.since) in records
            is_mistaken = any(at == fact.since for _, at in taken)
            assert ((fact.resident, fact.since) in records) is not is_mistaken
    assert seen > 50
    by_north_gate = {at for _, at in records}
    assert all((who, at) in records for who, at in taken if at in by_north_gate)


@pytest.mark.parametrize("day", [1, 2])
def test_a_part_of_time_has_the_facts_that_touch_it(
    community: Community, facts: list[Truth], day: int
) -> None:
    """What lasts stands in every stretch that it touches, once; nothing else does."""
    since, until = community.midnight(day) + 7 * HOUR, community.midnight(day) + 9 * HOUR
    part = list(truth(community, since, until))
    assert len(set(part)) == len(part)
    assert set(part) <= set(facts)
    lasting = {TruthKind.ILL, TruthKind.AWAY, TruthKind.DEVICE_BROKEN, TruthKind.OUT}
    touching = [
        fact
        for fact in facts
        if fact.kind in lasting
        and fact.since < until
        and (fact.until is None or fact.until > since)
    ]
    assert {fact for fact in part if fact.kind in lasting} == set(touching)


def test_the_file_holds_ids_and_times_only(
    community: Community, facts: list[Truth], tmp_path: Path
) -> None:
    """A line a fact, readable by its owner alone; no name and no phone in it."""
    path = tmp_path / "truth.jsonl"
    since, until = community.midnight(0), community.midnight(DAYS)
    assert write_truth(path, [community], since, until) == len(facts)
    assert path.stat().st_mode & 0o077 == 0
    lines = path.read_text(encoding="utf-8").splitlines()
    documents = [json.loads(line) for line in lines]
    assert [(one["kind"], parse_rfc3339(one["since"])) for one in documents] == [
        (fact.kind, fact.since) for fact in facts
    ]
    for person in community.people:
        assert not any(person.name in line or person.phone in line for line in lines)


def base_watts(said: Said, meter: str, fact: Truth) -> list[float]:
    """Return a meter's means over two hours and more while a fact holds, but for its first hour."""
    counted = [
        (at, one.energy_wh)
        for at, one in said.get(meter, [])
        if isinstance(one, Electricity)
        and one.energy_wh is not None
        and at >= fact.since + HOUR
        and (fact.until is None or at < fact.until)
    ]
    found, (before, energy) = [], counted[0] if counted else (0, 0.0)
    for at, energy_wh in counted[1:]:
        if at - before >= 2 * HOUR:
            found.append((energy_wh - energy) / ((at - before) / HOUR))
            before, energy = at, energy_wh
    return found
