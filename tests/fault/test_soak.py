"""Longer runs, only by ``make soak``: debts through many kills, memory that stays flat."""

import random
import time
from pathlib import Path

import pytest

from devices.clock import wall_now
from tests.debts import Debtor, books_balance, points_of
from tests.servers import InfluxDB, Mosquitto, wait_until
from tests.service import RunningService

KILLS = 60
CALM_MINUTES = 10
CAUGHT_UP_S = 300.0
FLAT = 1.15
"""Memory at the end of the calm, at most this share of what it was after its first fifth."""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


def test_debts_are_paid_after_sixty_kills(
    service: RunningService, mosquitto: Mosquitto, influxdb: InfluxDB
) -> None:
    """What the short test shows for ten kills holds for sixty, with outages among them."""
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
    wait_until(lambda: service.has_caught_up(debtor.owed), seconds=CAUGHT_UP_S, what="catching up")
    books_balance(service)
    assert set(points_of(influxdb)) >= debtor.stored


def test_memory_stays_flat(service: RunningService, mosquitto: Mosquitto) -> None:
    """Under a steady stream the pipeline's memory does not grow."""
    service.start()
    with Debtor(mosquitto.port, began=wall_now()):
        time.sleep(CALM_MINUTES * 60 / 5)
        early = _resident_kib(service.pid)
        time.sleep(CALM_MINUTES * 60 * 4 / 5)
        late = _resident_kib(service.pid)
    assert late <= FLAT * early
    assert service.stop() == 0


def _resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])
