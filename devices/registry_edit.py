"""Changing what is registered of one household and its people, by the rows and rules of the import.

Only what is registered of them is read, so that it costs the same in a village and in a city.
Nothing is written here: whoever does holds the registry's lock from the reading on.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel
from sqlalchemy import Connection, select

from devices.csv_import import random_subject
from devices.csv_merge import Merge
from devices.csv_rows import FILES
from devices.csv_sheet import Sheet
from devices.registry_draft import TABLES, Difference, Key, Rows, compare, read_table
from devices.tables import (
    building,
    grid,
    household,
    household_state,
    residence,
    resident,
    resident_class,
    site,
    trip,
)

_FILE_OF = {model: name for name, model in FILES.items()}
_STAMPED = (household_state, residence, resident, resident_class, trip)


class EditRefused(Exception):
    """What was stated cannot be so; ``column`` of the row is wrong."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


@dataclass(frozen=True, slots=True)
class Edit:
    """What would change: the part of the registry before and after it, and the difference."""

    before: Mapping[str, Rows]
    after: Mapping[str, Rows]
    difference: Difference


def read_household(
    connection: Connection, household_id: str, *, also: Iterable[str] = ()
) -> dict[str, Rows]:
    """Return the part of the registry that is about a household and whoever ever lived there.

    Args:
        connection: Should see one moment of the registry.
        household_id: Its id.
        also: Households that somebody may move to.

    Returns:
        Rows by table, the tables of other things empty; ``household`` is so too where there is
        none of these ids.
    """
    people = select(residence.c.subject).where(residence.c.household == household_id)
    found: dict[str, Rows] = {table.name: {} for table in TABLES}
    for table in (residence, resident, resident_class, trip):
        found[table.name] = read_table(connection, table, table.c.subject.in_(people))
    homes = {household_id, *also, *(row["household"] for row in found["residence"].values())}
    states = household_state.c.household == household_id
    found["household_state"] = read_table(connection, household_state, states)
    found["household"] = read_table(connection, household, household.c.id.in_(homes))
    for table, below in ((building, household), (grid, building), (site, grid)):
        ids = {row[table.name] for row in found[below.name].values()}
        found[table.name] = read_table(connection, table, table.c.id.in_(ids))
    return found


def stamp(rows: Mapping[str, Rows]) -> str:
    """Return what changes when anything does that is registered of a household and its people."""
    told = [sorted(map(_told, rows[table.name].items())) for table in _STAMPED]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def new_resident_id() -> str:
    """Return an id for a resident who has none of the office's."""
    return f"r-{secrets.token_hex(8)}"


def plan_edit(
    before: Mapping[str, Rows],
    rows: Iterable[BaseModel],
    *,
    now: int,
    new_subject: Callable[[], str] = random_subject,
) -> Edit:
    """Work out what stating some rows would change, touching nothing.

    Args:
        before: As read by :func:`read_household`.
        rows: Rows of the import, in the order in which they refer to each other.
        now: From when counts what does not say; milliseconds UTC.
        new_subject: Makes the random id of a new resident.

    Raises:
        EditRefused: A row contradicts what is registered, or refers to what there is not.
    """
    merge = Merge(before, now=now, new_subject=new_subject)
    for row in rows:
        merge.take(Sheet(_FILE_OF[type(row)], [(1, row)], []))
    after = merge.finish()
    if merge.problems:
        raise EditRefused(merge.problems[0].column, merge.problems[0].reason)
    return Edit(before, after, compare(dict(before), after))


def _told(item: tuple[Key, Mapping[str, object]]) -> list[object]:
    key, row = item
    return [*key, *map(str, row.values())]
