"""The real service between a real broker and a real store, measured from outside."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from devices.clock import wall_now
from tests.bench.cost import Cpu, peak_mib
from tests.bench.load import Load, messages, packets, write_bench_registry
from tests.bench.phone import Phone
from tests.bench.publisher import Publisher
from tests.bench.stand_in import StandIn
from tests.servers import InfluxDB, Mosquitto, wait_until
from tests.service import RunningService

WARM_UP = 5_000
PATIENCE_S = 120
DATABASE = "bench"
_LOOP = 50_000
"""Messages of a load that goes on as long as it is needed."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one load came to.

    Attributes:
        messages: How many there were.
        per_second: How many were stored and judged in a second, while it was under way.
        cpu: What the pipeline process used for all of them.
    """

    messages: int
    per_second: float
    cpu: Cpu

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU a message."""
        return self.cpu.microseconds(self.messages)


class WholeWay:
    """Broker, store, service and phone for some runs, each in a process of its own.

    Args:
        folder: Fresh, for everybody's files.
        influxdb: Whether points go to InfluxDB; else to the embedded store.
        stand_in: Streams in the place of a broker and a publisher; already running.
    """

    def __init__(self, folder: Path, *, influxdb: bool, stand_in: StandIn | None = None) -> None:
        self.broker = Mosquitto(folder / "broker")
        self._stand_in = stand_in
        self.influxdb = InfluxDB(folder / "influxdb") if influxdb else None
        self.phone = Phone()
        self._folder = folder
        self._sent = 0

    def __enter__(self) -> Self:
        url = self._stand_in.url if self._stand_in else self.broker.start().url
        series_url = self.influxdb.start().database(DATABASE) if self.influxdb else None
        self._service = RunningService(
            self._folder / "service", mqtt_url=url, series_url=series_url
        )
        write_bench_registry(self._folder / "registry", self.phone.url)
        self._service.import_registry(self._folder / "registry", now=wall_now())
        self._service.start()
        if self._stand_in:
            self.stream()
        else:
            self.send(WARM_UP)
        return self

    def __exit__(self, *_: object) -> None:
        self._service.kill()
        self.broker.stop()
        self.phone.close()
        if self.influxdb:
            self.influxdb.stop()

    @property
    def peak_mib(self) -> int:
        """The most memory the pipeline process has had."""
        return peak_mib(self._service.pid)

    def send(self, count: int, *, per_second: float = 0, load: Load = messages) -> Run:
        """Send messages, at full speed or at a rate; wait until all are stored and judged."""
        published = packets(load(count, wall_now() / 1000))
        before = Cpu.of(self._service.pid)
        start, self._sent = self._sent, self._sent + count
        publisher = Publisher(self.broker.port)
        with ThreadPoolExecutor(1) as watcher:
            watching = watcher.submit(self._watch, self._sent)
            publisher.send(published, per_second=per_second)
            rate = _rate(watching.result(), start, self._sent)
        publisher.close()
        return Run(count, rate, Cpu.of(self._service.pid).since(before))

    def stream(self) -> Run:
        """Take in one stream of the stand-in; wait until all of it is stored and judged."""
        assert self._stand_in is not None
        before = Cpu.of(self._service.pid)
        start, self._sent = self._sent, self._sent + self._stand_in.messages
        with ThreadPoolExecutor(1) as watcher:
            watching = watcher.submit(self._watch, self._sent)
            self._stand_in.stream()
            rate = _rate(watching.result(), start, self._sent)
        return Run(self._stand_in.messages, rate, Cpu.of(self._service.pid).since(before))

    @contextmanager
    def under_load(self, *, per_second: float) -> Iterator[Publisher]:
        """Send at a rate meanwhile; gives a second publisher to probe with."""
        load, stop = packets(messages(_LOOP, wall_now() / 1000)), threading.Event()
        background, probe = Publisher(self.broker.port), Publisher(self.broker.port)

        def send() -> None:
            while not stop.is_set():
                background.send(load, per_second=per_second, until=stop)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            yield probe
        finally:
            stop.set()
            sender.join()
            self._sent += background.acked + probe.acked
            background.close()
            probe.close()

    def wait_for_store(self) -> None:
        """Wait until the store takes what waits for it, after an outage."""
        wait_until(self._is_storing, seconds=PATIENCE_S, what="the store's return")

    def _is_storing(self) -> bool:
        status = self._service.status()
        return status is not None and not status.pipeline.followers["series"].held

    def drain(self, *, spare: int) -> float:
        """Wait until no more than ``spare`` messages wait for the store.

        Returns:
            How many were stored a second meanwhile, from the first on that was.
        """
        seen: dict[int, int] = {}

        def is_drained() -> bool:
            status = self._service.status()
            assert status is not None, self._service.log[-2000:]
            series = status.pipeline.followers["series"]
            seen[status.wall_at] = series.cursor
            return series.pending <= spare and not series.held

        wait_until(is_drained, seconds=PATIENCE_S, what="the store to have caught up")
        return _rate(list(seen.items()), min(seen.values()), max(seen.values()) + 1)

    def _watch(self, position: int) -> list[tuple[int, int]]:
        """Wait until everything up to a position is stored and judged.

        Returns:
            What the service told of itself, once a second: when (milliseconds), how far it was.
        """
        seen: dict[int, int] = {}

        def is_there() -> bool:
            status = self._service.status()
            assert status is not None, self._service.log[-2000:]
            handled = min(one.cursor for one in status.pipeline.followers.values())
            seen[status.wall_at] = handled
            return handled >= position

        wait_until(is_there, seconds=PATIENCE_S, what=f"position {position}")
        return list(seen.items())


def _rate(seen: Sequence[tuple[int, int]], start: int, end: int) -> float:
    """Return the messages handled a second between the first and the last look in between."""
    under_way = [(at, handled) for at, handled in seen if start < handled < end]
    if len(under_way) < 2:
        under_way = [max(one for one in seen if one[1] <= start), seen[-1]]
    (first_at, first), (last_at, last) = under_way[0], under_way[-1]
    return (last - first) / (last_at - first_at) * 1_000
