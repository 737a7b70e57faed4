"""The obligation test: what the broker accepted for us is a debt, whatever is killed meanwhile.

A debt is paid when the message's points are in InfluxDB, when it is knowingly ignored, or when it
is a dead letter. The service is killed at random moments, InfluxDB is away twice, the broker is
restarted once; afterwards every debt is paid, the books balance, and every incident owed exists
once. (Debts here are all messages the broker accepted, which is more than those the service had
acknowledged.)
"""

import asyncio
import json
import random
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import aiomqtt
import pytest
from sqlalchemy import func, select

from alerts.tables import incident
from devices.clock import MINUTE, SECOND, rfc3339, wall_now
from gatehouse.database import connect
from ingest.books import balance
from ingest.ledger_file import account_of
from tests.registry_folder import Flat, write_registry
from tests.servers import InfluxDB, Mosquitto, wait_until
from tests.service import RunningService

METERS = 20
ILL = 15
KILLS = 10
CAUGHT_UP_S = 90.0
EVERY_S = 0.002
"""Between two publishes: about 400 a second."""


class Debtor:
    """Publishes without end, over every loss of the broker, and writes down what was accepted."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.stored: set[tuple[str, int]] = set()
        self.dead: set[str] = set()
        self.ignored = 0
        self.ill: Counter[int] = Counter()
        self._began = wall_now() - 50 * MINUTE

    def __enter__(self) -> "Debtor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    async def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                async with aiomqtt.Client("127.0.0.1", self._port, timeout=5) as client:
                    while not self._stop.is_set():
                        await self._publish(client, number)
                        number += 1
                        await asyncio.sleep(EVERY_S)
            except aiomqtt.MqttError:
                await asyncio.sleep(0.1)

    async def _publish(self, client: aiomqtt.Client, number: int) -> None:
        """Publish one message; only what the broker confirmed is written down."""
        if number % 50 == 7:
            marker = f"not json {number}"
            await client.publish("tele/m0/SENSOR", marker, qos=1)
            self.dead.add(marker)
        elif number % 50 == 9:
            await client.publish("zigbee2mqtt/bridge/logging", "{}", qos=1)
            self.ignored += 1
        elif number % 50 == 11 and self._patient() is not None:
            await self._measure(client)
        else:
            meter, at = f"m{number % METERS}", self._began + number
            payload = {"kind": "electricity", "observed_at": rfc3339(at), "power_w": number % 900}
            await client.publish(f"gatehouse/v1/s/{meter}", json.dumps(payload), qos=1)
            self.stored.add((meter, at))

    def _patient(self) -> int | None:
        """Return somebody who has not been measured twice yet."""
        return next((person for person in range(ILL) if self.ill[person] < 2), None)

    async def _measure(self, client: aiomqtt.Client) -> None:
        """Measure 37.5 in an armpit, and again ten minutes later: one fever incident is owed."""
        person = self._patient()
        at = self._began + self.ill[person] * 10 * MINUTE + 7 * SECOND
        reading = {"kind": "temperature", "celsius": 37.5, "body_site": "axillary"}
        payload = json.dumps(reading | {"observed_at": rfc3339(at)})
        await client.publish(f"gatehouse/v1/s/t{person}", payload, qos=1)
        self.ill[person] += 1


@pytest.fixture
def service(tmp_path: Path, mosquitto: Mosquitto, influxdb: InfluxDB) -> RunningService:
    url = influxdb.database("debts")
    service = RunningService(tmp_path / "service", mqtt_url=mosquitto.url, series_url=url)
    meters = [Flat(f"h{n}", ((f"m{n}", "gatehouse"),)) for n in range(METERS)]
    people = [Flat(f"p{n}", ((f"t{n}", "gatehouse"),)) for n in range(ILL)]
    folder = write_registry(tmp_path / "registry", [*meters, *people])
    service.import_registry(folder, now=wall_now())
    return service


def test_every_accepted_message_is_accounted_for_after_kills_and_outages(
    service: RunningService, mosquitto: Mosquitto, influxdb: InfluxDB
) -> None:
    """After ten kills, two outages and a broker restart nothing is missing or doubled."""
    service.start()
    chance = random.Random(7)
    with Debtor(mosquitto.port) as debtor:
        for number in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.2))  # The moment of the kill is what is random.
            if number in (2, 6):
                influxdb.stop()
            if number in (4, 8):
                influxdb.start()
            if number == 5:
                mosquitto.stop()
                mosquitto.start()
            service.kill()
            service.start()
        wait_until(lambda: debtor._patient() is None, what="everybody measured twice")
    paid = len(debtor.stored) + len(debtor.dead) + debtor.ignored + sum(debtor.ill.values())
    wait_until(lambda: service.has_caught_up(paid), seconds=CAUGHT_UP_S, what="catching up")
    _books_balance(service)
    points = _points(influxdb)
    assert set(points) >= debtor.stored
    assert set(points.values()) == {1}
    assert _dead_letters(service) >= debtor.dead
    assert _fevers(service) == [1] * ILL
    assert service.stop() == 0


def _books_balance(service: RunningService) -> None:
    status = service.status()
    assert status is not None
    books = balance(account_of(service.data_dir / "ledger.db"), head=status.pipeline.journal.head)
    assert books.balanced
    assert books.lost == 0
    assert status.judged["judged"] + status.judged["ignored"] + status.judged["dead"] == (
        books.received
    )


def _points(influxdb: InfluxDB) -> Counter[tuple[str, int]]:
    """Return how often each (device, observed at) is stored; the digits below milliseconds vary."""
    series = influxdb.query("SELECT power_w FROM electricity GROUP BY device", database="debts")
    return Counter(
        (one["tags"]["device"], at // 1_000_000) for one in series for at, _ in one["values"]
    )


def _dead_letters(service: RunningService) -> set[str]:
    with closing(sqlite3.connect(service.data_dir / "ledger.db")) as ledger:
        return {
            payload.decode() for (payload,) in ledger.execute("SELECT payload FROM dead_letter")
        }


def _fevers(service: RunningService) -> list[int]:
    """Return how many fever incidents each subject has."""
    database = connect(service.settings)
    with database.connect() as connection:
        query = (
            select(func.count())
            .where(incident.c.rule == "fever", incident.c.watch.is_(False))
            .group_by(incident.c.key)
        )
        counts = list(connection.scalars(query))
    database.dispose()
    return counts
