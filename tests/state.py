"""A state database on a temporary file, with every table the rules and incidents need."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import sqlalchemy

from alerts import tables as alerts_tables
from dashboards import tables as dashboards_tables
from devices import tables as devices_tables
from gatehouse.database import create


def open_state(folder: Path) -> sqlalchemy.Engine:
    """Open the state database of a folder as the service does; where is none, with empty tables."""
    return open_copy(folder, _make_tables)


def open_copy(folder: Path, fill: Callable[[sqlalchemy.Engine], None]) -> sqlalchemy.Engine:
    """Open the state database of a folder; where is none, a copy of what the function fills."""
    file = folder / "state.db"
    if not file.exists():
        file.write_bytes(_filled(fill))
    return create(f"sqlite:///{file}")


def empty(database: sqlalchemy.Engine) -> None:
    """Delete every row of a PostgreSQL with the service's schema, and count from 1 again."""
    rooms = (devices_tables, alerts_tables, dashboards_tables)
    names = ", ".join(name for room in rooms for name in room.metadata.tables)
    with database.begin() as connection:
        connection.execute(sqlalchemy.text("SET LOCAL lock_timeout = '10s'"))
        connection.execute(sqlalchemy.text(f"TRUNCATE {names} RESTART IDENTITY"))


@functools.cache
def _filled(fill: Callable[[sqlalchemy.Engine], None]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state.db"
        database = create(f"sqlite:///{file}")
        fill(database)
        database.dispose()
        return file.read_bytes()


def _make_tables(database: sqlalchemy.Engine) -> None:
    devices_tables.metadata.create_all(database)
    alerts_tables.metadata.create_all(database)
