"""A bench for one rule: no engine, no database, every state passed through its stored form."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from alerts.finding import Action, Finding
from alerts.rule import Context, Evidence, Rule
from alerts.thresholds import Thresholds
from devices.clock import HOUR
from devices.history import History
from devices.observation import BodySite, Observation, Temperature, TimeSource
from devices.registry import (
    Device,
    HouseholdState,
    OnCall,
    Place,
    PlaceKind,
    Registry,
    ResidentClass,
    Role,
)

ZONE = ZoneInfo("Asia/Shanghai")


def at(text: str, *, day: int = 14) -> int:
    """Return a time of February 2020 in Shanghai, ``HH:MM`` or ``HH:MM:SS``."""
    moment = datetime.fromisoformat(f"2020-02-{day:02d}T{text}").replace(tzinfo=ZONE)
    return round(moment.timestamp() * 1_000)


def community(
    *,
    classes: dict[str, ResidentClass] | None = None,
    states: dict[str, HouseholdState] | None = None,
    gateways: dict[str, str] | None = None,
) -> Registry:
    """Return a small compound: one gate with a gun and a camera, four flats, a worker."""
    home = {"site": "river", "grid": "g1", "building": "b1"}
    flats = {
        name: Place(kind=PlaceKind.HOUSEHOLD, household=name, **home)
        for name in ("h1", "h2", "h3", "empty")
    }
    places = {
        "gun": Place(kind=PlaceKind.CHECKPOINT, site="river", gate="north"),
        "camera": Place(kind=PlaceKind.GATE, site="river", gate="north"),
        "bag": Place(kind=PlaceKind.WORKER, site="river", grid="g1", worker="w1"),
        "sun": flats["h1"],
        "li": flats["h2"],
        "family": flats["h3"],
        "meter": flats["empty"],
        "meter-h1": flats["h1"],
    }
    names = [*places, "gateway", "plug-1", "plug-2"]
    return Registry(
        version=1,
        zones={"river": ZONE},
        devices={
            name: Device(id=name, profile="known", gateway=(gateways or {}).get(name))
            for name in names
        },
        bindings=History((name, (0, None, place)) for name, place in places.items()),
        household_places=flats,
        household_states=History(
            (name, (0, None, state))
            for name, state in {"empty": HouseholdState.EMPTY, **(states or {})}.items()
        ),
        residents={"h1": ("s-sun",), "h2": ("s-li",), "h3": ("s-a", "s-b")},
        rota=[
            OnCall(role.value, role, "river", None, frozenset(range(7)), 0, 1_440) for role in Role
        ],
        channels={role.value: (f"phone://{role.value}",) for role in Role},
        classes=History((name, (0, None, value)) for name, value in (classes or {}).items()),
    )


def temperature(
    celsius: float,
    when: int,
    *,
    device: str = "sun",
    site: BodySite = BodySite.AXILLARY,
    after: int = 0,
    **more: Any,
) -> Temperature:
    """Return a reading that arrives ``after`` milliseconds after it was taken."""
    return Temperature(
        device_id=device,
        observed_at=when,
        received_at=when + after,
        celsius=celsius,
        body_site=site,
        **more,
    )


def waited(observation: Temperature) -> Temperature:
    """Return the reading as one without a time of its own that waited somewhere."""
    return msgspec.structs.replace(observation, time_source=TimeSource.BACKLOG)


class Bench:
    """One rule with all its keys; positions count up by themselves."""

    def __init__(
        self,
        rule: Rule[Any],
        *,
        registry: Registry | None = None,
        thresholds: Thresholds | None = None,
        silent_after: int | None = 2 * HOUR,
    ) -> None:
        self.rule = rule
        self.states: dict[str, Any] = {}
        self.findings: list[Finding] = []
        self.position = 0
        self.context = Context(
            registry=registry or community(),
            thresholds=thresholds or Thresholds(),
            silent_after=lambda _: silent_after,
            listening_since=0,
            neighbour=self.states.get,
            memo={},
            stays={},
        )

    def feed(self, *observations: Observation) -> list[Finding]:
        """Judge observations in order and return what they gave."""
        found: list[Finding] = []
        for observation in observations:
            self.position += 1
            evidence = Evidence(observation, self.position)
            for key in self.rule.keys(observation, self.context):
                state = self.states.get(key) or self.rule.state()
                found += self._keep(key, self.rule.step(key, state, evidence, self.context))
        return found

    def seed(self, when: int) -> None:
        """Let the rule see the registry for the first time, or anew."""
        for key, state in self.rule.seeds(
            [*self.context.registry.devices], self.context, when
        ).items():
            self._keep(key, (state, ()))

    def reach(self, frontier: int) -> list[Finding]:
        """Let the frontier come to an instant and return what that gave."""
        found: list[Finding] = []
        for key, state in list(self.states.items()):
            due = self.rule.due(state)
            if due is not None and due < frontier:
                found += self._keep(key, self.rule.on_due(key, state, frontier, self.context))
        return found

    def close(self, incident_key: str, when: int) -> None:
        """Let a person close an incident."""
        key = self.rule.state_key(incident_key)
        self.states[key] = self.rule.on_closed(self.states[key], incident_key, when)

    def _keep(self, key: str, step: tuple[Any, Sequence[Finding]]) -> Sequence[Finding]:
        state, findings = step
        stored = msgspec.msgpack.encode(state)
        self.states[key] = msgspec.msgpack.decode(stored, type=self.rule.state)
        self.findings += findings
        return findings


def told(findings: Sequence[Finding]) -> list[str]:
    """Return findings in short: ``watch``, ``incident``, ``attach``, ``raise major``, ``clear``."""
    return [_word(finding) for finding in findings]


def _word(finding: Finding) -> str:
    if finding.action is Action.OPEN:
        return "watch" if finding.watch else f"incident {finding.severity.value}"
    if finding.action is Action.RAISE:
        return f"raise {finding.severity.value}"
    return finding.action.value
