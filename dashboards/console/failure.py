"""What nobody expected: the person gets a page that says so, the log the kind of error and where.

Stands inside the security headers and outside everything else. The error's own words are left
out of the log: they can hold what somebody typed.
"""

import traceback
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.console import view
from dashboards.console.visit import unknown

log = structlog.get_logger()
_UTC = ZoneInfo("UTC")


class FailurePage:
    """Answers a request that failed unexpectedly, where no answer has begun yet."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception as error:
            if scope["type"] != "http":
                raise
            log.error("request_failed", error=type(error).__name__, where=_where(error))
            if begun:
                raise
            request = Request(scope, receive)
            # In UTC: the register, which knows the zone, can be what failed.
            page = view.render(
                request, unknown(request), "refused.html", status=500, zone=_UTC, code=500
            )
            await page(scope, receive, send)


def _where(error: Exception) -> str:
    """Return the file and line the error came from."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
