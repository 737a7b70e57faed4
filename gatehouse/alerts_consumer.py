"""The alerts engine as a follower of the journal; ingest and alerts stay strangers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from alerts.engine import Engine
from devices.clock import Clock
from devices.outcome import Outcome
from ingest.follower import Held
from ingest.message import Batch


class AlertsConsumer:
    """Hand outcomes and the frontier to the engine; wait while the state database is away.

    Args:
        engine: What judges.
        clock: The one clock.
    """

    name = "alerts"

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def cursor(self) -> tuple[str, int] | None:
        """Return the durable journal id and position."""
        return self._engine.cursor()

    def handle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Judge a batch."""
        with _held_without_database():
            self._engine.handle(batch.base, outcomes)

    def idle(self, frontier: int) -> None:
        """Judge what is due up to the frontier.

        Where the date was set back, the frontier is ahead of it, and what is waited for is not
        over because of that.
        """
        with _held_without_database():
            self._engine.tick(min(frontier, self._clock.now()))

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
        said = f"the state database does not answer: {error.orig}"
        raise Held(said, by="database") from error
