"""The engine against a model: however often it is killed, each input counts once for each key."""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from alerts import write_behind
from alerts.engine import Engine
from alerts.finding import Action, Finding, IncidentKind
from alerts.rule import Attribution, Context, Evidence, Step
from alerts.tables import incident, incident_event
from alerts.thresholds import Thresholds
from devices.clock import ManualClock
from devices.observation import DeviceStatus, Observation
from tests.judging import at, community
from tests.state import open_state

NOON = at("12:00")


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """How many inputs a key has had."""

    inputs: int = 0


class Counting:
    """A rule that forgives nothing: every input counts, every third one is told."""

    name = "counting"
    title = "counts"
    section = "device"
    observes: tuple[type, ...] = (DeviceStatus,)
    state = Tally

    def keys(self, observation: Observation, context: Context) -> Sequence[str]:
        return (observation.device_id, "all")

    def step(self, key: str, state: Tally, evidence: Evidence, context: Context) -> Step[Tally]:
        after = Tally(state.inputs + 1)
        if after.inputs % 3:
            return after, ()
        found = Finding(
            action=Action.OPEN,
            rule=self.name,
            key=key,
            kind=IncidentKind.DEVICE,
            watch=True,
            observed_at=NOON,
            position=evidence.position,
            evidence={"inputs": after.inputs},
        )
        return after, (found,)

    def seeds(self, devices: Sequence[str], context: Context, at: int) -> Mapping[str, Tally]:
        return {name: Tally() for name in "abc" if context.neighbour(name) is None}

    def due(self, state: Tally) -> int | None:
        return None

    def on_due(self, key: str, state: Tally, at: int, context: Context) -> Step[Tally]:
        return state, ()

    def on_closed(self, state: Tally, incident_key: str, at: int) -> Tally:
        return state

    def on_attributed(
        self, key: str, state: Tally, said: Attribution, context: Context
    ) -> Step[Tally]:
        return state, ()

    def state_key(self, incident_key: str) -> str:
        return incident_key


def _told(database) -> Counter:
    """Every piece of evidence in SQL: key, position, count."""
    with database.connect() as connection:
        told = connection.execute(
            select(incident.c.key, incident_event.c.position, incident_event.c.detail)
            .join(incident, incident.c.id == incident_event.c.incident)
            .where(incident_event.c.kind == "evidence")
        )
        return Counter((key, at, detail["evidence"]["inputs"]) for key, at, detail in told)


def _start(database) -> Engine:
    registry = community()
    return Engine(
        database=database,
        journal="j",
        registry=lambda: registry,
        thresholds=Thresholds(),
        silent_after=lambda _: None,
        clock=ManualClock(NOON),
        rules=(Counting(),),
    )


messages = st.lists(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3), min_size=1, max_size=12
)


@given(
    messages=messages,
    steps=st.lists(st.sampled_from(["kill", "write", "tick", "flush"]), max_size=12),
    chunk=st.integers(1, 3),
    batch=st.integers(1, 4),
)
@settings(max_examples=60)
def test_every_input_counts_once(
    messages: list[list[str]], steps: list[str], chunk: int, batch: int
) -> None:
    """Killed anywhere and replayed from its cursor, the engine tells what it would have told."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(write_behind, "WRITE_AT_ONCE", chunk)
        patch.setattr(write_behind, "WRITE_EVERY_S", 1e9)
        database = open_state(Path(folder))
        engine = _start(database)
        planned = iter(steps)
        handled = 0
        while handled < len(messages):
            outcomes = [
                tuple(
                    DeviceStatus(device_id=name, observed_at=NOON, received_at=NOON)
                    for name in message
                )
                for message in messages[handled : handled + batch]
            ]
            engine.handle(handled + 1, outcomes)
            handled += len(outcomes)
            assert sum(engine.counters().values()) == handled
            match next(planned, ""):
                case "kill":
                    engine = _start(database)
                    handled = (engine.cursor() or ("", 0))[1]
                case "tick":
                    engine.tick(NOON + handled)
                case "flush":
                    engine.flush()
                    assert engine.cursor() == ("j", handled)
        engine.flush()
        told = _told(database)
        database.dispose()
    tally: Counter = Counter()
    expected: Counter = Counter()
    for position, message in enumerate(messages, start=1):
        for key in [name for each in message for name in (each, "all")]:
            tally[key] += 1
            if tally[key] % 3 == 0:
                expected[key, position, tally[key]] += 1
    assert told == expected
