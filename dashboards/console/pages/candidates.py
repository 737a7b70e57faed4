"""Unknown devices: what they look like, and the form that gives one its place.

A page is found by a digest of the candidate's id, so that no address says what a device is called.
"""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import Connection, select

from dashboards import access, candidates, people, places
from dashboards.access import Page
from dashboards.candidates import Candidate, Candidates
from dashboards.console.context import ConsoleContext
from dashboards.console.view import home_zone, render
from dashboards.console.visit import Context, SignedIn, Viewer
from devices.clock import SECOND
from devices.csv_rows import DeviceRow
from devices.enrolment import EnrolmentRefused, site_of_household
from devices.registry import PlaceKind
from devices.tables import device, worker
from ingest.ledger_file import NAME, LedgerRefused

router = APIRouter(prefix="/candidates")


class PlaceForm(BaseModel):
    """What was typed, unread."""

    profile: str = Field(default="", max_length=64)
    place: str = Field(default="", max_length=16)
    site: str = Field(default="", max_length=64)
    building: str = Field(default="", max_length=64)
    flat: str = Field(default="", max_length=64)
    gate: str = Field(default="", max_length=64)
    worker: str = Field(default="", max_length=64)
    since: str = Field(default="", max_length=16)


class FormProblem(Exception):
    """A field of the form cannot be used; ``field`` says which."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


@router.get("")
def show_list(
    request: Request, context: Context, viewer: Viewer, ignored: bool = False, asked: int = -1
) -> Response:
    """Show what is proposed, or what was set to be left alone.

    ``asked`` says of how many messages a device was just accepted.
    """
    found = _find(context, viewer)
    return render(
        request,
        viewer.visit,
        "candidates.html",
        found=[one for one in found.found if one.is_ignored == ignored],
        others=sum(one.is_ignored != ignored for one in found.found),
        is_cut=found.is_cut,
        ignored=ignored,
        asked=asked,
        models=context.matcher.models,
    )


@router.get("/{key}")
def show_one(request: Request, context: Context, viewer: Viewer, key: str) -> Response:
    """Show what one looks like, and ask where it stands."""
    candidate = _one(context, viewer, key)
    zone = home_zone(viewer.account, context.registry())
    heard = datetime.fromtimestamp(candidate.first_at / SECOND, UTC).astimezone(zone)
    return _render(request, context, viewer, candidate, PlaceForm(since=f"{heard:%Y-%m-%d}"))


@router.post("/{key}/accept")
def accept(
    request: Request,
    context: Context,
    viewer: Viewer,
    key: str,
    form: Annotated[PlaceForm, Form()],
) -> Response:
    """Register it where the form says, and ask for the replay of its messages."""
    candidate = _one(context, viewer, key)
    try:
        with context.database.connect() as connection:
            row = _row(connection, viewer, candidate, form)
        asked = candidates.accept(
            context.database,
            _ledger(context),
            candidate,
            row,
            since=_since(context, row.site, form.since),
            account=viewer.account.name,
            now=context.clock.now(),
        )
    except (FormProblem, EnrolmentRefused) as problem:
        return _render(request, context, viewer, candidate, form, problem=problem.field)
    return RedirectResponse(f"/candidates?asked={len(asked)}", 303)


@router.post("/{key}/ignore")
def ignore(context: Context, viewer: Viewer, key: str) -> Response:
    """Leave it out of what is proposed."""
    candidate = _one(context, viewer, key)
    with context.database.begin() as connection:
        candidates.ignore(
            connection, candidate, account=viewer.account.name, now=context.clock.now()
        )
    return RedirectResponse("/candidates", 303)


@router.post("/{key}/restore")
def restore(context: Context, viewer: Viewer, key: str) -> Response:
    """Propose it again."""
    candidate = _one(context, viewer, key)
    with context.database.begin() as connection:
        candidates.restore(
            connection, candidate, account=viewer.account.name, now=context.clock.now()
        )
    return RedirectResponse(f"/candidates/{key}", 303)


def _find(context: ConsoleContext, viewer: SignedIn) -> Candidates:
    """Return the candidates, without one that was registered a moment ago."""
    if not access.may_visit(viewer.account, Page.CANDIDATES):
        raise HTTPException(403)
    with context.database.connect() as connection:
        ignored = candidates.read_ignored(connection)
        try:
            found = candidates.find_candidates(
                _ledger(context), context.matcher, context.registry(), ignored
            )
        except LedgerRefused:
            return Candidates((), is_cut=False)
        ids = [one.id for one in found.found]
        known = set(connection.execute(select(device.c.id).where(device.c.id.in_(ids))).scalars())
    left = tuple(one for one in found.found if one.id not in known)
    return Candidates(left, is_cut=found.is_cut)


def _one(context: ConsoleContext, viewer: SignedIn, key: str) -> Candidate:
    for one in _find(context, viewer).found:
        if one.key == key:
            return one
    raise HTTPException(404)


def _render(
    request: Request,
    context: ConsoleContext,
    viewer: SignedIn,
    candidate: Candidate,
    form: PlaceForm,
    *,
    problem: str = "",
) -> Response:
    with context.database.connect() as connection:
        buildings = [
            one
            for one in places.find_buildings(connection)
            if access.may_see_place(viewer.account, site=one.site, grid=one.grid)
        ]
        sites = places.name_sites(connection)
        workers = list(connection.execute(select(worker.c.id).order_by(worker.c.id)).scalars())
    return render(
        request,
        viewer.visit,
        "candidate.html",
        status=422 if problem else 200,
        candidate=candidate,
        command=candidates.copy_command(candidate.matches[0]) if candidate.matches else "",
        models=context.matcher.models,
        form=form,
        kinds=tuple(PlaceKind),
        buildings=buildings,
        sites={
            one: name
            for one, name in sites.items()
            if access.may_see_place(viewer.account, site=one, grid=None)
        },
        workers=workers,
        problem=problem,
    )


def _row(
    connection: Connection, viewer: SignedIn, candidate: Candidate, form: PlaceForm
) -> DeviceRow:
    """Read the form.

    Raises:
        FormProblem: A field cannot be used.
    """
    if form.profile not in candidate.families:
        raise FormProblem("profile")
    household = None
    site = form.site
    if form.place == PlaceKind.HOUSEHOLD:
        household = people.find_household(connection, building_id=form.building, flat=form.flat)
        if household is None:
            raise FormProblem("flat")
        site = site_of_household(connection, household) or ""
    if not access.may_see_place(viewer.account, site=site, grid=None):
        raise FormProblem("site")
    at_gate = form.place in (PlaceKind.GATE, PlaceKind.CHECKPOINT)
    try:
        return DeviceRow.model_validate(
            {
                "id": candidate.device,
                "profile": form.profile,
                "place": form.place,
                "site": site,
                "household": household,
                "gate": form.gate if at_gate else None,
                "worker": form.worker if form.place == PlaceKind.WORKER else None,
            }
        )
    except ValidationError as error:
        where = next(iter(error.errors()[0]["loc"]), form.place)
        raise FormProblem("gate" if where == PlaceKind.CHECKPOINT else str(where)) from error


def _since(context: ConsoleContext, site: str, text: str) -> int:
    try:
        day = datetime.combine(date.fromisoformat(text), time(), context.registry().zone(site))
    except ValueError as error:
        raise FormProblem("since") from error
    begins = int(day.timestamp()) * SECOND
    if not 0 <= begins <= context.clock.now():
        raise FormProblem("since")
    return begins


def _ledger(context: ConsoleContext) -> Path:
    return context.data_dir / NAME
