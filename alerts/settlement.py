"""What becomes of an attempt, and what follows: a retry, the next channel, an alarm. SQL only.

``wall`` is real wall-clock milliseconds, as in claim.py.
"""

import secrets
from typing import Any

import structlog
from sqlalchemy import Connection, Row, exists, func, select, update

from alerts import alarm, evidence, record
from alerts.attempt import Attempt, Result, latest_attempt
from alerts.channels.channel import Failed, Sent, label
from alerts.ladder import Moment
from alerts.page import PageState, Purpose, change_page
from alerts.record import Incident, State
from alerts.tables import page, page_attempt
from alerts.timeline import EventKind, add_event
from devices.clock import SECOND

log = structlog.get_logger()

ATTEMPTS_PER_CHANNEL = 6
BACKOFF_BASE_MS = 2 * SECOND
BACKOFF_CAP_MS = 60 * SECOND


def settle(
    connection: Connection, attempt: Attempt, outcome: Sent | Failed, moment: Moment, *, wall: int
) -> None:
    """Write down what became of an attempt, and what follows from it.

    A channel that took the page has reached the worker, whoever holds the claim by now; a failure
    counts only while the claim is still this attempt's.
    """
    failed = isinstance(outcome, Failed)
    connection.execute(
        update(page_attempt)
        .where(page_attempt.c.id == attempt.id)
        .values(
            ended_at=wall,
            result=Result.FAILED if failed else Result.SENT,
            error=outcome.error if isinstance(outcome, Failed) else None,
        )
    )
    row = connection.execute(select(page).where(page.c.id == attempt.page).with_for_update()).one()
    _tell_attempt(connection, attempt, outcome, moment)
    if isinstance(outcome, Sent):
        if row.state != PageState.SENT:
            change_page(connection, row.id, state=PageState.SENT, settled_at=moment.now)
        cleared = alarm.delivered(attempt.worker, now=moment.now)
        evidence.judge(connection, cleared, moment)
    elif row.state == PageState.SENDING and _is_latest(connection, attempt):
        _try_again(connection, row, attempt, outcome, moment, wall=wall)


def _is_latest(connection: Connection, attempt: Attempt) -> bool:
    last = latest_attempt(connection, attempt.page)
    return last is not None and bool(last.id == attempt.id)


def _try_again(
    connection: Connection,
    row: Row[Any],
    attempt: Attempt,
    failed: Failed,
    moment: Moment,
    *,
    wall: int,
) -> None:
    """Retry the channel after a while, or go on to the next, or give up."""
    tried = connection.execute(
        select(func.count())
        .select_from(page_attempt)
        .where(page_attempt.c.page == row.id, page_attempt.c.rank == attempt.rank)
    ).scalar_one()
    if not failed.permanent and tried < ATTEMPTS_PER_CHANNEL:
        change_page(connection, row.id, state=PageState.OWED, next_at=wall + backoff(tried))
    elif attempt.rank + 1 < attempt.addresses:
        change_page(connection, row.id, state=PageState.OWED, rank=attempt.rank + 1, next_at=wall)
    else:
        give_up(connection, row, attempt.incident, moment)


def backoff(tried: int) -> int:
    """Return how long to wait after so many failures on one channel: full jitter, milliseconds."""
    return secrets.randbelow(min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** (tried - 1)))


def give_up(connection: Connection, row: Row[Any], incident: Incident, moment: Moment) -> None:
    """Settle a page that reached nobody: an alarm, and perhaps the next step at once."""
    change_page(connection, row.id, state=PageState.FAILED, settled_at=moment.now)
    add_event(
        connection,
        row.incident,
        EventKind.PAGE_FAILED,
        now=moment.now,
        page=row.id,
        worker=row.worker,
    )
    log.error("page_failed", incident=row.incident, page=row.id)
    if incident.rule != alarm.UNDELIVERED:
        finding = alarm.undelivered(incident, row.worker, now=moment.now)
        evidence.judge(connection, finding, moment)
    if row.purpose == Purpose.LADDER:
        _leave_failed_step(connection, row, moment)


def _leave_failed_step(connection: Connection, row: Row[Any], moment: Moment) -> None:
    """Begin the next step where every page of the present one has failed for good."""
    incident = record.load(connection, row.incident, to_change=True)
    here = (incident.standing.round, incident.standing.step)
    if incident.state is not State.TRIGGERED or (row.round, row.step) != here:
        return
    alive = exists().where(
        page.c.incident == row.incident,
        page.c.purpose == Purpose.LADDER,
        page.c.round == row.round,
        page.c.step == row.step,
        page.c.state.in_((PageState.OWED, PageState.SENDING, PageState.SENT)),
    )
    if connection.execute(select(alive)).scalar():
        return
    add_event(
        connection,
        row.incident,
        EventKind.STEP_FAILED,
        now=moment.now,
        round=row.round,
        step=row.step,
    )
    evidence.climb(connection, incident, moment, step_failed=True)


def _tell_attempt(
    connection: Connection, attempt: Attempt, outcome: Sent | Failed, moment: Moment
) -> None:
    detail: dict[str, Any] = {"possible_repeat": attempt.possible_repeat}
    kind = EventKind.PAGE_SENT
    if isinstance(outcome, Failed):
        kind = EventKind.PAGE_ATTEMPT_FAILED
        detail |= {"error": outcome.error, "permanent": outcome.permanent}
    add_event(
        connection,
        attempt.incident.id,
        kind,
        now=moment.now,
        page=attempt.page,
        worker=attempt.worker,
        channel=label(attempt.address),
        attempt=attempt.number,
        **detail,
    )
    tell = log.warning if isinstance(outcome, Failed) else log.info
    tell(kind.value, incident=attempt.incident.id, page=attempt.page, attempt=attempt.number)
