"""What the demo's terminal shows, gathered twice a second from where everybody else reads it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, func, select

from alerts.incident import find
from alerts.page import PageState
from alerts.record import Incident
from alerts.tables import incident, page
from devices.clock import Clock
from gatehouse.display import Display, Moment, Scene
from ingest.status import read_status

SHOW_EVERY_S = 0.5
NEWEST = 6
_RATE_OVER = 6
"""Looks (three seconds) over which the rate is the mean."""

History = Callable[[], tuple[int, int] | None]


class DemoScreen:
    """Look, gather, show; until cancelled."""

    def __init__(self, scene: Scene, database: Engine, data_dir: Path, clock: Clock) -> None:
        self._display = Display(scene)
        self._database = database
        self._data_dir = data_dir
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque(maxlen=_RATE_OVER)

    async def run(self, history: History) -> None:
        """Show the present moment again and again."""
        self._display.start()
        while True:
            self._display.show(await asyncio.to_thread(self._moment, history), time.monotonic())
            await asyncio.sleep(SHOW_EVERY_S)

    def close(self) -> None:
        """Leave the last moment on the screen."""
        self._display.stop()

    def _moment(self, history: History) -> Moment:
        status = read_status(self._data_dir)
        received = status.books.received if status else 0
        with self._database.connect() as connection:
            newest = find(connection, limit=NEWEST)
            open_ = (
                select(incident.c.watch, func.count())
                .where(incident.c.state != "closed")
                .group_by(incident.c.watch)
            )
            counts: dict[bool, int] = dict(connection.execute(open_).tuples().all())
            sent = select(func.count()).select_from(page).where(page.c.state == PageState.SENT)
            pages_sent = connection.scalar(sent) or 0
        return Moment(
            at=self._clock.now(),
            history=history(),
            status=status,
            rate=self._rate(received),
            open_incidents=counts.get(False, 0),
            watches=counts.get(True, 0),
            pages_sent=pages_sent,
            newest=tuple(_summary(one) for one in newest),
        )

    def _rate(self, received: int) -> float:
        now = time.monotonic()
        self._seen.append((now, received))
        began, before = self._seen[0]
        return (received - before) / (now - began) if now > began else 0.0


def _summary(one: Incident) -> tuple[str, str, str]:
    state = "watch" if one.watch and one.state != "closed" else str(one.state)
    return one.kind.replace("_", " "), one.gate or one.building or one.site or "", state
