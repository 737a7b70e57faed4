"""SQL tables of accounts and audit.

Times of sessions and links are real time, those of audit the community's clock; milliseconds UTC.
Secrets (session ids, link tokens) are kept as SHA-256 only: a backup signs nobody in.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

metadata = MetaData()
_BIG = BigInteger().with_variant(Integer, "sqlite")

account = Table(
    "account",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("password_hash", String(200)),
    Column("role", String(32), nullable=False),
    Column("site", String(64)),
    Column("grids", JSON, nullable=False),
    Column("worker", String(64)),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
session = Table(
    "session",
    metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("account", ForeignKey("account.name"), nullable=False),
    Column("began_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)
Index("session_by_account", session.c.account)
sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("account", ForeignKey("account.name"), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("account", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("object", String(200), nullable=False),
    Column("reason", String(200), nullable=False),
)
Index("audit_by_object", audit.c.object, audit.c.id)
ignored_candidate = Table(
    "ignored_candidate",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("at", BigInteger, nullable=False),
)
"""Unknown devices that are left out of what is proposed; who said so stands in the audit."""
