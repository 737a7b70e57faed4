"""SQL tables of the registry. Times are milliseconds UTC; ``until`` NULL means still so."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

metadata = MetaData()

site = Table(
    "site",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("district", String(200), nullable=False, server_default=""),
    Column("street", String(200), nullable=False, server_default=""),
    Column("community", String(200), nullable=False, server_default=""),
    Column("zone", String(64), nullable=False),
)
gate = Table(
    "gate",
    metadata,
    Column("site", ForeignKey("site.id"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("rank", Integer, nullable=False, server_default="1"),
    Column("entry_limit", Integer),
)
"""Where people pass; ids are a site's own. ``rank`` is the order on the way in, 1 outermost."""
grid = Table(
    "grid",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("site", ForeignKey("site.id"), nullable=False),
    Column("name", String(200), nullable=False),
)
building = Table(
    "building",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("site", ForeignKey("site.id"), nullable=False),
    Column("grid", ForeignKey("grid.id"), nullable=False),
    Column("name", String(200), nullable=False),
)
household = Table(
    "household",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("building", ForeignKey("building.id"), nullable=False),
    Column("flat", String(64), nullable=False),
)
Index("household_by_building", household.c.building)
household_state = Table(
    "household_state",
    metadata,
    Column("household", ForeignKey("household.id"), primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("until", BigInteger),
    Column("state", String(16), nullable=False),
)
resident = Table(
    "resident",
    metadata,
    Column("subject", String(32), primary_key=True),
    Column("external_id", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("phone", String(64), nullable=False, server_default=""),
)
residence = Table(
    "residence",
    metadata,
    Column("subject", ForeignKey("resident.subject"), primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("until", BigInteger),
    Column("household", ForeignKey("household.id"), nullable=False),
)
Index("residence_by_household", residence.c.household)
resident_class = Table(
    "resident_class",
    metadata,
    Column("subject", ForeignKey("resident.subject"), primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("until", BigInteger),
    Column("class", String(32), nullable=False),
)
trip = Table(
    "trip",
    metadata,
    Column("subject", ForeignKey("resident.subject"), primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("until", BigInteger),
    Column("reason", String(200), nullable=False),
)
"""Ways out that were approved."""
vehicle = Table(
    "vehicle",
    metadata,
    Column("plate", String(16), primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("until", BigInteger),
    Column("household", ForeignKey("household.id"), nullable=False),
)
"""Whose vehicle carried a plate. A plate is as secret as a name."""
device = Table(
    "device",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("profile", String(64), nullable=False),
    Column("gateway", String(128)),
    Column("renamed_from", String(128)),
)
"""``renamed_from`` is the id that the same device had before."""
device_binding = Table(
    "device_binding",
    metadata,
    Column("device", ForeignKey("device.id"), primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("until", BigInteger),
    Column("site", ForeignKey("site.id"), nullable=False),
    Column("place", String(16), nullable=False),
    Column("household", ForeignKey("household.id")),
    Column("gate", String(64)),
    Column("worker", String(64)),
    ForeignKeyConstraint(["site", "gate"], ["gate.site", "gate.id"], name="device_binding_gate"),
)
Index("device_binding_by_household", device_binding.c.household)
device_credential = Table(
    "device_credential",
    metadata,
    Column("device", ForeignKey("device.id"), primary_key=True),
    Column("secret_hash", String(64), nullable=False),
    Column("digest_hash", String(32)),
    Column("broker_hash", String(160)),
    Column("created_at", BigInteger, nullable=False),
)
"""``devices/credential.py`` says what is kept of the secret."""
worker = Table(
    "worker",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
)
worker_channel = Table(
    "worker_channel",
    metadata,
    Column("worker", ForeignKey("worker.id"), primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("url", String(500), nullable=False),
)
rota = Table(
    "rota",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("worker", ForeignKey("worker.id"), nullable=False),
    Column("role", String(32), nullable=False),
    Column("site", ForeignKey("site.id"), nullable=False),
    Column("grid", ForeignKey("grid.id")),
    Column("weekdays", String(32), nullable=False),
    Column("begins", Integer, nullable=False),
    Column("ends", Integer, nullable=False),
)
Index("rota_role", rota.c.role, rota.c.site)
registry_version = Table(
    "registry_version",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("changes_after", BigInteger, nullable=False, server_default="0"),
)
"""``registry_change`` names every change of each version after ``changes_after``."""
registry_change = Table(
    "registry_change",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(32), primary_key=True),
    Column("key", String(128), primary_key=True),
)
"""What a version changed: a table, and the key of the thing whose rows in it are other ones."""

HISTORIES = (household_state, residence, resident_class, trip, vehicle, device_binding)
"""Facts with a from and an until: their key is what they are about and ``since``."""
