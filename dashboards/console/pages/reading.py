"""Entering a temperature taken by hand. It goes through the broker like every other reading."""

import secrets
from datetime import datetime
from typing import Annotated

import anyio
import anyio.from_thread
import structlog
from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from dashboards import access, audit, hand_reading, people, places
from dashboards.access import Page
from dashboards.account import Account
from dashboards.console.context import ConsoleContext
from dashboards.console.view import render
from dashboards.console.visit import Context, SignedIn, Viewer
from dashboards.hand_reading import BODY_SITES, HandReading, ReadingProblem
from dashboards.people import Home
from devices.clock import SECOND
from devices.observation import BodySite
from devices.registry import Place
from ingest.publisher import PublishFailed

router = APIRouter(prefix="/reading")
log = structlog.get_logger()
PUBLISH_S = 10.0
Short = Annotated[str, Form(max_length=64)]
WHY = "enters a reading taken by hand"


class ReadingForm(BaseModel):
    """What was typed, unread; ``event_id`` comes with the form: two taps are one reading."""

    household: str = Field(default="", max_length=64)
    subject: str = Field(default="", max_length=64)
    celsius: str = Field(default="", max_length=16)
    body_site: str = Field(default="", max_length=16)
    at: str = Field(default="", max_length=16)
    event_id: str = Field(default_factory=lambda: secrets.token_hex(8), pattern="^[0-9a-f]{16}$")


@router.get("")
def choose_flat(request: Request, context: Context, viewer: Viewer, done: bool = False) -> Response:
    """Ask for building and flat; who lives there is not told yet."""
    return _show_flat_form(request, context, viewer, done=done)


@router.post("/person")
def choose_person(
    request: Request, context: Context, viewer: Viewer, building: Short = "", flat: Short = ""
) -> Response:
    """Show who lives there, which is recorded, and ask for the reading."""
    _require(viewer.account)
    with context.database.begin() as connection:
        household = people.find_household(connection, building_id=building, flat=flat)
        if household is None or not _may_open(context, viewer.account, household):
            home = None
        else:
            home = _open(connection, context, viewer.account, household)
    if home is None:
        return _show_flat_form(
            request, context, viewer, building=building, flat=flat, problem="flat", status=404
        )
    return _show_reading_form(request, viewer, home)


@router.post("")
def enter(
    request: Request, context: Context, viewer: Viewer, form: Annotated[ReadingForm, Form()]
) -> Response:
    """Check the reading and hand it to the broker."""
    _require(viewer.account)
    if not _may_open(context, viewer.account, form.household):
        raise HTTPException(403)
    try:
        reading = _parse(context, viewer.account, form)
        anyio.from_thread.run(_publish, context, reading)
    except ReadingProblem as problem:
        return _show_again(request, context, viewer, form, problem.field)
    except (PublishFailed, TimeoutError) as error:
        log.warning("reading_not_published", error=type(error).__name__)
        typed = form.model_copy(update={"at": _clock_text(context, reading)})
        return _show_again(request, context, viewer, typed, "broker")
    with context.database.begin() as connection:
        audit.record(
            connection,
            audit.Action.ENTERED_READING,
            account=viewer.account.name,
            now=context.clock.now(),
            about=f"reading:{reading.event_id}",
        )
    return RedirectResponse("/reading?done=true", 303)


async def _publish(context: ConsoleContext, reading: HandReading) -> None:
    with anyio.fail_after(PUBLISH_S):
        await context.publish(reading.topic, reading.payload)


def _clock_text(context: ConsoleContext, reading: HandReading) -> str:
    """Return the reading's time of day, so that sending it again says the same of it."""
    zone = context.registry().zone(reading.site)
    return f"{datetime.fromtimestamp(reading.observed_at / SECOND, zone):%H:%M}"


def _parse(context: ConsoleContext, viewer: Account, form: ReadingForm) -> HandReading:
    now, registry = context.clock.now(), context.registry()
    site = _place(context, form.household).site
    fever = context.thresholds.at(site).fever
    device = hand_reading.publishing_device(registry, viewer, site, now=now)
    if device is None:
        raise ReadingProblem("device")
    if registry.household_of(form.subject, now) != form.household:
        raise ReadingProblem("subject")
    if form.body_site not in BODY_SITES:
        raise ReadingProblem("body_site")
    return HandReading(
        site=site,
        device_id=device,
        subject=form.subject,
        celsius=hand_reading.parse_celsius(
            form.celsius, lowest=fever.plausible_from_celsius, highest=fever.plausible_to_celsius
        ),
        body_site=BodySite(form.body_site),
        observed_at=hand_reading.parse_time(form.at, now=now, zone=registry.zone(site)),
        event_id=form.event_id,
    )


def _require(viewer: Account) -> None:
    if not access.may_visit(viewer, Page.READING):
        raise HTTPException(403)


def _place(context: ConsoleContext, household: str) -> Place:
    place = context.registry().household_place(household)
    if place is None:
        raise HTTPException(404)
    return place


def _may_open(context: ConsoleContext, viewer: Account, household: str) -> bool:
    place = context.registry().household_place(household)
    return place is not None and access.may_open_person(viewer, site=place.site, grid=place.grid)


def _open(
    connection: Connection, context: ConsoleContext, viewer: Account, household: str
) -> Home | None:
    return people.open_home(
        connection,
        household,
        viewer=viewer,
        about=f"household:{household}",
        reason=WHY,
        now=context.clock.now(),
    )


def _show_flat_form(
    request: Request,
    context: ConsoleContext,
    viewer: SignedIn,
    *,
    building: str = "",
    flat: str = "",
    problem: str = "",
    done: bool = False,
    status: int = 200,
) -> Response:
    _require(viewer.account)
    with context.database.connect() as connection:
        buildings = [
            one
            for one in places.find_buildings(connection)
            if access.may_see_place(viewer.account, site=one.site, grid=one.grid)
        ]
        sites = places.name_sites(connection)
    return render(
        request,
        viewer.visit,
        "reading.html",
        status=status,
        buildings=buildings,
        sites=sites,
        building=building,
        flat=flat,
        problem=problem,
        done=done,
    )


def _show_reading_form(
    request: Request,
    viewer: SignedIn,
    home: Home,
    *,
    form: ReadingForm | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    return render(
        request,
        viewer.visit,
        "reading_person.html",
        status=status,
        home=home,
        typed=form or ReadingForm(),
        body_sites=BODY_SITES,
        problem=problem,
    )


def _show_again(
    request: Request, context: ConsoleContext, viewer: SignedIn, form: ReadingForm, problem: str
) -> Response:
    with context.database.begin() as connection:
        home = _open(connection, context, viewer.account, form.household)
    if home is None:
        raise HTTPException(404)
    return _show_reading_form(request, viewer, home, form=form, problem=problem, status=422)
