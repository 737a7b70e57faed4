"""Who did what, and why: sign-ins, names opened, incidents handled. Rows are only ever added."""

from enum import StrEnum

import msgspec
from sqlalchemy import Connection, insert, select

from dashboards.tables import audit


class Action(StrEnum):
    """What is recorded."""

    SIGNED_IN = "signed_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGNED_OUT = "signed_out"
    OPENED_PERSON = "opened_person"
    ENTERED_READING = "entered_reading"
    ACKNOWLEDGED = "acknowledged"
    NOTED = "noted"
    OBSERVED = "observed"
    CLOSED = "closed"
    ATTRIBUTED = "attributed"
    CHANGED_REGISTER = "changed_register"
    REVEALED_LETTER = "revealed_letter"
    REPLAYED_LETTERS = "replayed_letters"
    DISCARDED_LETTERS = "discarded_letters"
    ACCEPTED_DEVICE = "accepted_device"
    ENROLLED_DEVICE = "enrolled_device"
    REVOKED_CREDENTIAL = "revoked_credential"
    RETIRED_DEVICE = "retired_device"
    CHANGED_DEVICE = "changed_device"
    IGNORED_DEVICE = "ignored_device"
    RESTORED_DEVICE = "restored_device"


class Entry(msgspec.Struct, frozen=True):
    """One recorded act.

    Attributes:
        at: Milliseconds UTC by the community's clock.
        account: Who; for a refused sign-in the name that was tried.
        object: What it was done to, e.g. ``incident:7KX2M``; never a name, phone or flat.
        reason: The person's own words where a reason is asked for.
    """

    at: int
    account: str
    action: Action
    object: str
    reason: str


def record(
    connection: Connection,
    action: Action,
    *,
    account: str,
    now: int,
    about: str = "",
    reason: str = "",
) -> None:
    """Add one row, in the transaction of the act it records."""
    row = {"at": now, "account": account[:64], "action": action, "object": about, "reason": reason}
    connection.execute(insert(audit).values(**row))


def find(connection: Connection, *, about: str | None = None, limit: int = 100) -> list[Entry]:
    """Return the newest entries, newest first, of one object or of all."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if about is not None:
        query = query.where(audit.c.object == about)
    return [
        Entry(row.at, row.account, Action(row.action), row.object, row.reason)
        for row in connection.execute(query)
    ]
