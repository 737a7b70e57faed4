"""A community office of one test: a real database, a clock wound by hand, fake phones, a paging."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select

from alerts import incident as incidents
from alerts.escalation import DEFAULT_POLICIES
from alerts.incident import Event, EventKind
from alerts.outbox import Paging
from alerts.settlement import BACKOFF_CAP_MS
from alerts.tables import page_attempt
from devices.clock import MINUTE, ManualClock
from tests.phones import Phones
from tests.state import fever, make_registry, open_state

NOW = 1_581_681_600_000
"""14 February 2020, 20:00 in Wuhan."""


class Office:
    """A database, a clock wound by hand, fake phones, and one paging."""

    def __init__(self, folder: Path) -> None:
        self.database = open_state(folder)
        self.clock = ManualClock(NOW)
        self.real = ManualClock(0)
        self.phones = Phones(self.clock)
        self.registry = make_registry()
        self.paging = self.open_paging()

    def open_paging(self, *, senders: int = 4) -> Paging:
        return Paging(
            database=self.database,
            registry=lambda: self.registry,
            clock=self.clock,
            policies=DEFAULT_POLICIES,
            channels=(self.phones,),
            console_url="https://gate.example",
            language="en",
            wall=self.real.now,
            senders=senders,
        )

    def open_fever(self, **changes: Any) -> str:
        finding = fever(**{"observed_at": self.clock.now(), **changes})
        with self.database.begin() as connection:
            opened = incidents.apply(
                connection, finding, now=self.clock.now(), registry=self.registry
            )
        assert opened is not None
        return opened

    def act(self, action: Callable[..., None], incident: str, **arguments: Any) -> None:
        with self.database.begin() as connection:
            action(connection, incident, now=self.clock.now(), **arguments)

    def wait(self, minutes: float) -> None:
        """Wind the community's clock forward, ticking every half minute as the service would."""
        for _ in range(round(minutes * 2)):
            self.clock.advance(MINUTE // 2)
            self.paging.tick()

    def retry(self) -> None:
        """Let the longest backoff pass in real time, and tick."""
        self.real.advance(BACKOFF_CAP_MS)
        self.paging.tick()

    def told(self) -> list[tuple[int, str]]:
        """Return (minutes since the beginning, worker) of every page taken, in order."""
        return [((one.at - NOW) // MINUTE, one.text.worker) for one in self.phones.taken]

    def events(self, incident: str, *kinds: EventKind) -> list[Event]:
        with self.database.connect() as connection:
            found = incidents.timeline(connection, incident)
        return [event for event in found if event.kind in kinds]

    def attempts(self) -> list[Any]:
        with self.database.connect() as connection:
            return list(connection.execute(select(page_attempt).order_by(page_attempt.c.id)))

    def close(self) -> None:
        self.paging.close()
        self.database.dispose()

    def find_open(self) -> list[incidents.Incident]:
        with self.database.connect() as connection:
            return incidents.find(connection, open_only=True)
