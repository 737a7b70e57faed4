"""One incident as a row: its states, and the only statements that write it.

A row is changed by a conditional UPDATE on the version it was read at, inside the caller's
transaction, and only along a legal transition. Two writers can therefore never both succeed on
what one of them has not seen. PostgreSQL locks a row that is read to be changed, but not against
rows that only refer to it: two senders who add to one timeline must not wait for each other.
"""

import secrets
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from alerts.escalation import Standing
from alerts.finding import Finding, IncidentKind, Severity
from alerts.tables import incident as table

_ALPHABET = "23456789ACDEFGHJKMNPQRTWXY"
_ID_LENGTH = 5


class State(StrEnum):
    """Where an incident is in its life."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    OBSERVING = "observing"
    CLOSED = "closed"


LEGAL = frozenset(
    {
        (State.TRIGGERED, State.TRIGGERED),
        (State.TRIGGERED, State.ACKNOWLEDGED),
        (State.TRIGGERED, State.CLOSED),
        (State.ACKNOWLEDGED, State.TRIGGERED),
        (State.ACKNOWLEDGED, State.OBSERVING),
        (State.ACKNOWLEDGED, State.CLOSED),
        (State.OBSERVING, State.OBSERVING),
        (State.OBSERVING, State.TRIGGERED),
        (State.OBSERVING, State.CLOSED),
    }
)
"""Every legal transition; a closed incident has none."""


class IncidentError(Exception):
    """What was asked of an incident is not possible; the words are for the person who asked."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as it was read; times in milliseconds UTC, places and people as registry ids.

    Attributes:
        watch: Without a ladder: somebody sees it, nobody is paged.
        version: Counts its changes; what a conditional UPDATE compares.
        late: The evidence that started its ladder was older than five minutes on arrival.
        began_at: Observation time of its earliest evidence.
        opened_at: When Gatehouse opened it.
        closed_at: Evidence observed before belongs to it; the time of the clearing observation
            where its cause went by itself.
        previous: Id of the closed incident of the same rule and key before it.
        policy: Name of the escalation policy it stands on, None for a watch.
        lapses_after: How long an acknowledgement holds; milliseconds, None for a watch.
        standing: Where it stands on its ladder.
        next_at: When the ladder, a lapse or the end of observing is due; None for never.
    """

    id: str
    rule: str
    key: str
    kind: IncidentKind
    severity: Severity
    watch: bool
    state: State
    version: int
    site: str | None
    grid: str | None
    building: str | None
    household: str | None
    gate: str | None
    subject: str | None
    device: str | None
    late: bool
    began_at: int
    opened_at: int
    acknowledged_at: int | None
    acknowledged_by: str | None
    closed_at: int | None
    closed_by: str | None
    disposition: str | None
    previous: str | None
    policy: str | None
    lapses_after: int | None
    standing: Standing
    next_at: int | None

    @property
    def is_open(self) -> bool:
        """Whether it is not closed."""
        return self.state is not State.CLOSED


def load(connection: Connection, incident_id: str, *, to_change: bool = False) -> Incident:
    """Return an incident; ``to_change`` locks its row where the database can.

    Raises:
        IncidentError: There is none of that id.
    """
    query = select(table).where(table.c.id == incident_id)
    row = connection.execute(
        query.with_for_update(key_share=True) if to_change else query
    ).one_or_none()
    if row is None:
        raise IncidentError(f"there is no incident {incident_id}")
    return from_row(row)


def find_open(connection: Connection, rule: str, key: str) -> Incident | None:
    """Return the open incident of a rule and key, locked for changing."""
    row = connection.execute(
        select(table)
        .where(table.c.rule == rule, table.c.key == key, table.c.state != State.CLOSED)
        .with_for_update(key_share=True)
    ).one_or_none()
    return from_row(row) if row else None


def find_closed_after(
    connection: Connection, rule: str, key: str, observed_at: int
) -> Incident | None:
    """Return the incident of a rule and key that was the first to be closed after an instant."""
    row = connection.execute(
        select(table)
        .where(table.c.rule == rule, table.c.key == key, table.c.closed_at > observed_at)
        .order_by(table.c.closed_at)
        .limit(1)
        .with_for_update(key_share=True)
    ).one_or_none()
    return from_row(row) if row else None


def add(connection: Connection, finding: Finding, *, now: int) -> Incident | None:
    """Insert an incident, still without a ladder; None where another writer opened it first."""
    previous = connection.execute(
        select(table.c.id)
        .where(table.c.rule == finding.rule, table.c.key == finding.key)
        .order_by(table.c.opened_at.desc(), table.c.id)
        .limit(1)
    ).scalar()
    incident_id = _unused_id(connection)
    values = {
        "id": incident_id,
        "rule": finding.rule,
        "key": finding.key,
        "kind": finding.kind,
        "severity": finding.severity,
        "watch": finding.watch,
        "state": State.TRIGGERED,
        "site": finding.site,
        "grid": finding.grid,
        "building": finding.building,
        "household": finding.household,
        "gate": finding.gate,
        "subject": finding.subject,
        "device": finding.device_id or None,
        "late": finding.late,
        "began_at": finding.observed_at,
        "opened_at": now,
        "previous": previous,
    }
    try:
        with connection.begin_nested():
            connection.execute(insert(table).values(**values))
    except IntegrityError:
        if find_open(connection, finding.rule, finding.key) is None:
            raise
        return None
    return load(connection, incident_id, to_change=True)


def change(connection: Connection, incident: Incident, **values: Any) -> Incident:
    """Change an incident's columns (``standing`` stands for its five) and return it as it is now.

    Raises:
        IncidentError: The transition is not legal, or somebody else changed it since it was read.
    """
    target = values.get("state", incident.state)
    if "state" in values and (incident.state, target) not in LEGAL:
        raise IncidentError(f"case {incident.id} is {incident.state} and cannot become {target}")
    after = replace(incident, version=incident.version + 1, **values)
    columns = dict(values)
    standing = columns.pop("standing", None)
    if standing is not None:
        columns |= {name: getattr(standing, name) for name in Standing.__slots__}
    changed = connection.execute(
        update(table)
        .where(
            table.c.id == incident.id,
            table.c.state == incident.state,
            table.c.version == incident.version,
        )
        .values(version=after.version, **columns)
    )
    if changed.rowcount != 1:
        raise IncidentError(f"somebody else has just changed case {incident.id}: look at it again")
    return after


def from_row(row: Row[Any]) -> Incident:
    """Return a row of the table as an incident."""
    columns = dict(row._mapping)
    standing = Standing(**{name: columns.pop(name) for name in Standing.__slots__})
    columns["kind"] = IncidentKind(columns["kind"])
    columns["severity"] = Severity(columns["severity"])
    columns["state"] = State(columns["state"])
    return Incident(standing=standing, **columns)


def _unused_id(connection: Connection) -> str:
    """Return a random id short enough to read out over a phone, without look-alike letters."""
    while True:
        drawn = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
        if connection.execute(select(table.c.id).where(table.c.id == drawn)).first() is None:
            return drawn
