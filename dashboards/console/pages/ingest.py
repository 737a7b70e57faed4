"""The intake: sources, journal, followers, books, as the pipeline's own status tells them."""

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from dashboards import access
from dashboards.access import Page
from dashboards.console.pipeline_status import hear_pipeline
from dashboards.console.view import is_fragment, render
from dashboards.console.visit import Context, Viewer

router = APIRouter()


@router.get("/ingest")
def show(request: Request, context: Context, viewer: Viewer) -> Response:
    """Show whether readings come in, are kept, and are judged."""
    if not access.may_visit(viewer.account, Page.INGEST):
        raise HTTPException(403)
    word = hear_pipeline(context.data_dir)
    template = "_ingest.html" if is_fragment(request) else "ingest.html"
    return render(request, viewer.visit, template, told=word.status, is_fresh=word.is_fresh)
