"""The stream that tells a page that something changed."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from dashboards.console.live import Live
from dashboards.console.visit import AnyVisit

router = APIRouter()


def admitted(request: Request, visit: AnyVisit) -> Live:
    """Return what to listen to, for somebody signed in while there is room."""
    live: Live = request.app.state.live
    if visit.account is None:
        raise HTTPException(401)
    if live.is_full:
        raise HTTPException(503)
    return live


@router.get("/events", response_class=EventSourceResponse)
async def stream(live: Live = Depends(admitted)) -> AsyncIterator[ServerSentEvent]:  # noqa: B008
    """Send the names of what changed, and nothing about it."""
    async for changed in live.stream():
        yield ServerSentEvent(event="changed", data=changed, retry=3_000)
