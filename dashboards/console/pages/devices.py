"""The devices in a list, and one with its chart."""

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from alerts.thresholds import Thresholds
from dashboards import access, places
from dashboards.access import Page
from dashboards.account import Account
from dashboards.console import chart
from dashboards.console.context import ConsoleContext
from dashboards.console.history import History, read_history
from dashboards.console.view import render
from dashboards.console.visit import Context, Viewer
from dashboards.device_list import DeviceLine, list_devices, visible_devices, wrong_clocks
from devices.clock import DAY, MINUTE
from devices.registry import Device, Place
from ingest.ledger_file import NAME as LEDGER
from ingest.ledger_file import LedgerRefused
from ingest.measurement import MEASUREMENTS
from ingest.numbering_table import Missing, read_missing
from ingest.series import Function, Reading, StoreHeld

router = APIRouter(prefix="/devices")
LISTED = 200
LAST_READINGS = 20_000
TABLE_ROWS = 50
CROSSINGS = 20
Span = Literal["1", "7", "30", "365"]
Devices = Mapping[str, tuple[Device, Place | None]]


@router.get("")
def show_list(
    request: Request,
    context: Context,
    viewer: Viewer,
    search: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Show the devices in what this account looks after."""
    _require(viewer.account)
    now = context.clock.now()
    devices = visible_devices(context.registry(), viewer.account, now=now)
    try:
        readings, is_held = last_readings(context, site=viewer.account.site), False
    except StoreHeld:
        readings, is_held = [], True
    with context.database.connect() as connection:
        lines = list_devices(
            devices,
            readings,
            silent_after=context.silent_after,
            now=now,
            clocks=wrong_clocks(connection),
        )
        buildings = places.name_buildings(connection, (_building(line) for line in lines))
    found = [line for line in lines if _matches(line, buildings, search)]
    return render(
        request,
        viewer.visit,
        "devices.html",
        lines=found[:LISTED],
        total=len(found),
        silent=0 if is_held else sum(line.is_silent for line in found),
        buildings=buildings,
        battery_low=context.thresholds.at(viewer.account.site).device.battery_low_percent,
        is_held=is_held,
        search=search,
    )


@router.get("/{device_id}")
def show_device(
    request: Request, context: Context, viewer: Viewer, device_id: str, days: Span = "1"
) -> Response:
    """Show one device with a chart of what it measured, and the same as a table."""
    _require(viewer.account)
    now = context.clock.now()
    devices = visible_devices(context.registry(), viewer.account, now=now)
    if device_id not in devices:
        raise HTTPException(404)
    device, place = devices[device_id]
    since = now - int(days) * DAY
    history, crossings, line = History(), list[Reading](), None
    with suppress(StoreHeld):
        store, until = context.series(), now + 1
        history = read_history(store, device_id, since=since, until=until)
        crossings = store.range("crossing", device_id, since=since, until=until, limit=CROSSINGS)
        line = _line(context, viewer.account, devices, device_id)
    near = _thresholds(context.thresholds, history.field, place)
    lines = history.lines
    drawn = chart.draw(lines, since=since, until=now, thresholds=near) if lines else None
    with context.database.connect() as connection:
        buildings = places.name_buildings(connection, (place.building if place else None,))
        sites = places.name_sites(connection)
        clock = wrong_clocks(connection).get(device_id)
    return render(
        request,
        viewer.visit,
        "device.html",
        zone=context.registry().zone(place.site) if place else None,
        device=device,
        place=place,
        buildings=buildings,
        sites=sites,
        field=history.field,
        window_minutes=history.window and history.window // MINUTE,
        is_highest=history.function is Function.MAX,
        line=line,
        clock=clock,
        missing=_missing(context, device_id),
        crossings=crossings[::-1],
        days=days,
        rows=history.rows(TABLE_ROWS),
        chart=drawn,
    )


def _require(viewer: Account) -> None:
    if not access.may_visit(viewer, Page.DEVICES):
        raise HTTPException(403)


def last_readings(context: ConsoleContext, **where: str | None) -> list[Reading]:
    """Return the newest readings of every kind, of a device or a site.

    Raises:
        StoreHeld: The series store is away.
    """
    store = context.series()
    return [
        reading
        for measurement in MEASUREMENTS
        for reading in store.last(measurement, limit=LAST_READINGS, **where)
    ]


def _line(context: ConsoleContext, viewer: Account, devices: Devices, device_id: str) -> DeviceLine:
    """Return what the list says of a device; a gateway is seen through all that speak by it."""
    is_gateway = any(device.gateway == device_id for device, _ in devices.values())
    where = {"site": viewer.site} if is_gateway else {"device": device_id}
    asked = devices if is_gateway else {device_id: devices[device_id]}
    lines = list_devices(
        asked,
        last_readings(context, **where),
        silent_after=context.silent_after,
        now=context.clock.now(),
        clocks={},
    )
    return next(line for line in lines if line.device.id == device_id)


def _missing(context: ConsoleContext, device_id: str) -> Missing | None:
    """Return how many of a device's numbers never came; None while that cannot be read."""
    with suppress(LedgerRefused, sqlite3.Error):
        return read_missing(context.data_dir / LEDGER, device_id)
    return None


def _thresholds(
    thresholds: Thresholds, field: str, place: Place | None
) -> tuple[tuple[str, float], ...]:
    site = thresholds.at(place.site if place else None)
    if field == "celsius":
        fever = site.fever
        return (
            ("contact", fever.contact_celsius),
            ("high", fever.high_celsius),
            ("critical", fever.critical_celsius),
        )
    if field == "battery":
        return (("battery_low", site.device.battery_low_percent),)
    return ()


def _building(line: DeviceLine) -> str | None:
    return line.place.building if line.place else None


def _matches(line: DeviceLine, buildings: dict[str, str], search: str) -> bool:
    gate = line.place.gate if line.place else None
    texts = (line.device.id, line.device.profile, buildings.get(_building(line) or ""), gate)
    return any(search.strip().casefold() in (text or "").casefold() for text in texts)
