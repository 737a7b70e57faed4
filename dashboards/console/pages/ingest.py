"""The intake: alarms, stages, sources, journal, followers, books: the numbers of ``/metrics``."""

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from alerts import delivery
from alerts import incident as incidents
from alerts.finding import IncidentKind
from dashboards import access
from dashboards.access import Page
from dashboards.console.outbox_stage import outbox_stage
from dashboards.console.pipeline_status import hear_pipeline
from dashboards.console.view import is_fragment, render
from dashboards.console.visit import Context, Viewer
from ingest.stage import stages

router = APIRouter()


@router.get("/ingest")
def show(request: Request, context: Context, viewer: Viewer) -> Response:
    """Show whether readings come in, are kept, and are judged, and what is wrong where they do not.

    Whoever may see it also sees the alarms about the service itself.
    """
    if not access.may_visit(viewer.account, Page.INGEST):
        raise HTTPException(403)
    word = hear_pipeline(context.data_dir)
    with context.database.connect() as connection:
        alarms = incidents.find(connection, open_only=True, kind=IncidentKind.SYSTEM)
        outbox = outbox_stage(delivery.totals(connection))
    passed = [*stages(word.status), outbox] if word.status is not None else []
    template = "_ingest.html" if is_fragment(request) else "ingest.html"
    return render(
        request,
        viewer.visit,
        template,
        told=word.status,
        is_fresh=word.is_fresh,
        alarms=alarms,
        stages=passed,
    )
