"""Which devices there are and where each stands: read for one or for all, and changed for one.

Nothing is overwritten: what was so keeps its from and gets its until. Every change tells the
snapshots, and commits with the caller's transaction.
"""

from typing import Any

from sqlalchemy import Connection, Row, and_, delete, insert, or_, select, update

from devices.csv_rows import DeviceRow
from devices.enrolment import EnrolmentRefused, bind, check_place, enrol
from devices.fact_history import Fact, state
from devices.registry import Device, PlaceKind
from devices.registry_store import bump
from devices.tables import device, device_binding, household

_PLACE = ("site", "place", "household", "gate", "worker")


def read_devices(connection: Connection) -> dict[str, Device]:
    """Return every registered device, by id."""
    columns = device.c
    rows = connection.execute(select(columns.id, columns.profile, columns.gateway))
    return {row.id: Device(row.id, row.profile, row.gateway) for row in rows}


def read_standing(connection: Connection, *, now: int) -> frozenset[str]:
    """Return the devices that stand somewhere now or will; milliseconds UTC."""
    columns = device_binding.c
    lasts = or_(columns.until.is_(None), columns.until > now)
    return frozenset(connection.scalars(select(columns.device).where(lasts)))


def last_place(connection: Connection, device_id: str) -> tuple[DeviceRow, int | None] | None:
    """Return where a device stands, or stood last, and until when; None if it never stood.

    Returns:
        Its row as in the registry's files, without times; milliseconds UTC, None for no end.
    """
    columns = device_binding.c
    found = connection.execute(
        select(device_binding, device.c.profile, device.c.gateway)
        .join(device, device.c.id == columns.device)
        .where(columns.device == device_id)
        .order_by(columns.since.desc())
        .limit(1)
    ).first()
    return None if found is None else (_as_row(found), found.until)


def area(connection: Connection, row: DeviceRow) -> str:
    """Return where a device stands in words that name no flat: building, gate, worker or site."""
    if row.place is PlaceKind.HOUSEHOLD:
        building = select(household.c.building).where(household.c.id == row.household)
        return f"{row.site} {connection.scalar(building)}"
    return " ".join(filter(None, (row.site, row.gate, row.worker)))


def retire(connection: Connection, device_id: str, *, at: int) -> DeviceRow:
    """End a device's stay, and what was planned for it; return where it stood.

    A stay that begins at that moment lasts a millisecond: where a device stood is never forgotten.

    Args:
        connection: In a transaction.
        device_id: Of the device.
        at: From when it stands nowhere; milliseconds UTC.

    Raises:
        EnrolmentRefused: It is not registered, or stands nowhere.
    """
    row = _present_place(connection, device_id, at)
    history = _read_history(connection, device_id)
    ended = {
        since: Fact(max(since + 1, min(fact.until or at, at)), fact.value)
        for since, fact in history.items()
        if since <= at
    }
    _write_history(connection, device_id, history, ended)
    bump(connection, [(device_binding.name, device_id)])
    return row


def move(connection: Connection, row: DeviceRow, *, since: int) -> DeviceRow:
    """Let a device stand elsewhere; return where it stood.

    Args:
        connection: In a transaction.
        row: The device, with its new place.
        since: From when; milliseconds UTC.

    Raises:
        EnrolmentRefused: It stands nowhere, or something the place refers to is not registered.
    """
    before = _present_place(connection, row.id, since)
    check_place(connection, row)
    history = _read_history(connection, row.id)
    place = {name: getattr(row, name) for name in _PLACE} | {"place": row.place.value}
    _write_history(
        connection, row.id, history, state(history, place, since=since, until=None, now=since)
    )
    bump(connection, [(device_binding.name, row.id)])
    return before


def replace(connection: Connection, old: str, new: str, *, profile: str, at: int) -> DeviceRow:
    """Let another device stand where one stood, which from then on stands nowhere.

    What speaks through the old one speaks through the new one.

    Args:
        connection: In a transaction.
        old: Device that goes.
        new: Device that comes; registered here if it is not.
        profile: Of the new one, where it is not registered; empty for that of the old one.
        at: From when; milliseconds UTC.

    Returns:
        The new device in its place.

    Raises:
        EnrolmentRefused: The old one stands nowhere, or the new one stands somewhere.
    """
    row = retire(connection, old, at=at)
    last = last_place(connection, new)
    if last is None:
        row = row.model_copy(update={"id": new, "profile": profile or row.profile})
        enrol(connection, row, since=at)
    else:
        known, until = last
        if until is None or until > at:
            raise EnrolmentRefused("id", f"device {new!r} stands at a place of its own: retire it")
        row = row.model_copy(update={"id": new, "profile": known.profile})
        bind(connection, row, since=at)
    _take_over(connection, old, new)
    return row


def rename(connection: Connection, old: str, new: str, *, at: int) -> DeviceRow:
    """Let a device go on under another id, which its messages bear from now on.

    Its history is found under both: the registry remembers what it was called.

    Args:
        connection: In a transaction.
        old: Its id so far.
        new: Its id from now on.
        at: From when; milliseconds UTC.

    Returns:
        The device under its new id.

    Raises:
        EnrolmentRefused: It stands nowhere, or there is a device of the new id.
    """
    row = retire(connection, old, at=at).model_copy(update={"id": new})
    enrol(connection, row, since=at)
    connection.execute(update(device).where(device.c.id == new).values(renamed_from=old))
    _take_over(connection, old, new)
    return row


def _take_over(connection: Connection, old: str, new: str) -> None:
    """Let what speaks through one device speak through another."""
    children = list(connection.scalars(select(device.c.id).where(device.c.gateway == old)))
    connection.execute(update(device).where(device.c.gateway == old).values(gateway=new))
    bump(connection, [(device.name, name) for name in (*children, new)])


def _present_place(connection: Connection, device_id: str, at: int) -> DeviceRow:
    columns = device_binding.c
    found = connection.execute(
        select(device_binding, device.c.profile, device.c.gateway)
        .join(device, device.c.id == columns.device)
        .where(
            columns.device == device_id,
            columns.since <= at,
            or_(columns.until.is_(None), columns.until > at),
        )
    ).first()
    if found is None:
        raise EnrolmentRefused("id", f"device {device_id!r} stands nowhere, or is not registered")
    return _as_row(found)


def _as_row(found: "Row[Any]") -> DeviceRow:
    place = {name: getattr(found, name) for name in _PLACE}
    return DeviceRow(id=found.device, profile=found.profile, gateway=found.gateway, **place)


def _read_history(connection: Connection, device_id: str) -> dict[int, Fact]:
    found = connection.execute(
        select(device_binding).where(device_binding.c.device == device_id)
    ).mappings()
    return {row["since"]: Fact(row["until"], {name: row[name] for name in _PLACE}) for row in found}


def _write_history(
    connection: Connection, device_id: str, before: dict[int, Fact], after: dict[int, Fact]
) -> None:
    columns = device_binding.c
    for since in before.keys() - after.keys():
        connection.execute(
            delete(device_binding).where(and_(columns.device == device_id, columns.since == since))
        )
    for since, fact in after.items():
        values: dict[str, Any] = {"until": fact.until, **fact.value}
        if since not in before:
            key = {"device": device_id, "since": since}
            connection.execute(insert(device_binding).values(key | values))
        elif fact != before[since]:
            is_it = and_(columns.device == device_id, columns.since == since)
            connection.execute(update(device_binding).where(is_it).values(values))
