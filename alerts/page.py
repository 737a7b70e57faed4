"""Pages owed: made in the same transaction as their cause, let go only with a reason."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, exists, insert, select, update

from alerts.escalation import Standing
from alerts.tables import page as table
from alerts.timeline import EventKind, add_event
from devices.registry import Role


class PageState(StrEnum):
    """What became of a page."""

    OWED = "owed"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Purpose(StrEnum):
    """Why somebody is paged."""

    LADDER = "ladder"
    """A step of the ladder; let go once the incident is no longer triggered."""
    LATE_EVIDENCE = "late_evidence"
    """Evidence from before the closing has arrived; for the person who closed it, once."""


def owe_ladder(
    connection: Connection,
    incident: str,
    standing: Standing,
    called: Sequence[tuple[str, Role]],
    *,
    now: int,
) -> None:
    """Owe one page to each worker called by a step, and say so in the timeline."""
    connection.execute(
        insert(table),
        [
            {
                "incident": incident,
                "purpose": Purpose.LADDER,
                "round": standing.round,
                "step": standing.step,
                "repeat": standing.repeat,
                "worker": worker,
                "role": role,
                "state": PageState.OWED,
                "owed_at": now,
            }
            for worker, role in called
        ],
    )
    repeats: dict[str, Any] = {"repeat": standing.repeat} if standing.repeat else {}
    add_event(
        connection,
        incident,
        EventKind.STEP_REPEATED if standing.repeat else EventKind.STEP_BEGUN,
        now=now,
        round=standing.round,
        step=standing.step,
        workers=[worker for worker, _ in called],
        **repeats,
    )


def owe_late_evidence(connection: Connection, incident: str, worker: str, *, now: int) -> bool:
    """Owe the person who closed an incident one page about it; False where one was owed before."""
    told = exists().where(table.c.incident == incident, table.c.purpose == Purpose.LATE_EVIDENCE)
    if connection.execute(select(told)).scalar():
        return False
    connection.execute(
        insert(table).values(
            incident=incident,
            purpose=Purpose.LATE_EVIDENCE,
            round=0,
            step=0,
            repeat=0,
            worker=worker,
            role="",
            state=PageState.OWED,
            owed_at=now,
        )
    )
    return True


def change_page(connection: Connection, page_id: int, **values: Any) -> None:
    """Set columns of a page."""
    connection.execute(update(table).where(table.c.id == page_id).values(**values))
