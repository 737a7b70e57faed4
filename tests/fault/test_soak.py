"""Longer runs, only by ``make soak``: debts through many kills, memory that stays flat.

``make soak KILLS=10 MINUTES=3`` is the same for somebody who has less time.
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from statistics import linear_regression

import pytest

from devices.clock import wall_now
from ingest.books import balance
from ingest.ledger_file import account_of
from tests.bench.load import messages, packets, write_bench_registry
from tests.bench.publisher import Publisher
from tests.debts import Debtor, books_balance, points_of
from tests.servers import InfluxDB, Mosquitto, port_answers, wait_until
from tests.service import RunningService

KILLS = int(os.environ.get("SOAK_KILLS", "100"))
MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
PER_SECOND = 5_000
SLICE_S = 5
FAULT_EVERY = 1 / 12
"""Of the run; what is broken is whole again after a third of that, a minute at most."""
WARM = 1 / 2
"""Of the run: by then each kind of fault has come, and what an outage fills was as full as it may
be. Memory that was once taken for it is not given back, so the slope is that of the rest."""
SAMPLE_S = 2.0
CAUGHT_UP_S = 600.0
JUDGED_FROM = 30
"""Minutes; the slope of a shorter run says how bounded buffers fill up, outage by outage."""
GROWTH = 0.15
"""Of memory over the whole run by its slope, at most this share of the mean."""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(int(MINUTES * 60 + KILLS * 30 + 1_800))]


def test_debts_are_paid_after_many_kills(
    service: RunningService, mosquitto: Mosquitto, influxdb: InfluxDB
) -> None:
    """What the short test shows for ten kills holds for a hundred, with outages among them."""
    service.start()
    chance = random.Random(11)
    with Debtor(mosquitto.port, began=wall_now()) as debtor:
        for number in range(KILLS):
            time.sleep(chance.uniform(0.1, 2.0))  # The moment of the kill is what is random.
            if number % 10 == 3:
                influxdb.stop()
            if number % 10 == 6:
                influxdb.start()
            if number % 20 == 9:
                mosquitto.stop()
                mosquitto.start()
            service.kill()
            service.start()
        if not port_answers(influxdb.port):
            influxdb.start()
    wait_until(lambda: service.has_caught_up(debtor.owed), seconds=CAUGHT_UP_S, what="catching up")
    books_balance(service)
    assert set(points_of(influxdb)) >= debtor.stored


def test_memory_stays_flat_through_faults(
    tmp_path: Path,
    mosquitto: Mosquitto,
    influxdb: InfluxDB,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Under 5,000 messages a second, with outages of store and broker, memory does not grow."""
    url = influxdb.database("soak")
    service = RunningService(tmp_path / "run", mqtt_url=mosquitto.url, series_url=url)
    write_bench_registry(tmp_path / "registry", "demo://phone")
    service.import_registry(tmp_path / "registry", now=wall_now())
    service.start()
    try:
        with Stream(mosquitto.port) as stream:
            began, seconds = time.monotonic(), MINUTES * 60
            samples: list[tuple[float, float]] = []
            for act in _acts(began, seconds, mosquitto, influxdb):
                act()
                hours = (time.monotonic() - began) / 3_600
                samples.append((hours, _resident_mib(service.pid)))
        wait_until(
            lambda: service.has_caught_up(stream.acked), seconds=CAUGHT_UP_S, what="the rest"
        )
        _report(samples[int(len(samples) * WARM) :], stream.acked, capsys)
        status = service.status()
        assert status is not None
        account = account_of(service.data_dir / "ledger.db")
        books = balance(account, head=status.pipeline.journal.head)
        assert books.balanced
        assert books.lost == 0
        assert service.stop() == 0
    finally:
        service.kill()


class Stream:
    """Publishes at a rate without end, over every loss of the broker; counts what was accepted."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.acked = 0

    def __enter__(self) -> "Stream":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        load = packets(messages(PER_SECOND * SLICE_S, wall_now() / 1_000))
        while not self._stop.is_set():
            with suppress(OSError, AssertionError, IndexError):  # The broker is away.
                self._publish(load)
            self._stop.wait(0.2)

    def _publish(self, load: list[bytes]) -> None:
        publisher = Publisher(self._port)
        try:
            while not self._stop.is_set():
                publisher.send(load, per_second=PER_SECOND, until=self._stop)
        finally:
            self.acked += publisher.acked
            publisher.close()


def _acts(
    began: float, seconds: float, mosquitto: Mosquitto, influxdb: InfluxDB
) -> Iterator[Callable[[], object]]:
    """Yield what to do next: mostly to wait; now and then to break something, or to mend it."""
    faults = [
        (influxdb.stop, influxdb.start),
        (mosquitto.stop, mosquitto.start),
        (_signal(mosquitto, signal.SIGSTOP), _signal(mosquitto, signal.SIGCONT)),
        (influxdb.kill, influxdb.start),
    ]
    mend: Callable[[], object] | None = None
    apart = seconds * FAULT_EVERY
    due, number = began + apart, 0
    while time.monotonic() - began < seconds:
        if time.monotonic() >= due and mend is not None:
            due, act, mend = due + apart * 2 / 3, mend, None
            yield act
        elif time.monotonic() >= due:
            act, mend = faults[number % len(faults)]
            due, number = due + min(60.0, apart / 3), number + 1
            yield act
        yield lambda: time.sleep(SAMPLE_S)
    yield mend or (lambda: None)


def _signal(mosquitto: Mosquitto, number: signal.Signals) -> Callable[[], object]:
    return lambda: os.kill(mosquitto.pid, number)


def _report(
    samples: list[tuple[float, float]], acked: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Print rate and memory; fail where memory grows, if there was time to tell."""
    slope, _ = linear_regression(*zip(*samples, strict=True))
    resident = [mib for _, mib in samples]
    mean = sum(resident) / len(resident)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{MINUTES:g} minutes, {acked / MINUTES / 60:,.0f} messages a second: memory "
            f"{min(resident):.0f} to {max(resident):.0f} MiB, slope {slope:+.1f} MiB an hour\n"
        )
    assert MINUTES < JUDGED_FROM or slope * MINUTES / 60 <= GROWTH * mean


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1_024
