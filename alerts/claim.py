"""Claiming a page: the attempt is committed before it is sent. SQL only; nothing is sent here.

A claim looks at the incident in the transaction that commits the attempt, so no page leaves after
an acknowledgement. A page whose claim has outlived :data:`LEASE_MS` was left by a crash and is
sent again once with the same number, marked as a possible repeat.

``page.next_at`` and ``wall`` are real wall-clock milliseconds, not the community's: retries and
leases are about sockets, which a scaled clock does not make faster.
"""

from typing import Any

from sqlalchemy import Connection, Row, exists, func, insert, select, update

from alerts import record
from alerts.attempt import Attempt, Result, latest_attempt
from alerts.channels.channel import label
from alerts.ladder import Moment
from alerts.page import PageState, Purpose, change_page
from alerts.record import Incident, State
from alerts.settlement import give_up
from alerts.tables import page, page_attempt
from alerts.timeline import EventKind, add_event
from devices.clock import SECOND

LEASE_MS = 30 * SECOND
_LOOKED_AT = 50
"""Pages one claim lets go at most before it leaves the rest to the next."""


def count_due(connection: Connection, *, wall: int) -> int:
    """Return how many pages wait to be sent or were left by a crash."""
    return connection.execute(select(func.count()).where(*is_due(wall))).scalar_one()


def claim(connection: Connection, moment: Moment, *, wall: int) -> Attempt | None:
    """Commit to sending the page that has waited longest; let go those that must not leave."""
    waiting = connection.execute(
        select(page)
        .where(*is_due(wall))
        .order_by(page.c.next_at, page.c.id)
        .limit(_LOOKED_AT)
        .with_for_update(skip_locked=True)
    ).all()
    for row in waiting:
        incident = record.load(connection, row.incident, to_change=True)
        reason = _reason_to_let_go(connection, row, incident)
        addresses = moment.registry.channels(row.worker)
        if reason:
            _let_go(connection, row, reason, moment)
        elif row.rank >= len(addresses):
            give_up(connection, row, incident, moment)
        elif attempt := _begin(connection, row, incident, addresses, wall=wall):
            return attempt
    return None


def is_due(wall: int) -> tuple[Any, ...]:
    """Return the conditions under which a page can be claimed."""
    return (page.c.state.in_((PageState.OWED, PageState.SENDING)), page.c.next_at <= wall)


def _reason_to_let_go(connection: Connection, row: Row[Any], incident: Incident) -> str | None:
    if row.purpose == Purpose.LATE_EVIDENCE:
        return None
    if incident.state is not State.TRIGGERED:
        return incident.state.value
    newer = exists().where(
        page.c.incident == row.incident,
        page.c.purpose == row.purpose,
        page.c.worker == row.worker,
        page.c.id > row.id,
    )
    if row.round != incident.standing.round or connection.execute(select(newer)).scalar():
        return "superseded"
    return None


def _begin(
    connection: Connection,
    row: Row[Any],
    incident: Incident,
    addresses: tuple[str, ...],
    *,
    wall: int,
) -> Attempt | None:
    """Take the claim; None where another process took it first."""
    claimed = connection.execute(
        update(page)
        .where(page.c.id == row.id, page.c.state == row.state, page.c.next_at == row.next_at)
        .values(state=PageState.SENDING, next_at=wall + LEASE_MS)
    )
    if claimed.rowcount != 1:
        return None
    number, possible_repeat = _number(connection, row)
    address = addresses[row.rank]
    begun = connection.execute(
        insert(page_attempt)
        .values(
            page=row.id,
            number=number,
            rank=row.rank,
            channel=label(address),
            began_at=wall,
            result=Result.BEGUN,
            possible_repeat=possible_repeat,
        )
        .returning(page_attempt.c.id)
    ).scalar_one()
    return Attempt(
        id=begun,
        page=row.id,
        incident=incident,
        purpose=Purpose(row.purpose),
        worker=row.worker,
        number=number,
        rank=row.rank,
        addresses=len(addresses),
        address=address,
        is_first=(row.round, row.step, row.repeat) == (1, 0, 0),
        possible_repeat=possible_repeat,
    )


def _number(connection: Connection, row: Row[Any]) -> tuple[int, bool]:
    """Return the next attempt's number, and whether it may repeat one that a crash left open."""
    last = latest_attempt(connection, row.id)
    if last is None:
        return 1, False
    if last.result != Result.BEGUN:
        return last.number + 1, False
    connection.execute(
        update(page_attempt).where(page_attempt.c.id == last.id).values(result=Result.UNFINISHED)
    )
    return (last.number + 1 if last.possible_repeat else last.number), True


def _let_go(connection: Connection, row: Row[Any], reason: str, moment: Moment) -> None:
    change_page(connection, row.id, state=PageState.CANCELLED, settled_at=moment.now)
    add_event(
        connection,
        row.incident,
        EventKind.PAGE_NOT_SENT,
        now=moment.now,
        page=row.id,
        worker=row.worker,
        reason=reason,
    )
