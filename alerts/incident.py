"""Incidents: what people do to them, and how they are read. The front door of the room.

Every function works inside the caller's transaction. What findings do is evidence.py's, where an
incident stands on its ladder ladder.py's, its row record.py's; callers need only this module.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, case, func, or_, select, tuple_

from alerts import fact, record
from alerts.disposition import Disposition
from alerts.evidence import apply, end
from alerts.finding import SEVERITIES, IncidentKind
from alerts.record import Incident, IncidentError, State
from alerts.tables import incident as table
from alerts.timeline import Event, EventKind, add_event, read_events
from devices.clock import DAY

__all__ = [
    "ActRefused",
    "Disposition",
    "Event",
    "EventKind",
    "Incident",
    "IncidentError",
    "Refusal",
    "State",
    "Waiting",
    "acknowledge",
    "apply",
    "close",
    "count_waiting",
    "find",
    "find_open",
    "find_open_in",
    "note",
    "observe",
    "show",
    "timeline",
]

NOTE_CHARACTERS = 2_000
OBSERVE_FOR = DAY
"""Until the recheck is due where nobody says otherwise: the next day, as the wardens did it."""
_URGENCY = (
    case((table.c.watch, 1), else_=0),
    case((table.c.state == State.TRIGGERED, 0), else_=1),
    case({severity: -rank for rank, severity in enumerate(SEVERITIES)}, value=table.c.severity),
    -table.c.opened_at,
    table.c.id,
)
"""What open incidents are sorted by, the smallest first."""


class Refusal(StrEnum):
    """Why a person's act on an incident was not done."""

    CHANGED = "changed"
    """Somebody else has changed it meanwhile, or it is not in a state for this any more."""
    ALREADY_ACKNOWLEDGED = "already_acknowledged"
    ALREADY_CLOSED = "already_closed"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    NOTE_EMPTY = "note_empty"
    NOTE_TOO_LONG = "note_too_long"
    END_NOT_AHEAD = "end_not_ahead"
    READING_GONE = "reading_gone"
    """It named somebody itself, is older than what is kept, or was never of this flat."""
    NOT_A_RESIDENT = "not_a_resident"


class ActRefused(IncidentError):
    """What a person asked of an incident is not possible, with the reason as a code."""

    def __init__(self, code: Refusal, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many incidents of one kind and place wait for an answer, a watch never."""

    kind: IncidentKind
    site: str | None
    grid: str | None
    gate: str | None
    count: int


def acknowledge(connection: Connection, incident_id: str, *, actor: str, now: int) -> None:
    """Take care of a triggered incident: nobody further is paged until that lapses.

    Raises:
        ActRefused: It is closed, or somebody has acknowledged it already.
        IncidentError: There is none, or it changed meanwhile.
    """
    found = record.load(connection, incident_id, to_change=True)
    if found.state is State.ACKNOWLEDGED:
        raise ActRefused(
            Refusal.ALREADY_ACKNOWLEDGED,
            f"case {found.id} is already acknowledged by {found.acknowledged_by}",
        )
    _require_open(found)
    lapses_at = None if found.lapses_after is None else now + found.lapses_after
    record.change(
        connection,
        found,
        state=State.ACKNOWLEDGED,
        acknowledged_at=now,
        acknowledged_by=actor,
        next_at=lapses_at,
    )
    add_event(
        connection, found.id, EventKind.ACKNOWLEDGED, now=now, actor=actor, lapses_at=lapses_at
    )


def note(connection: Connection, incident_id: str, *, actor: str, note: str, now: int) -> None:
    """Write something down, also on a closed incident. The words stay in SQL.

    Raises:
        ActRefused: The note is empty or too long.
        IncidentError: There is no such incident.
    """
    if not note.strip():
        raise ActRefused(Refusal.NOTE_EMPTY, "a note needs words")
    found = record.load(connection, incident_id)
    add_event(connection, found.id, EventKind.NOTE, now=now, actor=actor, note=_bounded(note))


def observe(
    connection: Connection,
    incident_id: str,
    *,
    actor: str,
    now: int,
    until: int | None = None,
    note: str = "",
) -> None:
    """Keep watch over an acknowledged incident until a time, without one until the next day.

    When the time ends and nobody has closed it, it is triggered again.

    Raises:
        ActRefused: It is not acknowledged or closed, ``until`` is not in the future, or the note
            is too long.
        IncidentError: There is none, or it changed meanwhile.
    """
    found = record.load(connection, incident_id, to_change=True)
    until = now + OBSERVE_FOR if until is None else until
    if until <= now:
        raise ActRefused(Refusal.END_NOT_AHEAD, "the end of observing must be in the future")
    _require_open(found)
    if found.state is State.TRIGGERED:
        raise ActRefused(Refusal.NOT_ACKNOWLEDGED, f"case {found.id} is not acknowledged yet")
    record.change(connection, found, state=State.OBSERVING, next_at=until)
    add_event(
        connection,
        found.id,
        EventKind.OBSERVING,
        now=now,
        actor=actor,
        until=until,
        note=_bounded(note),
    )


def close(
    connection: Connection,
    incident_id: str,
    *,
    actor: str,
    disposition: Disposition,
    note: str = "",
    now: int,
) -> None:
    """End an incident for good, and leave the engine the fact that a person did.

    Raises:
        ActRefused: It is closed already, or the note is too long.
        IncidentError: There is none, or it changed meanwhile.
    """
    found = record.load(connection, incident_id, to_change=True)
    _require_open(found)
    end(
        connection,
        found,
        actor=actor,
        disposition=disposition,
        note=_bounded(note),
        at=now,
        now=now,
    )
    fact.leave(connection, found.rule, found.key, at=now)


def find(
    connection: Connection,
    *,
    state: State | None = None,
    open_only: bool = False,
    kind: IncidentKind | None = None,
    site: str | None = None,
    grids: Collection[str] | None = None,
    limit: int = 50,
    before: str | None = None,
) -> list[Incident]:
    """Return incidents, the latest opened first, at most 500.

    ``grids`` keeps those of these grids and those outside every grid (a gate). ``before`` is the
    id of the last incident of the page before this one.
    """
    query = select(table).order_by(table.c.opened_at.desc(), table.c.id.desc())
    if state is not None:
        query = query.where(table.c.state == state)
    if open_only:
        query = query.where(table.c.state != State.CLOSED)
    if kind is not None:
        query = query.where(table.c.kind == kind)
    if site is not None:
        query = query.where(table.c.site == site)
    if grids is not None:
        query = query.where(or_(table.c.grid.in_(grids), table.c.grid.is_(None)))
    if before is not None:
        last = record.load(connection, before)
        query = query.where(tuple_(table.c.opened_at, table.c.id) < (last.opened_at, last.id))
    return [record.from_row(row) for row in connection.execute(query.limit(min(limit, 500)))]


def find_open(
    connection: Connection,
    *,
    kind: IncidentKind | None = None,
    grids: Collection[str] | None = None,
    limit: int = 50,
    before: str | None = None,
) -> list[Incident]:
    """Return open incidents by urgency, at most 500; ``grids`` and ``before`` as in ``find``.

    A watch comes after all others, the answered after the unanswered, the mild after the severe,
    the older after the newer.

    Raises:
        IncidentError: There is no incident ``before``.
    """
    query = select(table).where(table.c.state != State.CLOSED).order_by(*_URGENCY)
    if kind is not None:
        query = query.where(table.c.kind == kind)
    if grids is not None:
        query = query.where(or_(table.c.grid.in_(grids), table.c.grid.is_(None)))
    if before is not None:
        last = record.load(connection, before).id
        reached = connection.execute(select(*_URGENCY).where(table.c.id == last)).one()
        query = query.where(tuple_(*_URGENCY) > tuple(reached))
    return [record.from_row(row) for row in connection.execute(query.limit(min(limit, 500)))]


def find_open_in(
    connection: Connection, building: str, *, household: str | None = None
) -> list[Incident]:
    """Return the open incidents of a building, or of one household in it, by urgency, at most 500.

    Whoever is measured at a gate belongs to the household they live in.
    """
    query = select(table).where(table.c.building == building, table.c.state != State.CLOSED)
    if household is not None:
        query = query.where(table.c.household == household)
    rows = connection.execute(query.order_by(*_URGENCY).limit(500))
    return [record.from_row(row) for row in rows]


def find_last(connection: Connection, household: str, *, rule: str) -> Incident | None:
    """Return the incident that a rule opened last in a household, closed or not."""
    query = select(table).where(table.c.household == household, table.c.rule == rule)
    row = connection.execute(query.order_by(table.c.opened_at.desc(), table.c.id.desc())).first()
    return None if row is None else record.from_row(row)


def count_waiting(connection: Connection) -> list[Waiting]:
    """Count the incidents nobody has answered, by what decides who may see them."""
    parts = (table.c.kind, table.c.site, table.c.grid, table.c.gate)
    rows = connection.execute(
        select(*parts, func.count())
        .where(table.c.state == State.TRIGGERED, table.c.watch.is_(False))
        .group_by(*parts)
    )
    return [
        Waiting(IncidentKind(kind), site, grid, gate, count)
        for kind, site, grid, gate, count in rows
    ]


def show(connection: Connection, incident_id: str) -> Incident:
    """Return one incident.

    Raises:
        IncidentError: There is none of that id.
    """
    return record.load(connection, incident_id)


def timeline(connection: Connection, incident_id: str) -> list[Event]:
    """Return everything that happened to an incident, oldest first."""
    return read_events(connection, incident_id)


def _require_open(found: Incident) -> None:
    if not found.is_open:
        raise ActRefused(
            Refusal.ALREADY_CLOSED, f"case {found.id} is already closed by {found.closed_by}"
        )


def _bounded(note: str) -> str:
    if len(note) > NOTE_CHARACTERS:
        raise ActRefused(
            Refusal.NOTE_TOO_LONG,
            f"a note may have {NOTE_CHARACTERS} characters, this has {len(note)}",
        )
    return note.strip()
