"""A console over real stores for tests: a small community, its database, its series, its status."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from argon2 import PasswordHasher
from sqlalchemy import Engine, insert, update

import alerts.tables
import dashboards.tables
import devices.tables as registry_tables
from alerts import incident as incidents
from alerts.finding import Action, Finding, IncidentKind, Severity
from alerts.thresholds import Thresholds
from dashboards import account
from dashboards.account import Account
from dashboards.console.context import ConsoleContext
from devices.clock import HOUR, MINUTE, SECOND, ManualClock, parse_rfc3339, wall_now
from devices.decoder import Decoder
from devices.matcher import Matcher
from devices.observation import BodySite, DeviceStatus, Electricity, Observation, Temperature
from devices.registry import Role
from devices.registry_store import load
from gatehouse.database import create
from ingest.decode_stage import decode_all
from ingest.ledger import Ledger
from ingest.letter_draft import LetterDraft
from ingest.message import Message
from ingest.point import PointEncoder
from ingest.sqlite_series import SqliteStore
from ingest.status import ServiceStatus, write_status
from tests.state import open_copy

NOW = parse_rfc3339("2020-02-14T20:05:00+08:00")
PASSWORD = "a long enough password"
NAME, PHONE, FLAT = "孙美丽 <Sun>", "139-0000-1234", "0502"
SUBJECT = "s-4f1c"


@dataclasses.dataclass
class World:
    """Everything a test of the console holds."""

    context: ConsoleContext
    clock: ManualClock
    engine: Engine
    data_dir: Path
    published: list[tuple[str, bytes]]

    def find(self, **finding: Any) -> str:
        """Let a fever be found now, with other fields where they are named."""
        values: dict[str, Any] = {
            "action": Action.OPEN,
            "rule": "fever",
            "key": f"subject:{SUBJECT}",
            "kind": IncidentKind.FEVER,
            "severity": Severity.MAJOR,
            "observed_at": self.clock.now(),
            "position": 4711,
            "device_id": "a0:e6:f8:50:72:53",
            "site": "xhk",
            "grid": "g1",
            "building": "b3",
            "household": "h-502",
            "subject": SUBJECT,
            "evidence": {"celsius": 38.2, "body_site": "axillary"},
        }
        with self.engine.begin() as connection:
            found = incidents.apply(
                connection,
                Finding(**values | finding),
                now=self.clock.now(),
                registry=self.context.registry(),
            )
        assert found is not None
        return found

    def observe(self, observations: Sequence[Observation]) -> None:
        """Store observations in the series."""
        store = SqliteStore(self.data_dir / "series.db")
        encoder = PointEncoder()
        points = [
            point
            for position, one in enumerate(observations)
            for point in encoder.encode(
                [one], Message("t", b"", one.received_at), position, self.context.registry()
            )
        ]
        assert not store.write(points)
        store.close()

    def bury(self, letters: Sequence[tuple[str, bytes, str, str]]) -> None:
        """Keep dead letters of (topic, payload, reason, detail)."""
        ledger = Ledger.open(self.data_dir / "ledger.db")
        drafts = [
            LetterDraft(
                position=position,
                message=Message(topic, payload, self.clock.now(), "mqtt"),
                reason=reason,
                detail=detail,
            )
            for position, (topic, payload, reason, detail) in enumerate(letters, 1)
        ]
        ledger.commit(journal="j", position=len(drafts), counts={}, letters=drafts)
        ledger.close()

    def tell(
        self, *, seconds_ago: float = 0, source: Mapping[str, Any] | None = None, **status: Any
    ) -> None:
        """Write the pipeline's status; ``source`` is what is different about the only source."""
        if source:
            status["sources"] = [_PIPELINE["sources"][0] | source]
        told = _STATUS | {"wall_at": wall_now() - round(seconds_ago * SECOND)} | status
        told["pipeline"] = _PIPELINE | {
            name: told.pop(name) for name in list(told) if name in _PIPELINE
        }
        write_status(self.data_dir, msgspec.convert(told, ServiceStatus))


def make_world(folder: Path, *, database_url: str = "", **overrides: Any) -> World:
    """Build a community of two grids with an account for each role, signed in nowhere."""
    if database_url:
        engine = create(database_url)
        _fill(engine)
    else:
        engine = open_copy(folder, _fill)
    registry = load(engine)
    clock = ManualClock(NOW)
    published: list[tuple[str, bytes]] = []
    decoder = Decoder((), default_zone=ZoneInfo("Asia/Shanghai"))

    async def publish(topic: str, payload: bytes) -> None:
        published.append((topic, payload))

    SqliteStore(folder / "series.db").write([])
    reader = SqliteStore(folder / "series.db", read_only=True)
    values: dict[str, Any] = {
        "database": engine,
        "registry": lambda: registry,
        "clock": clock,
        "data_dir": folder,
        "series": lambda: reader,
        "decode": lambda _, messages: decode_all(messages, decoder, registry),
        "matcher": Matcher(decoder, ()),
        "publish": publish,
        "is_migrated": lambda: True,
        "silent_after": lambda profile: None if profile == "gatehouse" else 2 * HOUR,
        "thresholds": Thresholds(),
        "console_url": "http://127.0.0.1",
        "demo": True,
    }
    return World(ConsoleContext(**values | overrides), clock, engine, folder, published)


def a_day_of_fever(until: int) -> list[Observation]:
    """Return a day of one home thermometer that ends with a fever, and of one meter."""
    warm: list[Observation] = [
        Temperature(
            device_id="a0:e6:f8:50:72:53",
            observed_at=until - hour * HOUR,
            received_at=until - hour * HOUR,
            celsius=36.5 + (0.1 * (hour % 3)) + (1.6 if hour < 2 else 0),
            body_site=BodySite.AXILLARY,
        )
        for hour in range(23, -1, -1)
    ]
    power: list[Observation] = [
        Electricity(
            device_id="shellyem-1",
            observed_at=until - minutes * MINUTE,
            received_at=until - minutes * MINUTE,
            power_w=60 + (900 if minutes % 360 < 60 else 0),
        )
        for minutes in range(24 * 60, 180, -10)
    ]
    status = DeviceStatus(
        device_id="a0:e6:f8:50:72:53", observed_at=until, received_at=until, battery=9
    )
    return [*warm, *power, status]


ACCOUNTS = (
    Account(name="worker", role=Role.GRID_WORKER, site="xhk", grids=("g1",), worker="worker-1"),
    Account(name="neighbour", role=Role.GRID_WORKER, site="xhk", grids=("g2",)),
    Account(name="guard", role=Role.GUARD, site="xhk"),
    Account(name="secretary", role=Role.SECRETARY, site="xhk"),
    Account(name="elsewhere", role=Role.SECRETARY, site="far"),
    Account(name="command", role=Role.STREET_COMMAND),
    Account(name="operator", role=Role.OPERATOR),
)


def _fill(engine: Engine) -> None:
    with engine.begin() as connection:
        for tables in (registry_tables, alerts.tables, dashboards.tables):
            tables.metadata.create_all(connection)
        _settle(connection)
        _hire(connection)


_LIGHT = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""A hash says how it was made, so that the console verifies one of this as quickly."""


def _hire(connection: Any) -> None:
    """Make the accounts, all with one password."""
    for one in ACCOUNTS:
        account.create(connection, one, password=None, now=wall_now())
    connection.execute(
        update(dashboards.tables.account).values(password_hash=_LIGHT.hash(PASSWORD))
    )


def _settle(connection: Any) -> None:
    rows: list[tuple[Any, list[dict[str, Any]]]] = [
        (
            registry_tables.site,
            [
                {"id": "xhk", "name": "Xiaohukou", "community": "", "zone": "Asia/Shanghai"},
                {"id": "far", "name": "Far away", "community": "", "zone": "Asia/Urumqi"},
            ],
        ),
        (
            registry_tables.gate,
            [{"site": "xhk", "id": "north", "name": "North gate", "kind": "gate"}],
        ),
        (
            registry_tables.grid,
            [
                {"id": "g1", "site": "xhk", "name": "Grid 1"},
                {"id": "g2", "site": "xhk", "name": "Grid 2"},
            ],
        ),
        (
            registry_tables.building,
            [
                {"id": "b3", "site": "xhk", "grid": "g1", "name": "Building 3"},
                {"id": "b7", "site": "xhk", "grid": "g2", "name": "Building 7"},
            ],
        ),
        (
            registry_tables.household,
            [
                {"id": "h-502", "building": "b3", "flat": FLAT},
                {"id": "h-101", "building": "b7", "flat": "0101"},
            ],
        ),
        (
            registry_tables.resident,
            [{"subject": SUBJECT, "external_id": "R-1", "name": NAME, "phone": PHONE}],
        ),
        (registry_tables.residence, [{"subject": SUBJECT, "since": 0, "household": "h-502"}]),
        (
            registry_tables.device,
            [
                {"id": "a0:e6:f8:50:72:53", "profile": "esp32_ble2mqtt"},
                {"id": "shellyem-1", "profile": "shelly_gen1_em"},
                {"id": "1026700", "profile": "huaan_face_terminal"},
                {"id": "hand-1", "profile": "gatehouse"},
            ],
        ),
        (
            registry_tables.device_binding,
            [
                _bound("a0:e6:f8:50:72:53", place="household", household="h-502"),
                _bound("shellyem-1", place="household", household="h-101"),
                _bound("1026700", place="gate", gate="north"),
                _bound("hand-1", place="worker", worker="worker-1"),
            ],
        ),
        (registry_tables.worker, [{"id": "worker-1", "name": "Li"}]),
        (
            registry_tables.rota,
            [
                {
                    "worker": "worker-1",
                    "role": "grid_worker",
                    "site": "xhk",
                    "grid": "g1",
                    "weekdays": "0,1,2,3,4,5,6",
                    "begins": 0,
                    "ends": 1440,
                }
            ],
        ),
    ]
    for table, values in rows:
        connection.execute(insert(table), values)


def _bound(device: str, **place: str) -> dict[str, Any]:
    unbound = {"household": None, "gate": None, "worker": None, "until": None}
    return unbound | {"device": device, "since": 0, "site": "xhk"} | place


_PIPELINE: dict[str, Any] = {
    "sources": [
        {
            "name": "mqtt",
            "connected": True,
            "protocol": "5",
            "session": 1,
            "since": NOW - HOUR,
            "granted": {"#": 1},
            "received": 12_345,
            "unguarded": 3,
            "acks": 12_342,
            "reconnects": 1,
            "problem": "",
            "draining": False,
            "broker": "127.0.0.1:1883",
        }
    ],
    "journal": {
        "id": "j",
        "base": 1,
        "head": 12_345,
        "bytes": 5_000_000,
        "max_bytes": 20 * 1024**3,
        "unread_bytes": 0,
        "limit_bytes": 20 * 1024**3,
        "level": "",
        "hours_left": None,
        "problem": "",
        "damaged_files": 0,
        "damaged_rows": 0,
        "files": 1,
    },
    "followers": {
        "series": {"cursor": 12_300, "durable": 12_300, "pending": 45, "held": ""},
        "alerts": {"cursor": 12_345, "durable": 12_345, "pending": 0, "held": ""},
    },
    "answers": {"sent": 0, "failed": 0, "dropped": 0},
    "repeats": 2,
    "in_flight_bytes": 0,
    "paused": False,
    "problem": "",
    "frontier": NOW,
}
_STATUS: dict[str, Any] = {
    "at": NOW,
    "version": "0",
    "books": {
        "received": 12_345,
        "stored": 12_200,
        "ignored": {"log_line": 90},
        "dead_open": 10,
        "dead_discarded": 0,
        "expired": 0,
        "lost": 0,
        "pending": 45,
        "dead": {"bad_json": 10},
        "dead_replayed": 0,
        "points_encoded": 20_000,
        "points_accepted": 20_000,
        "points_rejected": 0,
    },
    "judged": {"judged": 12_290},
}
