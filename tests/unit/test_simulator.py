"""The simulated community: plausible people and homes, real formats, the stories, one seed."""

import collections
import math
import statistics
from itertools import islice, pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import create_engine

from devices import tables
from devices.clock import DAY, HOUR, MINUTE, parse_rfc3339
from devices.csv_import import import_folder
from devices.decoder import Decoder
from devices.observation import (
    BodySite,
    Crossing,
    DeviceStatus,
    Electricity,
    Observation,
    Temperature,
    TimeSource,
)
from devices.outcome import DeadLetter
from devices.profile import built_in, load_profiles
from devices.registry import HouseholdState, Registry
from devices.registry_store import load
from devices.simulator.body import HEALTHY_TO, SKIN_TO
from devices.simulator.community import Community, build_community
from devices.simulator.community_csv import write_city
from devices.simulator.event import Event
from devices.simulator.events import events
from devices.simulator.happening import Fever
from devices.simulator.home import MeterKind
from devices.simulator.meters import day_load
from devices.simulator.site import FACE_TERMINAL, GUN, HUAAN

SHANGHAI = ZoneInfo("Asia/Shanghai")
Decoded = list[tuple[Event, Observation]]


@pytest.fixture(scope="module")
def community() -> Community:
    return build_community()


@pytest.fixture(scope="module")
def registry(community: Community, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("community")
    write_city(folder / "csv", [community])
    engine = create_engine(f"sqlite:///{folder}/state.db")
    tables.metadata.create_all(engine)
    import_folder(engine, folder / "csv", now=community.begins)
    registry = load(engine)
    engine.dispose()
    return registry


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(load_profiles(built_in()), default_zone=SHANGHAI)


@pytest.fixture(scope="module")
def evening(community: Community) -> list[Event]:
    """The first day and a bit of living on: until Ms Sun's story is over."""
    return list(events(community, community.evening, community.evening + DAY))


@pytest.fixture(scope="module")
def history(community: Community) -> list[Event]:
    return list(events(community, community.begins, community.evening))


@pytest.fixture(scope="module")
def observed(decoder: Decoder, registry: Registry, evening: list[Event]) -> Decoded:
    return decode(decoder, registry, evening)


@pytest.fixture(scope="module")
def remembered(decoder: Decoder, registry: Registry, history: list[Event]) -> Decoded:
    return decode(decoder, registry, history)


def decode(decoder: Decoder, registry: Registry, published: list[Event]) -> Decoded:
    """Decode what is not meant to be garbage; nothing of it may be refused or ignored."""
    pairs: Decoded = []
    for event in published:
        if not event.faulty:
            outcome = decoder.decode(
                event.topic, event.payload, received_at=event.at, registry=registry
            )
            assert isinstance(outcome, tuple), (event, outcome)
            pairs += [(event, observation) for observation in outcome]
    return pairs


def of(pairs: Decoded, kind: type[Observation], *devices: str | None) -> list[Observation]:
    return [
        observation
        for _, observation in pairs
        if isinstance(observation, kind) and (not devices or observation.device_id in devices)
    ]


def test_community_has_the_size_of_xiaohukou(community: Community) -> None:
    """284 households with some 520 people in three grids, a few empty, away, or lone and old."""
    assert len(community.homes) == 284
    assert 490 <= len(community.people) <= 560
    assert len(set(community.buildings.values())) == 3
    states = collections.Counter(home.state for home in community.homes)
    assert 8 <= states[HouseholdState.EMPTY] <= 18
    assert 10 <= states[HouseholdState.AWAY] <= 30
    assert len({home.meter.id for home in community.homes}) == 284
    assert len({person.id for person in community.people}) == len(community.people)


@pytest.mark.parametrize("households", [48, 1_000])
def test_other_sizes_have_every_story(households: int) -> None:
    """Whatever the number of households, there is a Ms Sun and a flat to live in unregistered."""
    for seed in range(5):
        named = build_community(seed=seed, households=households).plan.named
        assert len(named["sun"].people) == 1
        assert named["empty"].state is HouseholdState.EMPTY


def test_every_message_decodes(observed: Decoded, remembered: Decoded) -> None:
    """Of what is not meant to be garbage every message gives observations of known devices."""
    assert len({event.at for event, _ in observed}) > 10_000
    assert len({event.at for event, _ in remembered}) > 10_000


def test_garbage_becomes_dead_letters(
    decoder: Decoder, registry: Registry, evening: list[Event]
) -> None:
    """What is meant to be garbage is refused, for at least six different reasons."""
    outcomes = [
        decoder.decode(event.topic, event.payload, received_at=event.at, registry=registry)
        for event in evening
        if event.faulty
    ]
    assert len(outcomes) >= 10
    assert all(isinstance(outcome, DeadLetter) for outcome in outcomes), outcomes
    assert len({o.reason for o in outcomes if isinstance(o, DeadLetter)}) >= 6


def test_six_families_and_more_speak(community: Community, evening: list[Event]) -> None:
    """A home thermometer, a room sensor, two gates, three kinds of meters and a gun are heard."""
    heads = {event.topic.partition("/")[0] for event in evening}
    assert {"zigbee2mqtt", "topic", "mqtt", "dtu", "shellies", "tele", "gatehouse"} < heads
    assert any("/HealthThermometer/" in event.topic for event in evening)


def test_same_seed_same_life(community: Community) -> None:
    """Seed and stretch of time decide every message, wherever the simulation is taken up."""
    again = build_community()
    since = community.evening + 3 * HOUR
    through = [e for e in events(community, community.evening, since + HOUR) if e.at >= since]
    assert through == list(events(again, since, since + HOUR))
    other = build_community(seed=7)
    assert through != list(events(other, since, since + HOUR))


def test_life_goes_on_in_order_and_differs_by_day(community: Community) -> None:
    """Without an end the events go on for ever, by time, with new noise each day."""
    since = community.evening + 5 * DAY
    first = list(islice(events(community, since), 3_000))
    assert [event.at for event in first] == sorted(event.at for event in first)
    later = {event.payload for event in islice(events(community, since + DAY), 3_000)}
    assert len(later & {event.payload for event in first}) < 300


def test_armpits_are_as_in_the_literature(community: Community, remembered: Decoded) -> None:
    """The mean lies between the textbooks' and Geneva's, and nobody in the history has a fever."""
    readings = [t.celsius for t in of(remembered, Temperature) if is_axillary(t)]
    assert 36.2 < statistics.mean(readings) < 36.5
    assert 0.2 < statistics.stdev(readings) < 0.35
    assert max(readings) <= HEALTHY_TO < 37.25


def test_the_old_are_cooler_and_afternoons_warmer(
    community: Community, remembered: Decoded
) -> None:
    """From sixty on bodies are 0.23 lower on average, and everybody's is warmer after noon."""
    old = {h.thermometer for h in community.homes if all(p.years >= 60 for p in h.people)}
    young = {h.thermometer for h in community.homes if all(p.years < 60 for p in h.people)}
    body = [t for t in of(remembered, Temperature) if is_axillary(t)]
    means = [
        statistics.mean(t.celsius for t in body if t.device_id in some) for some in (old, young)
    ]
    assert 0.12 < means[1] - means[0] < 0.35
    morning = [t.celsius for t in body if local_hour(t.observed_at) < 12]
    afternoon = [t.celsius for t in body if local_hour(t.observed_at) >= 12]
    assert 0.1 < statistics.mean(afternoon) - statistics.mean(morning) < 0.4


def test_sixty_two_percent_measure(community: Community, remembered: Decoded) -> None:
    """Of two occasions a day 62 % are used (Facente 2021: 61.6 %)."""
    living = sum(len(h.people) for h in community.homes if h.state is HouseholdState.OCCUPIED)
    whole_days = [t for t in of(remembered, Temperature) if is_axillary(t)]
    before = [t for t in whole_days if t.observed_at < community.midnight(0)]
    assert math.isclose(len(before) / (living * 2 * 14), 0.62, abs_tol=0.02)


def test_no_household_thermometer_is_read_twice_within_minutes(remembered: Decoded) -> None:
    """People take turns: two readings of one thermometer are minutes apart, not seconds."""
    last: dict[str, int] = {}
    for reading in of(remembered, Temperature):
        if is_axillary(reading):
            before = last.get(reading.device_id, -DAY)
            assert reading.observed_at - before > 2 * MINUTE
            last[reading.device_id] = reading.observed_at


def test_empty_flats_take_next_to_nothing(community: Community) -> None:
    """A flat registered empty takes less than a fridge, but for the one that is lived in."""
    for home in community.homes:
        daily = [sum(day_load(community, home, day).means) / 2_000 for day in range(-3, 0)]
        if home.state is HouseholdState.EMPTY and home is not community.plan.named["empty"]:
            assert max(daily) < 2
        elif home.state is HouseholdState.OCCUPIED:
            assert 1 < max(daily) < 15


def test_counters_follow_the_load_and_never_go_back(
    community: Community, remembered: Decoded, observed: Decoded
) -> None:
    """A meter's energy only grows, over the thinned history and on, by what the home takes."""
    home = next(h for h in community.homes if len(h.people) == 3)
    series = [
        (reading.observed_at, reading.energy_wh)
        for reading in of(remembered + observed, Electricity, home.meter.id)
        if isinstance(reading, Electricity) and reading.energy_wh is not None
    ]
    assert all(late[1] >= early[1] for early, late in pairwise(series))
    whole = [energy for at, energy in series if at < community.midnight(0)]
    taken = sum(sum(day_load(community, home, day).means) / 2 for day in range(-14, 0))
    assert math.isclose(whole[-1] - whole[0], taken, rel_tol=0.02)


def test_history_is_thin_enough(history: list[Event]) -> None:
    """Two weeks are some seventy thousand messages: seconds through a broker, not minutes."""
    assert 50_000 < len(history) < 90_000
    assert not any(event.faulty for event in history)


def test_every_half_hour_of_history_ends_with_a_capture(
    community: Community, history: list[Event]
) -> None:
    """The main gate's terminal, which waits for its answer, has the last word of each half-hour:
    its answer says that everything before has been taken in."""
    last: dict[int, Event] = {}
    for event in history:
        if event.topic.endswith(HUAAN):
            last[event.at // (30 * MINUTE)] = event
    half_hours = (community.evening - community.begins) // (30 * MINUTE)
    assert len(last) == half_hours


def test_devices_are_never_silent_for_too_long(
    community: Community, history: list[Event], registry: Registry, remembered: Decoded
) -> None:
    """Thinned as it is, the history makes no device look silent, half an hour of clock allowed."""
    allowed = {profile.name: profile.silent_after for profile in load_profiles(built_in())}
    last: dict[str, int] = {}
    for event, observation in remembered:
        device = registry.device(observation.device_id)
        assert device is not None
        limit = allowed[device.profile]
        if limit is not None:
            gap = event.at - last.get(device.id, event.at)
            assert gap + 30 * MINUTE < limit, (device, gap)
            last[device.id] = event.at


def test_night_guard(observed: Decoded, community: Community) -> None:
    """36.9, 37.0, 37.7, 37.9 at the checkpoint at eight, 30 to 40 s apart, nobody else near."""
    at = parse_rfc3339("2020-02-14T20:00:00+08:00")
    shots = [t for t in of(observed, Temperature, GUN) if isinstance(t, Temperature)]
    near = [t for t in shots if abs(t.observed_at - at) < 5 * MINUTE]
    assert [t.celsius for t in near] == [36.9, 37.0, 37.7, 37.9]
    gaps = [b.observed_at - a.observed_at for a, b in pairwise(near)]
    assert near[0].observed_at == at
    assert all(30_000 <= gap <= 40_000 for gap in gaps)
    assert all(t.subject is None and t.body_site is BodySite.FOREHEAD for t in near)
    assert all(t.celsius <= SKIN_TO for t in shots if t not in near)


def test_turning_meter(observed: Decoded, remembered: Decoded, community: Community) -> None:
    """The flat registered empty is active on one evening two days before, and again from six on
    the evening itself, with more than a fridge's energy by eight; on no other day."""
    meter = community.plan.named["empty"].meter
    assert meter.kind is MeterKind.TASMOTA
    readings = of(remembered + observed, Electricity, meter.id)

    def used_kwh(day: int, until: str) -> float:
        begin, end = community.midnight(day), community.midnight(day) + hours(until)
        some = [
            r.energy_wh
            for r in readings
            if isinstance(r, Electricity) and r.energy_wh and begin <= r.observed_at <= end
        ]
        return (max(some) - min(some)) / 1_000

    assert used_kwh(-2, "23:59") > 2.5
    assert used_kwh(0, "20:05") > 2.0
    assert all(used_kwh(day, "23:59") < 1.9 for day in (-6, -5, -4, -3, -1))
    evening = [
        r.power_w
        for r in readings
        if isinstance(r, Electricity)
        and hours("18:00") <= r.observed_at - community.midnight(0) < hours("20:00")
    ]
    assert len(evening) >= 24
    assert all(power is not None and power > 500 for power in evening)


def test_outsider(observed: Decoded, community: Community) -> None:
    """A face nobody knows stands at the main gate three times within ten minutes."""
    strangers = [
        c.observed_at
        for c in of(observed, Crossing, HUAAN)
        if isinstance(c, Crossing) and c.stranger
    ]
    assert len(strangers) == 3
    assert strangers[-1] - strangers[0] < 10 * MINUTE
    assert strangers[0] == parse_rfc3339("2020-02-14T21:30:00+08:00")
    couriers = [
        c.observed_at
        for c in of(observed, Crossing, FACE_TERMINAL)
        if isinstance(c, Crossing) and c.stranger
    ]
    assert all(b - a > HOUR for a, b in pairwise(couriers))


def test_ms_sun(observed: Decoded, community: Community, registry: Registry) -> None:
    """37.5 and 37.6 in the armpit the next morning, of the thermometer of a flat with one tenant;
    she is the only one with a fever."""
    sun = community.plan.named["sun"]
    fevers = [t for t in of(observed, Temperature) if isinstance(t, Temperature) and is_fever(t)]
    assert [(t.device_id, t.celsius) for t in fevers] == [
        (sun.thermometer, 37.5),
        (sun.thermometer, 37.6),
    ]
    assert fevers[0].observed_at == parse_rfc3339("2020-02-15T07:40:00+08:00")
    assert fevers[1].observed_at == parse_rfc3339("2020-02-15T07:55:00+08:00")
    assert registry.sole_resident(sun.id, fevers[0].observed_at) is not None


def test_residents_are_recognised(observed: Decoded, registry: Registry) -> None:
    """Who crosses a gate is known to the registry, by a random subject and nothing else."""
    known = [c for c in of(observed, Crossing) if isinstance(c, Crossing) and not c.stranger]
    assert len(known) > 80
    assert all(c.subject is not None and registry.knows_subject(c.subject) for c in known)


def test_things_go_wrong(observed: Decoded, evening: list[Event]) -> None:
    """There are dying batteries, resent records, and a clock that is off."""
    statuses = [s for s in of(observed, DeviceStatus) if isinstance(s, DeviceStatus)]
    assert sum(1 for s in statuses if s.battery is not None and s.battery < 10) >= 3
    assert any(o.time_source is TimeSource.REFUSED for _, o in observed)
    records = collections.Counter(e.payload for e in evening if e.topic.endswith("/Rec"))
    assert any(count > 1 for count in records.values())


def test_story_times_are_within_three_minutes_at_speed_300(community: Community) -> None:
    """A newcomer who waits three minutes has seen all four stories."""
    told = [one for one in community.plan.told if isinstance(one, Fever)]
    last = max(community.midnight(one.day) + one.readings[-1].at for one in told)
    assert (last - community.evening) / 300 < 3 * MINUTE


def test_registry_folder_is_private(community: Community, tmp_path: Path) -> None:
    """The files hold names and phones: nobody else on the machine may read them."""
    write_city(tmp_path / "csv", [community])
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "csv").iterdir())


def is_axillary(reading: Observation) -> bool:
    return isinstance(reading, Temperature) and reading.body_site is BodySite.AXILLARY


def is_fever(reading: Temperature) -> bool:
    return reading.celsius >= 37.3 and reading.device_id != GUN


def local_hour(at: int) -> float:
    return (at + 8 * HOUR) % DAY / HOUR


def hours(text: str) -> int:
    hour, minute = (int(part) for part in text.split(":")[:2])
    return hour * HOUR + minute * MINUTE
