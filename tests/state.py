"""A state database on a temporary file, with every table the rules and incidents need."""

from pathlib import Path

import sqlalchemy

from alerts import tables as alerts_tables
from devices import tables as devices_tables
from gatehouse.database import create


def open_state(folder: Path) -> sqlalchemy.Engine:
    """Create the tables in a new SQLite file and open it as the service does."""
    database = create(f"sqlite:///{folder / 'state.db'}")
    devices_tables.metadata.create_all(database)
    alerts_tables.metadata.create_all(database)
    return database
