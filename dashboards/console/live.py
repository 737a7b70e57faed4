"""Server-sent events: one look at the database a second for the whole process, not one a browser.

A browser is told only what changed (``["incidents"]``); it then asks for its own part of the page,
with its own rights. A page carries the mark it was made at, and a browser that connects again the
mark it last saw, so nothing is missed and nothing is fetched without need.
"""

import asyncio
from collections.abc import AsyncIterator

import anyio.to_thread
import msgspec
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from alerts.tables import demo_message, incident_event
from devices.outage import Outage

LOOK_EVERY_S = 1.0
STREAM_LASTS_S = 300.0
"""After this the browser connects again, and its session is checked again."""
STREAMS = 500


class Mark(msgspec.Struct, frozen=True):
    """A moment of what browsers watch: the newest row of each."""

    incidents: int = 0
    phones: int = 0

    @classmethod
    def parse(cls, text: str) -> "Mark":
        """Return the mark a browser sends; one that is not ours is the very beginning."""
        incidents, _, phones = text[:40].partition("-")
        is_ours = incidents.isascii() and incidents.isdigit() and phones.isascii()
        return cls(int(incidents), int(phones)) if is_ours and phones.isdigit() else cls()

    def __str__(self) -> str:
        return f"{self.incidents}-{self.phones}"

    def changed_since(self, before: "Mark") -> list[str]:
        """Return the names of what is not as it was."""
        then = msgspec.structs.asdict(before)
        return [name for name, row in msgspec.structs.asdict(self).items() if row != then[name]]


class Live:
    """The present mark, and the streams that wait for another one."""

    def __init__(self, database: Engine) -> None:
        self._database = database
        self.mark = Mark()
        self._changed = asyncio.Condition()
        self._streams = 0
        self.outage = Outage("database")

    @property
    def is_full(self) -> bool:
        """Whether there are as many streams as this process serves."""
        return self._streams >= STREAMS

    async def watch(self) -> None:
        """Look once a second until cancelled; a database that is away is looked at again."""
        while True:
            try:
                mark = await anyio.to_thread.run_sync(self._look)
            except SQLAlchemyError as error:
                self.outage.begin(type(error).__name__)
            else:
                self.outage.end()
                await self._tell(mark)
            await asyncio.sleep(LOOK_EVERY_S)

    async def stream(self, since: Mark) -> AsyncIterator[tuple[Mark, list[str]]]:
        """Yield each new mark and what changed with it, for a few minutes."""
        self._streams += 1
        ends = asyncio.get_running_loop().time() + STREAM_LASTS_S
        try:
            while True:
                async with asyncio.timeout_at(ends):
                    mark = await self._after(since)
                yield mark, mark.changed_since(since)
                since = mark
        except TimeoutError:
            return
        finally:
            self._streams -= 1

    async def _after(self, since: Mark) -> Mark:
        async with self._changed:
            await self._changed.wait_for(lambda: self.mark != since)
            return self.mark

    async def _tell(self, mark: Mark) -> None:
        if mark == self.mark:
            return
        async with self._changed:
            self.mark = mark
            self._changed.notify_all()

    def _look(self) -> Mark:
        with self._database.connect() as connection:
            event = connection.execute(select(func.max(incident_event.c.id))).scalar()
            message = connection.execute(select(func.max(demo_message.c.id))).scalar()
        return Mark(event or 0, message or 0)
