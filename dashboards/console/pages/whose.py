"""Whose a reading is that named nobody: the readings of a case's flat, and a person's answers."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from alerts import attribution
from alerts import incident as incidents
from alerts.attribution import Answer, SharedReading, Whose
from alerts.incident import ActRefused, Incident, IncidentError, Refusal
from alerts.timeline import EventKind
from dashboards import access, audit, people
from dashboards.console.context import ConsoleContext
from dashboards.console.pages.incidents import visible
from dashboards.console.pages.person import looks_after
from dashboards.console.view import render
from dashboards.console.visit import Context, SignedIn, Viewer

router = APIRouter(prefix="/incidents/{incident_id}")
LISTED = 40
WHY = "says whose a reading is"
_EVIDENCE = frozenset(
    {EventKind.EVIDENCE, EventKind.EVIDENCE_AFTER_CLOSING, EventKind.EVIDENCE_MOVED}
)


class WhoseForm(BaseModel):
    """One entry for each reading that was shown: its name, the answers seen, and the answer."""

    reading: list[Annotated[str, Field(pattern="^[0-9a-f]{8}$")]] = Field(max_length=LISTED)
    seen: list[int] = Field(max_length=LISTED)
    whose: list[Annotated[str, Field(max_length=64)]] = Field(max_length=LISTED)

    def answers(self) -> list[Answer]:
        """Return what was answered.

        Raises:
            HTTPException: No form of ours says this.
        """
        try:
            return [
                _answer(name, whose, seen)
                for name, seen, whose in zip(self.reading, self.seen, self.whose, strict=True)
            ]
        except ValueError:
            raise HTTPException(422) from None


@router.post("/readings")
def show(request: Request, context: Context, viewer: Viewer, incident_id: str) -> Response:
    """Show the flat's readings that named nobody, and who lived there; that is recorded."""
    return _show(request, context, viewer, incident_id)


@router.post("/attribute")
def attribute(
    request: Request,
    context: Context,
    viewer: Viewer,
    incident_id: str,
    form: Annotated[WhoseForm, Form()],
) -> Response:
    """Keep the answers, all or none of them, and record who gave them."""
    now = context.clock.now()
    try:
        with context.database.begin() as connection:
            _open(connection, context, viewer, incident_id)
            changed = attribution.attribute(
                connection,
                context.registry(),
                incident_id,
                form.answers(),
                actor=viewer.account.actor,
                now=now,
            )
            if changed:
                audit.record(
                    connection,
                    audit.Action.ATTRIBUTED,
                    account=viewer.account.name,
                    now=now,
                    about=f"incident:{incident_id}",
                )
    except IncidentError as error:
        refusal = error.code if isinstance(error, ActRefused) else Refusal.CHANGED
        return _show(request, context, viewer, incident_id, status=409, refusal=refusal)
    done = audit.Action.ATTRIBUTED if changed else ""
    return RedirectResponse(f"/incidents/{incident_id}?done={done}", 303)


def _answer(name: str, whose: str, seen: int) -> Answer:
    kind, _, subject = whose.partition(":")
    return Answer(name, Whose(kind), subject or None, seen)


def _show(
    request: Request,
    context: ConsoleContext,
    viewer: SignedIn,
    incident_id: str,
    *,
    status: int = 200,
    refusal: str = "",
) -> Response:
    with context.database.begin() as connection:
        found, household = _open(connection, context, viewer, incident_id)
        shared = attribution.find_readings(connection, context.registry(), household)
        evidence = {
            event.detail.get("observed_at")
            for event in incidents.timeline(connection, incident_id)
            if event.kind in _EVIDENCE
        }
        shown = _first(shared, evidence)
        home = people.open_home(
            connection,
            household,
            viewer=viewer.account,
            about=f"incident:{incident_id}",
            reason=WHY,
            now=context.clock.now(),
            since=min((one.observed_at for one in shown), default=None),
        )
    if home is None:
        raise HTTPException(404)
    return render(
        request,
        viewer.visit,
        "whose.html",
        status=status,
        zone=context.registry().zone(found.site) if found.site else None,
        incident=found,
        home=home,
        names={one.subject: one.name for one in home.people},
        shown=shown,
        evidence=evidence,
        refusal=refusal,
    )


def _first(shared: Sequence[SharedReading], evidence: set[int | None]) -> list[SharedReading]:
    """Return at most so many as a page shows: the case's own readings first, then the latest."""
    by_case = sorted(shared, key=lambda one: one.observed_at not in evidence)
    return by_case[:LISTED]


def _open(
    connection: Connection, context: ConsoleContext, viewer: SignedIn, incident_id: str
) -> tuple[Incident, str]:
    """Return the case and its flat, where the account may know who lives there.

    Raises:
        HTTPException: 404 for a case that is not there for this account, or has no flat; 403.
    """
    found = visible(connection, viewer.account, incident_id)
    if found.household is None:
        raise HTTPException(404)
    may = access.may_open_person(viewer.account, site=found.site, grid=found.grid)
    if not may or not looks_after(context, viewer, found.household):
        raise HTTPException(403)
    return found, found.household
