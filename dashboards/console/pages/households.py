"""The register: buildings, their households, one household; names for a reason that is recorded.

A household's page is found by a digest, and a flat is looked up by a form that is posted: no
address says a flat.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from alerts import incident as incidents
from alerts.incident import Incident
from alerts.rules.fever import Fever
from dashboards import access, household_list, people, places
from dashboards.access import Page
from dashboards.account import Account
from dashboards.console.context import ConsoleContext
from dashboards.console.pages.devices import last_readings
from dashboards.console.pages.person import REASON
from dashboards.console.view import render
from dashboards.console.visit import Context, SignedIn, Viewer
from dashboards.device_list import DeviceLine, list_devices
from dashboards.household import Household, building_path, describe, digest, household_path
from dashboards.household_change import CASE, ChangeForm, Statement
from dashboards.people import Home
from dashboards.places import Building
from devices.registry import HouseholdState, ResidentClass
from devices.registry_draft import Rows
from devices.registry_edit import read_household
from devices.registry_lock import reading
from ingest.series import Reading, StoreHeld

router = APIRouter(prefix="/households")
LISTED = 200
Short = Annotated[str, Form(max_length=64)]


class AtDoor(NamedTuple):
    """Somebody who asks for one household's page, whether or not it is for them."""

    request: Request
    context: ConsoleContext
    viewer: SignedIn
    building: str
    key: str

    @property
    def path(self) -> str:
        """The page's address."""
        return f"{building_path(self.building)}/{self.key}"


def _at_door(request: Request, context: Context, viewer: Viewer, building: str, key: str) -> AtDoor:
    return AtDoor(request, context, viewer, building, key)


Door = Annotated[AtDoor, Depends(_at_door)]


class Opened(NamedTuple):
    """A household, and the part of the registry that is about it."""

    rows: Mapping[str, Rows]
    home: Household


@router.get("")
def show_buildings(request: Request, context: Context, viewer: Viewer) -> Response:
    """Show the buildings this account looks after, and ask for a flat."""
    return _show_buildings(request, context, viewer)


@router.post("/find")
def find(
    request: Request, context: Context, viewer: Viewer, building: Short = "", flat: Short = ""
) -> Response:
    """Go to the building, the flat or the household that was typed."""
    _require(viewer.account)
    with context.database.connect() as connection:
        known = {one.id for one in find_buildings(connection, viewer.account)}
        wanted = flat.strip()
        if not wanted and building in known:
            return RedirectResponse(building_path(building), 303)
        household = people.find_household(connection, building_id=building, flat=wanted) or wanted
        where = household_list.building_of(connection, household)
    if where not in known or building not in {"", where}:
        return _show_buildings(request, context, viewer, typed=(building, flat))
    return RedirectResponse(household_path(str(where), household), 303)


@router.get("/{building}")
def show_households(
    request: Request,
    context: Context,
    viewer: Viewer,
    building: str,
    state: HouseholdState | None = None,
) -> Response:
    """Show the households of a building, all or those of one state."""
    _require(viewer.account)
    with context.database.connect() as connection:
        mine = {one.id: one for one in find_buildings(connection, viewer.account)}
        if building not in mine:
            raise HTTPException(404)
        lines = household_list.list_households(connection, building, now=context.clock.now())
        cases: dict[str | None, list[Incident]] = defaultdict(list)
        for one in _open_cases(connection, viewer.account, building):
            cases[one.household].append(one)
    return render(
        request,
        viewer.visit,
        "household_list.html",
        zone=context.registry().zone(mine[building].site),
        building=mine[building],
        lines=[line for line in lines if state in (None, line.state)],
        total=len(lines),
        cases=cases,
        state=state,
        states=tuple(HouseholdState),
    )


@router.get("/{building}/{key}")
def show(door: Door, done: Statement | None = None, case: str = "") -> Response:
    """Show one household; ``case`` is the incident that it is looked at for."""
    return render_household(door, done=done, case=case if re.fullmatch(CASE, case) else "")


@router.post("/{building}/{key}/person")
def open_people(
    door: Door,
    reason: Annotated[str, Form(max_length=REASON.stop)] = "",
    case: Annotated[str, Form(pattern=CASE)] = "",
) -> Response:
    """Show the flat and the names of who lives and lived there. Nothing without a reason."""
    reason = reason.strip()
    found = None
    with door.context.database.begin() as connection:
        home = open_household(connection, door).home
        if len(reason) in REASON:
            found = people.open_home(
                connection,
                home.id,
                viewer=door.viewer.account,
                about=f"household:{home.id}",
                reason=reason,
                now=door.context.clock.now(),
                since=0,
            )
    return render_household(door, opened=found, case=case, has_no_reason=not found)


def open_household(connection: Connection, door: AtDoor, *, also: Iterable[str] = ()) -> Opened:
    """Return a household that the account looks after; ``also`` others that it may refer to.

    Raises:
        HTTPException: 403 if the page is not for this account, 404 if the household is not there
            or somebody else's.
    """
    viewer = door.viewer.account
    _require(viewer)
    found = household_list.find_by_key(connection, door.building, door.key)
    if found is None:
        raise HTTPException(404)
    rows = read_household(connection, found, also=also)
    home = describe(rows, found, now=door.context.clock.now())
    if not access.may_open_person(viewer, site=home.site, grid=home.grid):
        raise HTTPException(404)
    return Opened(rows, home)


def render_household(
    door: AtDoor,
    *,
    status: int = 200,
    opened: Home | None = None,
    form: ChangeForm | None = None,
    **values: Any,
) -> Response:
    """Return the page of a household, with its names where they were opened.

    Args:
        door: Who asks for which.
        status: Of the answer.
        opened: Flat and names.
        form: What was typed into one of its forms.
        values: What else there is to say: ``case``, ``done``, ``problem`` of the form,
            ``has_no_reason``, ``is_so_already``.
    """
    context, viewer = door.context, door.viewer.account
    now = context.clock.now()
    with reading(context.database) as connection:
        home = open_household(connection, door).home
        cases = _open_cases(connection, viewer, home.building, home.id)
        fever = _last_fever(connection, viewer, home.id)
        devices = household_list.devices_in(connection, home.id, now=now)
        labels = name_homes(connection, viewer, [home])
        buildings = find_buildings(connection, viewer)
        sites = places.name_sites(connection)
    lines, is_held = _device_lines(context, devices, now)
    names = {digest(one.subject): one for one in opened.people} if opened else {}
    page = {"done": None, "problem": None, "case": "", "has_no_reason": False}
    page |= {"is_so_already": False} | values
    is_new = page["case"] and not page["done"]
    return render(
        door.request,
        door.viewer.visit,
        "household.html",
        status=status,
        zone=context.registry().zone(home.site),
        home=home,
        labels=labels,
        cases=cases,
        fever=fever,
        lines=lines,
        is_held=is_held,
        opened=opened,
        names=names,
        form=form or ChangeForm(what=Statement.STATE),
        is_open=form.what if form else Statement.REGISTER if is_new else "",
        buildings=buildings,
        sites=sites,
        states=tuple(HouseholdState),
        classes=tuple(ResidentClass),
        **page,
    )


def find_buildings(connection: Connection, viewer: Account) -> list[Building]:
    """Return the buildings whose people an account looks after."""
    return [
        one
        for one in places.find_buildings(connection)
        if access.may_open_person(viewer, site=one.site, grid=one.grid)
    ]


def name_homes(
    connection: Connection, viewer: Account, homes: Iterable[Household]
) -> dict[str, str]:
    """Return what the households are called that people of these lived in: nothing of another's."""
    wanted = {
        fact.value
        for home in homes
        for one in (*home.residents, *home.earlier)
        for fact in one.homes
    }
    mine = {one.id: one.name for one in find_buildings(connection, viewer)}
    where = household_list.buildings_of(connection, wanted)
    return {one: f"{mine[at]} · {one}" for one, at in where.items() if at in mine}


def _show_buildings(
    request: Request,
    context: ConsoleContext,
    viewer: SignedIn,
    typed: tuple[str, str] | None = None,
) -> Response:
    """Show the buildings; ``typed`` are a building and a flat that were not found."""
    _require(viewer.account)
    with context.database.connect() as connection:
        mine = find_buildings(connection, viewer.account)
        lines = household_list.list_buildings(connection, mine[:LISTED], now=context.clock.now())
        sites = places.name_sites(connection)
    return render(
        request,
        viewer.visit,
        "households.html",
        status=404 if typed else 200,
        buildings=mine,
        lines=lines,
        sites=sites,
        has_sites=len({one.site for one in mine}) > 1,
        states=tuple(HouseholdState),
        typed=typed,
    )


def _open_cases(
    connection: Connection, viewer: Account, building: str, household: str | None = None
) -> list[Incident]:
    found = incidents.find_open_in(connection, building, household=household)
    return [one for one in found if access.may_see_incident(viewer, one)]


def _last_fever(connection: Connection, viewer: Account, household: str) -> Incident | None:
    """Return the case on which it can be said whose the flat's readings are."""
    found = incidents.find_last(connection, household, rule=Fever.name)
    if found is None or not access.may_see_incident(viewer, found):
        return None
    may_open = access.may_open_person(viewer, site=found.site, grid=found.grid)
    return found if may_open else None


def _device_lines(
    context: ConsoleContext, ids: Iterable[str], now: int
) -> tuple[list[DeviceLine], bool]:
    """Return a line for each device, and whether the store that knows when they spoke is away."""
    registry = context.registry()
    known = {one: device for one in ids if (device := registry.device(one)) is not None}
    readings: list[Reading] = []
    is_held = False
    try:
        for one in known:
            readings += last_readings(context, device=one)
    except StoreHeld:
        is_held = True
    lines = list_devices(
        {one: (device, registry.place(one, now)) for one, device in known.items()},
        readings,
        silent_after=context.silent_after,
        now=now,
        clocks={},
    )
    return lines, is_held


def _require(viewer: Account) -> None:
    if not access.may_visit(viewer, Page.HOUSEHOLDS):
        raise HTTPException(403)
