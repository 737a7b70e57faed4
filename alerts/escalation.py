"""Who is told when: the escalation policies, and the step from one standing to the next.

Pure: ``now`` and the roster are arguments; what it decides is written down by ladder.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from alerts.finding import IncidentKind, Severity
from devices.clock import MINUTE, SECOND
from devices.registry import Role

_STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Step(BaseModel):
    """One rung: whoever is on call in these roles is paged together.

    Attributes:
        after_minutes: When it begins, counted from the beginning of the round.
        roles: Who is paged; a person on call in two of them is paged once.
    """

    model_config = _STRICT
    after_minutes: int = Field(ge=0, le=7 * 24 * 60)
    roles: tuple[Role, ...] = Field(min_length=1)


class Policy(BaseModel):
    """One ladder.

    Attributes:
        steps: In order of their times; the first begins at 0.
        lapses_after_minutes: An acknowledged incident is triggered again after this long.
        hours: Local hours (from, to) of the site in which anybody is paged; None is always.
        repeat_every_minutes: Within a step the page is repeated this often,
        repeats: at most so many times after the first.
        again_after_minutes: From the beginning of the last step to the next round.
    """

    model_config = _STRICT
    steps: tuple[Step, ...] = Field(min_length=1, max_length=10)
    lapses_after_minutes: int = Field(ge=1, le=7 * 24 * 60)
    hours: tuple[int, int] | None = None
    repeat_every_minutes: int = Field(default=5, ge=1, le=24 * 60)
    repeats: int = Field(default=3, ge=0, le=10)
    again_after_minutes: int = Field(default=30, ge=5, le=7 * 24 * 60)

    @model_validator(mode="after")
    def _in_order(self) -> "Policy":
        times = [step.after_minutes for step in self.steps]
        if times[0] != 0 or times != sorted(times):
            raise ValueError("steps must begin at 0 and be in the order of their times")
        if self.hours and not 0 <= self.hours[0] < self.hours[1] <= 24:
            raise ValueError("hours must be (from, to) with 0 <= from < to <= 24")
        return self

    @property
    def lapses_after(self) -> int:
        """How long an acknowledgement holds, in milliseconds."""
        return self.lapses_after_minutes * MINUTE

    def opens_at(self, now: int, zone: ZoneInfo) -> int:
        """Return now within the policy's hours, else when they next begin; milliseconds."""
        if self.hours is None:
            return now
        local = datetime.fromtimestamp(now / SECOND, zone)
        begins, ends = self.hours
        if begins <= local.hour < ends:
            return now
        day = local.date() if local.hour < begins else local.date() + timedelta(days=1)
        opening = datetime.combine(day, time(begins), tzinfo=zone)
        return round(opening.timestamp() * SECOND)


def _ladder(*steps: tuple[int, tuple[Role, ...]]) -> tuple[Step, ...]:
    return tuple(Step(after_minutes=minutes, roles=roles) for minutes, roles in steps)


_GUARD, _WORKER, _SECRETARY = (Role.GUARD,), (Role.GRID_WORKER,), (Role.SECRETARY,)
_STREET, _OPERATOR = (Role.STREET_COMMAND,), (Role.OPERATOR,)


class Policies(BaseModel):
    """The ladder of every kind of incident; the defaults are the table in DOMAIN.md."""

    model_config = _STRICT
    fever_at_checkpoint: Policy = Policy(
        steps=_ladder((0, _GUARD + _WORKER + _SECRETARY), (15, _STREET)),
        lapses_after_minutes=60,
    )
    fever_minor: Policy = Policy(
        steps=_ladder((0, _WORKER), (15, _SECRETARY), (45, _STREET)),
        lapses_after_minutes=120,
    )
    fever_major: Policy = Policy(
        steps=_ladder((0, _WORKER + _SECRETARY), (15, _STREET)),
        lapses_after_minutes=60,
    )
    empty_flat: Policy = Policy(
        steps=_ladder((0, _WORKER), (4 * 60, _SECRETARY), (24 * 60, _STREET)),
        lapses_after_minutes=24 * 60,
        hours=(8, 21),
    )
    strangers: Policy = Policy(
        steps=_ladder((0, _GUARD), (30, _SECRETARY)),
        lapses_after_minutes=60,
    )
    device: Policy = Policy(
        steps=_ladder((0, _OPERATOR)),
        lapses_after_minutes=24 * 60,
        hours=(8, 21),
        repeats=0,
        again_after_minutes=24 * 60,
    )
    system: Policy = Policy(
        steps=_ladder((0, _OPERATOR), (15, _SECRETARY), (60, _STREET)),
        lapses_after_minutes=60,
    )

    def named(self, name: str) -> Policy:
        """Return a policy by the name an incident carries."""
        policy: Policy = getattr(self, name)
        return policy


DEFAULT_POLICIES = Policies()


def policy_name(kind: IncidentKind, severity: Severity) -> str:
    """Return the name of the policy that an incident of a kind and severity escalates by."""
    if kind is IncidentKind.FEVER:
        return "fever_minor" if severity is Severity.MINOR else "fever_major"
    return kind.value


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an incident stands on its ladder; times in milliseconds.

    Attributes:
        round: Counts from 1; a new one begins after the last step, when an acknowledgement
            lapses and when the severity rises.
        round_at: When the round began; the steps' times count from here.
        step: Index of the present step, −1 before the first of the round.
        step_at: When it began.
        repeat: How often the step's page has been repeated.
    """

    round: int = 0
    round_at: int = 0
    step: int = -1
    step_at: int = 0
    repeat: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """What one advance decided: where the incident stands now, and who is owed a page.

    Attributes:
        next_at: When to look again; milliseconds.
        called: (worker, role) of those owed a page, each worker once.
        skipped: Indexes of the steps that nobody was on call for.
    """

    standing: Standing
    next_at: int
    called: tuple[tuple[str, Role], ...] = ()
    skipped: tuple[int, ...] = ()


Roster = Callable[[Role], Sequence[str]]
"""Who is on call in a role, now and where the incident is."""


def new_round(standing: Standing, *, now: int) -> Standing:
    """Return the standing at the beginning of the next round, before its first step."""
    return Standing(round=standing.round + 1, round_at=now, step_at=now)


def advance(
    policy: Policy,
    standing: Standing,
    *,
    now: int,
    zone: ZoneInfo,
    roster: Roster,
    step_failed: bool = False,
) -> Move:
    """Take the one thing that is due on a ladder: a repeat, the next step, or the next round.

    Missed repeats are not made up for; missed steps are, one call each. The policy's hours are
    read in ``zone``, the site's. ``step_failed`` says that every page of the present step has
    failed for good: the next begins at once.
    """
    opening = policy.opens_at(now, zone)
    if opening > now:
        waiting = replace(standing, round_at=opening) if standing.step < 0 else standing
        return Move(waiting, opening)
    last = standing.step == len(policy.steps) - 1
    if step_failed and not last:
        return _begin_step(policy, standing, standing.step + 1, now=now, roster=roster)
    if now < _next_at(policy, standing):
        return Move(standing, _next_at(policy, standing))
    if now < _step_ends_at(policy, standing):
        return _repeat(policy, standing, now=now, roster=roster)
    if last:
        return _begin_step(policy, new_round(standing, now=now), 0, now=now, roster=roster)
    return _begin_step(policy, standing, standing.step + 1, now=now, roster=roster)


def _step_ends_at(policy: Policy, standing: Standing) -> int:
    following = standing.step + 1
    if following < len(policy.steps):
        return standing.round_at + policy.steps[following].after_minutes * MINUTE
    return standing.step_at + policy.again_after_minutes * MINUTE


def _next_at(policy: Policy, standing: Standing) -> int:
    ends_at = _step_ends_at(policy, standing)
    if standing.step < 0 or standing.repeat >= policy.repeats:
        return ends_at
    repeat_at = standing.step_at + (standing.repeat + 1) * policy.repeat_every_minutes * MINUTE
    return min(repeat_at, ends_at)


def _repeat(policy: Policy, standing: Standing, *, now: int, roster: Roster) -> Move:
    elapsed = (now - standing.step_at) // (policy.repeat_every_minutes * MINUTE)
    repeated = replace(standing, repeat=min(policy.repeats, max(standing.repeat + 1, elapsed)))
    called = _call(policy.steps[standing.step], roster)
    return Move(repeated, _next_at(policy, repeated), called)


def _begin_step(
    policy: Policy, standing: Standing, first: int, *, now: int, roster: Roster
) -> Move:
    skipped: list[int] = []
    for index in range(first, len(policy.steps)):
        called = _call(policy.steps[index], roster)
        if called:
            begun = replace(standing, step=index, step_at=now, repeat=0)
            return Move(begun, _next_at(policy, begun), called, tuple(skipped))
        skipped.append(index)
    spent = replace(standing, step=len(policy.steps) - 1, step_at=now, repeat=policy.repeats)
    return Move(spent, _next_at(policy, spent), (), tuple(skipped))


def _call(step: Step, roster: Roster) -> tuple[tuple[str, Role], ...]:
    called: dict[str, Role] = {}
    for role in step.roles:
        for worker in roster(role):
            called.setdefault(worker, role)
    return tuple(called.items())
