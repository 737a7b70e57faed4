"""A real broker that drops, a device that skips, a payload nobody reads: each has its share."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import aiomqtt

from devices.clock import wall_now
from ingest.ledger_file import NAME as LEDGER
from ingest.numbering import Cause
from ingest.numbering_table import Missing, read_missing
from tests.registry_folder import Flat, write_registry
from tests.servers import Mosquitto, wait_until
from tests.service import RunningService

QUEUE = 50


def test_each_missing_number_has_who_lost_it(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """What the broker's queue had no room for while we were killed is its own, and no more."""
    mosquitto.stop()
    mosquitto.configure(f"max_queued_messages {QUEUE}")
    mosquitto.start()
    service = RunningService(tmp_path / "run", mqtt_url=mosquitto.url)
    flat = Flat("h1", (("t1", "gatehouse"),))
    service.import_registry(write_registry(tmp_path / "registry", [flat]), now=wall_now())
    service.start()
    publish(mosquitto, status(range(1, 4)))
    wait_until(lambda: service.has_caught_up(3), what="the first messages")
    service.kill()
    publish(mosquitto, status(range(4, 304)))
    service.start()
    wait_until(lambda: service.has_caught_up(3 + QUEUE), what="what the broker kept")
    wait_for_status(service)
    publish(mosquitto, [*status([304, 306]), b"garbage", *status([308])])
    wait_until(lambda: missing(service).total >= 252, what="the gaps")
    assert missing(service).by_cause == {
        Cause.BROKER: 300 - QUEUE,
        Cause.DEVICE: 1,
        Cause.US: 1,
    }
    assert missing(service).restarts == 0
    assert service.stop() == 0


def wait_for_status(service: RunningService) -> None:
    """Let the service look at its sources once more."""
    asked_at = wall_now()

    def told() -> bool:
        status = service.status()
        return status is not None and status.wall_at > asked_at

    wait_until(told, what="the next status")
    asked_at = wall_now()
    wait_until(told, what="the one after it")


def missing(service: RunningService) -> Missing:
    return read_missing(service.data_dir / LEDGER)


def status(numbers: Sequence[int]) -> list[bytes]:
    return [b'{"kind":"device_status","battery":80,"sequence":%d}' % one for one in numbers]


def publish(mosquitto: Mosquitto, payloads: Sequence[bytes]) -> None:
    async def send() -> None:
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            for payload in payloads:
                await client.publish("gatehouse/v1/s/t1", payload, qos=1)

    asyncio.run(send())
