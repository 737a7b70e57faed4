"""The console as an application: routes, what guards them, and what happens when they fail."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from dashboards.console import view
from dashboards.console.context import ConsoleContext
from dashboards.console.failure import FailurePage
from dashboards.console.live import Live
from dashboards.console.pages import (
    candidates,
    dead_letters,
    devices,
    events,
    files,
    health,
    household_change,
    households,
    incidents,
    ingest,
    person,
    phone,
    reading,
    sign_in,
    whose,
)
from dashboards.console.security import SecurityHeaders
from dashboards.console.visit import SignInNeeded, require_token, unknown, visit
from dashboards.throttle import Throttle

log = structlog.get_logger()
FORM_BYTES = 64 * 1024
_ROUTERS = (
    sign_in.router,
    incidents.router,
    person.router,
    whose.router,
    reading.router,
    households.router,
    household_change.router,
    devices.router,
    candidates.router,
    dead_letters.router,
    ingest.router,
    phone.router,
    events.router,
    health.router,
    files.router,
)


def create_app(context: ConsoleContext) -> FastAPI:
    """Return the console; nothing is opened before the server starts it."""
    app = FastAPI(
        title="Gatehouse",
        openapi_url=None,
        lifespan=_watch,
        dependencies=[Depends(require_token)],
        max_body_size=FORM_BYTES,
    )
    app.state.context = context
    app.state.environments = view.build(context)
    app.state.throttle = Throttle()
    app.state.live = Live(context.database)
    for router in _ROUTERS:
        app.include_router(router)
    app.add_exception_handler(SignInNeeded, _send_to_sign_in)
    app.add_exception_handler(HTTPException, _show_refusal)
    app.add_exception_handler(RequestValidationError, _show_bad_form)
    app.add_exception_handler(DataError, _show_bad_form)
    app.add_exception_handler(OperationalError, _show_database_away)
    app.add_exception_handler(PoolTimeout, _show_database_away)
    app.add_middleware(FailurePage)
    app.add_middleware(SecurityHeaders, secure=context.secure)
    return app


@asynccontextmanager
async def _watch(app: FastAPI) -> AsyncIterator[None]:
    """Look for changes while the console serves."""
    live: Live = app.state.live
    task = asyncio.create_task(live.watch(), name="live")
    task.add_done_callback(_end_with)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _end_with(task: asyncio.Task[None]) -> None:
    """End the process when looking for changes has failed: it is started again by its parent."""
    if not task.cancelled() and task.exception() is not None:
        log.error("live_ended", error=type(task.exception()).__name__)
        signal.raise_signal(signal.SIGTERM)


def _send_to_sign_in(request: Request, needed: Exception) -> Response:
    """Send a page to the sign-in form and back; tell a part of a page to send its whole."""
    if view.is_fragment(request):
        return Response(status_code=401, headers={"HX-Refresh": "true"})
    path = needed.path if isinstance(needed, SignInNeeded) else "/"
    return RedirectResponse(f"/sign-in?{urlencode({'then': path})}", 303)


def _show_refusal(request: Request, refusal: Exception) -> Response:
    """Say in the person's language what was refused."""
    status = refusal.status_code if isinstance(refusal, HTTPException) else 500
    return view.render(request, visit(request), "refused.html", status=status, code=status)


def _show_database_away(request: Request, error: Exception) -> Response:
    """Say that the database does not answer; nobody can be known without it."""
    live: Live = request.app.state.live
    live.outage.begin(type(error).__name__)
    return view.render(request, unknown(request), "refused.html", status=503, code=503)


def _show_bad_form(request: Request, _error: Exception) -> Response:
    """Refuse input that no form of ours sends, or no database takes, without repeating it."""
    return view.render(request, visit(request), "refused.html", status=422, code=422)
