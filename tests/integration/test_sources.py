"""Several brokers at once, and what is published to them, on the real service."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from ingest.source import SourceStatus
from tests.intake import numbered, publish
from tests.servers import Mosquitto, eventually
from tests.service import RunningService

TOML = """
[mqtt]
topics = ["gate/#"]

[source.north]
topics = ["mqtt/face/+/Rec"]
"""
TERMINAL = "mqtt/face/1026700"
QUESTION = (
    b'{"operator":"RecPush","info":'
    b'{"RecordID":"7","time":"2020-02-14 20:00:00","VerifyStatus":"3"}}'
)


@pytest.fixture
def north(tmp_path: Path) -> Iterator[Mosquitto]:
    """Give a second broker."""
    server = Mosquitto(tmp_path / "north").start()
    yield server
    server.stop()


@pytest.fixture
def service(tmp_path: Path, mosquitto: Mosquitto, north: Mosquitto) -> Iterator[RunningService]:
    """Give the service with both brokers, not started; end it with the test."""
    running = RunningService(
        tmp_path / "service",
        mqtt_url=mosquitto.url,
        toml=TOML,
        environment={"GATEHOUSE_SOURCE_NORTH_URL": north.url},
    )
    yield running
    running.kill()


def source(service: RunningService, name: str) -> SourceStatus:
    """Return what a source of the service last told."""
    status = service.status()
    assert status is not None
    return next(one for one in status.pipeline.sources if one.name == name)


async def test_two_brokers_are_taken_in_from_at_once(
    service: RunningService, mosquitto: Mosquitto, north: Mosquitto
) -> None:
    """Each has its own session, client id, filters and counters; one that is away holds no other.

    An answer goes to the broker that brought the question, and after a restart a filter that left
    is given up.
    """
    await asyncio.to_thread(service.start)
    async with aiomqtt.Client(north.host, north.port) as terminal:
        await terminal.subscribe(TERMINAL, qos=1)
        await publish(north, [QUESTION], topic=f"{TERMINAL}/Rec")
        async with asyncio.timeout(20):
            answer = await anext(aiter(terminal.messages))
    assert b'"SnapOrRecordID":"7"' in bytes(answer.payload)
    await publish(mosquitto, numbered(3))
    await eventually(lambda: service.has_caught_up(4), what="both brokers' messages")
    assert source(service, "mqtt").granted == {"gate/#": 1}
    assert source(service, "north").granted == {"mqtt/face/+/Rec": 1}
    assert (source(service, "mqtt").received, source(service, "north").received) == (3, 1)
    assert "as gatehouse " in mosquitto.log
    assert "as gatehouse-north " in north.log

    north.stop()
    await eventually(lambda: not source(service, "north").connected, what="north away")
    await publish(mosquitto, numbered(2, "alone"))
    await eventually(lambda: service.has_caught_up(6), what="the other broker's messages")
    north.start()
    await eventually(lambda: source(service, "north").connected, what="north back")

    service.stop()
    config = service.settings_environment["GATEHOUSE_CONFIG"]
    await asyncio.to_thread(Path(config).write_text, TOML.replace("mqtt/face/+/Rec", "meters/#"))
    await asyncio.to_thread(service.start)
    await publish(north, [QUESTION], topic=f"{TERMINAL}/Rec")
    await publish(north, [b"x"], topic="meters/1")
    await eventually(lambda: service.has_caught_up(7), what="what is still asked for")
    assert source(service, "north").received == 1
    assert source(service, "north").sessions_lost == 0
