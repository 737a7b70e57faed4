"""SQL tables of the registry. Times are milliseconds UTC; ``until`` NULL means still so."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, String, Table

metadata = MetaData()

site = Table(
    "site",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("community", String(200), nullable=False, server_default=""),
    Column("zone", String(64), nullable=False),
)
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
device = Table(
    "device",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("profile", String(64), nullable=False),
    Column("gateway", String(128)),
)
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
)
device_credential = Table(
    "device_credential",
    metadata,
    Column("device", ForeignKey("device.id"), primary_key=True),
    Column("secret_hash", String(64), nullable=False),
    Column("digest_hash", String(32)),
    Column("created_at", BigInteger, nullable=False),
)
"""Of terminals that post; ``devices/credential.py`` says what is kept of the secret."""
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
)
