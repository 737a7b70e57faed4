"""Registering one device where it stands, in the caller's transaction."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import Column, Connection, insert, select

from devices.clock import SECOND
from devices.csv_rows import DeviceRow
from devices.registry_lock import lock
from devices.registry_store import bump
from devices.tables import building, device, device_binding, gate, grid, household, site, worker


class EnrolmentRefused(Exception):
    """The device is not registered so; the sentence says why.

    Attributes:
        field: Of the device's row that is wrong.
    """

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


def enrol(connection: Connection, row: DeviceRow, *, since: int) -> None:
    """Register a device that is not yet, and tell every snapshot.

    Args:
        connection: In a transaction.
        row: What it is and where it stands; its own times are not read.
        since: From when it has stood there; milliseconds UTC.

    Raises:
        EnrolmentRefused: It is registered already, or something it refers to is not.
    """
    lock(connection)
    if _has(connection, device.c.id, row.id):
        raise EnrolmentRefused("id", f"device {row.id!r} is registered already")
    check_place(connection, row)
    connection.execute(insert(device).values(id=row.id, profile=row.profile, gateway=row.gateway))
    _bind(connection, row, since=since)


def bind(connection: Connection, row: DeviceRow, *, since: int) -> None:
    """Let a registered device that stands nowhere stand somewhere, and tell every snapshot.

    Args:
        connection: In a transaction.
        row: Where it stands.
        since: From when; milliseconds UTC.

    Raises:
        EnrolmentRefused: Something it refers to is not registered.
    """
    lock(connection)
    check_place(connection, row)
    _bind(connection, row, since=since)


def site_of_household(connection: Connection, household_id: str) -> str | None:
    """Return the site that a household is in; None where there is no such household."""
    return connection.execute(
        select(grid.c.site)
        .join(building, building.c.grid == grid.c.id)
        .join(household, household.c.building == building.c.id)
        .where(household.c.id == household_id)
    ).scalar()


def midnight_before(at: int, zone: ZoneInfo) -> int:
    """Return the beginning of a moment's day in a zone; milliseconds UTC."""
    day = datetime.fromtimestamp(at // SECOND, zone).date()
    return int(datetime.combine(day, time(), zone).timestamp()) * SECOND


def check_place(connection: Connection, row: DeviceRow) -> None:
    """Refuse a place of which a part is not registered.

    Raises:
        EnrolmentRefused: Names the part.
    """
    if not _has(connection, site.c.id, row.site):
        raise EnrolmentRefused("site", f"there is no site {row.site!r}")
    if row.household is not None and site_of_household(connection, row.household) != row.site:
        raise EnrolmentRefused("household", f"{row.site} has no household {row.household!r}")
    if row.gate is not None and not _has_gate(connection, row.site, row.gate):
        raise EnrolmentRefused("gate", f"{row.site} has no gate {row.gate!r}")
    if row.worker is not None and not _has(connection, worker.c.id, row.worker):
        raise EnrolmentRefused("worker", f"there is no worker {row.worker!r}")
    if row.gateway is not None and not _has(connection, device.c.id, row.gateway):
        raise EnrolmentRefused("gateway", f"there is no device {row.gateway!r}, its gateway")


def _bind(connection: Connection, row: DeviceRow, *, since: int) -> None:
    connection.execute(
        insert(device_binding).values(
            device=row.id,
            since=since,
            site=row.site,
            place=row.place.value,
            household=row.household,
            gate=row.gate,
            worker=row.worker,
        )
    )
    bump(connection, [(device.name, row.id), (device_binding.name, row.id)])


def _has_gate(connection: Connection, site_id: str, gate_id: str) -> bool:
    asked = select(gate.c.id).where(gate.c.site == site_id, gate.c.id == gate_id)
    return connection.execute(asked).first() is not None


def _has(connection: Connection, column: "Column[str]", value: str) -> bool:
    return connection.execute(select(column).where(column == value)).first() is not None
