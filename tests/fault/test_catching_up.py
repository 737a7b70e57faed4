"""While a store catches up after an outage, what comes in is readable at once, and counts once."""

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from devices.clock import DAY
from ingest.point import Point
from ingest.refusal import Rejected
from ingest.retention import Retention
from ingest.rollup import Span
from ingest.series import SeriesReader, open_store
from ingest.series_upkeep import SeriesUpkeep
from ingest.sqlite_series import SqliteStore
from tests.messages import NOON
from tests.recorded_server import RecordedServer
from tests.servers import InfluxDB, eventually
from tests.store_way import StoreWay, bits, kept

BACKLOG = 12_000
AT_ONCE = 250
"""Messages that are handled together, so that the backlog takes many turns."""
SLOW_S = 0.05
LIVE = 4


@pytest.fixture(autouse=True)
def small_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a backlog of thousands what one of millions is."""
    monkeypatch.setattr("ingest.follower.GATHERED", AT_ONCE)
    monkeypatch.setattr("ingest.pipeline._BATCH_MESSAGES", AT_ONCE)
    monkeypatch.setattr("ingest.ahead.LATE_S", 0.2)


@pytest.mark.parametrize("outage", ["stopped", "hung"])
async def test_live_readings_are_readable_while_influxdb_catches_up(
    tmp_path: Path, influxdb_server: InfluxDB, outage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is there in seconds; in the end everything is, bit for bit and once."""
    monkeypatch.setattr("ingest.influxdb_connection._ANSWER_S", 0.5)
    url = influxdb_server.database(outage)
    away = {"stopped": stopped, "hung": hung}[outage](influxdb_server)
    with (
        RecordedServer(lambda _: None, behind=influxdb_server.port) as passing,
        closing(open_store(url, token=None, data_dir=tmp_path)) as reader,
    ):
        passing.pause_s = SLOW_S
        way = StoreWay(tmp_path / "way", f"influxdb1://127.0.0.1:{passing.port}/{outage}")
        async with way.running():
            await live_through(way, away, reader)
    assert bits(kept(influxdb_server, outage)) == bits(way.sent)


async def test_live_readings_are_readable_while_the_embedded_store_catches_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where somebody kept the file locked; a rollup counts each reading once."""
    monkeypatch.setattr("ingest.sqlite_series._BUSY_SECONDS", 0.1)
    write = SqliteStore.write

    def write_slowly(store: SqliteStore, points: Sequence[Point]) -> Sequence[Rejected]:
        time.sleep(SLOW_S)
        return write(store, points)

    monkeypatch.setattr(SqliteStore, "write", write_slowly)
    way, path = StoreWay(tmp_path, None), tmp_path / "series.db"
    with closing(open_store(None, token=None, data_dir=tmp_path, read_only=True)) as reader:
        async with way.running():
            await live_through(way, locked(path), reader)
        later = NOON + 3 * DAY
        found = list(reader.scan("temperature", since=NOON, until=later))
        assert len(found) == len(way.sent)
        values = {(one.device, one.at): float(str(one.fields["celsius"])) for one in found}
        assert bits(values) == bits(way.sent)
        with closing(SeriesUpkeep(path, Retention(), offset=0)) as upkeep:
            upkeep.step(later)
            while upkeep.is_busy:
                upkeep.step(later)
        rows = reader.rolled_up("infrared_temperature", Span.DAILY, since=NOON - DAY, until=later)
        assert sum(int(str(row.fields["count"])) for row in rows) == len(way.sent)


async def live_through(
    way: StoreWay, outage: AbstractContextManager[None], reader: SeriesReader
) -> None:
    """Let the store be away while much comes in; look for what comes in after its return."""
    await way.bring(100)
    await way.has_stored_everything()
    with outage:
        await asyncio.gather(*(way.bring(AT_ONCE) for _ in range(BACKLOG // AT_ONCE)))
        await eventually(lambda: way.held, what="the store's follower to be held")
    await eventually(lambda: not way.held, what="the store's return")
    for _ in range(LIVE):
        await way.bring(1)
        device, at = list(way.sent)[-1]
        await eventually(
            lambda device=device, at=at: reader.range(
                "temperature", device, since=at, until=at + 1
            ),
            seconds=5,
            what="a live reading",
        )
    series = way.pipeline.status().followers["series"]
    assert series.cursor < BACKLOG, "the backlog was not worked off before"
    assert series.ahead >= LIVE
    assert series.ahead_failed == 0
    await way.has_stored_everything()
    assert way.books.stored == len(way.sent)
    assert way.books.points_accepted == len(way.sent)


@contextmanager
def stopped(server: InfluxDB) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def hung(server: InfluxDB) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep a database locked for writing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
