"""One change of the registry at a time, on SQLite and PostgreSQL.

Whoever changes a registry table takes the lock first, in the same transaction, and holds it until
that ends. Readers are never held up.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Connection, Engine, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from devices.tables import registry_version

WAITS_AT_MOST_S = 600.0
_LOOK_EVERY_MS = 1000
_LOCK_NOT_AVAILABLE = "55P03"
"""Source: PostgreSQL, Appendix A, error codes."""
_ONLY_ROW = 1


def lock(connection: Connection) -> int:
    """Wait for one's turn to change the registry; return the number of its last change."""
    version = registry_version.c.version
    found = connection.execute(
        update(registry_version).where(registry_version.c.id == _ONLY_ROW).values(version=version)
    )
    if found.rowcount == 0:
        connection.execute(insert(registry_version).values(id=_ONLY_ROW, version=0))
    return int(connection.execute(select(version)).scalar_one())


@contextmanager
def changing(engine: Engine, waits: Callable[[], None]) -> Iterator[tuple[Connection, int]]:
    """Open a transaction that holds the lock, with the number of the registry's last change.

    Args:
        engine: Of the state database.
        waits: Is called once when somebody else holds it.

    Raises:
        OperationalError: Somebody else has held it for ten minutes, or the database is away.
    """
    deadline = time.monotonic() + WAITS_AT_MOST_S
    told = False
    with ExitStack() as stack:
        while True:
            try:
                connection, version = _begin(engine, stack)
                break
            except (OperationalError, IntegrityError) as error:
                if not _is_taken(error) or time.monotonic() > deadline:
                    raise
            if not told:
                told = True
                waits()
        yield connection, version


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a connection that sees the registry as it is at one moment."""
    # SQLite's readers see one snapshot anyway; PostgreSQL's default is one for each statement.
    postgresql = engine.dialect.name == "postgresql"
    options = {"isolation_level": "REPEATABLE READ"} if postgresql else {}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


def read_version(connection: Connection) -> int:
    """Return the number of the registry's last change; 0 before the first."""
    return connection.execute(select(registry_version.c.version)).scalar() or 0


def _begin(engine: Engine, stack: ExitStack) -> tuple[Connection, int]:
    with ExitStack() as attempt:
        connection = attempt.enter_context(engine.begin())
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SET LOCAL lock_timeout = {_LOOK_EVERY_MS}"))
        version = lock(connection)
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
        stack.push(attempt.pop_all())
    return connection, version


def _is_taken(error: DBAPIError) -> bool:
    """Return whether a statement failed because somebody else is changing the registry."""
    origin = error.orig
    if isinstance(origin, sqlite3.OperationalError):
        return origin.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return isinstance(error, IntegrityError) or (
        getattr(origin, "sqlstate", None) == _LOCK_NOT_AVAILABLE
    )
