"""Judging a reading that is in the ring: what it opens, feeds or waits for. Pure."""

from collections.abc import Sequence

import msgspec

from alerts.finding import Action
from alerts.rule import LATE, Context, Step
from alerts.rules import baseline, fever_episode
from alerts.rules.fever_case import Case, find, find_late, is_fresh, level_of, reasons
from alerts.rules.fever_episode import Episode
from alerts.rules.fever_state import WAITS, FeverState, Wait
from alerts.rules.fever_verdict import Because, Verdict, company, is_rechecked, judge
from alerts.rules.readings import ATTRIBUTED, CONTACT, LOW, UNTIMED, Reading
from alerts.thresholds import FeverThresholds
from devices.clock import MINUTE, SECOND


def remember(state: FeverState, reading: Reading, scale: int) -> FeverState:
    """Let an ordinary reading of a known person teach what is usual."""
    if not scale or reading.marks & (UNTIMED | LOW):
        return state
    usual = baseline.add(state.baseline, reading, scale)
    return FeverState(state.ring, usual, state.waits, state.episodes, state.origins)


def is_followed(state: FeverState, key: str, reading: Reading, limits: FeverThresholds) -> bool:
    """Return whether an open incident wants to know of an ordinary reading too."""
    if not state.episodes:
        return False
    join = None if not key.startswith("device:") else round(limits.join_seconds * SECOND)
    return any(
        episode.is_open and episode.is_near(reading.observed_at, join) for episode in state.episodes
    )


def take(state: FeverState, case: Case, *, is_unusual: bool) -> Step[FeverState]:
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


def reopen(key: str, wait: Wait, context: Context) -> Case:
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


def stop_waiting(state: FeverState, case: Case) -> Step[FeverState]:
    """Judge a high infrared reading that has waited long enough for a recheck."""
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
    if action is None and case.reading.marks & ATTRIBUTED:
        action = Action.ATTACH  # A person's answer is written down, however near the last evidence.
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
