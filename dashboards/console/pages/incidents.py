"""The list of incidents, one incident, and what a person does about it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from alerts import incident as incidents
from alerts.finding import IncidentKind
from alerts.incident import (
    ActRefused,
    Disposition,
    Event,
    EventKind,
    Incident,
    IncidentError,
    Refusal,
    State,
)
from dashboards import access, audit, places
from dashboards.account import Account
from dashboards.console.context import ConsoleContext
from dashboards.console.paged import fold, summarise
from dashboards.console.view import is_fragment, render
from dashboards.console.visit import Context, SignedIn, Viewer
from dashboards.console.words import DISPOSITIONS, GUIDE
from dashboards.household import household_path
from devices.clock import MINUTE
from devices.registry import Role

router = APIRouter()
LISTED = 100
SCANNED = 5 * LISTED
SCANS = 10
"""One page of the list looks through so many times so many: most can be somebody else's."""
Note = Annotated[str, Form(max_length=incidents.NOTE_CHARACTERS)]
Which = Literal["open", "closed", "all"]
_EVIDENCE = frozenset({EventKind.EVIDENCE, EventKind.EVIDENCE_AFTER_CLOSING})


@router.get("/")
def list_incidents(
    request: Request,
    context: Context,
    viewer: Viewer,
    which: Which = "open",
    kind: IncidentKind | Literal[""] = "",
    before: Annotated[str, Query(max_length=16)] = "",
) -> Response:
    """Show the incidents this account looks after: unanswered, severe and new ones first.

    How many wait for an answer is counted over all of them, not over what this page shows.
    """
    with context.database.connect() as connection:
        try:
            found, last = _find(
                connection, viewer.account, which=which, kind=kind or None, before=before
            )
        except IncidentError:
            raise HTTPException(404) from None
        buildings = places.name_buildings(connection, (one.building for one in found))
        sites = places.name_sites(connection)
        waiting = sum(
            one.count
            for one in incidents.count_waiting(connection)
            if access.may_see_incident(viewer.account, one)
        )
    return render(
        request,
        viewer.visit,
        "_incident_list.html" if is_fragment(request) else "incidents.html",
        incidents=found,
        waiting=waiting,
        buildings=buildings,
        sites=sites,
        which=which,
        kind=kind,
        kinds=tuple(IncidentKind),
        before=before,
        last=last,
    )


@router.get("/incidents/{incident_id}")
def show(
    request: Request,
    context: Context,
    viewer: Viewer,
    incident_id: str,
    done: str = "",
    seen: str = "",
) -> Response:
    """Show one incident; to the page itself a part of it, or nothing when that is as it was.

    A button that is replaced while it is being tapped does not act: so it is left alone.
    """
    if not is_fragment(request):
        return render_incident(request, context, viewer, incident_id, done=done)
    return render_incident(
        request, context, viewer, incident_id, template="_incident.html", unless_seen=seen
    )


@router.post("/incidents/{incident_id}/acknowledge")
def acknowledge(request: Request, context: Context, viewer: Viewer, incident_id: str) -> Response:
    """Take care of it: one tap."""

    def act(connection: Connection, now: int) -> None:
        incidents.acknowledge(connection, incident_id, actor=viewer.account.actor, now=now)

    return _act(request, context, viewer, incident_id, audit.Action.ACKNOWLEDGED, act)


@router.post("/incidents/{incident_id}/note")
def add_note(
    request: Request, context: Context, viewer: Viewer, incident_id: str, note: Note = ""
) -> Response:
    """Write something down."""

    def act(connection: Connection, now: int) -> None:
        incidents.note(connection, incident_id, actor=viewer.account.actor, note=note, now=now)

    return _act(request, context, viewer, incident_id, audit.Action.NOTED, act)


@router.post("/incidents/{incident_id}/observe")
def observe(request: Request, context: Context, viewer: Viewer, incident_id: str) -> Response:
    """Keep watch until the same time tomorrow; then it asks for a recheck."""

    def act(connection: Connection, now: int) -> None:
        incidents.observe(connection, incident_id, actor=viewer.account.actor, now=now)

    return _act(request, context, viewer, incident_id, audit.Action.OBSERVED, act)


@router.post("/incidents/{incident_id}/close")
def close(
    request: Request,
    context: Context,
    viewer: Viewer,
    incident_id: str,
    disposition: Annotated[Disposition, Form()],
    note: Note = "",
    confirmed: Annotated[str, Form(max_length=3)] = "",
) -> Response:
    """Ask once more, then end it for good."""
    with context.database.connect() as connection:
        found = visible(connection, viewer.account, incident_id)
    if not access.may_close_incident(viewer.account, found):
        raise HTTPException(403)
    if not confirmed:
        return render(
            request,
            viewer.visit,
            "close.html",
            incident=found,
            disposition=disposition,
            note=note,
        )

    def act(connection: Connection, now: int) -> None:
        incidents.close(
            connection,
            incident_id,
            actor=viewer.account.actor,
            disposition=disposition,
            note=note,
            now=now,
        )

    return _act(request, context, viewer, incident_id, audit.Action.CLOSED, act)


def visible(connection: Connection, viewer: Account, incident_id: str) -> Incident:
    """Return an incident the account may see.

    Raises:
        HTTPException: 404 when there is none, or it is somebody else's: that is not told apart.
    """
    try:
        found = incidents.show(connection, incident_id)
    except IncidentError:
        raise HTTPException(404) from None
    if not access.may_see_incident(viewer, found):
        raise HTTPException(404)
    return found


def render_incident(
    request: Request,
    context: ConsoleContext,
    viewer: SignedIn,
    incident_id: str,
    *,
    template: str = "incident.html",
    status: int = 200,
    unless_seen: str = "",
    **values: Any,
) -> Response:
    """Return the page of an incident, or a part of it; 204 where the browser has seen the same."""
    with context.database.connect() as connection:
        found = visible(connection, viewer.account, incident_id)
        events = incidents.timeline(connection, incident_id)
        buildings = places.name_buildings(connection, (found.building,))
        sites = places.name_sites(connection)
    seen = f"{events[-1].id if events else 0}-{context.clock.now() // MINUTE}"
    if seen == unless_seen:
        return Response(status_code=204)
    page = {"done": "", "problem": "", "refusal": "", "home": None} | values
    return render(
        request,
        viewer.visit,
        template,
        status=status,
        zone=context.registry().zone(found.site) if found.site else None,
        incident=found,
        lines=fold(events),
        evidence=_evidence(events),
        seen=seen,
        is_empty=found.is_open and _has_lost_all(events),
        paged=summarise(events),
        buildings=buildings,
        sites=sites,
        guide=GUIDE[found.kind],
        dispositions=DISPOSITIONS[found.kind],
        may_close=access.may_close_incident(viewer.account, found),
        may_open=access.may_open_person(viewer.account, site=found.site, grid=found.grid),
        home_path=_home_path(found),
        **page,
    )


def _home_path(found: Incident) -> str:
    """Return the address of the household of a case, empty where it has none."""
    if found.building is None or found.household is None:
        return ""
    return household_path(found.building, found.household)


def _act(
    request: Request,
    context: ConsoleContext,
    viewer: SignedIn,
    incident_id: str,
    action: audit.Action,
    act: Any,
) -> Response:
    """Change an incident and record who did, in one transaction; then show it again."""
    now = context.clock.now()
    try:
        with context.database.begin() as connection:
            visible(connection, viewer.account, incident_id)
            act(connection, now)
            audit.record(
                connection,
                action,
                account=viewer.account.name,
                now=now,
                about=f"incident:{incident_id}",
            )
    except IncidentError as error:
        refusal = error.code if isinstance(error, ActRefused) else Refusal.CHANGED
        return render_incident(request, context, viewer, incident_id, status=409, refusal=refusal)
    return RedirectResponse(f"/incidents/{incident_id}?done={action}", 303)


def _find(
    connection: Connection,
    viewer: Account,
    *,
    which: Which,
    kind: IncidentKind | None,
    before: str,
) -> tuple[list[Incident], str]:
    """Return a page of incidents and the id to go on after, empty at the end."""
    grids = viewer.grids if viewer.role is Role.GRID_WORKER else None
    look: Callable[..., list[Incident]] = partial(incidents.find_open, kind=kind)
    if which != "open":
        state = State.CLOSED if which == "closed" else None
        look = partial(incidents.find, state=state)
    mine: list[Incident] = []
    for _ in range(SCANS):
        scanned = look(connection, grids=grids, limit=SCANNED, before=before or None)
        for one in scanned:
            if len(mine) == LISTED:
                return mine, mine[-1].id
            if kind in (None, one.kind) and access.may_see_incident(viewer, one):
                mine.append(one)
        if len(scanned) < SCANNED:
            return mine, ""
        before = scanned[-1].id
    return mine, before


def _evidence(events: Sequence[Event]) -> list[Event]:
    """Return the observations behind an incident, the latest first."""
    return [event for event in reversed(events) if event.kind in _EVIDENCE]


def _has_lost_all(events: Sequence[Event]) -> bool:
    """Return whether the last that was heard of evidence is that none of a fever is left."""
    heard = [event for event in events if event.kind in _EVIDENCE | {EventKind.EVIDENCE_MOVED}]
    return bool(heard) and heard[-1].detail["evidence"].get("remaining") == 0
