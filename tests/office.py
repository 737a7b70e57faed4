"""A community office of one test: a real database, a clock wound by hand, fake phones, a paging."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Engine, select

from alerts import incident as incidents
from alerts.channels.apprise_channel import AppriseChannel
from alerts.escalation import DEFAULT_POLICIES
from alerts.finding import Action, Finding, IncidentKind
from alerts.incident import Event, EventKind
from alerts.outbox import Paging
from alerts.settlement import BACKOFF_CAP_MS
from alerts.tables import page_attempt
from devices.clock import MINUTE, ManualClock
from devices.registry import OnCall, Registry, Role
from tests.phones import Phones

NOW = 1_581_681_600_000
"""14 February 2020, 20:00 in Wuhan."""


ALWAYS = frozenset(range(7))
ROTA = (
    ("guard", Role.GUARD, None),
    ("worker", Role.GRID_WORKER, "g1"),
    ("secretary", Role.SECRETARY, None),
    ("street", Role.STREET_COMMAND, None),
    ("operator", Role.OPERATOR, None),
)


def make_registry(
    *,
    absent: Sequence[str] = (),
    channels: Mapping[str, tuple[str, ...]] | None = None,
) -> Registry:
    """Return a community where everybody but the absent is always on call, with a fake phone."""
    addresses = {worker: (f"phone://{worker}",) for worker, _, _ in ROTA} | dict(channels or {})
    return Registry(
        zones={"east": ZoneInfo("Asia/Shanghai")},
        rota=[
            OnCall(worker, role, "east", grid, ALWAYS, 0, 1440)
            for worker, role, grid in ROTA
            if worker not in absent
        ],
        channels=addresses,
    )


FEVER = Finding(
    action=Action.OPEN,
    rule="fever",
    key="subject:s1",
    kind=IncidentKind.FEVER,
    observed_at=0,
    position=7,
    device_id="thermometer-1",
    site="east",
    grid="g1",
    building="b12",
    subject="s1",
    evidence={"celsius": 37.9},
)


def fever(**changes: Any) -> Finding:
    """Return a finding of a minor fever, with what a test wants different."""
    return msgspec.structs.replace(FEVER, **changes)


class Office:
    """A database, a clock wound by hand, fake phones, and one paging."""

    def __init__(self, database: Engine) -> None:
        self.database = database
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
            channels=(self.phones, AppriseChannel()),
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
