"""The registry in SQL: read whole into a snapshot, shared by everybody who looks things up.

Whoever changes a registry table calls :func:`bump` in the same transaction; a snapshot never sees
half of a change.
"""

import threading
import time
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection, Engine, Row, insert, select, update
from sqlalchemy.exc import OperationalError

from devices.credential import read_credentials
from devices.outage import Outage
from devices.registry import (
    Device,
    Gate,
    GateKind,
    History,
    HouseholdState,
    OnCall,
    Place,
    PlaceKind,
    Registry,
    ResidentClass,
    Role,
    Span,
)
from devices.tables import (
    building,
    device,
    device_binding,
    gate,
    grid,
    household,
    household_state,
    registry_version,
    residence,
    resident,
    resident_class,
    rota,
    site,
    trip,
    vehicle,
    worker_channel,
)

CHECK_EVERY_S = 1.0
_ONLY_ROW = 1

log = structlog.get_logger()


def version(engine: Engine) -> int:
    """Return the number of the registry's last change; 0 before the first."""
    with engine.connect() as connection:
        return _version(connection)


def bump(connection: Connection) -> None:
    """Tell every snapshot that the registry changed, when this transaction commits."""
    bumped = connection.execute(
        update(registry_version)
        .where(registry_version.c.id == _ONLY_ROW)
        .values(version=registry_version.c.version + 1)
    )
    if bumped.rowcount == 0:
        connection.execute(insert(registry_version).values(id=_ONLY_ROW, version=1))


def load(engine: Engine) -> Registry:
    """Read the whole registry as one consistent snapshot."""
    # SQLite's readers see one snapshot anyway; PostgreSQL's default is one for each statement.
    postgresql = engine.dialect.name == "postgresql"
    options = {"isolation_level": "REPEATABLE READ"} if postgresql else {}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        return read(connection)


def read(connection: Connection) -> Registry:
    """Read the whole registry as one transaction sees it, with what it has changed itself."""
    places = _household_places(connection)
    return Registry(
        version=_version(connection),
        zones={row.id: ZoneInfo(row.zone) for row in connection.execute(select(site))},
        gates=[
            Gate(row.site, row.id, row.name, GateKind(row.kind), row.rank, row.entry_limit)
            for row in connection.execute(select(gate))
        ],
        devices={
            row.id: Device(row.id, row.profile, row.gateway, row.renamed_from)
            for row in connection.execute(select(device))
        },
        bindings=History(_bindings(connection, places)),
        household_states=History(_household_states(connection)),
        household_places=places,
        residences=History(_residences(connection)),
        subjects=_subjects(connection),
        classes=History(_classes(connection)),
        trips=History(
            (row.subject, (row.since, row.until, True)) for row in connection.execute(select(trip))
        ),
        vehicles=History(
            (row.plate, (row.since, row.until, row.household))
            for row in connection.execute(select(vehicle))
        ),
        rota=[_on_call(row) for row in connection.execute(select(rota).order_by(rota.c.id))],
        channels=_channels(connection),
        credentials=read_credentials(connection),
    )


class RegistryCache:
    """The present snapshot, for any thread, loaded again once its version has changed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._registry = load(engine)
        self._check_at = time.monotonic() + CHECK_EVERY_S
        self._checking = threading.Lock()
        self._outage = Outage("registry")

    def current(self) -> Registry:
        """Return the snapshot; at most once a second one caller looks whether it is the latest.

        While the database does not answer, the snapshot stays the one that was read last.
        """
        if time.monotonic() >= self._check_at and self._checking.acquire(blocking=False):
            try:
                self._check()
            finally:
                self._checking.release()
        return self._registry

    def refresh(self) -> None:
        """Look now whether the snapshot is the latest: for what follows from a change of it."""
        with self._checking:
            self._check()

    def _check(self) -> None:
        self._check_at = time.monotonic() + CHECK_EVERY_S
        try:
            if version(self._engine) != self._registry.version:
                self._registry = load(self._engine)
                log.info("registry_reloaded", version=self._registry.version)
        except OperationalError as error:
            self._outage.begin(type(error.orig).__name__)
        else:
            self._outage.end()


def _version(connection: Connection) -> int:
    return connection.execute(select(registry_version.c.version)).scalar() or 0


def _household_places(connection: Connection) -> dict[str, Place]:
    rows = connection.execute(
        select(household.c.id, building.c.id, building.c.grid, grid.c.site)
        .join(building, household.c.building == building.c.id)
        .join(grid, building.c.grid == grid.c.id)
    )
    return {
        flat: Place(PlaceKind.HOUSEHOLD, site=where, grid=patch, building=house, household=flat)
        for flat, house, patch, where in rows
    }


def _bindings(
    connection: Connection, places: dict[str, Place]
) -> Iterator[tuple[str, Span[Place]]]:
    for row in connection.execute(select(device_binding)):
        flat = places.get(row.household) if row.household else None
        place = flat or Place(PlaceKind(row.place), row.site, gate=row.gate, worker=row.worker)
        yield row.device, (row.since, row.until, place)


def _household_states(connection: Connection) -> Iterator[tuple[str, Span[HouseholdState]]]:
    for row in connection.execute(select(household_state)):
        yield row.household, (row.since, row.until, HouseholdState(row.state))


def _residences(connection: Connection) -> Iterator[tuple[str, Span[str]]]:
    for row in connection.execute(select(residence)):
        yield row.subject, (row.since, row.until, row.household)


def _subjects(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(resident.c.external_id, resident.c.subject))
    return {row.external_id: row.subject for row in rows}


def _classes(connection: Connection) -> Iterator[tuple[str, Span[ResidentClass]]]:
    columns = resident_class.c
    rows = connection.execute(
        select(columns.subject, columns.since, columns.until, columns["class"])
    )
    for subject, since, until, name in rows:
        yield subject, (since, until, ResidentClass(name))


def _on_call(row: Row[Any]) -> OnCall:
    return OnCall(
        worker=row.worker,
        role=Role(row.role),
        site=row.site,
        grid=row.grid,
        weekdays=frozenset(int(day) for day in row.weekdays.split(",")),
        begins=row.begins,
        ends=row.ends,
    )


def _channels(connection: Connection) -> dict[str, tuple[str, ...]]:
    columns = worker_channel.c
    urls: dict[str, tuple[str, ...]] = {}
    for who, url in connection.execute(
        select(columns.worker, columns.url).order_by(columns.worker, columns.rank)
    ):
        urls[who] = (*urls.get(who, ()), url)
    return urls
