"""Two people who share the thermometer of a flat, and the engine that judges its readings."""

from sqlalchemy import insert

from alerts import incident as incidents
from alerts.engine import Engine
from alerts.incident import EventKind, Incident
from alerts.thresholds import Thresholds
from devices import tables
from devices.clock import MINUTE
from devices.observation import BodySite, Temperature
from devices.registry_store import load
from tests.console import NOW, World

FLATMATE, OTHER = "s-9b02", "孙强"
DEVICE = "a0:e6:f8:50:72:53"


class Family:
    """The flat of the console's community with a second resident, and the engine beside it."""

    def __init__(self, world: World) -> None:
        self.world = world
        resident = {"subject": FLATMATE, "external_id": "R-2", "name": OTHER}
        lives = {"subject": FLATMATE, "since": 0, "household": "h-502"}
        with world.engine.begin() as connection:
            connection.execute(insert(tables.resident).values(**resident))
            connection.execute(insert(tables.residence).values(**lives))
        registry = load(world.engine)
        object.__setattr__(world.context, "registry", lambda: registry)
        self.engine = Engine(
            database=world.engine,
            journal="j",
            registry=lambda: registry,
            thresholds=Thresholds(),
            silent_after=lambda _: None,
            clock=world.clock,
        )
        for position, (celsius, minutes) in enumerate(((37.5, 40), (37.6, 25)), start=1):
            at = NOW - minutes * MINUTE
            reading = Temperature(
                device_id=DEVICE,
                observed_at=at,
                received_at=at,
                celsius=celsius,
                body_site=BodySite.AXILLARY,
            )
            self.engine.handle(position, [(reading,)])
        self.case = self.cases()["household:h-502"]

    def cases(self) -> dict[str, Incident]:
        """Let the engine hear what was said; return every case by its key."""
        self.engine.tick(NOW)
        with self.world.engine.connect() as connection:
            return {one.key: one for one in incidents.find(connection)}

    def kinds(self, case: str) -> list[EventKind]:
        with self.world.engine.connect() as connection:
            return [event.kind for event in incidents.timeline(connection, case)]
