"""``gatehouse doctor``: connect to everything once, and say what is wrong and what to do."""

import asyncio
import shutil
import stat
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from devices.clock import MINUTE, SECOND, rfc3339, wall_now
from devices.tables import site
from gatehouse.database import connect, explain, newest_revision, revision
from gatehouse.parts import open_series
from gatehouse.settings import Settings, SettingsError
from ingest.doctor import visit_broker
from ingest.journal_room import GIB
from ingest.series import StoreHeld
from ingest.source import SourceStatus
from ingest.status import read_status

SET_SINCE = 1_577_836_800_000
"""2020-01-01: a clock before it was never set."""
PATIENCE_S = 10.0
SMALL_WINDOW = 20
"""What mosquitto sends ahead of acks by default to a client that cannot ask for more (3.1.1)."""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing examined: whether it is well, and a sentence that says what to do when not."""

    subject: str
    well: bool
    sentence: str

    @property
    def line(self) -> str:
        """The line people read."""
        return f"{'ok   ' if self.well else 'WRONG'} {self.subject}: {self.sentence}"

    def as_json(self) -> dict[str, Any]:
        """Return the same for scripts."""
        return asdict(self)


async def examine(settings: Settings) -> list[Found]:
    """Examine broker, receive window, data folder, series store, state database and clock."""
    folder = _folder(settings)
    broker, store, database = await asyncio.gather(
        _broker(settings),
        asyncio.to_thread(_store, settings),
        asyncio.to_thread(_database, settings),
    )
    return [*broker, folder, store, *database, _clock(settings)]


async def _broker(settings: Settings) -> list[Found]:
    if settings.mqtt is None:
        return [Found("broker", False, "GATEHOUSE_MQTT_URL is not set: say where the broker is")]
    status = await visit_broker(settings.mqtt, settings.clock, seconds=PATIENCE_S)
    if not status.granted:
        problem = status.problem or f"no answer within {PATIENCE_S:g} s; is it a broker?"
        return [Found("broker", False, problem)]
    address = f"{settings.mqtt.address}, MQTT {status.protocol}"
    return [
        Found("broker", True, f"reached at {address}"),
        _granted(status, settings.mqtt.topics),
        _window(status, settings.mqtt.receive_maximum),
    ]


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


def _window(status: SourceStatus, receive_maximum: int) -> Found:
    if status.protocol == "5":
        return Found("receive window", True, f"{receive_maximum:,} messages ahead of our acks")
    return Found(
        "receive window",
        True,
        f"MQTT 3.1.1 cannot ask for one; mosquitto sends {SMALL_WINDOW} ahead unless its "
        "max_inflight_messages says more",
    )


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
    now = wall_now()
    if now < SET_SINCE:
        return Found("clock", False, f"says {rfc3339(now)}: set it, and keep it with NTP")
    try:
        last = read_status(settings.data_dir)
    except msgspec.DecodeError:
        last = None  # Damaged, or another version's: a service that runs replaces it.
    ahead = last.wall_at - now if last else 0
    if ahead > MINUTE:
        return Found(
            "clock",
            False,
            f"was {ahead // SECOND} s ahead when the service last ran: it has been set back",
        )
    return Found("clock", True, rfc3339(now // SECOND * SECOND))
