"""Name, phone and flat behind an incident: shown for a reason that is written down."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import Response

from dashboards import access, people
from dashboards.console.context import ConsoleContext
from dashboards.console.pages.incidents import render_incident, visible
from dashboards.console.view import is_fragment, render
from dashboards.console.visit import Context, SignedIn, Viewer

router = APIRouter()
REASON = range(3, 201)


def looks_after(context: ConsoleContext, viewer: SignedIn, household: str) -> bool:
    """Return whether a flat lies in what the account looks after, wherever its people went."""
    place = context.registry().household_place(household)
    return place is None or access.may_open_person(viewer.account, site=place.site, grid=place.grid)


@router.post("/incidents/{incident_id}/person")
def open_person(
    request: Request,
    context: Context,
    viewer: Viewer,
    incident_id: str,
    reason: Annotated[str, Form(max_length=REASON.stop)] = "",
) -> Response:
    """Show who it is about. Nothing is shown without a reason, and nothing unrecorded."""
    reason = reason.strip()
    with context.database.begin() as connection:
        found = visible(connection, viewer.account, incident_id)
        if not access.may_open_person(viewer.account, site=found.site, grid=found.grid):
            raise HTTPException(403)
        now = context.clock.now()
        household = found.household
        if household is None and found.subject is not None:
            household = context.registry().household_of(found.subject, now)
        home = None
        is_elsewhere = household is not None and not looks_after(context, viewer, household)
        if len(reason) in REASON and household is not None and not is_elsewhere:
            home = people.open_home(
                connection,
                household,
                viewer=viewer.account,
                about=f"incident:{incident_id}",
                reason=reason,
                now=now,
                subject=found.subject,
            )
    problem = "" if home is not None else "reason" if household is not None else "nobody"
    problem = "elsewhere" if is_elsewhere else problem
    if is_fragment(request):
        return render(
            request,
            viewer.visit,
            "_person.html",
            incident=found,
            may_open=True,
            home=home,
            problem=problem,
        )
    return render_incident(request, context, viewer, incident_id, home=home, problem=problem)
