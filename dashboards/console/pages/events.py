"""The stream that tells a page that something changed."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from dashboards.console.live import Live, Mark
from dashboards.console.visit import AnyVisit

router = APIRouter()
RETRY_MS = 3_000


def admit(request: Request, visit: AnyVisit) -> Live:
    """Return what to listen to, for somebody signed in while there is room."""
    live: Live = request.app.state.live
    if visit.account is None:
        raise HTTPException(401)
    if live.is_full:
        raise HTTPException(503)
    return live


@router.get("/events", response_class=EventSourceResponse)
async def stream(
    live: Annotated[Live, Depends(admit)],
    since: str = "",
    last_event_id: Annotated[str, Header()] = "",
) -> AsyncIterator[ServerSentEvent]:
    """Send the names of what changed, and nothing about it."""
    async for mark, changed in live.stream(Mark.parse(last_event_id or since)):
        yield ServerSentEvent(event="changed", data=changed, id=str(mark), retry=RETRY_MS)
