"""The state database: SQLite in the data folder by default, PostgreSQL by address.

One transaction holds a cause and its effects, so every write goes through ``engine.begin()``. On
SQLite that is ``BEGIN IMMEDIATE``: a writer waits for its turn at the beginning and never fails in
the middle; ``engine.connect()`` begins deferred, so readers hold nobody up. Each commit is synced.
What a statement carries (names, phones, notes) is not printed with its error.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from gatehouse.settings import Settings

BUSY_TIMEOUT_S = 5
CONNECT_TIMEOUT_S = 5
_NOTICE_LOSS = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}
"""A server that vanished without a word is noticed within 20 seconds, not in the kernel's hours.

Source: PostgreSQL 15, libpq, Parameter Key Words (seconds; tcp_user_timeout in milliseconds).
"""
MIGRATIONS = Path(__file__).parent / "migrations"


class _SqliteEngine(Engine):
    """An engine whose ``begin`` takes the write lock at once."""

    @contextlib.contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a connection in a writing transaction; commit at the end, roll back on an error."""
        with self.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection


class DatabaseError(Exception):
    """The state database cannot be used as it is; the sentence says what to do."""


def open_database(settings: Settings) -> Engine:
    """Return an engine for the settings' state database; an empty one gets its schema.

    Raises:
        DatabaseError: It cannot be reached, or belongs to another version of the program.
    """
    settings.make_data_dir()
    engine = connect(settings)
    try:
        found = revision(engine)
        if found is None:
            migrate(engine)
        elif found != newest_revision():
            raise DatabaseError(
                f"the state database has schema {found}, this program {newest_revision()}: "
                "run `gatehouse migrate` after a backup"
            )
    except OperationalError as error:
        raise _cannot_open(error) from error
    return engine


def connect(settings: Settings) -> Engine:
    """Return an engine for the settings' state database, whatever its schema."""
    return create(settings.database_url or f"sqlite:///{settings.data_dir / 'state.db'}")


def create(url: str) -> Engine:
    """Return an engine for a state database.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql://user:password@host/database``.
    """
    if url.startswith("sqlite"):
        return _create_sqlite(url)
    address = url.replace("postgresql://", "postgresql+psycopg://", 1)
    return create_engine(
        address,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, **_NOTICE_LOSS},
    )


def migrate(engine: Engine, *, target: str = "head") -> str | None:
    """Bring the schema to a revision, the newest by default; return the one it had before.

    Raises:
        DatabaseError: It cannot be reached.
    """
    try:
        before = revision(engine)
        with engine.begin() as connection:
            configuration = _configuration()
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, target)
    except OperationalError as error:
        raise _cannot_open(error) from error
    return before


def revision(engine: Engine) -> str | None:
    """Return the schema's revision, None for an empty database."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str | None:
    """Return the revision this program was written for."""
    return ScriptDirectory.from_config(_configuration()).get_current_head()


def explain(error: SQLAlchemyError) -> str:
    """Return why a database does not answer, and what to look at."""
    origin = getattr(error, "orig", error)
    reason, is_ours = str(origin).partition("\n")[0], isinstance(origin, sqlite3.Error)
    place = "the data folder, its owner and its disk" if is_ours else "GATEHOUSE_DATABASE_URL"
    return f"{reason}: check {place}"


def _cannot_open(error: OperationalError) -> DatabaseError:
    return DatabaseError(f"the state database cannot be opened: {explain(error)}")


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    return configuration


def _create_sqlite(url: str) -> Engine:
    plain = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
    engine = _SqliteEngine(plain.pool, plain.dialect, plain.url, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
