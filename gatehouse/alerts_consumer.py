"""The alerts engine as a follower of the journal; ingest and alerts stay strangers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from alerts.engine import Engine
from devices.outcome import Outcome
from ingest.follower import Held
from ingest.message import Batch


class AlertsConsumer:
    """Hand outcomes and the frontier to the engine; wait while the state database is away."""

    name = "alerts"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def cursor(self) -> tuple[str, int] | None:
        """Return the durable journal id and position."""
        return self._engine.cursor()

    def handle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Judge a batch."""
        with _held_without_database():
            self._engine.handle(batch.base, outcomes)

    def idle(self, frontier: int) -> None:
        """Judge what is due up to the frontier."""
        with _held_without_database():
            self._engine.tick(frontier)

    def close(self) -> None:
        """Write everything that is behind."""
        with _held_without_database():
            self._engine.flush()

    def counters(self) -> dict[str, int]:
        """Return the engine's own books."""
        return self._engine.counters()


@contextmanager
def _held_without_database() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise Held(f"the state database does not answer: {error.orig}") from error
