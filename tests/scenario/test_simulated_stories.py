"""The ten stories as the simulated community tells them: messages in, incidents out.

Every message of a story goes through decoder and engine as the alerts follower hands it over, and
the incidents that follow are held against the truth beside the messages. What no rule judges yet,
a pensioner's silence, an isolation that was left, a round that was missed, makes none.
"""

from collections.abc import Iterable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from alerts import incident as incidents
from alerts.engine import Engine
from alerts.finding import IncidentKind
from alerts.incident import Incident
from alerts.thresholds import Thresholds
from devices.clock import MINUTE, ManualClock
from devices.csv_import import import_folder
from devices.decoder import Decoder
from devices.outcome import Outcome
from devices.profile import built_in, load_profiles
from devices.registry import Registry
from devices.registry_store import load
from devices.simulator.community import Community, build_community
from devices.simulator.community_csv import write_city
from devices.simulator.events import events
from devices.simulator.scenario import load_scenario
from devices.simulator.truth import Truth, TruthKind, truth
from tests.state import open_state

HOUSEHOLDS = 24
FIRST_DAY, LAST_DAY = -3, 1
"""The flat of story 3 is lived in from two days before; everything begins by the second day."""
BATCH = 15 * MINUTE
LINGERING = 10 * MINUTE
"""Whoever stands at a gate three times within it pages its guard."""
STORIES = {
    "night_guard": {("fever_at_checkpoint", "night-checkpoint")},
    "ms_sun": {("fever", "h-1-103")},
    "turning_meter": {("empty_flat", "h-1-502"), ("empty_flat", "h-1-503")},
    "lone_pensioner": set(),
    "isolated_at_gate": set(),
    "outsider": {("strangers", "main-gate")},
    "morning_round": set(),
    "bad_night": {
        ("fever_at_checkpoint", "night-checkpoint"),
        ("fever", "h-1-103"),
        ("device", "dtu-b01"),
    },
    "other_compound": set(),
    "the_end": set(),
}
"""What each is told for: kind and place. A story's truth may hold more, which came by chance."""
PROFILES = load_profiles(built_in())
SPANS = {profile.name: profile.silent_after for profile in PROFILES}
Told = tuple[str, str]


@pytest.mark.parametrize("story", STORIES)
def test_a_story_ends_in_the_incidents_that_its_truth_implies(story: str, tmp_path: Path) -> None:
    """Each once and no other, silent devices as watches; garbage alone is a dead letter."""
    community = build_community(load_scenario(story), households=HOUSEHOLDS)
    since, until = community.midnight(FIRST_DAY), community.midnight(LAST_DAY + 1)
    facts = list(truth(community, since, until))
    database = open_state(tmp_path)
    write_city(tmp_path / "csv", [community])
    import_folder(database, tmp_path / "csv", now=community.begins)
    registry, clock = load(database), ManualClock(since)
    engine = Engine(
        database=database,
        journal="j",
        registry=lambda: registry,
        thresholds=Thresholds(),
        silent_after=SPANS.get,
        clock=clock,
    )
    live(engine, clock, community, registry, since=since, until=until)
    with database.connect() as connection:
        found = incidents.find(connection)
    database.dispose()
    implied = imply(facts, community, registry)
    assert STORIES[story] <= implied
    assert sorted(name(one) for one in found) == sorted(implied)
    assert {one.kind for one in found if one.watch} <= {IncidentKind.DEVICE}
    unread = {TruthKind.GARBAGE, TruthKind.UNKNOWN_DEVICE}
    assert engine.counters()["dead"] == sum(
        fact.count or 0 for fact in facts if fact.kind in unread
    )


def live(
    engine: Engine,
    clock: ManualClock,
    community: Community,
    registry: Registry,
    *,
    since: int,
    until: int,
) -> None:
    """Hand over what is published, a quarter of an hour at once; silence is judged from when the
    community is alive: the history before is thinned."""
    decoder = Decoder(PROFILES, default_zone=ZoneInfo("Asia/Shanghai"))
    position, batch, ends = 1, list[Outcome](), since
    for event in events(community, since, until):
        while event.at >= ends:
            clock.set(ends)
            engine.handle(position, batch)
            position, batch = position + len(batch), []
            if ends >= community.alive_at:
                engine.tick(ends)
            ends += BATCH
        batch.append(
            decoder.decode(event.topic, event.payload, received_at=event.at, registry=registry)
        )
    clock.set(until)
    engine.handle(position, batch)
    engine.tick(until)
    engine.flush()


def imply(facts: Iterable[Truth], community: Community, registry: Registry) -> set[Told]:
    """Return kind and place of each incident that today's rules owe the truth."""
    found: set[Told] = set()
    for fact in facts:
        ends = fact.until or community.midnight(LAST_DAY + 1)
        match fact.kind:
            case TruthKind.ILL:
                found.add(("fever", str(fact.household)))
            case TruthKind.FEVER_AT_CHECKPOINT:
                place = registry.place(str(fact.device), fact.since)
                found.add(("fever_at_checkpoint", str(place and place.gate)))
            case TruthKind.LIVES_UNREGISTERED:
                found.add(("empty_flat", str(fact.household)))
            case TruthKind.STRANGER if (fact.count or 0) >= 3 and ends - fact.since <= LINGERING:
                found.add(("strangers", str(fact.gate)))
            case TruthKind.DEVICE_BROKEN if fact.what == "gateway" and ends > community.alive_at:
                if ends - fact.since > span_behind(str(fact.device), registry):
                    found.add(("device", str(fact.device)))
    return found


def span_behind(gateway: str, registry: Registry) -> int:
    """Return how long the devices behind a gateway may say nothing."""
    behind = (one.profile for one in registry.devices.values() if one.gateway == gateway)
    return min(span for profile in behind if (span := SPANS[profile]))


def name(one: Incident) -> Told:
    """Return an incident's kind, and the household, gate or device it is about."""
    return one.kind.value, str(one.household or one.gate or one.key.removeprefix("device:"))
