"""The alerts engine as a follower of the journal; ingest and alerts stay strangers."""

import time
from collections.abc import Callable, Sequence

from alerts.engine import Engine
from devices.outcome import Outcome
from ingest.message import Batch

TICK_S = 0.2


class AlertsConsumer:
    """Hand outcomes to the engine, and the frontier while there are none.

    When the state database is away the engine's memory may be ahead of it, so a new engine is
    opened and the follower goes back to the durable cursor.
    """

    name = "alerts"

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self._open_engine = open_engine
        self.engine = open_engine()
        self._ticked = 0.0

    def cursor(self) -> tuple[str, int] | None:
        """Return the durable journal id and position."""
        return self.engine.cursor()

    def handle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Judge a batch; due times up to its arrival are looked at now and then."""
        self.engine.handle(batch.base, outcomes)
        if time.monotonic() - self._ticked > TICK_S:
            self.idle(batch.messages[-1].received_at)

    def idle(self, frontier: int) -> None:
        """Judge what is due up to the frontier, and write what is behind."""
        self._ticked = time.monotonic()
        self.engine.tick(frontier)
        self.engine.flush()

    def close(self) -> None:
        """Write everything that is behind."""
        self.engine.flush()
