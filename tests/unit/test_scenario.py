"""Scenarios: small files that say what happens, and messages that do as they say."""

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from devices.clock import HOUR, MINUTE, parse_rfc3339
from devices.decoder import Decoder
from devices.observation import Crossing, Temperature
from devices.outcome import DeadLetter
from devices.profile import built_in, load_profiles
from devices.simulator.community import LEAST_HOUSEHOLDS, Community, build_community
from devices.simulator.community_csv import write_city
from devices.simulator.event import Event
from devices.simulator.events import events
from devices.simulator.scenario import (
    BUILT_IN,
    EVENING,
    HOUSEHOLDS,
    SEED,
    Scenario,
    ScenarioError,
    built_in_scenarios,
    load_scenario,
)
from devices.simulator.truth import TruthKind, truth

STORIES = {
    "night_guard",
    "ms_sun",
    "turning_meter",
    "lone_pensioner",
    "isolated_at_gate",
    "outsider",
    "morning_round",
    "bad_night",
    "other_compound",
    "the_end",
}
NAMES = sorted(path.stem for path in BUILT_IN.glob("*.toml"))
TITLES = 'title.en = "A test"\ntitle.zh = "测试"\n'


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(load_profiles(built_in()), default_zone=ZoneInfo("Asia/Shanghai"))


@pytest.fixture
def scenario_of(tmp_path: Path) -> Callable[[str], Scenario]:
    """Load a scenario from a text."""

    def load(text: str) -> Scenario:
        path = tmp_path / "mine.toml"
        path.write_text(TITLES + text, encoding="utf-8")
        return load_scenario(str(path))

    return load


def small(name: str) -> Community:
    """A community that is quick to simulate and has what the scenario needs."""
    return build_community(load_scenario(name), households=24, has_history=False)


def test_the_ten_stories_are_there_and_the_demo_too() -> None:
    """Each is told in both languages, and fits into the smallest community."""
    scenarios = {one.name: one for one in built_in_scenarios()}
    assert scenarios.keys() >= STORIES | {"fever_evening"}
    assert all(one.title.en and one.title.zh for one in scenarios.values())
    for one in scenarios.values():
        one.check_size(LEAST_HOUSEHOLDS)


def test_the_demos_scenario_is_the_default() -> None:
    """What commands offer as defaults are its numbers."""
    demo = load_scenario("fever_evening")
    assert (demo.households, demo.seed, demo.evening) == (HOUSEHOLDS, SEED, EVENING)
    assert build_community().scenario == demo


@pytest.mark.parametrize("name", NAMES)
def test_every_message_decodes_as_the_truth_says(name: str, decoder: Decoder) -> None:
    """What is meant to be garbage or unknown becomes a dead letter, as many as the truth counts;
    everything else gives observations."""
    community = small(name)
    since, until = community.midnight(0), community.midnight(2)
    refused: Counter[bool] = Counter()
    for event in events(community, since, until):
        outcome = decoder.decode(event.topic, event.payload, received_at=event.at)
        assert isinstance(outcome, DeadLetter if event.faulty else tuple), (event, outcome)
        refused[event.topic.startswith("compound-7/")] += event.faulty
    facts = list(truth(community, since, until))
    counted = Counter({False: 0})
    for fact in facts:
        counted[fact.kind is TruthKind.UNKNOWN_DEVICE] += (
            fact.count or 0 if fact.kind in {TruthKind.GARBAGE, TruthKind.UNKNOWN_DEVICE} else 0
        )
    assert refused == counted


@pytest.mark.parametrize("name", ["bad_night", "ordinary_weeks"])
def test_a_scenario_is_the_same_for_one_seed(name: str) -> None:
    """Same seed, same bytes, wherever it is taken up; another seed is another life."""
    scenario = load_scenario(name)

    def life(since_hour: int, seed: int = SEED) -> list[Event]:
        community = build_community(scenario, seed=seed, households=24, has_history=False)
        since, until = community.midnight(3), community.midnight(4)
        return list(events(community, since + since_hour * HOUR, until))

    assert life(0)[-500:] == life(12)[-500:]
    assert life(12) != life(12, seed=7)


def test_the_isolated_resident_is_seen_at_the_gate(decoder: Decoder) -> None:
    """Out at 23:10, in half an hour later; the next day out and in with leave: all of it of the
    same person, whom the register has in home isolation and who goes out at no other time."""
    community = small("isolated_at_gate")
    person = community.plan.named["isolated"].people[0]
    seen = [
        event.payload
        for event in events(community, community.midnight(0), community.midnight(3))
        if f'"{person.id}"'.encode() in event.payload
    ]
    times = [payload.split(b'"time":"')[1][:16].decode() for payload in seen]
    assert times == ["2020-02-14 23:10", "2020-02-14 23:46", "2020-02-15 09:30", "2020-02-15 12:00"]


def test_an_approved_trip_is_registered(tmp_path: Path) -> None:
    """The registry's files have the way out with leave, around its time, and not the other."""
    community = small("isolated_at_gate")
    write_city(tmp_path, [community])
    with (tmp_path / "trips.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["resident"] == community.plan.named["isolated"].people[0].id
    begins, ends = parse_rfc3339(row["since"]), parse_rfc3339(row["until"])
    assert begins < parse_rfc3339("2020-02-15T09:30:00+08:00")
    assert parse_rfc3339("2020-02-15T12:00:00+08:00") < ends


def test_twelve_households_have_not_measured_by_eleven() -> None:
    """Every other household's thermometer has been heard between six and eleven."""
    community = build_community(load_scenario("morning_round"), has_history=False)
    morning = events(
        community,
        community.midnight(1) + 6 * HOUR,
        community.midnight(1) + 11 * HOUR + 30 * MINUTE,
    )
    heard = {e.topic.split("/")[0] for e in morning if "HealthThermometer" in e.topic}
    facts = truth(community, community.midnight(1), community.midnight(2))
    missing = {fact.household for fact in facts if fact.kind is TruthKind.NOT_MEASURED}
    assert len(missing) == 12
    homes = [home for home in community.homes if home.thermometer and home.state == "occupied"]
    assert {home.id for home in homes if home.thermometer not in heard} == missing


def test_guns_in_the_cold_read_low(decoder: Decoder) -> None:
    """At the checkpoint of a cold snap foreheads read three degrees below the demo's."""
    means = {}
    for name in ("cold_snap", "fever_evening"):
        community = small(name)
        shots = [
            observation.celsius
            for event in events(community, community.midnight(0), community.midnight(4))
            if event.topic.startswith("gatehouse/")
            for observation in _observations(decoder, event)
            if isinstance(observation, Temperature) and observation.celsius < 36.9
        ]
        means[name] = sum(shots) / len(shots)
    assert 2.0 < means["fever_evening"] - means["cold_snap"] < 3.6


def test_a_stranger_of_a_scenario_is_told_as_one(decoder: Decoder) -> None:
    """The outsider's face is nobody's, three times."""
    community = small("outsider")
    begins = community.midnight(0)
    strangers = [
        observation
        for event in events(community, begins, community.midnight(1))
        if event.topic.startswith("topic/face")
        for observation in _observations(decoder, event)
        if isinstance(observation, Crossing) and observation.stranger
    ]
    assert len(strangers) == 3


BROKEN = {
    "households = 5": "households: Input should be greater than or equal to 20",
    "color = 1": "color: Extra inputs are not permitted",
    "[shares]\ncompliance = 1.5": "shares.compliance: Input should be less than or equal to 1",
    "date = 2020-02-14T18:00:00": "date: a date without a time",
    '[[happens]]\nkind = "flood"': "happens.0: Input tag 'flood' found",
    '[[happens]]\nkind = "lived_in"\nhousehold = "x"': "happens.0: household: none is named 'x'",
    '[[happens]]\nkind = "thermometer_gun"\nreadings = [["17:00", 37.0]]': "before 18:00 of day 0",
    '[[happens]]\nkind = "thermometer_gun"\nreadings = [["25:00", 37.0]]': "a time of day like",
    '[[happens]]\nkind = "clock_drifts"\nat = "18:00"\nresets = true': "a household or a gate",
    '[[household]]\nname = "a"\nnumber = 300\nstate = "empty"': "mine needs 300 of them or more",
    '[[household]]\nname = "a"\nnumber = 1\nstate = "empty"\npeople = [{ years = 4 }]': "has none",
    '[[household]]\nname = "a"\nnumber = 1\nstate = "occupied"\npeople = [{ years = 40 }]\n'
    '[[happens]]\nkind = "isolation_left"\nhousehold = "a"\nat = "23:00"': "not in home isolation",
    '[[household]]\nname = "a"\nnumber = 1\nstate = "occupied"\npeople = [{ years = 40 }]\n'
    '[[happens]]\nkind = "lived_in"\nhousehold = "a"': "a is not registered empty",
    "happens = 3 =": "Expected newline or end of document",
}


@pytest.mark.parametrize("text", BROKEN, ids=[reason[:40] for reason in BROKEN.values()])
def test_a_wrong_file_says_where_and_why(text: str, scenario_of: Callable[..., Scenario]) -> None:
    """The reason names file and key, and nothing is simulated by guess."""
    with pytest.raises(ScenarioError) as error:
        scenario_of(text)
    assert BROKEN[text] in str(error.value)
    assert "mine.toml: " in str(error.value)


def test_an_unknown_name_says_which_there_are(tmp_path: Path) -> None:
    """A misspelt scenario, and a file that is not there."""
    with pytest.raises(ScenarioError, match=r"'fever' is no scenario; there are .*fever_evening"):
        load_scenario("fever")
    with pytest.raises(ScenarioError, match="No such file"):
        load_scenario(str(tmp_path / "none.toml"))


def test_too_few_households_are_refused(scenario_of: Callable[[str], Scenario]) -> None:
    """What is told of the thirtieth household needs thirty."""
    scenario = scenario_of('[[household]]\nname = "a"\nnumber = 30\nstate = "empty"\n')
    with pytest.raises(ValueError, match="mine needs 30"):
        build_community(scenario, households=29)


def _observations(decoder: Decoder, event: Event) -> tuple[object, ...]:
    outcome = decoder.decode(event.topic, event.payload, received_at=event.at)
    return outcome if isinstance(outcome, tuple) else ()
