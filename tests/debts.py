"""Debts: messages the broker accepted for us, written down by whoever published them."""

import asyncio
import json
import threading
from collections import Counter
from pathlib import Path

import aiomqtt

from devices.clock import MINUTE, SECOND, rfc3339, wall_now
from ingest.books import balance
from ingest.ledger_file import account_of
from tests.registry_folder import Flat, write_registry
from tests.servers import InfluxDB, Mosquitto
from tests.service import RunningService

METERS = 20
ILL = 15
EVERY_S = 0.002
"""Between two publishes: about 400 a second."""


def indebted_service(folder: Path, mosquitto: Mosquitto, influxdb: InfluxDB) -> RunningService:
    """Return a service, not started, that knows the debtor's meters and people."""
    url = influxdb.database("debts")
    service = RunningService(folder / "service", mqtt_url=mosquitto.url, series_url=url)
    meters = [Flat(f"h{n}", ((f"m{n}", "gatehouse"),)) for n in range(METERS)]
    people = [Flat(f"p{n}", ((f"t{n}", "gatehouse"),)) for n in range(ILL)]
    registry = write_registry(folder / "registry", [*meters, *people])
    service.import_registry(registry, now=wall_now())
    return service


class Debtor:
    """Publishes without end, over every loss of the broker, and writes down what was accepted."""

    def __init__(self, port: int, *, began: int) -> None:
        """``began`` is the time of the first observation, milliseconds; each is one later."""
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.stored: set[tuple[str, int]] = set()
        self.dead: set[str] = set()
        self.ignored = 0
        self.ill: Counter[int] = Counter()
        self._began = began

    @property
    def owed(self) -> int:
        """How many messages were accepted."""
        return len(self.stored) + len(self.dead) + self.ignored + sum(self.ill.values())

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
        elif number % 50 == 11 and self.patient() is not None:
            await self._measure(client)
        else:
            meter, at = f"m{number % METERS}", self._began + number
            payload = {"kind": "electricity", "observed_at": rfc3339(at), "power_w": number % 900}
            await client.publish(f"gatehouse/v1/s/{meter}", json.dumps(payload), qos=1)
            self.stored.add((meter, at))

    def patient(self) -> int | None:
        """Return somebody who has not been measured twice yet."""
        return next((person for person in range(ILL) if self.ill[person] < 2), None)

    async def _measure(self, client: aiomqtt.Client) -> None:
        """Measure 37.5 in an armpit, and again ten minutes later: one fever incident is owed."""
        person = self.patient()
        at = self._began + self.ill[person] * 10 * MINUTE + 7 * SECOND
        reading = {"kind": "temperature", "celsius": 37.5, "body_site": "axillary"}
        payload = json.dumps(reading | {"observed_at": rfc3339(at)})
        await client.publish(f"gatehouse/v1/s/t{person}", payload, qos=1)
        self.ill[person] += 1


def books_balance(service: RunningService) -> None:
    status = service.status()
    assert status is not None
    books = balance(account_of(service.data_dir / "ledger.db"), head=status.pipeline.journal.head)
    assert books.balanced
    assert books.lost == 0
    assert status.judged["judged"] + status.judged["ignored"] + status.judged["dead"] == (
        books.received
    )


def points_of(influxdb: InfluxDB) -> Counter[tuple[str, int]]:
    """Return how often each (device, observed at) is stored; the digits below milliseconds vary."""
    series = influxdb.query("SELECT power_w FROM electricity GROUP BY device", database="debts")
    return Counter(
        (one["tags"]["device"], at // 1_000_000) for one in series for at, _ in one["values"]
    )
