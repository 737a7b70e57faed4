"""Strangers at the gate: the same gate, several tries, few minutes."""

import struct
from collections.abc import Mapping, Sequence

import msgspec

from alerts.finding import Action, Finding, IncidentKind
from alerts.rule import Attribution, Context, Evidence, Step
from alerts.rules.readings import identify
from alerts.rules.where import locate
from alerts.thresholds import StrangersThresholds
from devices.clock import HOUR, MINUTE, SECOND
from devices.observation import Crossing, CrossingOutcome, Observation, TimeSource

PICTURES = 256
"""Pictures kept of a gate; a camera that makes more in the time they are kept sees a crowd."""
_PICTURE = struct.Struct(">qI")


class StrangersState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the next unknown face at a gate is judged with.

    Attributes:
        pictures: Time and identity of the last ones, sorted.
        is_open: Whether an incident is open, as far as the rule has heard.
        pages: False where that is only a watch.
        attached_at: Time of the evidence written down last; milliseconds UTC.
        closed_at: Tries until then belong to an incident a person has closed.
    """

    pictures: bytes = b""
    is_open: bool = False
    pages: bool = False
    attached_at: int = 0
    closed_at: int = 0


class Strangers:
    """Unknown faces at one gate: the third try within ten minutes pages the guard.

    A single one pages nobody. Pictures taken within ten seconds of each other are one try, and so
    are pictures of the same event. Somebody who was let in was no stranger to the guard.
    """

    name = "strangers"
    title = "unknown faces try to get in"
    section = "strangers"
    observes: tuple[type, ...] = (Crossing,)
    state = StrangersState

    def keys(self, observation: Observation, context: Context) -> Sequence[str]:
        """Return the gate; a picture that waited somewhere has no time to count by."""
        if not isinstance(observation, Crossing) or not observation.stranger:
            return ()
        if observation.time_source is TimeSource.BACKLOG:
            return ()
        if observation.outcome is CrossingOutcome.ADMITTED:
            return ()
        place, _ = context.stand(observation.device_id, observation.observed_at)
        if place is not None and place.gate is not None:
            return (f"gate:{place.site}/{place.gate}",)
        return (f"device:{observation.device_id}",)

    def step(
        self, key: str, state: StrangersState, evidence: Evidence, context: Context
    ) -> Step[StrangersState]:
        """Count one picture of an unknown face."""
        observation = evidence.observation
        at = observation.observed_at
        place, thresholds = context.stand(observation.device_id, at)
        limits = thresholds.strangers
        pictures = _add(state.pictures, at, _identify(observation))
        if pictures is None:
            return state, ()
        state = msgspec.structs.replace(state, pictures=pictures)
        within = round(limits.within_minutes * MINUTE)
        tries = _tries(pictures, at, within, limits)
        state, action = _advance(state, observation, tries, limits)
        if action is None:
            return state, ()
        found = Finding(
            action=action,
            rule=self.name,
            key=key,
            kind=IncidentKind.STRANGERS,
            watch=not state.pages,
            observed_at=at,
            position=evidence.position,
            device_id=observation.device_id,
            late=evidence.is_late,
            evidence={"tries": len(tries), "minutes": limits.within_minutes},
            **locate(context.registry, place, at),
        )
        return state, (found,)

    def seeds(
        self, devices: Sequence[str], context: Context, at: int
    ) -> Mapping[str, StrangersState]:
        """Return nothing: every state begins with an input."""
        return {}

    def due(self, state: StrangersState) -> int | None:
        """Return None: time alone says nothing of strangers."""
        return None

    def on_due(
        self, key: str, state: StrangersState, at: int, context: Context
    ) -> Step[StrangersState]:
        """Change nothing: nothing is ever due."""
        return state, ()

    def on_closed(self, state: StrangersState, incident_key: str, at: int) -> StrangersState:
        """Count anew: what was tried until then belongs to the closed incident."""
        return msgspec.structs.replace(state, is_open=False, pages=False, closed_at=at)

    def on_attributed(
        self, key: str, state: StrangersState, said: Attribution, context: Context
    ) -> Step[StrangersState]:
        """Change nothing: no person's readings are judged here."""
        return state, ()

    def state_key(self, incident_key: str) -> str:
        """Return the same: a gate has one incident at a time."""
        return incident_key


def _identify(observation: Observation) -> int:
    return identify(f"{observation.device_id}|{observation.event_id or observation.observed_at}")


def _add(pictures: bytes, at: int, identity: int) -> bytes | None:
    """Return the pictures with one more; None for a repeat, or one too old to tell."""
    entries = list(_PICTURE.iter_unpack(pictures))
    is_too_old = len(entries) == PICTURES and at < entries[0][0]
    if is_too_old or any(identity == known for _, known in entries):
        return None
    entries = sorted([*entries, (at, identity)])[-PICTURES:]
    return b"".join(_PICTURE.pack(*entry) for entry in entries)


def _tries(pictures: bytes, at: int, within: int, limits: StrangersThresholds) -> list[int]:
    """Return the most tries that lie within one span of time with the given one, by time."""
    same = limits.same_try_seconds * SECOND
    tries: list[int] = []
    for time, _ in _PICTURE.iter_unpack(pictures):
        if abs(time - at) <= within and (not tries or time - tries[-1] > same):
            tries.append(time)
    spans = [
        [time for time in tries if first <= time <= first + within]
        for first in tries
        if first <= at
    ]
    return max(spans, key=len, default=[at])


def _advance(
    state: StrangersState,
    observation: Observation,
    tries: Sequence[int],
    limits: StrangersThresholds,
) -> tuple[StrangersState, Action | None]:
    """Return the state after a try, and what it asks for."""
    at = observation.observed_at
    if at <= state.closed_at:
        return state, Action.ATTACH
    counted = [time for time in tries if time > state.closed_at]
    is_crowd = len(counted) >= limits.tries
    if not state.is_open and not is_crowd:
        return state, None
    is_fresh = observation.received_at - max(counted, default=at) <= limits.late_hours * HOUR
    pages = is_crowd and is_fresh
    if not state.is_open or (pages and not state.pages):
        state = msgspec.structs.replace(state, is_open=True, pages=pages, attached_at=at)
        return state, Action.OPEN
    if at < state.attached_at + limits.within_minutes * MINUTE:
        return state, None
    return msgspec.structs.replace(state, attached_at=at), Action.ATTACH
