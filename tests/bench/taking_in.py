"""From the socket into the journal and back as an ack: through a broker, from a stand-in, beside
what the client libraries take alone; and what a backlog costs."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devices.clock import wall_now
from ingest.journal_file import list_files
from tests.bench.cost import Cpu
from tests.bench.load import messages, packets, write_bench_registry
from tests.bench.publisher import Publisher
from tests.bench.stand_in import StandIn, Streamed
from tests.bench.whole_way import DATABASE
from tests.servers import InfluxDB, Mosquitto, Process, wait_until
from tests.service import RunningService, without_settings

PATIENCE_S = 180
QUIET_S = 3.0
"""After which a broker that has dropped messages sends no more."""


@contextmanager
def intake(folder: Path, url: str, *options: str) -> Iterator[Process]:
    """The intake alone, connected: socket, journal, ack and no followers."""
    process = Process(
        [sys.executable, "-m", "tests.bench.intake", str(folder / "journal"), url, *options],
        folder / "intake.log",
        env=without_settings(),
    )
    process.spawn()
    try:
        wait_until(lambda: "mqtt_connected" in process.said(), what="the intake to connect")
        yield process
    finally:
        process.end(signal.SIGKILL)


def through_broker(folder: Path, count: int, *, stock: bool = False) -> tuple[float, float, float]:
    """Return what the intake makes of a real broker at full speed.

    Args:
        folder: For everybody's files.
        count: Messages to publish.
        stock: Leave the broker's limits as they come: 20 in flight, 1,000 waiting.

    Returns:
        CPU microseconds a message; messages a second; the percentage of those that the broker
        acknowledged to the publisher which it also delivered.
    """
    folder.mkdir()
    broker = Mosquitto(folder / "broker")
    if stock:
        lines = broker.config.read_text().splitlines()
        kept = [line for line in lines if not line.startswith(("max_inflight", "max_queued"))]
        broker.config.write_text("\n".join(kept) + "\n")
    broker.start()
    try:
        with intake(folder, broker.url) as process:
            before, began = Cpu.of(process.pid), time.monotonic()
            _publish(broker, count)
            journalled, ended = _wait_for_journal(folder, count)
            cpu_us = Cpu.of(process.pid).since(before).microseconds(journalled)
            return cpu_us, journalled / (ended - began), 100 * journalled / count
    finally:
        broker.stop()


def from_stand_in(folder: Path, count: int, *options: str, **load: Any) -> tuple[Streamed, float]:
    """Return what a stream into the intake came to, and its CPU microseconds a message.

    Args:
        folder: For everybody's files.
        count: How many messages.
        options: Of ``tests.bench.intake``.
        load: Of :class:`StandIn`.
    """
    folder.mkdir(exist_ok=True)
    with (
        StandIn(folder, count, **load) as broker,
        intake(folder, broker.url, *options) as process,
    ):
        before = Cpu.of(process.pid)
        streamed = broker.stream()
        return streamed, Cpu.of(process.pid).since(before).microseconds(count)


def by_library(folder: Path, library: str, count: int) -> tuple[float, float]:
    """Return CPU microseconds a message, and messages a second, of a client library alone."""
    folder.mkdir()
    broker = Mosquitto(folder / "broker").start()
    process = Process(
        [sys.executable, "-m", "tests.bench.client", library, str(broker.port), str(count)],
        folder / "client.log",
        env=without_settings(),
    )
    process.spawn()
    try:
        wait_until(lambda: "subscribed" in process.said(), what=library)
        before, began = Cpu.of(process.pid), time.monotonic()
        _publish(broker, count)
        wait_until(lambda: "received" in process.said(), seconds=PATIENCE_S, what=library)
        per_second = count / (time.monotonic() - began)
        return Cpu.of(process.pid).since(before).microseconds(count), per_second
    finally:
        process.end(signal.SIGKILL)
        broker.stop()


def backlog(folder: Path, count: int) -> tuple[float, float]:
    """Return what a kill leaves behind it: a backlog of so many messages.

    Returns:
        Seconds from the start until the service is connected and takes in again; messages drained
        a second, into InfluxDB with all rules.
    """
    folder.mkdir()
    data = folder / "service" / "data"
    data.mkdir(parents=True)
    from_stand_in(data, count)  # Its intake is killed; the journal stays.
    influxdb, broker = InfluxDB(folder / "influxdb"), Mosquitto(folder / "broker")
    service = RunningService(
        folder / "service",
        mqtt_url=broker.start().url,
        series_url=influxdb.start().database(DATABASE),
    )
    write_bench_registry(folder / "registry", "json://127.0.0.1:9/")
    service.import_registry(folder / "registry", now=wall_now())
    began = time.monotonic()
    service.start()
    working_s = time.monotonic() - began
    try:
        wait_until(
            lambda: service.has_caught_up(count), seconds=PATIENCE_S, every=0.5, what="the backlog"
        )
        return round(working_s, 1), round(count / (time.monotonic() - began))
    finally:
        service.kill()
        broker.stop()
        influxdb.stop()


def _publish(broker: Mosquitto, count: int) -> None:
    load = packets(messages(count, 1.5e9))
    publisher = Publisher(broker.port)
    publisher.send(load)
    publisher.close()


def _wait_for_journal(folder: Path, count: int) -> tuple[int, float]:
    """Wait until the journal holds everything, or nothing more comes; return how much, and when."""
    journalled, changed = 0, time.monotonic()

    def is_over() -> bool:
        nonlocal journalled, changed
        last = list_files(folder / "journal")[-1].extent().last
        if last != journalled:
            journalled, changed = last, time.monotonic()
        return last >= count or time.monotonic() > changed + QUIET_S

    wait_until(is_over, seconds=PATIENCE_S, what="the journal to hold everything")
    return journalled, changed
