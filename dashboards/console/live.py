"""Server-sent events: one look at the database a second for the whole process, not one a browser.

A browser is told only what changed (``["incidents"]``); it then asks for its own part of the page,
with its own rights. Whoever joins is told everything at once, so that nothing is missed between
page and stream.
"""

import asyncio
from collections.abc import AsyncIterator

import anyio.to_thread
import structlog
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from alerts.tables import demo_message, incident_event

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
STREAM_LASTS_S = 300.0
"""After this the browser connects again, and its session is checked again."""
STREAMS = 500


class Live:
    """The latest state of what browsers watch, and the streams that wait for it to change."""

    def __init__(self, database: Engine) -> None:
        self._database = database
        self._seen: dict[str, int] = {}
        self._changed = asyncio.Condition()
        self._streams = 0

    @property
    def is_full(self) -> bool:
        """Whether there are as many streams as this process serves."""
        return self._streams >= STREAMS

    async def watch(self) -> None:
        """Look once a second until cancelled; a database that is away is looked at again."""
        is_away = False
        while True:
            try:
                seen = await anyio.to_thread.run_sync(self._look)
                is_away = False
            except SQLAlchemyError as error:
                if not is_away:
                    log.warning("live_look_failed", error=type(error).__name__)
                is_away = True
            else:
                await self._tell(seen)
            await asyncio.sleep(LOOK_EVERY_S)

    async def stream(self) -> AsyncIterator[list[str]]:
        """Yield what changed, beginning with everything, for a few minutes."""
        self._streams += 1
        known: dict[str, int] = {}
        loop = asyncio.get_running_loop()
        ends = loop.time() + STREAM_LASTS_S
        try:
            while True:
                seen = await asyncio.wait_for(self._next(known), ends - loop.time())
                yield [what for what, number in seen.items() if known.get(what) != number]
                known = seen
        except TimeoutError:
            return
        finally:
            self._streams -= 1

    async def _next(self, known: dict[str, int]) -> dict[str, int]:
        async with self._changed:
            await self._changed.wait_for(lambda: self._seen != known)
            return self._seen

    async def _tell(self, seen: dict[str, int]) -> None:
        if seen == self._seen:
            return
        async with self._changed:
            self._seen = seen
            self._changed.notify_all()

    def _look(self) -> dict[str, int]:
        with self._database.connect() as connection:
            event = connection.execute(select(func.max(incident_event.c.id))).scalar()
            message = connection.execute(select(func.max(demo_message.c.id))).scalar()
        return {"incidents": event or 0, "phones": message or 0}
