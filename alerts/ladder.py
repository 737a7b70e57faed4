"""An incident on its ladder: each move and the pages it makes owed, in the caller's transaction."""

from dataclasses import dataclass

from sqlalchemy import Connection

from alerts import page, record, schedule
from alerts.escalation import Move, Policies, Policy, advance, new_round, policy_name
from alerts.record import Incident, State
from alerts.timeline import EventKind, add_event
from devices.registry import Registry, Role


@dataclass(frozen=True, slots=True)
class Climbed:
    """An incident after a move; ``unattended`` where no step of the round has anybody on call."""

    incident: Incident
    unattended: bool


def start(
    connection: Connection, incident: Incident, *, now: int, registry: Registry, policies: Policies
) -> Climbed:
    """Trigger an incident and begin a new round from the first step of its kind's policy."""
    name = policy_name(incident.kind, incident.severity)
    policy = policies.named(name)
    triggered = record.change(
        connection,
        incident,
        state=State.TRIGGERED,
        policy=name,
        lapses_after=policy.lapses_after,
        standing=new_round(incident.standing, now=now),
    )
    move = _decide(policy, triggered, now=now, registry=registry)
    waits = {} if move.standing.step >= 0 else {"waits_until": move.next_at}
    add_event(
        connection,
        incident.id,
        EventKind.ROUND_BEGUN,
        now=now,
        policy=name,
        round=move.standing.round,
        **waits,
    )
    return _take(connection, triggered, move, now=now, policy=policy)


def climb(
    connection: Connection,
    incident: Incident,
    *,
    now: int,
    registry: Registry,
    policies: Policies,
    step_failed: bool = False,
) -> Climbed:
    """Take what is due on a triggered incident's ladder; only looks again later if nothing is."""
    name = incident.policy or policy_name(incident.kind, incident.severity)
    policy = policies.named(name)
    move = _decide(policy, incident, now=now, registry=registry, step_failed=step_failed)
    if move.standing.round != incident.standing.round:
        add_event(
            connection,
            incident.id,
            EventKind.ROUND_BEGUN,
            now=now,
            policy=name,
            round=move.standing.round,
        )
    return _take(connection, incident, move, now=now, policy=policy)


def _decide(
    policy: Policy, incident: Incident, *, now: int, registry: Registry, step_failed: bool = False
) -> Move:
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


def _take(
    connection: Connection, incident: Incident, move: Move, *, now: int, policy: Policy
) -> Climbed:
    """Write a move down: the standing, the steps nobody was on call for, the pages now owed."""
    standing = move.standing
    for step in move.skipped:
        add_event(
            connection,
            incident.id,
            EventKind.STEP_SKIPPED,
            now=now,
            round=standing.round,
            step=step,
            roles=[role.value for role in policy.steps[step].roles],
        )
    if move.called:
        page.owe_ladder(connection, incident.id, standing, move.called, now=now)
    moved = record.change(connection, incident, standing=standing, next_at=move.next_at)
    return Climbed(moved, unattended=len(move.skipped) == len(policy.steps))
