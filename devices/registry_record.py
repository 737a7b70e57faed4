"""What the registry says of one thing, now or as of a time; and the registry as it was at one.

Times are when something was so, not when it was told: what was corrected since is shown as it is
known today. Names, sites, rota and channels have no history and are as they are now.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, select

from devices.clock import rfc3339
from devices.registry_draft import SECRET, TIMES, Rows
from devices.tables import (
    HISTORIES,
    building,
    device,
    device_binding,
    gate,
    grid,
    household,
    household_state,
    residence,
    resident,
    resident_class,
    site,
    trip,
    vehicle,
    worker,
)

KINDS: dict[str, tuple[Table, tuple[Table, ...]]] = {
    "site": (site, ()),
    "gate": (gate, ()),
    "grid": (grid, ()),
    "building": (building, ()),
    "household": (household, (household_state, residence, vehicle, device_binding)),
    "resident": (resident, (residence, resident_class, trip)),
    "device": (device, (device_binding,)),
    "worker": (worker, ()),
}
"""What can be asked about, with the facts that say something of it."""
_PERSONAL = SECRET | {("household", "flat"), ("resident", "subject")}
_THINGS = ((household, household_state), (resident, residence), (device, device_binding))

Record = dict[str, Any]


def as_of(rows: Mapping[str, Rows], at: int) -> dict[str, Rows]:
    """Return the registry's rows as they were at a time: what was so then, of what there was then.

    Args:
        rows: Every row by table.
        at: Milliseconds UTC.
    """
    then = dict(rows)
    for table in HISTORIES:
        then[table.name] = {key: row for key, row in rows[table.name].items() if _holds(row, at)}
    for table, facts in _THINGS:
        there = {key[0] for key in then[facts.name]}
        then[table.name] = {key: row for key, row in rows[table.name].items() if key[0] in there}
    return then


def find_record(
    connection: Connection, kind: str, identity: str, *, at: int | None, personal: bool
) -> Record | None:
    """Return what is registered of one thing, its facts in order by their tables' names.

    Args:
        connection: On the state database.
        kind: One of :data:`KINDS`.
        identity: Its id as the files have it; of a gate ``site/gate``.
        at: Milliseconds UTC; None for everything that was ever so.
        personal: With names, phones, flats, plates and subjects: whoever asks is on record.

    Returns:
        None if there is no such thing.
    """
    table, histories = KINDS[kind]
    row = _find(connection, table, identity)
    if row is None:
        return None
    record: Record = {"kind": kind, **_open(table, row, personal=personal)}
    key = row["subject"] if table is resident else identity
    for facts in histories:
        column = facts.c["subject" if table is resident else table.name]
        found = select(facts).where(column == key).order_by(facts.c.since)
        record[facts.name] = [
            {**_open(facts, fact, personal=personal, without=column.name)}
            for fact in map(dict, connection.execute(found).mappings())
            if at is None or _holds(fact, at)
        ]
    return record


def _find(connection: Connection, table: Table, identity: str) -> Record | None:
    if table is gate:
        place, _, name = identity.rpartition("/")
        query = select(table).where(gate.c.site == place, gate.c.id == name)
    else:
        known_by = resident.c.external_id if table is resident else table.c.id
        query = select(table).where(known_by == identity)
    found = connection.execute(query).mappings().first()
    return None if found is None else dict(found)


def _holds(fact: Mapping[str, Any], at: int) -> bool:
    return bool(fact["since"] <= at and (fact["until"] is None or at < fact["until"]))


def _open(table: Table, row: Mapping[str, Any], *, personal: bool, without: str = "") -> Record:
    """Return a row's values that may be shown, times as text; blank ones left out."""
    return {
        name: rfc3339(value) if name in TIMES else value
        for name, value in row.items()
        if value not in {None, ""}
        and name != without
        and (personal or ((table.name, name) not in _PERSONAL and name != "subject"))
    }
