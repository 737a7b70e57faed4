"""How pages get through: what waits, what became of the others, which channels fail. Read only.

Times are real, milliseconds UTC, as retries and leases are.
"""

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, func, select

from alerts.attempt import Result
from alerts.claim import is_due
from alerts.tables import page, page_attempt
from devices.clock import HOUR

RECENT = 200
"""Attempts that are looked at for channels that fail: more than an evening of fevers makes."""
RECENT_FOR = HOUR
"""What a channel did longer ago says nothing of it now."""


class Delivery(msgspec.Struct, frozen=True):
    """How pages get through at one moment.

    Attributes:
        due: How many pages could be sent just now.
        oldest: The number of the oldest of them; 0: there is none.
        failing: By kind of channel, how many attempts have failed since one succeeded.
    """

    due: int = 0
    oldest: int = 0
    failing: dict[str, int] = {}


class Totals(msgspec.Struct, frozen=True):
    """What became of all pages and attempts there ever were.

    Attributes:
        pages: By state.
        attempts: By kind of channel and result.
    """

    pages: dict[str, int]
    attempts: dict[tuple[str, str], int]


def look(connection: Connection, *, wall: int) -> Delivery:
    """Return how pages get through now; cheap enough to be asked every second."""
    due, oldest = connection.execute(
        select(func.count(), func.min(page.c.id)).where(*is_due(wall))
    ).one()
    attempts = connection.execute(
        select(page_attempt.c.channel, page_attempt.c.result, page_attempt.c.began_at)
        .order_by(page_attempt.c.id.desc())
        .limit(RECENT)
    )
    recent = ((name, result, wall - at <= RECENT_FOR) for name, result, at in attempts)
    return Delivery(due, oldest or 0, _failing(recent))


def totals(connection: Connection) -> Totals:
    """Return what became of all pages; reads every one."""
    pages = select(page.c.state, func.count()).group_by(page.c.state)
    attempts = select(page_attempt.c.channel, page_attempt.c.result, func.count()).group_by(
        page_attempt.c.channel, page_attempt.c.result
    )
    return Totals(
        pages={row.state: row[1] for row in connection.execute(pages)},
        attempts={(name, result): count for name, result, count in connection.execute(attempts)},
    )


def _failing(attempts: Iterable[tuple[str, str, bool]]) -> dict[str, int]:
    """Count, newest first, what failed on each channel of late before anything succeeded."""
    failed: dict[str, int] = {}
    works: set[str] = set()
    for channel, result, is_recent in attempts:
        failed.setdefault(channel, 0)
        if result == Result.SENT:
            works.add(channel)
        elif result == Result.FAILED and is_recent and channel not in works:
            failed[channel] += 1
    return failed
