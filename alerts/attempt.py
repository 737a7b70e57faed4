"""One attempt at one page, as a row: committed before it is sent, settled after."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select

from alerts.page import Purpose
from alerts.record import Incident
from alerts.tables import page_attempt


class Result(StrEnum):
    """What became of an attempt."""

    BEGUN = "begun"
    SENT = "sent"
    FAILED = "failed"
    UNFINISHED = "unfinished"
    """A crash came between its commit and its result."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A page that its claimant, and nobody else, now sends to an address.

    Attributes:
        id: Of the attempt's row.
        page: Of the page's row.
        number: Counts from 1 over all channels of the page; a repeat after a crash keeps it.
        rank: Of the address among the worker's, from 0.
        addresses: How many the worker has.
        is_first: The page is the first of the first round's first step.
    """

    id: int
    page: int
    incident: Incident
    purpose: Purpose
    worker: str
    number: int
    rank: int
    addresses: int
    address: str
    is_first: bool
    possible_repeat: bool


def latest_attempt(connection: Connection, page_id: int) -> Row[Any] | None:
    """Return the row of a page's last attempt."""
    return connection.execute(
        select(page_attempt)
        .where(page_attempt.c.page == page_id)
        .order_by(page_attempt.c.id.desc())
        .limit(1)
    ).one_or_none()
