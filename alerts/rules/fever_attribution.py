"""What a person's answer to whose a reading is does to the keys that lose and get it. Pure.

The reading keeps its own time. Whoever loses it keeps the incident it opened, which says so: only a
person closes a fever. Whoever gets it is judged as if the payload had named them, but what an
answer completes is a watch: the household it came from was paged about already, and the person who
answers is looking at it. A state takes an answer that changes nothing without a word, so that the
same one twice is one.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from alerts.finding import Action
from alerts.rule import Attribution, Context, Step, Whose
from alerts.rules import baseline, readings
from alerts.rules.fever_case import Case, describe, find, level_of
from alerts.rules.fever_episode import Episode
from alerts.rules.fever_judge import is_followed, remember, take
from alerts.rules.fever_state import ENTRIES, KEEP, FeverState
from alerts.rules.readings import ATTRIBUTED, ELSEWHERE, NEXT_PERSON, Reading


def settle(key: str, state: FeverState, said: Attribution, context: Context) -> Step[FeverState]:
    """Bring one key in line with an answer: take the reading, let it go, or neither."""
    kept = readings.find(state.ring, said.identity)
    holds = kept is not None and not kept.marks & ELSEWHERE
    if (said.holder == key) is holds:
        return state, ()
    if kept is not None and holds:
        return _let_go(state, kept, _case(key, kept, said, context), said)
    marks = said.marks & ~ELSEWHERE | ATTRIBUTED
    reading = Reading(said.observed_at, said.tenths, marks, said.identity)
    if kept is not None:
        ring = readings.mark(state.ring, said.identity, marks)
    else:
        ring = readings.insert(state.ring, reading, keep=KEEP, entries=ENTRIES)
    state = msgspec.structs.replace(state, ring=ring)
    case = _case(key, reading, said, context)
    case = msgspec.structs.replace(case, evidence=case.evidence | {"incident": said.incident})
    return _take(state, case, _scale(key, said))


def _take(state: FeverState, case: Case, scale: int) -> Step[FeverState]:
    reading, limits = case.reading, case.limits
    is_unusual = bool(scale) and baseline.is_exceeded(state.baseline, reading, scale, limits)
    is_fever = reading.tenths >= limits.tenths.contact
    if not is_fever and not is_unusual and not is_followed(state, case.key, reading, limits):
        return remember(state, reading, scale), ()
    return take(state, case, is_unusual=is_unusual)


def _let_go(state: FeverState, kept: Reading, case: Case, said: Attribution) -> Step[FeverState]:
    scale = _scale(case.key, said)
    usual = baseline.remove(state.baseline, kept, scale) if scale else state.baseline
    state = msgspec.structs.replace(
        state,
        ring=readings.mark(state.ring, kept.identity, kept.marks | ELSEWHERE),
        baseline=usual,
        waits=tuple(wait for wait in state.waits if wait.reading.identity != kept.identity),
    )
    fever = case.limits.tenths.contact
    episode = state.episodes[-1] if state.episodes else None
    if episode is None:
        return state, ()
    if kept.tenths < fever and not episode.first <= kept.observed_at <= episode.last:
        return state, ()
    gone: dict[str, Any] = {"whose": said.whose.value}
    if said.whose is Whose.RESIDENT:
        gone["resident"] = said.resident
    ring = readings.every(state.ring)
    if ring[0].observed_at <= episode.first:  # Else older evidence is not in the ring any more.
        gone["remaining"] = _count_fevers(ring, episode, fever)
    level = min(level_of(case, (kept,)), episode.level)
    evidence = case.evidence | gone
    found = find(case, Action.WITHDRAW, episode, level=level, watch=True, evidence=evidence)
    return state, (found,)


def _count_fevers(ring: Sequence[Reading], episode: Episode, fever: int) -> int:
    """Return how many readings of a fever an episode still has."""
    return sum(
        reading.tenths >= fever
        and not reading.marks & (ELSEWHERE | NEXT_PERSON)
        and reading.observed_at > episode.after
        for reading in ring
    )


def _case(key: str, reading: Reading, said: Attribution, context: Context) -> Case:
    place, thresholds = context.stand(said.device_id, said.observed_at)
    site, adjusted_to = baseline.sites(said.scale)
    return Case(
        key=key,
        reading=reading,
        device_id=said.device_id,
        position=said.position,
        received_at=said.at,
        is_late=False,
        place=place,
        registry=context.registry,
        limits=thresholds.fever,
        evidence=describe(reading, site, adjusted_to) | {"attributed_by": said.by},
    )


def _scale(key: str, said: Attribution) -> int:
    """Return the scale of a person's baseline; a household has none."""
    return said.scale if key.startswith("subject:") else 0
