"""Facts people leave for the engine: an incident was closed. Taken once, and then gone."""

from typing import Any

from sqlalchemy import Connection, delete, select

from alerts.rule import Rule
from alerts.tables import fact as table


def list_waiting(connection: Connection, *, limit: int) -> list[tuple[str, str]]:
    """Return rule and incident key of facts nobody has taken, the oldest first."""
    query = select(table.c.rule, table.c.key).order_by(table.c.id).limit(limit)
    return [(rule, key) for rule, key in connection.execute(query)]


def take(connection: Connection, rule: Rule[Any], key: str) -> list[tuple[str, int]]:
    """Return incident key and time of the closings that concern a key, and forget them."""
    query = select(table).where(table.c.rule == rule.name).order_by(table.c.id)
    taken = [row for row in connection.execute(query) if rule.state_key(row.key) == key]
    if taken:
        connection.execute(delete(table).where(table.c.id.in_([row.id for row in taken])))
    return [(row.key, row.at) for row in taken]


def drop(connection: Connection, rule: str, incident_key: str) -> None:
    """Forget the facts of an incident that no rule found: an alarm of the system's own."""
    connection.execute(delete(table).where(table.c.rule == rule, table.c.key == incident_key))
