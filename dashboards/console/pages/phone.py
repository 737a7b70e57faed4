"""The demo phone: what a worker's phone would show. For demonstration and training only."""

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from sqlalchemy import func, select

from alerts.tables import demo_message
from dashboards.console.view import is_fragment, render
from dashboards.console.visit import Context, Viewer

router = APIRouter(prefix="/phone")
SHOWN = 30


@router.get("")
def list_phones(request: Request, context: Context, viewer: Viewer) -> Response:
    """Show whose phones have rung."""
    _demo_only(context.demo)
    query = (
        select(
            demo_message.c.worker,
            func.count().label("pages"),
            func.max(demo_message.c.at).label("last_at"),
        )
        .group_by(demo_message.c.worker)
        .order_by(demo_message.c.worker)
    )
    with context.database.connect() as connection:
        phones = connection.execute(query).all()
    template = "_phones.html" if is_fragment(request) else "phones.html"
    return render(request, viewer.visit, template, phones=phones)


@router.get("/{worker}")
def show_phone(request: Request, context: Context, viewer: Viewer, worker: str) -> Response:
    """Show one worker's pages, the latest first."""
    _demo_only(context.demo)
    query = (
        select(demo_message)
        .where(demo_message.c.worker == worker)
        .order_by(demo_message.c.id.desc())
        .limit(SHOWN)
    )
    with context.database.connect() as connection:
        messages = connection.execute(query).all()
    template = "_phone.html" if is_fragment(request) else "phone.html"
    return render(request, viewer.visit, template, worker=worker, messages=messages)


def _demo_only(demo: bool) -> None:
    if not demo:
        raise HTTPException(404)
