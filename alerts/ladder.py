"""An incident on its ladder: each move and the pages it makes owed, in the caller's transaction."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from alerts import page, record, schedule
from alerts.escalation import Move, Policies, Policy, advance, new_round, policy_name
from alerts.record import Incident, State
from alerts.timeline import EventKind, add_event
from devices.registry import Registry, Role


@dataclass(frozen=True, slots=True)
class Moment:
    """What a decision may know: the instant in milliseconds, who is registered, the policies."""

    now: int
    registry: Registry
    policies: Policies


@dataclass(frozen=True, slots=True)
class Climbed:
    """An incident after a move; ``unattended`` where no step of the round has anybody on call."""

    incident: Incident
    unattended: bool


def start(connection: Connection, incident: Incident, moment: Moment) -> Climbed:
    """Trigger an incident and begin a new round from the first step of its kind's policy."""
    name = policy_name(incident.kind, incident.severity)
    policy = moment.policies.named(name)
    triggered = record.change(
        connection,
        incident,
        state=State.TRIGGERED,
        policy=name,
        lapses_after=policy.lapses_after,
        acknowledged_at=None,
        acknowledged_by=None,
        standing=new_round(incident.standing, now=moment.now),
    )
    move = _decide(policy, triggered, moment)
    waits = {} if move.standing.step >= 0 else {"waits_until": move.next_at}
    _tell_round(connection, triggered, moment, **waits)
    return _take(connection, triggered, move, moment)


def climb(
    connection: Connection, incident: Incident, moment: Moment, *, step_failed: bool = False
) -> Climbed:
    """Take what is due on a triggered incident's ladder; only looks again later if nothing is."""
    policy = moment.policies.named(incident.policy or "")
    move = _decide(policy, incident, moment, step_failed=step_failed)
    if move.standing.round != incident.standing.round:
        incident = replace(incident, standing=move.standing)
        _tell_round(connection, incident, moment)
    return _take(connection, incident, move, moment)


def _decide(
    policy: Policy, incident: Incident, moment: Moment, *, step_failed: bool = False
) -> Move:
    registry, now = moment.registry, moment.now

    def roster(role: Role) -> tuple[str, ...]:
        return schedule.on_call(registry, role, at=now, site=incident.site, grid=incident.grid)

    return advance(
        policy,
        incident.standing,
        now=now,
        zone=registry.zone(incident.site or ""),
        roster=roster,
        step_failed=step_failed,
    )


def _tell_round(connection: Connection, incident: Incident, moment: Moment, **detail: Any) -> None:
    add_event(
        connection,
        incident.id,
        EventKind.ROUND_BEGUN,
        now=moment.now,
        policy=incident.policy,
        round=incident.standing.round,
        **detail,
    )


def _take(connection: Connection, incident: Incident, move: Move, moment: Moment) -> Climbed:
    """Write a move down: the standing, the steps nobody was on call for, the pages now owed."""
    standing = move.standing
    steps = moment.policies.named(incident.policy or "").steps
    for step in move.skipped:
        add_event(
            connection,
            incident.id,
            EventKind.STEP_SKIPPED,
            now=moment.now,
            round=standing.round,
            step=step,
            roles=[role.value for role in steps[step].roles],
        )
    if move.called:
        page.owe_ladder(connection, incident.id, standing, move.called, now=moment.now)
    moved = record.change(connection, incident, standing=standing, next_at=move.next_at)
    return Climbed(moved, unattended=len(move.skipped) == len(steps))
