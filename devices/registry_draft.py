"""The registry as plain rows: as it is, as it would be, and the difference between the two."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from devices.clock import rfc3339
from devices.registry_reader import change_key
from devices.registry_store import bump
from devices.tables import device_credential, metadata, registry_change, registry_version

Key = tuple[Any, ...]
Rows = dict[Key, dict[str, Any]]
_UNSAID = {registry_version, registry_change, device_credential}
TABLES: tuple[Table, ...] = tuple(table for table in metadata.sorted_tables if table not in _UNSAID)
"""What the files say, in the order in which the tables refer to each other."""
SECRET = {
    ("resident", "name"),
    ("resident", "phone"),
    ("worker", "name"),
    ("worker_channel", "url"),
    ("trip", "reason"),
    ("vehicle", "plate"),
}
"""Columns that no difference, log or page shows."""
TIMES = {"since", "until"}


def read_rows(connection: Connection) -> dict[str, Rows]:
    """Return every row of every registry table by its primary key."""
    return {table.name: read_table(connection, table) for table in TABLES}


def read_table(
    connection: Connection, table: Table, where: ColumnElement[bool] | None = None
) -> Rows:
    """Return a table's rows by their primary key, all of them or those that are asked for."""
    keys = [column for column in table.columns if column.primary_key]
    names = [column.name for column in table.columns]
    width = len(keys)
    query = select(*keys, *table.columns)
    rows = connection.execute(query if where is None else query.where(where))
    return {tuple(row[:width]): dict(zip(names, row[width:], strict=True)) for row in rows}


def key_of(table: Table, row: Mapping[Any, Any]) -> Key:
    """Return a row's primary key."""
    return tuple(row[column.name] for column in table.primary_key)


@dataclass(slots=True)
class Difference:
    """What an import changes, a table at a time.

    Attributes:
        added: New rows by table and key.
        changed: Rows before and after, by table and key.
        removed: Rows that go, by table and key.
        residents: The office's ids of subjects, to name them by.
    """

    added: dict[str, Rows] = field(default_factory=dict)
    changed: dict[str, dict[Key, tuple[dict[str, Any], dict[str, Any]]]] = field(
        default_factory=dict
    )
    removed: dict[str, Rows] = field(default_factory=dict)
    residents: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(any(rows.values()) for rows in (self.added, self.changed, self.removed))

    def counts(self) -> dict[str, int]:
        """Return how many rows are added, changed and removed."""
        return {
            "added": sum(map(len, self.added.values())),
            "changed": sum(map(len, self.changed.values())),
            "removed": sum(map(len, self.removed.values())),
        }

    def keys(self) -> Iterator[tuple[str, str]]:
        """Yield the table and key of everything whose rows change; some more than once."""
        for table in TABLES:
            name = table.name
            both = (row for pair in self.changed.get(name, {}).values() for row in pair)
            alone = (*self.added.get(name, {}).values(), *self.removed.get(name, {}).values())
            for row in itertools.chain(alone, both):
                yield name, change_key(table, row)

    def lines(self) -> Iterator[str]:
        """Yield the difference a row a line, without what is secret: names, phones, plates, ….

        Channel addresses and the reasons of trips are so too.
        """
        for table in TABLES:
            name = table.name
            for key, row in self.added.get(name, {}).items():
                yield f"+ {self._title(table, key)}{_shown(name, _rest(table, row))}"
            for key, (before, after) in self.changed.get(name, {}).items():
                yield f"~ {self._title(table, key)}{_shown_change(name, before, after)}"
            for key, row in self.removed.get(name, {}).items():
                yield f"- {self._title(table, key)}{_shown(name, _rest(table, row))}"

    def _title(self, table: Table, key: Key) -> str:
        parts = [
            rfc3339(part) if column.name in TIMES else self.residents.get(part, part)
            for column, part in zip(table.primary_key, key, strict=True)
            if (table.name, column.name) not in SECRET
        ]
        return " ".join(str(part) for part in (table.name, *parts))


def compare(before: dict[str, Rows], after: dict[str, Rows]) -> Difference:
    """Return what leads from one registry to the other."""
    difference = Difference()
    for table in TABLES:
        old, new = before[table.name], after[table.name]
        difference.added[table.name] = {key: new[key] for key in new if key not in old}
        difference.removed[table.name] = {key: old[key] for key in old if key not in new}
        difference.changed[table.name] = {
            key: (old[key], new[key]) for key in new if key in old and old[key] != new[key]
        }
    difference.residents = {key[0]: row["external_id"] for key, row in after["resident"].items()}
    return difference


def write(connection: Connection, difference: Difference) -> None:
    """Make the difference true, and tell every snapshot, in the caller's transaction."""
    if not difference:
        return
    for table in reversed(TABLES):
        if difference.removed[table.name]:
            keys = [_key(table, key) for key in difference.removed[table.name]]
            connection.execute(delete(table).where(_is(table)), keys)
    for table in TABLES:
        if difference.added[table.name]:
            connection.execute(insert(table), list(difference.added[table.name].values()))
        if difference.changed[table.name]:
            rest = [column.name for column in table.columns if not column.primary_key]
            values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rest}
            rows = [
                _key(table, key) | {f"new_{name}": after[name] for name in rest}
                for key, (_, after) in difference.changed[table.name].items()
            ]
            connection.execute(update(table).where(_is(table)).values(values), rows)
    bump(connection, difference.keys())


def _is(table: Table) -> Any:
    """Return the condition that a row has the key that :func:`_key` gives."""
    return and_(*(column == bindparam(f"key_{column.name}") for column in table.primary_key))


def _key(table: Table, key: Key) -> dict[str, Any]:
    return {f"key_{column.name}": part for column, part in zip(table.primary_key, key, strict=True)}


def _rest(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    keys = {column.name for column in table.primary_key}
    return {
        name: value for name, value in row.items() if name not in keys and value not in {None, ""}
    }


def _shown(table: str, row: Mapping[str, Any]) -> str:
    words = [
        f"{name} {rfc3339(value) if name in TIMES else value}"
        for name, value in row.items()
        if (table, name) not in SECRET
    ]
    return ": " + ", ".join(words) if words else ""


def _shown_change(table: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    words = []
    for name, value in after.items():
        if value == before[name]:
            continue
        old, new = (
            rfc3339(time) if name in TIMES and time is not None else time
            for time in (before[name], value)
        )
        words.append(name if (table, name) in SECRET else f"{name} {old} → {new}")
    return ": " + ", ".join(words)
