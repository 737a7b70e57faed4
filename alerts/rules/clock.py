"""Device clocks that are off, by what devices say of the time when their messages arrive.

A message takes its time to reach us and never arrives before it was sent. So a clock is at least
as far ahead as any message says, and one message proves that; it is behind by no more than the
message that was quickest. A late message may have waited anywhere, at a broker or in the device,
so a clock counts as behind when no message of a whole hour was in time, and as reset at once when
it says something from before any message that could still be waiting.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum

import msgspec

from alerts.finding import Action, Finding, IncidentKind
from alerts.rule import Attribution, Context, Evidence, Step
from alerts.rules.where import locate
from devices.clock import DAY, HOUR, MINUTE, rfc3339
from devices.observation import (
    Crossing,
    DeviceStatus,
    Electricity,
    LitWindow,
    Observation,
    Temperature,
    TimeSource,
)

WINDOW = HOUR
SEVERAL = 3
"""A clock is behind when the quickest of at least so many messages, over WINDOW, was."""
RESET = 30 * DAY
"""No message waits for so long: a clock further behind has begun anew, in 1970 or 2000."""
_ALWAYS_RIGHT = MINUTE // 2
"""Half of the least that the thresholds may be: below it no threshold has to be looked up."""
_DEVICE = TimeSource.DEVICE


class Verdict(IntEnum):
    """What is known of a clock."""

    RIGHT = 0
    """Or not known to be off."""
    OFF = 1
    """And an incident says so."""
    GIVEN_UP = 2
    """A person has closed that incident; nothing more is said until the clock is right."""


class ClockState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How far a device's clock is from ours; milliseconds, positive where it is ahead.

    Attributes:
        verdict: What is known of it.
        offset: By how much it is off, as last told.
        since: Arrival of the first message that was off.
        best: Of the present window, the offset of the message that was quickest.
        window_at: Arrival of the first message of the present window; 0 for none.
        count: Messages in the window, counted to SEVERAL.
    """

    verdict: Verdict = Verdict.RIGHT
    offset: int = 0
    since: int = 0
    best: int = 0
    window_at: int = 0
    count: int = 0

    @property
    def is_off(self) -> bool:
        """Whether it is known to be off, whatever a person made of that."""
        return self.verdict is not Verdict.RIGHT

    @property
    def is_reset(self) -> bool:
        """Whether it has begun anew, so that the time it says tells more than by how much."""
        return self.offset < -RESET

    def is_full(self, at: int) -> bool:
        """Whether the window has lasted long enough, and had messages enough, to be judged."""
        return at - self.window_at >= WINDOW and self.count >= SEVERAL

    def look(self, offset: int, at: int) -> "ClockState":
        """Return the state after a message; a window that is full begins anew with it."""
        if not self.window_at or self.is_full(at):
            return msgspec.structs.replace(
                self, since=self.since or at, best=offset, window_at=at, count=1
            )
        count, best = min(self.count + 1, SEVERAL), max(self.best, offset)
        if (count, best) == (self.count, self.best):
            return self
        return msgspec.structs.replace(self, best=best, count=count)


class ClockOff:
    """A device's clock is off: ahead of ours, behind for an hour, or reset.

    A watch, closed by itself once a message's time is right again. What waited at a broker or in
    the device is late, and no proof; what has no time of its own says nothing of a clock.
    """

    name = "clock_off"
    title = "a device's clock is off"
    section = "device"
    observes: tuple[type, ...] = (Temperature, Crossing, Electricity, LitWindow, DeviceStatus)
    state = ClockState

    def keys(self, observation: Observation, context: Context) -> Sequence[str]:
        """Return the device, if what it says is off, or something is known of its clock."""
        if observation.time_source is _DEVICE:
            key = f"device:{observation.device_id}"
            offset = observation.observed_at - observation.received_at
            if -_ALWAYS_RIGHT <= offset <= _ALWAYS_RIGHT and context.neighbour(key) is None:
                return ()
            return (key,)
        return () if observation.said_at is None else (f"device:{observation.device_id}",)

    def step(
        self, key: str, state: ClockState, evidence: Evidence, context: Context
    ) -> Step[ClockState]:
        """Take one message; only a clock that is off is remembered."""
        seen = evidence.observation
        at = seen.received_at
        offset = (seen.observed_at if seen.said_at is None else seen.said_at) - at
        limits = context.stand(seen.device_id, at)[1].device
        ahead, behind = limits.clock_ahead_minutes * MINUTE, limits.clock_behind_minutes * MINUTE
        if -behind / 2 <= offset <= ahead / 2:
            return self._right(state, evidence, context)
        if not state.window_at and -behind <= offset <= ahead:
            return state, ()
        after = state.look(offset, at)
        if offset > ahead or offset < -RESET:
            proven = after.best
        else:
            proven = max(state.best, offset) if state.is_full(at) else state.offset
        if -behind <= proven <= ahead or abs(proven - state.offset) < MINUTE:
            return after, ()
        if state.is_off:
            return msgspec.structs.replace(after, offset=proven), ()
        after = msgspec.structs.replace(after, verdict=Verdict.OFF, offset=proven)
        return after, (self._finding(Action.OPEN, after, evidence, context),)

    def _right(self, state: ClockState, evidence: Evidence, context: Context) -> Step[ClockState]:
        if not state.window_at:
            return state, ()
        if state.verdict is not Verdict.OFF:
            return ClockState(), ()
        return ClockState(), (self._finding(Action.CLEAR, state, evidence, context),)

    def _finding(
        self, action: Action, state: ClockState, evidence: Evidence, context: Context
    ) -> Finding:
        seen = evidence.observation
        at = state.since if action is Action.OPEN else seen.received_at
        place, _ = context.stand(seen.device_id, at)
        return Finding(
            action=action,
            rule=self.name,
            key=f"device:{seen.device_id}",
            kind=IncidentKind.DEVICE,
            watch=True,
            observed_at=at,
            position=evidence.position,
            device_id=seen.device_id,
            evidence=_told(state, at) if action is Action.OPEN else {},
            **locate(context.registry, place, at),
        )

    def seeds(self, devices: Sequence[str], context: Context, at: int) -> Mapping[str, ClockState]:
        """Return nothing: every state begins with an input."""
        return {}

    def due(self, state: ClockState) -> int | None:
        """Return None: silence says nothing of a clock."""
        return None

    def on_due(self, key: str, state: ClockState, at: int, context: Context) -> Step[ClockState]:
        """Change nothing: nothing is ever due."""
        return state, ()

    def on_closed(self, state: ClockState, incident_key: str, at: int) -> ClockState:
        """Say nothing more until the clock is right."""
        if state.verdict is not Verdict.OFF:
            return state
        return msgspec.structs.replace(state, verdict=Verdict.GIVEN_UP)

    def on_attributed(
        self, key: str, state: ClockState, said: Attribution, context: Context
    ) -> Step[ClockState]:
        """Change nothing: no person's readings are judged here."""
        return state, ()

    def state_key(self, incident_key: str) -> str:
        """Return the same: a device has one incident at a time."""
        return incident_key


def _told(state: ClockState, at: int) -> dict[str, int | str]:
    """Return what a person is told of a clock that is off."""
    if state.is_reset:
        return {"clock_says": rfc3339(at + state.offset)}
    if state.offset > 0:
        return {"clock_ahead_minutes": state.offset // MINUTE}
    return {"clock_behind_minutes": -state.offset // MINUTE}
