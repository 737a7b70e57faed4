"""Sign-in sessions: a random id in a cookie, its SHA-256 in SQL. Real time, milliseconds UTC."""

import secrets

from sqlalchemy import Connection, delete, insert, select, update

from dashboards import account
from dashboards.account import Account, digest
from dashboards.tables import session
from devices.clock import DAY, HOUR, MINUTE

IDLE = 12 * HOUR
"""Longer than a shift: a worker paged at 3 am must not first look for a password."""
LASTS = 3 * DAY
SEEN_EVERY = MINUTE
"""``seen_at`` is written at most this often, so that reading a page seldom writes."""


def begin(connection: Connection, account_name: str, *, now: int) -> str:
    """Return the id of a new session, and forget sessions that have ended."""
    ended = (session.c.began_at <= now - LASTS) | (session.c.seen_at <= now - IDLE)
    connection.execute(delete(session).where(ended))
    secret = secrets.token_urlsafe(32)
    row = {"id_hash": digest(secret), "account": account_name, "began_at": now, "seen_at": now}
    connection.execute(insert(session).values(**row))
    return secret


def resume(connection: Connection, secret: str, *, now: int) -> tuple[Account, bool] | None:
    """Return whose session it is, and whether it is due to be marked as seen.

    None when the session is unknown, ended, idle for too long, or its account is disabled.
    """
    query = select(session).where(session.c.id_hash == digest(secret))
    row = connection.execute(query).one_or_none()
    if row is None or now - row.began_at >= LASTS or now - row.seen_at >= IDLE:
        return None
    found = account.find(connection, row.account)
    if found is None or found.disabled:
        return None
    return found, now - row.seen_at >= SEEN_EVERY


def mark_seen(connection: Connection, secret: str, *, now: int) -> None:
    """Restart the idle time of a session."""
    mine = session.c.id_hash == digest(secret)
    connection.execute(update(session).where(mine).values(seen_at=now))


def end(connection: Connection, secret: str) -> None:
    """End a session."""
    connection.execute(delete(session).where(session.c.id_hash == digest(secret)))
