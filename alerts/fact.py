"""Facts people leave for the engine: an incident was closed, a reading is somebody's.

Each is taken once, in the transaction that also writes the state it changed, and then gone.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, insert, select

from alerts.rule import Attribution, Rule, Whose
from alerts.tables import attribution
from alerts.tables import fact as table

CLOSED, ATTRIBUTED = "closed", "attributed"


class Closed(NamedTuple):
    """A person closed the incident of a key; ``at`` in milliseconds UTC."""

    incident_key: str
    at: int


def leave(
    connection: Connection, rule: str, key: str, *, at: int, attribution_id: int | None = None
) -> None:
    """Leave a fact for a key: an answer of that id or, without one, a closing."""
    kind = CLOSED if attribution_id is None else ATTRIBUTED
    values = {"rule": rule, "key": key, "kind": kind, "at": at, "attribution": attribution_id}
    connection.execute(insert(table).values(**values))


def list_waiting(connection: Connection, *, limit: int) -> list[tuple[str, str]]:
    """Return rule and incident key of facts nobody has taken, the oldest first."""
    query = select(table.c.rule, table.c.key).order_by(table.c.id).limit(limit)
    return [(rule, key) for rule, key in connection.execute(query)]


def take(connection: Connection, rule: Rule[Any], key: str) -> list[Closed | Attribution]:
    """Return what people did that concerns a key, in order, and forget it."""
    query = select(table).where(table.c.rule == rule.name).order_by(table.c.id)
    taken = [row for row in connection.execute(query) if rule.state_key(row.key) == key]
    if taken:
        connection.execute(delete(table).where(table.c.id.in_([row.id for row in taken])))
    return [
        Closed(row.key, row.at)
        if row.attribution is None
        else _read_answer(connection, row.attribution)
        for row in taken
    ]


def drop(connection: Connection, rule: str, incident_key: str) -> None:
    """Forget the facts of an incident that no rule found: an alarm of the system's own."""
    connection.execute(delete(table).where(table.c.rule == rule, table.c.key == incident_key))


def as_attribution(row: Row[Any]) -> Attribution:
    """Return a row of answers as the input that it is."""
    columns = dict(row._mapping)
    del columns["id"]
    return Attribution(**columns | {"whose": Whose(row.whose)})


def _read_answer(connection: Connection, attribution_id: int) -> Attribution:
    query = select(attribution).where(attribution.c.id == attribution_id)
    return as_attribution(connection.execute(query).one())
