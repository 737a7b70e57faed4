"""SQL tables of rules, incidents and pages. Times are milliseconds UTC of the one clock."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData()
_BIG = BigInteger().with_variant(Integer, "sqlite")

alerts_cursor = Table(
    "alerts_cursor",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("journal", String(32), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("counters", JSON, nullable=False),
    Column("frontier", BigInteger, nullable=False, server_default="0"),
    Column("listening_since", BigInteger, nullable=False, server_default="0"),
)
rule_state = Table(
    "rule_state",
    metadata,
    Column("rule", String(64), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("due_at", BigInteger),
    Column("state", LargeBinary, nullable=False),
)
fact = Table(
    "fact",
    metadata,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("rule", String(64), nullable=False),
    Column("key", String(200), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("attribution", BigInteger),
)
Index("fact_by_key", fact.c.rule, fact.c.key)
attribution = Table(
    "attribution",
    metadata,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("number", Integer, nullable=False),
    Column("source", String(200), nullable=False),
    Column("whose", String(16), nullable=False),
    Column("subject", String(32)),
    Column("resident", Integer),
    Column("device_id", String(128), nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    Column("identity", BigInteger, nullable=False),
    Column("tenths", Integer, nullable=False),
    Column("marks", Integer, nullable=False),
    Column("scale", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("incident", ForeignKey("incident.id"), nullable=False),
    Column("by", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    UniqueConstraint("device_id", "observed_at", "identity", "number"),
)
"""Each answer to whose a reading is, as a row that is never changed; see ``rule.Attribution``."""
Index("attribution_by_source", attribution.c.source, attribution.c.observed_at)
incident = Table(
    "incident",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("rule", String(64), nullable=False),
    Column("key", String(200), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("watch", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("site", String(64)),
    Column("grid", String(64)),
    Column("building", String(64)),
    Column("household", String(64)),
    Column("gate", String(64)),
    Column("subject", String(32)),
    Column("device", String(128)),
    Column("late", Boolean, nullable=False, server_default=false()),
    Column("began_at", BigInteger, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("acknowledged_at", BigInteger),
    Column("acknowledged_by", String(64)),
    Column("closed_at", BigInteger),
    Column("closed_by", String(64)),
    Column("disposition", String(64)),
    Column("previous", String(16)),
    Column("policy", String(32)),
    Column("lapses_after", BigInteger),
    Column("round", Integer, nullable=False, server_default="0"),
    Column("round_at", BigInteger, nullable=False, server_default="0"),
    Column("step", Integer, nullable=False, server_default="-1"),
    Column("step_at", BigInteger, nullable=False, server_default="0"),
    Column("repeat", Integer, nullable=False, server_default="0"),
    Column("next_at", BigInteger),
)
Index(
    "incident_one_open",
    incident.c.rule,
    incident.c.key,
    unique=True,
    sqlite_where=text("state != 'closed'"),
    postgresql_where=text("state != 'closed'"),
)
Index("incident_due", incident.c.next_at)
Index("incident_by_state", incident.c.state, incident.c.opened_at)
Index("incident_by_key", incident.c.rule, incident.c.key, incident.c.closed_at)
incident_event = Table(
    "incident_event",
    metadata,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("incident", ForeignKey("incident.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("position", BigInteger),
    Column("detail", JSON, nullable=False),
)
Index("incident_event_by_incident", incident_event.c.incident, incident_event.c.id)
page = Table(
    "page",
    metadata,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("incident", ForeignKey("incident.id"), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("round", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("worker", String(64), nullable=False),
    Column("role", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("owed_at", BigInteger, nullable=False),
    Column("rank", Integer, nullable=False, server_default="0"),
    Column("next_at", BigInteger, nullable=False, server_default="0"),
    Column("settled_at", BigInteger),
    UniqueConstraint("incident", "purpose", "round", "step", "repeat", "worker"),
)
Index("page_due", page.c.state, page.c.next_at)
page_attempt = Table(
    "page_attempt",
    metadata,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("page", ForeignKey("page.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("channel", String(64), nullable=False),
    Column("began_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("result", String(16), nullable=False),
    Column("possible_repeat", Boolean, nullable=False),
    Column("error", String(300)),
)
Index("page_attempt_by_page", page_attempt.c.page)
demo_message = Table(
    "demo_message",
    metadata,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("worker", String(64), nullable=False),
    Column("incident", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("title", String(200), nullable=False),
    Column("body", String(2000), nullable=False),
    Column("link", String(500), nullable=False),
)
