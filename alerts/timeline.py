"""What happened to an incident, in order: who, when, what, and the journal position behind it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select

from alerts.tables import incident_event

SYSTEM = "system"
"""The actor of everything that no person did."""


class EventKind(StrEnum):
    """What can happen to an incident; the words in brackets are the keys of its detail."""

    OPENED = "opened"
    """A watch or an incident began [severity, watch, previous, policy]."""
    EVIDENCE = "evidence"
    """An observation or a due time spoke for it [observed_at, device, severity, late, evidence]."""
    EVIDENCE_AFTER_CLOSING = "evidence_after_closing"
    """As EVIDENCE, from before the closing but arrived after it [… and told, the worker]."""
    EVIDENCE_MOVED = "evidence_moved"
    """A person said whose it is, and it is judged as theirs [as EVIDENCE, with whose, resident,
    remaining and attributed_by]."""
    BECAME_INCIDENT = "became_incident"
    """A watch became an incident and its ladder starts [severity]."""
    RAISED = "raised"
    """The severity rose [severity, was]."""
    ROUND_BEGUN = "round_begun"
    """The ladder starts from its first step [policy, round, waits_until where it is not now]."""
    STEP_BEGUN = "step_begun"
    """Pages are owed [round, step, workers]."""
    STEP_REPEATED = "step_repeated"
    """Pages are owed again [round, step, repeat, workers]."""
    STEP_SKIPPED = "step_skipped"
    """Nobody is on call for the step [round, step, roles]."""
    STEP_FAILED = "step_failed"
    """Every page of the step failed for good [round, step]."""
    PAGE_SENT = "page_sent"
    """A channel took the page [page, worker, channel, attempt, possible_repeat]."""
    PAGE_ATTEMPT_FAILED = "page_attempt_failed"
    """A channel did not [page, worker, channel, attempt, error, permanent]."""
    PAGE_FAILED = "page_failed"
    """Every channel of the worker failed for good [page, worker]."""
    PAGE_NOT_SENT = "page_not_sent"
    """An owed page was let go [page, worker, reason]."""
    ACKNOWLEDGED = "acknowledged"
    """A person takes care of it [lapses_at]."""
    LAPSED = "lapsed"
    """The acknowledgement ran out [acknowledged_by]."""
    NOTE = "note"
    """A person wrote something down [note]."""
    OBSERVING = "observing"
    """A person keeps watch over it [until, note]."""
    RECHECK_DUE = "recheck_due"
    """The time of observing ended without a closing [until]."""
    CAUSE_GONE = "cause_gone"
    """The rule says that the cause has gone [observed_at, evidence]."""
    CLOSED = "closed"
    """It ended [disposition, note]."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a timeline; ``at`` in milliseconds UTC, ``position`` None or 0 without one."""

    id: int
    at: int
    actor: str
    kind: EventKind
    position: int | None
    detail: dict[str, Any]


def add_event(
    connection: Connection,
    incident: str,
    kind: EventKind,
    *,
    now: int,
    actor: str = SYSTEM,
    position: int | None = None,
    **detail: Any,
) -> None:
    """Add a line to an incident's timeline."""
    connection.execute(
        insert(incident_event).values(
            incident=incident, at=now, actor=actor, kind=kind, position=position, detail=detail
        )
    )


def read_events(connection: Connection, incident: str, *, limit: int = 1_000) -> list[Event]:
    """Return an incident's latest events, oldest first."""
    rows = connection.execute(
        select(incident_event)
        .where(incident_event.c.incident == incident)
        .order_by(incident_event.c.id.desc())
        .limit(limit)
    ).all()
    return [
        Event(row.id, row.at, row.actor, EventKind(row.kind), row.position, row.detail)
        for row in reversed(rows)
    ]
