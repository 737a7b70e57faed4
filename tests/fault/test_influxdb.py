"""A real InfluxDB that fails: nothing is lost, nothing comes twice, and no alert waits for it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from devices.clock import HOUR, SECOND
from tests.disk import fill, small_disk
from tests.servers import InfluxDB, eventually
from tests.store_way import StoreWay, bits, kept


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The name of a database for one test."""
    return f"t{abs(hash(request.node.nodeid))}"


@pytest.fixture
def way(tmp_path: Path, influxdb_server: InfluxDB, name: str) -> StoreWay:
    """The way into a database of its own."""
    return StoreWay(tmp_path / "way", influxdb_server.database(name))


async def test_two_hours_without_the_server(
    way: StoreWay, influxdb_server: InfluxDB, name: str
) -> None:
    """Everything is judged as it comes; when the server is back, everything is stored as it was."""
    async with way.running():
        await way.bring(100)
        await way.has_stored_everything()
        influxdb_server.stop()
        began = way.clock.now()
        try:
            while way.clock.now() < began + 2 * HOUR:
                await way.bring(1_200, apart=SECOND)
            await way.is_held("does not answer", "is it running?")
            assert way.books.pending == 7_200
        finally:
            influxdb_server.start()
        await way.has_stored_everything()
    assert bits(kept(influxdb_server, name)) == bits(way.sent)


async def test_a_server_that_hangs(
    way: StoreWay, influxdb_server: InfluxDB, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped process holds the store after the time an answer may take, and nobody else."""
    monkeypatch.setattr("ingest.influxdb_connection._ANSWER_S", 0.5)
    async with way.running():
        await way.bring(100)
        await way.has_stored_everything()
        os.kill(influxdb_server.pid, signal.SIGSTOP)
        try:
            await way.bring(1_000)
            await way.is_held("does not answer", "timed out")
            await way.bring(1_000)
        finally:
            os.kill(influxdb_server.pid, signal.SIGCONT)
        await way.has_stored_everything()
    assert bits(kept(influxdb_server, name)) == bits(way.sent)


async def test_a_server_killed_while_it_is_written_to(
    way: StoreWay, influxdb_server: InfluxDB, name: str
) -> None:
    """What was accepted before the kill survives it, what was not is written again."""
    async with way.running():
        bringing = asyncio.create_task(_bring_steadily(way, 12))
        await eventually(lambda: way.books.stored > 1_000)
        influxdb_server.kill()
        await way.is_held("does not answer")
        influxdb_server.start()
        await bringing
        await way.has_stored_everything()
    assert bits(kept(influxdb_server, name)) == bits(way.sent)


async def _bring_steadily(way: StoreWay, rounds: int) -> None:
    for _ in range(rounds):
        await way.bring(2_000)


async def test_a_database_dropped_under_us(
    way: StoreWay, influxdb_server: InfluxDB, name: str
) -> None:
    """It is noticed without a message, said what to do, and what comes meanwhile is stored then."""
    async with way.running():
        await way.bring(100)
        await way.has_stored_everything()
        influxdb_server.query(f'DROP DATABASE "{name}"')
        way.sent.clear()
        await way.bring(1_000)
        await way.is_held("has no", "create it there")
        influxdb_server.database(name)
        await way.has_stored_everything()
    assert bits(kept(influxdb_server, name)) == bits(way.sent)


async def test_a_full_disk_at_the_server(tmp_path: Path, program) -> None:  # type: ignore[no-untyped-def]
    """A server without room holds; with room again, and restarted, it gets everything.

    Until then the real one keeps repeating what the disk once said.
    """
    program("influxd")
    with small_disk(tmp_path / "disk", mib=64) as disk:
        server = InfluxDB(disk / "influxdb").start()
        try:
            way = StoreWay(tmp_path / "way", server.database("iot"))
            async with way.running():
                await way.bring(100)
                await way.has_stored_everything()
                ballast = fill(disk)
                for _ in range(4):
                    await way.bring(2_500)
                await way.is_held("no room on its disk", "restart")
                ballast.unlink()
                server.stop()
                server.start()
                await way.has_stored_everything()
            assert bits(kept(server, "iot")) == bits(way.sent)
        finally:
            server.stop()
