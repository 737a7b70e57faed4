"""Reading the registry's rows into a snapshot: all of them, or the changed ones over an older one.

Both ways are one: what is kept by key is read for every key or for some. What many rows say is one
object, equal spans most of all, and so is what the snapshot before says too.

Rows come as JSON that the database makes of a page of them: in that step other threads run. Row by
row each would wait, 5 ms, until a busy thread lets go of the interpreter.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    cast,
    func,
    literal_column,
    select,
)

from devices.history import History, Span, Spans, in_order, replaced
from devices.registry import (
    Credential,
    Device,
    Gate,
    GateKind,
    HouseholdState,
    OnCall,
    Place,
    PlaceKind,
    Registry,
    ResidentClass,
    Role,
)
from devices.tables import (
    building,
    device,
    device_binding,
    device_credential,
    gate,
    grid,
    household,
    household_state,
    residence,
    resident,
    resident_class,
    rota,
    site,
    trip,
    vehicle,
    worker_channel,
)

PAGE_ROWS = 10_000
"""A page's rows hold the interpreter for some milliseconds while they are taken in."""
_CHUNK_KEYS = 1_000
_JSON = {
    "sqlite": (func.json_group_array, func.json_array),
    "postgresql": (func.json_agg, func.json_build_array),
}
"""What makes a list of rows, and of a row's columns."""

T = TypeVar("T")
S = TypeVar("S")
_Model = tuple[str, str | None, str | None]
_Binding = tuple[int, int | None, str | None, PlaceKind, str, str | None, str | None]
Changes = Mapping[str, Set[str]]
"""Keys by table, as :func:`change_key` gives them."""


def change_key(table: Table, row: Mapping[str, Any]) -> str:
    """Return by what a changed row is read again: what it is about, as the snapshot names it."""
    if table is resident:
        return str(row["external_id"])
    return str(row[next(iter(table.primary_key)).name])


def read_all(connection: Connection, base: Registry, *, version: int) -> Registry:
    """Return a snapshot of every row, sharing with another one what is so in both."""
    was_enabled = gc.isenabled()
    gc.disable()  # It would look through millions of new objects again and again, and free none.
    try:
        return _Reader(connection, base, None).read(version)
    finally:
        if was_enabled:
            gc.enable()


def read_changed(
    connection: Connection, base: Registry, changes: Changes, *, version: int
) -> Registry:
    """Return the snapshot that follows another one, reading only what changed."""
    return _Reader(connection, base, changes).read(version)


class _Reader:
    """One reading; ``changes`` None means every row."""

    def __init__(self, connection: Connection, base: Registry, changes: Changes | None) -> None:
        self._connection = connection
        self._base = base
        self._changes = changes
        self._words: dict[str, str] = {}
        self._homes: set[str] = set()

    def read(self, version: int) -> Registry:
        """Return the snapshot; places are read before what stands there."""
        base = self._base
        places = self._places()
        residences = self._facts(base.residences, residence, residence.c.household, str)
        kinds, states = resident_class.c["class"], household_state.c.state
        return Registry(
            version=version,
            zones=self._zones() if self._is_touched(site) else base.zones,
            gates=self._gates() if self._is_touched(gate) else base.gates.values(),
            devices=self._devices(),
            credentials=self._credentials(),
            household_places=places,
            bindings=self._bindings(places),
            household_states=self._facts(
                base.household_states, household_state, states, HouseholdState
            ),
            residences=residences,
            occupants=self._occupants(residences),
            subjects=self._subjects(),
            classes=self._facts(base.classes, resident_class, kinds, ResidentClass),
            trips=self._facts(base.trips, trip, trip.c.since, int),
            vehicles=self._facts(base.vehicles, vehicle, vehicle.c.household, str),
            rota=self._rota() if self._is_touched(rota) else base.rota,
            channels=self._channels() if self._is_touched(worker_channel) else base.worker_channels,
        )

    def _places(self) -> Mapping[str, Place]:
        query = (
            select(household.c.id, building.c.id, building.c.grid, grid.c.site)
            .join(building, household.c.building == building.c.id)
            .join(grid, building.c.grid == grid.c.id)
        )
        once, keys = self._once, self._keys(household)
        if keys is not None:
            keys |= self._keys_of(household.c.id, household.c.building, self._keys(building))
            keys |= self._keys_of(
                household.c.id, building.c.grid, self._keys(grid), household.join(building)
            )

            self._homes = keys

        def make(home: str, said: tuple[str, str, str]) -> Place:
            house, patch, where = said
            return Place(PlaceKind.HOUSEHOLD, once(where), once(patch), once(house), home)

        return self._mapping(self._base.household_places, query, keys, tuple[str, str, str], make)

    def _subjects(self) -> Mapping[str, str]:
        query = select(resident.c.external_id, resident.c.subject)
        keys = self._keys(resident)
        return self._mapping(self._base.subjects, query, keys, tuple[str], lambda _, said: said[0])

    def _devices(self) -> Mapping[str, Device]:
        columns, once = device.c, self._once
        query = select(columns.id, columns.profile, columns.gateway, columns.renamed_from)

        def make(name: str, said: _Model) -> Device:
            profile, gateway, former = said
            return Device(name, once(profile), gateway and once(gateway), former)

        return self._mapping(self._base.devices, query, self._keys(device), _Model, make)

    def _credentials(self) -> Mapping[str, Credential]:
        columns = device_credential.c
        query = select(columns.device, columns.secret_hash, columns.digest_hash, columns.created_at)
        keys, shape = self._keys(device_credential), tuple[str, str | None, int]
        return self._mapping(
            self._base.credentials, query, keys, shape, lambda _, said: Credential(*said)
        )

    def _bindings(self, places: Mapping[str, Place]) -> History[Place]:
        """Read where devices stand; those too whose household lies elsewhere now."""
        columns, keys, old = device_binding.c, self._keys(device_binding), self._base
        if keys is not None:
            moved = {
                home for home in self._homes if places.get(home) is not old.household_place(home)
            }
            keys |= self._keys_of(columns.device, columns.household, moved)
        said = (columns.household, columns.place, columns.site, columns.gate, columns.worker)
        query = select(columns.device, columns.since, columns.until, *said)

        def make(row: _Binding) -> Span[Place]:
            since, until, home, kind, where, at, by = row
            place = places.get(home) if home is not None else None
            return since, until, place or Place(kind, where, gate=at, worker=by)

        return self._history(old.bindings, query, keys, _Binding, make)

    def _occupants(self, residences: History[str]) -> Mapping[str, tuple[str, ...]] | None:
        """Return who ever lived where; None to have it found from every residence."""
        base, changed = self._base, self._keys(residence)
        if changed is None or not changed:
            return None if changed is None else base.occupants
        homes: dict[str, set[str]] = {}
        for subject in changed:
            for _, _, home in base.residences.spans(subject):
                homes.setdefault(home, set())
            for _, _, home in residences.spans(subject):
                homes.setdefault(home, set()).add(subject)
        found = {
            home: tuple(sorted(living.union(base.occupants.get(home, ())) - (changed - living)))
            for home, living in homes.items()
        }
        lived_in = {home: subjects for home, subjects in found.items() if subjects}
        return replaced(base.occupants, homes.keys(), lived_in)

    def _zones(self) -> dict[str, ZoneInfo]:
        rows = self._connection.execute(select(site.c.id, site.c.zone).order_by(site.c.id))
        return {row.id: ZoneInfo(row.zone) for row in rows}

    def _gates(self) -> list[Gate]:
        rows = self._connection.execute(select(gate).order_by(gate.c.site, gate.c.id))
        return [
            Gate(row.site, row.id, row.name, GateKind(row.kind), row.rank, row.entry_limit)
            for row in rows
        ]

    def _rota(self) -> list[OnCall]:
        return [
            OnCall(
                worker=row.worker,
                role=Role(row.role),
                site=row.site,
                grid=row.grid,
                weekdays=frozenset(int(day) for day in row.weekdays.split(",")),
                begins=row.begins,
                ends=row.ends,
            )
            for row in self._connection.execute(select(rota).order_by(rota.c.id))
        ]

    def _channels(self) -> dict[str, tuple[str, ...]]:
        columns = worker_channel.c
        urls: dict[str, tuple[str, ...]] = {}
        for who, url in self._connection.execute(
            select(columns.worker, columns.url).order_by(columns.worker, columns.rank)
        ):
            urls[who] = (*urls.get(who, ()), url)
        return urls

    def _mapping(
        self,
        base: Mapping[str, T],
        query: Select[Any],
        keys: Set[str] | None,
        shape: Any,
        make: Callable[[str, Any], T],
    ) -> Mapping[str, T]:
        """Read what the query's first column is the key of; ``make`` takes it and the others."""
        found: dict[str, T] = {}
        for page in self._pages(query, keys, shape):
            found.update((key, make(key, said)) for key, said in page)
        _share(found, base)
        return found if keys is None else replaced(base, keys, found) if keys else base

    def _facts(
        self, base: History[S], table: Table, said: "Column[Any]", kind: type[S]
    ) -> History[S]:
        """Read a table of facts that one column tells."""
        about = next(iter(table.primary_key))
        query = select(about, table.c.since, table.c.until, said)
        shape: Any = tuple[int, int | None, kind]  # type: ignore[valid-type]  # Built as it runs.
        return self._history(base, query, self._keys(table), shape, None)

    def _history(
        self,
        base: History[T],
        query: Select[Any],
        keys: Set[str] | None,
        shape: Any,
        make: Callable[[Any], Span[T]] | None,
    ) -> History[T]:
        """Read facts: key, and what is a span or what ``make`` makes one of."""
        found: dict[str, Spans[T]] = {}
        same: dict[Spans[T], Spans[T]] = {}
        for page in self._pages(query, keys, shape):
            for key, said in page:
                alone = (make(said) if make else said,)
                spans = same.setdefault(alone, alone)
                known = found.setdefault(key, spans)
                if known is not spans:
                    found[key] = in_order((*known, *spans))
        _share(found, base.by_key)
        return History.of(found) if keys is None else base.replaced(keys, found)

    def _pages(
        self, query: Select[Any], keys: Set[str] | None, shape: Any
    ) -> Iterator[list[tuple[str, Any]]]:
        """Yield a query's rows as key, its first column, and what the others say."""
        as_list, as_row = _JSON[self._connection.dialect.name]
        decoder = msgspec.json.Decoder(list[tuple[str, shape]])
        key = query.selected_columns[0]
        if keys is not None:
            conditions = _chunks(key, keys)
        elif self._connection.dialect.name == "sqlite":
            conditions = self._numbers(key.table)
        else:
            conditions = self._ranges(key)
        for condition in conditions:
            about, *said = query.where(condition).subquery().c
            rows = select(cast(as_list(as_row(about, as_row(*said))), Text))
            yield decoder.decode(self._connection.execute(rows).scalar() or "[]")

    def _ranges(self, key: ColumnElement[str]) -> "Iterator[ColumnElement[bool]]":
        """Yield conditions that take all rows in turn, a page of them each."""
        begin = ""
        while True:
            ahead = select(key).where(key > begin).order_by(key).offset(PAGE_ROWS).limit(1)
            end = self._connection.execute(ahead).scalar()
            if end is None:
                yield key > begin
                return
            yield (key > begin) & (key <= end)
            begin = end

    def _numbers(self, table: FromClause) -> "Iterator[ColumnElement[bool]]":
        """Yield the same for SQLite, which keeps rows by number and looks each up by its key."""
        number = literal_column(f"{table.description}.rowid", Integer)
        newest = select(func.max(number)).select_from(table)
        for begin in range(0, self._connection.execute(newest).scalar() or 0, PAGE_ROWS):
            yield (number > begin) & (number <= begin + PAGE_ROWS)

    def _keys(self, table: Table) -> set[str] | None:
        return None if self._changes is None else set(self._changes.get(table.name, ()))

    def _keys_of(
        self,
        wanted: "Column[Any]",
        known: "Column[Any]",
        keys: Set[str] | None,
        source: FromClause | None = None,
    ) -> set[str]:
        """Return what rows say in one column that say one of the keys in another."""
        found: set[str] = set()
        for condition in _chunks(known, keys or set()):
            query = select(wanted).where(condition)
            rows = self._connection.execute(query if source is None else query.select_from(source))
            found.update(rows.scalars())
        return found

    def _is_touched(self, table: Table) -> bool:
        return self._changes is None or table.name in self._changes

    def _once(self, word: str) -> str:
        return self._words.setdefault(word, word)


def _share(found: dict[str, T], base: Mapping[str, T]) -> None:
    """Put in what the older snapshot has where it is equal."""
    if not base:
        return
    for key in found.keys() & base.keys():
        if found[key] == base[key]:
            found[key] = base[key]


def _chunks(key: ColumnElement[str], keys: Set[str]) -> "Iterator[ColumnElement[bool]]":
    every = sorted(keys)
    for begin in range(0, len(every), _CHUNK_KEYS):
        yield key.in_(every[begin : begin + _CHUNK_KEYS])
