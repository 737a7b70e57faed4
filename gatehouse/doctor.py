"""``gatehouse doctor``: connect to everything once, and say what is wrong and what to do."""

import asyncio
import shutil
import stat
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from devices.clock import DAY, MINUTE, SECOND, Clock, rfc3339, wall_now
from devices.tables import site
from gatehouse.address import split_bind
from gatehouse.database import connect, explain, newest_revision, revision
from gatehouse.parts import open_series
from gatehouse.settings import Settings, SettingsError
from ingest.broker import MqttSettings
from ingest.doctor import visit_broker
from ingest.http_connection import SERVER
from ingest.influxdb_address import parse_address
from ingest.journal_room import GIB
from ingest.series import StoreHeld
from ingest.source import SourceStatus
from ingest.status import read_status

WRITTEN = 1_767_225_600_000
"""2026-01-01: the program is younger, so a clock that shows less was never set."""
OUTLIVED = WRITTEN + 20 * 366 * DAY
"""20 years later: nobody runs it for so long, so a clock beyond was set wrong."""
PATIENCE_S = 10.0
APART = MINUTE
"""What the clocks of two machines may differ by; further apart, one has no NTP."""
SMALL_WINDOW = 20
"""What mosquitto sends ahead of acks by default to a client that cannot ask for more (3.1.1)."""
FAIR_WINDOW = 100
"""With fewer ahead, each sync of the journal waits for the broker instead of taking more in."""

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked for, not bound
"""Where to reach what listens on every address."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing examined: whether it is well, and a sentence that says what to do when not.

    Attributes:
        warns: It is well, but something should be done about it.
    """

    subject: str
    well: bool
    sentence: str
    warns: bool = False

    @property
    def line(self) -> str:
        """The line people read."""
        mark = "WRONG" if not self.well else "warn " if self.warns else "ok   "
        return f"{mark} {self.subject}: {self.sentence}"

    def as_json(self) -> dict[str, Any]:
        """Return the same for scripts."""
        return asdict(self)


async def examine(settings: Settings) -> list[Found]:
    """Examine broker, intake, data folder, series store, state database and clock."""
    folder = _folder(settings)
    brokers, posts, store, database, clock = await asyncio.gather(
        _brokers(settings),
        asyncio.to_thread(intake, settings),
        asyncio.to_thread(_store, settings),
        asyncio.to_thread(_database, settings),
        asyncio.to_thread(_clock, settings),
    )
    return [*brokers, *posts, folder, store, *database, clock]


async def _brokers(settings: Settings) -> list[Found]:
    """Examine every broker of every source, also those to fail over to."""
    if settings.mqtt is None:
        return [Found("broker", False, "GATEHOUSE_MQTT_URL is not set: say where the broker is")]
    visits = [
        _broker(broker, settings.clock, f" of {source.name}" if settings.source else "")
        for source in settings.sources
        for broker in source.brokers
    ]
    return [found for each in await asyncio.gather(*visits) for found in each]


async def _broker(broker: MqttSettings, clock: Clock, of: str) -> list[Found]:
    status = await visit_broker(broker, clock, seconds=PATIENCE_S)
    if not status.granted:
        problem = status.problem or f"no answer within {PATIENCE_S:g} s; is it a broker?"
        return [Found(f"broker{of}", False, problem)]
    address = f"{broker.address}, MQTT {status.protocol}"
    found = [
        Found(f"broker{of}", True, f"reached at {address}"),
        _granted(status, broker.topics),
        window(status.protocol, broker.receive_maximum),
    ]
    return found + _dropped(broker.address, status.dropped_at_broker)


def _granted(status: SourceStatus, topics: tuple[str, ...]) -> Found:
    weak = [topic for topic in topics if status.granted.get(topic, 128) != 1]
    if not weak:
        return Found("subscription", True, f"QoS 1 granted for {', '.join(topics)}")
    return Found(
        "subscription",
        False,
        f"QoS 1 not granted for {', '.join(weak)}: allow it in the broker's access list, "
        "or take the filter out of [mqtt] topics",
    )


def _dropped(address: str, count: int | None) -> list[Found]:
    """Warn of what the broker says it has dropped; many brokers do not say."""
    if not count:
        return []
    advice = "raise its queue limits (in mosquitto.conf max_queued_messages 0)"
    said = f"{address} has dropped {count:,} messages since it started, ours or others': {advice}"
    return [Found("broker's queue", True, said, warns=True)]


def window(protocol: str, receive_maximum: int) -> Found:
    """Say how many messages the broker may send ahead of our acks, and warn where they are few."""
    name = "receive window"
    if protocol != "5":
        return Found(
            name,
            True,
            f"MQTT {protocol} cannot ask for one, and mosquitto sends {SMALL_WINDOW} ahead: let "
            "the broker speak MQTT 5, or set max_inflight_messages 0 in mosquitto.conf",
            warns=True,
        )
    sentence = f"{receive_maximum:,} messages ahead of our acks"
    if receive_maximum >= FAIR_WINDOW:
        return Found(name, True, sentence)
    advice = f"so few slow the intake; set [mqtt] receive_maximum to {FAIR_WINDOW} or more"
    return Found(name, True, f"{sentence}: {advice}", warns=True)


def intake(settings: Settings) -> list[Found]:
    """Say whether terminals can post, where that is opened."""
    if settings.intake_bind is None:
        return []
    name = "intake"
    host, port = split_bind(settings.intake_bind)
    where = f"http://{settings.intake_bind}/intake/"
    connection = HTTPConnection(_ANYWHERE.get(host, host), port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/intake/")
        answer = connection.getresponse()
    except ConnectionRefusedError:
        said = f"nothing listens at {where}; the service does while it runs"
        return [Found(name, True, said, warns=True)]
    except (HTTPException, OSError) as error:
        return [Found(name, False, f"{where} does not answer ({error}): see its address")]
    finally:
        connection.close()
    if answer.headers["Server"] != SERVER:
        return [Found(name, False, f"another program listens at {where}: choose another port")]
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        said = f"all connections to {where} are taken: the log says who came in vain"
        return [Found(name, False, f"{said}, `ss -tn` who holds them")]
    return [Found(name, True, f"terminals can post to {where}")]


def _folder(settings: Settings) -> Found:
    name, folder = "data folder", settings.data_dir.absolute()
    try:
        settings.make_data_dir()
    except SettingsError as error:
        return Found(name, False, str(error))
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Found(
            name, False, f"{folder} is open to others (mode {mode:o}): chmod -R go= {folder}"
        )
    free, wanted = shutil.disk_usage(folder).free / GIB, settings.journal.min_free_gib
    if free < wanted:
        return Found(
            name,
            False,
            f"its disk has {free:.2f} GiB left and [journal] min_free_gib leaves {wanted:g} to "
            "others, so nothing is taken in: free some",
        )
    return Found(name, True, f"{folder}, {free:,.1f} GiB free")


def _store(settings: Settings) -> Found:
    name = "series store"
    try:
        store = open_series(settings)
    except SettingsError as error:
        return Found(name, False, str(error))
    try:
        store.check()
    except StoreHeld as error:
        return Found(name, False, str(error))
    finally:
        store.close()
    kind = settings.series_url.partition(":")[0] if settings.series_url else "embedded"
    return Found(name, True, f"{kind}, a canary was written and read back")


def _database(settings: Settings) -> list[Found]:
    engine = connect(settings)
    try:
        schema = _schema(revision(engine), newest_revision())
        return [schema, *_sites(engine, settings)] if schema.well else [schema]
    except SQLAlchemyError as error:
        return [Found("state database", False, explain(error, engine))]
    finally:
        engine.dispose()


def _schema(found: str | None, wanted: str | None) -> Found:
    name = "state database"
    if found is None:
        return Found(name, False, "empty: run `gatehouse migrate`")
    if found != wanted:
        return Found(name, False, f"schema {found}, wanted {wanted}: run `gatehouse migrate`")
    return Found(name, True, f"reached, schema {found}")


def _sites(engine: Engine, settings: Settings) -> list[Found]:
    """Return the names in ``[thresholds.sites]`` that would never apply."""
    with engine.connect() as connection:
        known = set(connection.scalars(select(site.c.id)))
    return [
        Found(
            "thresholds",
            False,
            f"[thresholds.sites.{name}]: the registry has no such site; "
            f"known are {', '.join(sorted(known)) or 'none'}",
        )
        for name in sorted(set(settings.thresholds.sites) - known)
    ]


def _clock(settings: Settings) -> Found:
    try:
        last = read_status(settings.data_dir)
    except msgspec.DecodeError:
        last = None  # Damaged, or another version's: a service that runs replaces it.
    stores = _clock_of_store(settings)
    return judge_clock(wall_now(), ran_at=last.wall_at if last else None, stores=stores)


def judge_clock(now: int, *, ran_at: int | None, stores: int | None) -> Found:
    """Say whether a clock can be right.

    Args:
        now: What it shows; milliseconds UTC.
        ran_at: What it showed when the service last ran, or None where it has not.
        stores: What the series store's shows, or None where it does not say.
    """
    name, ahead = "clock", ran_at - now if ran_at is not None else 0
    if not WRITTEN <= now < OUTLIVED:
        return Found(name, False, f"says {rfc3339(now)}: set it, and keep it with NTP")
    if ahead > MINUTE:
        return Found(
            name,
            False,
            f"was {ahead // SECOND} s ahead when the service last ran: it has been set back",
        )
    if stores is not None and abs(now - stores) > APART:
        side = "ahead of" if now > stores else "behind"
        return Found(
            name,
            False,
            f"is {abs(now - stores) // SECOND} s {side} the series store's: keep both with NTP",
        )
    return Found(name, True, rfc3339(now // SECOND * SECOND))


def _clock_of_store(settings: Settings) -> int | None:
    """Return the ``Date`` of an InfluxDB's answer; None where there is no answer or none in it."""
    token = settings.series_token.get_secret_value() if settings.series_token else None
    try:
        base = urlsplit(parse_address(settings.series_url or "", token).base)
    except ValueError:
        return None
    kind = HTTPSConnection if base.scheme == "https" else HTTPConnection
    connection = kind(base.hostname or "", base.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/ping")
        date = connection.getresponse().headers["Date"]
        return round(parsedate_to_datetime(date).timestamp() * SECOND)
    except (HTTPException, OSError, TypeError, ValueError):
        return None
    finally:
        connection.close()
