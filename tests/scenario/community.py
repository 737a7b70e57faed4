"""A community whose clock is wound forward: real engine, outbox and database, fake phones.

Each observation goes through the engine as the alerts follower hands it over; between two of them
the clock moves a minute at a time, and at each the engine and the paging do what the service would.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from alerts import incident as incidents
from alerts.engine import Engine
from alerts.escalation import DEFAULT_POLICIES
from alerts.finding import IncidentKind
from alerts.incident import Disposition, Event, Incident
from alerts.outbox import Paging
from alerts.thresholds import Thresholds
from devices.clock import MINUTE, SECOND, ManualClock
from devices.history import History
from devices.observation import (
    BodySite,
    Crossing,
    CrossingOutcome,
    Electricity,
    Observation,
    Temperature,
)
from devices.registry import Device, HouseholdState, OnCall, Place, PlaceKind, Registry, Role
from tests.phones import Phones
from tests.state import open_state

ZONE = ZoneInfo("Asia/Shanghai")
SITE = "fozuling"
ALWAYS = frozenset(range(7))
JOURNAL = "scenario"

HOUSEHOLDS = {"h-sun": "building-7", "h-empty": "building-9"}
PLACES = {
    "sun": Place(PlaceKind.HOUSEHOLD, SITE, "grid-3", "building-7", "h-sun"),
    "gun": Place(PlaceKind.CHECKPOINT, SITE, gate="south"),
    "camera": Place(PlaceKind.GATE, SITE, gate="south"),
    "meter": Place(PlaceKind.HOUSEHOLD, SITE, "grid-3", "building-9", "h-empty"),
}
ROTA = (
    ("guard", Role.GUARD, None),
    ("worker-3", Role.GRID_WORKER, "grid-3"),
    ("worker-4", Role.GRID_WORKER, "grid-4"),
    ("secretary", Role.SECRETARY, None),
    ("street", Role.STREET_COMMAND, None),
    ("operator", Role.OPERATOR, None),
)


@dataclass(frozen=True)
class Page:
    """One page as it arrived: local time of day, what about, where, and its words."""

    at: str
    kind: IncidentKind
    incident: str
    title: str
    body: str


class Phone:
    """Somebody's phone."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self.pages = pages

    @property
    def last(self) -> Page:
        """The latest page."""
        assert self.pages, "this phone has taken no page"
        return self.pages[-1]

    @property
    def times(self) -> list[str]:
        """When each page arrived."""
        return [page.at for page in self.pages]


class Thermometer:
    """A thermometer in a flat, or a gun at the checkpoint."""

    def __init__(self, community: "Community", device: str, body_site: BodySite) -> None:
        self._community = community
        self._device = device
        self._body_site = body_site

    def reads(self, celsius: float, *, minutes_ago: float = 0) -> None:
        """Measure somebody; ``minutes_ago`` for a reading that arrives late."""
        self._community.observe(
            Temperature,
            self._device,
            minutes_ago=minutes_ago,
            celsius=celsius,
            body_site=self._body_site,
        )


class Camera:
    """The face camera at the south gate."""

    def __init__(self, community: "Community") -> None:
        self._community = community

    def sees_a_stranger(self) -> None:
        """See a face that nobody enrolled, and let nobody in."""
        self._community.observe(Crossing, "camera", stranger=True, outcome=CrossingOutcome.REFUSED)


class Community:
    """One compound of two grids on 14 February 2020, with everybody on call around the clock."""

    def __init__(self, folder: Path) -> None:
        self.database = open_state(folder)
        self.clock = ManualClock(_local("2020-02-14", "00:00"))
        self.phones = Phones(self.clock)
        self.registry = _registry()
        self._position = 0
        self.start()

    def start(self) -> None:
        """Start engine and paging on what the database holds, as after a crash."""
        self.engine = Engine(
            database=self.database,
            journal=JOURNAL,
            registry=lambda: self.registry,
            thresholds=Thresholds(),
            policies=DEFAULT_POLICIES,
            silent_after=lambda _: None,
            clock=self.clock,
        )
        self.paging = Paging(
            database=self.database,
            registry=lambda: self.registry,
            clock=self.clock,
            policies=DEFAULT_POLICIES,
            channels=(self.phones,),
            console_url="https://gate.example",
            language="en",
        )

    def at(self, time: str) -> "Community":
        """Wind the clock forward to the next such local time of day, living every minute of it."""
        now = self.clock.now()
        today = datetime.fromtimestamp(now / SECOND, ZONE).date()
        target = _local(str(today), time)
        if target < now:
            target = _local(str(today + timedelta(days=1)), time)
        if self._position == 0:
            now = target  # Before the first observation nothing can be due.
        while now < target:
            now = min(now + MINUTE, target)
            self.clock.set(now)
            self.live()
        self.clock.set(now)
        self.engine.flush()
        return self

    def live(self) -> None:
        """Let engine and paging do what is due now."""
        self.engine.tick(self.clock.now())
        self.paging.tick()

    def observe(
        self,
        kind: Callable[..., Observation],
        device: str,
        *,
        minutes_ago: float = 0,
        **fields: Any,
    ) -> None:
        """Hand the engine one observation as one journalled message, and live on."""
        now = self.clock.now()
        self._position += 1
        observation = kind(
            device_id=device,
            observed_at=now - round(minutes_ago * MINUTE),
            received_at=now,
            **fields,
        )
        self.engine.handle(self._position, [(observation,)])
        self.live()

    def thermometer(self, name: str) -> Thermometer:
        """Return the home thermometer of a household."""
        return Thermometer(self, name, BodySite.AXILLARY)

    def gun(self) -> Thermometer:
        """Return the thermometer gun of the south checkpoint."""
        return Thermometer(self, "gun", BodySite.FOREHEAD)

    def camera(self) -> Camera:
        """Return the face camera of the south gate."""
        return Camera(self)

    def meter_means(self, watts: float, *, from_: str, to: str) -> None:
        """Let the empty flat's meter report a load each ten minutes between two local times."""
        self.at(from_)
        until = self.clock.now()
        end = datetime.strptime(to, "%H:%M").time()  # noqa: DTZ007 - a local time of day
        while datetime.fromtimestamp(until / SECOND, ZONE).time() < end:
            self.observe(Electricity, "meter", power_w=watts)
            until += 10 * MINUTE
            self.clock.set(until)
            self.live()

    def phone(self, worker: str) -> Phone:
        """Return somebody's phone."""
        with self.database.connect() as connection:
            return Phone(
                [
                    Page(
                        at=_time_of_day(taken.at),
                        kind=incidents.show(connection, taken.text.incident).kind,
                        incident=taken.text.incident,
                        title=taken.text.title,
                        body=taken.text.body,
                    )
                    for taken in self.phones.of(worker)
                ]
            )

    def incidents(self, *, watches: bool = False) -> list[Incident]:
        """Return all incidents, the oldest first; without watches unless asked."""
        with self.database.connect() as connection:
            found = incidents.find(connection)
        return [one for one in reversed(found) if watches or not one.watch]

    def timeline(self, incident: str) -> list[Event]:
        """Return what happened to an incident."""
        with self.database.connect() as connection:
            return incidents.timeline(connection, incident)

    def acknowledge(self, incident: str, worker: str) -> None:
        """Let somebody tap "acknowledge"."""
        with self.database.begin() as connection:
            incidents.acknowledge(connection, incident, actor=worker, now=self.clock.now())

    def observes(self, incident: str, worker: str, note: str) -> None:
        """Let somebody keep watch until the next day."""
        with self.database.begin() as connection:
            incidents.observe(connection, incident, actor=worker, now=self.clock.now(), note=note)

    def close(self, incident: str, worker: str, disposition: Disposition, note: str = "") -> None:
        """Let somebody end an incident."""
        with self.database.begin() as connection:
            incidents.close(
                connection,
                incident,
                actor=worker,
                disposition=disposition,
                note=note,
                now=self.clock.now(),
            )
        self.live()

    def stop(self) -> None:
        """Stop the paging and leave the database."""
        self.paging.close()
        self.database.dispose()


def _registry() -> Registry:
    return Registry(
        zones={SITE: ZONE},
        devices={name: Device(name, "scenario") for name in PLACES},
        bindings=History((name, (0, None, place)) for name, place in PLACES.items()),
        household_places={
            household: Place(PlaceKind.HOUSEHOLD, SITE, "grid-3", building, household)
            for household, building in HOUSEHOLDS.items()
        },
        household_states=History([("h-empty", (0, None, HouseholdState.EMPTY))]),
        residents={"h-sun": ("subject-sun",)},
        rota=[OnCall(who, role, SITE, grid, ALWAYS, 0, 1440) for who, role, grid in ROTA],
        channels={who: (f"phone://{who}",) for who, _, _ in ROTA},
    )


def _local(day: str, time: str) -> int:
    moment = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=ZONE)
    return round(moment.timestamp() * SECOND)


def _time_of_day(at: int) -> str:
    return datetime.fromtimestamp(at / SECOND, ZONE).strftime("%H:%M")
