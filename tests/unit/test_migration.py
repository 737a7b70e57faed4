"""The state database of an older version becomes this version's, with everything in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

import alerts.tables
import dashboards.tables
import devices.tables
from devices.registry import GateKind
from devices.registry_store import load
from gatehouse.database import create, migrate

TABLES = [devices.tables.metadata, alerts.tables.metadata, dashboards.tables.metadata]
BEFORE_GATES = "0003"
BOUND = [
    ("gun", "checkpoint", "north"),
    ("camera", "gate", "north"),
    ("terminal", "gate", "main"),
    ("room", "site", None),
]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create(f"sqlite:///{tmp_path}/state.db")
    yield engine
    engine.dispose()


def test_a_new_database_has_the_tables_of_the_rooms(engine: Engine) -> None:
    """After all migrations there is nothing that the rooms' tables still ask for."""
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), TABLES) == []


def test_gates_that_devices_stand_at_become_registered(engine: Engine) -> None:
    """Each gate that a binding names is one of its site, a checkpoint where a device said so."""
    migrate(engine, target=BEFORE_GATES)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO site (id, name, zone) VALUES ('s', 'S', 'UTC')"))
        connection.execute(text("INSERT INTO registry_version (id, version) VALUES (1, 7)"))
        for device, place, gate in BOUND:
            values = {"device": device, "place": place, "gate": gate}
            connection.execute(
                text("INSERT INTO device (id, profile) VALUES (:device, 'p')"), values
            )
            connection.execute(
                text(
                    "INSERT INTO device_binding (device, since, site, place, gate) "
                    "VALUES (:device, 0, 's', :place, :gate)"
                ),
                values,
            )
    migrate(engine)
    registry = load(engine)
    assert registry.version == 7
    assert {gate.id: gate.kind for gate in registry.gates.values()} == {
        "north": GateKind.CHECKPOINT,
        "main": GateKind.GATE,
    }
    for device, _, gate in BOUND:
        place = registry.place(device, 0)
        assert place is not None
        assert place.gate == gate
