"""The fever rule: from readings to a watch, an incident, more evidence for one.

A key is a person where one is known (named by the reading, or the only resident of the flat the
thermometer is bound to), else a household, else the device. On a device everybody who is measured
in an unbroken row is one person, with an incident of their own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from alerts.finding import Action, Finding
from alerts.rule import LATE, Context, Evidence, Step
from alerts.rules import baseline, fever_episode, readings
from alerts.rules.fever_case import RULE, Case, find, find_late, is_fresh, level_of, reasons
from alerts.rules.fever_episode import Episode
from alerts.rules.fever_reading import is_guarded, read
from alerts.rules.fever_verdict import Because, Verdict, company, is_rechecked, judge
from alerts.rules.readings import CONTACT, LOW, NEXT_PERSON, UNTIMED, Reading
from alerts.thresholds import FeverThresholds
from devices.clock import DAY, MINUTE, SECOND
from devices.observation import BodySite, Crossing, CrossingOutcome, Observation, Temperature

ENTRIES = 512
"""Readings kept of a key: an hour and a half of a thermometer that speaks every ten seconds."""
KEEP = 7 * DAY
"""No device's time is believed beyond this, so an older repeat cannot come."""
WAITS = 32
_AMBIENT, _ADMITTED = BodySite.AMBIENT, CrossingOutcome.ADMITTED


class Wait(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A high infrared reading that waits for a recheck, and how old it was on arrival."""

    reading: Reading
    device_id: str
    position: int
    due: int
    age: int


class FeverState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the next reading of a key is judged with."""

    ring: bytes = b""
    baseline: bytes = b""
    waits: tuple[Wait, ...] = ()
    episodes: tuple[Episode, ...] = ()


class Fever:
    """Two contact readings of 37.3 °C or more between 5 and 30 minutes apart, or one of 38.0.

    Or an infrared reading of 38.0 that nobody rechecks within 15 minutes; or, at a checkpoint, two
    of the last three readings of 37.3, whatever the instrument. The first contact reading of 37.3,
    and one far above a person's own usual, are a watch.

    Values are compared after rounding half up to 0.1 °C. Infrared, and a body site nobody
    labelled, is never a contact reading. Severity rises at 38.0 and 39.0, is one step higher for
    contacts, isolated and suspected people, and never falls; only a person closes a fever.
    """

    name = RULE
    title = "somebody has a fever"
    section = "fever"
    observes: tuple[type, ...] = (Temperature, Crossing)
    state = FeverState

    def keys(self, observation: Observation, context: Context) -> Sequence[str]:
        """Return whom a reading is about; a crossing only tells a checkpoint who is next."""
        if isinstance(observation, Temperature):
            if observation.body_site is _AMBIENT or observation.adjusted_to is _AMBIENT:
                return ()
        elif isinstance(observation, Crossing):
            moved_on = observation.outcome is _ADMITTED or observation.subject
            return (f"device:{observation.device_id}",) if moved_on else ()
        else:
            return ()
        at = observation.observed_at
        place, _ = context.stand(observation.device_id, at)
        household = place.household if place is not None else None
        named = _named(observation, context)
        if household is not None:
            subject = named or context.registry.sole_resident(household, at)
            return (f"subject:{subject}" if subject else f"household:{household}",)
        device = f"device:{observation.device_id}"
        return (f"subject:{named}", device) if named else (device,)

    def step(
        self, key: str, state: FeverState, evidence: Evidence, context: Context
    ) -> Step[FeverState]:
        """Take one reading; a repeat, an impossible and an inconclusive one change nothing."""
        observation = evidence.observation
        is_device = key.startswith("device:")
        if not isinstance(observation, Temperature) or (is_device and _named(observation, context)):
            return _let_next_person_come(state, observation), ()
        place, thresholds = context.stand(observation.device_id, observation.observed_at)
        limits = thresholds.fever
        reading = read(observation, limits, is_checkpoint=is_guarded(place))
        if reading is None:
            return state, ()
        is_event = observation.event_id is not None
        if readings.is_known(state.ring, reading, entries=ENTRIES, is_event=is_event):
            return state, ()
        ring = readings.insert(state.ring, reading, keep=KEEP, entries=ENTRIES)
        state = FeverState(ring, state.baseline, state.waits, state.episodes)
        scale = baseline.scale(observation) if key.startswith("subject:") else 0
        is_unusual = bool(scale) and baseline.is_exceeded(state.baseline, reading, scale, limits)
        is_fever = reading.tenths >= limits.tenths.contact
        if not is_fever and not is_unusual and not _is_followed(state, key, reading, limits):
            return _remember(state, reading, scale), ()
        case = Case(
            key=key,
            reading=reading,
            device_id=observation.device_id,
            position=evidence.position,
            received_at=observation.received_at,
            is_late=evidence.is_late,
            place=place,
            registry=context.registry,
            limits=limits,
            evidence=_describe(observation, reading),
        )
        return _take(state, case, is_unusual=is_unusual)

    def seeds(self, context: Context, at: int) -> Mapping[str, FeverState]:
        """Return nothing: every state begins with an input."""
        return {}

    def due(self, state: FeverState) -> int | None:
        """Return when the first high infrared reading has waited long enough."""
        return min(wait.due for wait in state.waits) if state.waits else None

    def on_due(self, key: str, state: FeverState, at: int, context: Context) -> Step[FeverState]:
        """Judge the high infrared readings that have waited long enough for a recheck."""
        findings: list[Finding] = []
        ripe = [wait for wait in state.waits if wait.due <= at]
        waits = tuple(wait for wait in state.waits if wait.due > at)
        state = msgspec.structs.replace(state, waits=waits)
        for wait in ripe:
            state, found = _stop_waiting(state, _reopen(key, wait, context))
            findings += found
        return state, findings

    def on_closed(self, state: FeverState, incident_key: str, at: int) -> FeverState:
        """Begin anew: what was measured until then belongs to the closed incident."""
        episodes = fever_episode.close(state.episodes, incident_key, at)
        return msgspec.structs.replace(state, episodes=episodes)

    def state_key(self, incident_key: str) -> str:
        """Return the person, household or device behind an incident's key."""
        if incident_key.startswith("device:"):
            return incident_key.rpartition("#")[0]
        return incident_key


def _named(observation: Temperature, context: Context) -> str | None:
    """Return the resident a reading names; what a device writes there is not believed unseen."""
    subject = observation.subject
    return subject if subject and context.registry.knows_subject(subject) else None


def _describe(observation: Temperature, reading: Reading) -> dict[str, Any]:
    described = {"celsius": reading.celsius, "body_site": observation.body_site.value}
    if observation.adjusted_to is not None:
        described["adjusted_to"] = observation.adjusted_to.value
    return described


def _let_next_person_come(state: FeverState, observation: Observation) -> FeverState:
    """End the row on a device, behind what was measured at that instant; two ends are one."""
    at = observation.observed_at + 1
    if readings.ends_with(state.ring, NEXT_PERSON, until=at):
        return state
    end = Reading(at, 0, NEXT_PERSON, readings.identify(f"next person|{at}"))
    ring = readings.insert(state.ring, end, keep=KEEP, entries=ENTRIES)
    return msgspec.structs.replace(state, ring=ring)


def _remember(state: FeverState, reading: Reading, scale: int) -> FeverState:
    """Let an ordinary reading of a known person teach what is usual."""
    if not scale or reading.marks & (UNTIMED | LOW):
        return state
    usual = baseline.add(state.baseline, reading, scale)
    return FeverState(state.ring, usual, state.waits, state.episodes)


def _is_followed(state: FeverState, key: str, reading: Reading, limits: FeverThresholds) -> bool:
    """Return whether an open incident wants to know of an ordinary reading too."""
    if not state.episodes:
        return False
    join = None if not key.startswith("device:") else round(limits.join_seconds * SECOND)
    return any(
        episode.is_open and episode.is_near(reading.observed_at, join) for episode in state.episodes
    )


def _take(state: FeverState, case: Case, *, is_unusual: bool) -> Step[FeverState]:
    """Judge a reading that is already in the ring."""
    reading, limits = case.reading, case.limits
    is_fever = reading.tenths >= limits.tenths.contact
    episode, row = _find(state, case)
    if episode is not None and reading.observed_at <= episode.floor:
        return state, (find_late(case, episode),) if is_fever else ()
    verdict = judge(reading, row, limits)
    if verdict is None and is_unusual:
        verdict = Verdict(Because.BASELINE, pages=False, readings=(reading,))
    if is_fever and (verdict is None or not verdict.pages):
        state = _wait(state, case, row)
    return _tell(state, case, episode, verdict)


def _find(state: FeverState, case: Case) -> tuple[Episode | None, list[Reading]]:
    """Return the episode a reading belongs to, and its company within that episode."""
    row = company(state.ring, case.reading, case.limits, is_person=case.is_person)
    join = None if case.is_person else round(case.limits.join_seconds * SECOND)
    episode = fever_episode.find(state.episodes, case.reading, row, join=join)
    floor = episode.floor if episode else 0
    return episode, [each for each in row if each.observed_at > floor]


def _wait(state: FeverState, case: Case, row: Sequence[Reading]) -> FeverState:
    """Let a high infrared reading wait, unless one of the same person waits already."""
    reading, limits = case.reading, case.limits
    is_high = reading.tenths >= limits.tenths.high
    if reading.marks & (CONTACT | UNTIMED) or not is_high or len(state.waits) >= WAITS:
        return state
    at = reading.observed_at
    for wait in state.waits:
        if wait.reading in row and wait.reading.observed_at <= at <= wait.due:
            return state
    due = at + round(limits.infrared_wait_minutes * MINUTE)
    age = case.received_at - at
    wait = Wait(reading, case.device_id, case.position, due, age)
    return msgspec.structs.replace(state, waits=(*state.waits, wait))


def _reopen(key: str, wait: Wait, context: Context) -> Case:
    """Return the case of a reading that has waited."""
    at = wait.reading.observed_at
    place, thresholds = context.stand(wait.device_id, at)
    return Case(
        key=key,
        reading=wait.reading,
        device_id=wait.device_id,
        position=wait.position,
        received_at=at + wait.age,
        is_late=wait.age > LATE,
        place=place,
        registry=context.registry,
        limits=thresholds.fever,
        evidence={"celsius": wait.reading.celsius},
    )


def _stop_waiting(state: FeverState, case: Case) -> Step[FeverState]:
    episode, row = _find(state, case)
    if is_rechecked(case.reading, row, case.limits):
        return state, ()
    if episode is not None and case.reading.observed_at <= episode.floor:
        return state, (find_late(case, episode),)
    verdict = Verdict(Because.NOT_RECHECKED, pages=True, readings=(case.reading,))
    return _tell(state, case, episode, verdict)


def _tell(
    state: FeverState, case: Case, episode: Episode | None, verdict: Verdict | None
) -> Step[FeverState]:
    """Open an episode, or advance the open one, and say what that asks for."""
    at = case.reading.observed_at
    pages = verdict is not None and verdict.pages and is_fresh(case, verdict)
    level = level_of(case, verdict.readings) if verdict is not None else None
    action: Action | None
    if episode is None or not episode.is_open:
        if level is None:
            return state, ()
        after = episode.closed_at if episode is not None else 0
        key = case.key if case.is_person else f"{case.key}#{case.position}"
        episode = Episode(key, at, at, pages, level, attached_at=at, after=after)
        action = Action.OPEN
    else:
        episode, action = fever_episode.advance(episode, at, level=level, pages=pages)
    kept = fever_episode.keep(state.episodes, episode, is_person=case.is_person)
    state = msgspec.structs.replace(state, episodes=kept)
    if action is None:
        return state, ()
    is_attached = action is Action.ATTACH
    found = find(
        case,
        action,
        episode,
        level=min(level or 0, episode.level) if is_attached else episode.level,
        watch=not episode.pages,
        evidence=case.evidence | (reasons(verdict) if verdict is not None else {}),
    )
    return state, (found,)
