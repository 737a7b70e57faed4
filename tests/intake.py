"""A source under test: runs against a real broker, keeps what arrives, acks only when told."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import aiomqtt
import mqtt5

from devices.clock import ManualClock
from ingest.broker import MqttSettings
from ingest.message import Message
from ingest.mqtt5 import Mqtt5Connection
from ingest.mqtt311 import Mqtt311Connection
from ingest.mqtt_source import MqttSource, Version
from ingest.session_memory import SessionMemory
from ingest.source import SourceStatus
from tests.bench.publisher import Publisher
from tests.servers import Mosquitto, eventually

NOON = 1_581_652_800_000
"""2020-02-14T04:00:00Z: noon in Shanghai, where the clock of these tests stands still."""

VERSIONS: tuple[Version, ...] = (Mqtt5Connection, Mqtt311Connection)


class Intake:
    """One run of a source; leaving it is a clean stop, a second one is the next process.

    Args:
        url: The broker, or a proxy before it.
        version: The version of MQTT; None lets the source find out.
        memory: What the process before had subscribed.
        settings: More of MqttSettings.
    """

    def __init__(
        self,
        url: str,
        version: Version | None,
        memory: SessionMemory | None = None,
        **settings: Any,
    ) -> None:
        wanted = {"topics": ("gate/#",), "keep_alive_s": 30, **settings}
        self.settings = MqttSettings(url=url, **wanted)
        versions = VERSIONS if version is None else (version,)
        self.source = MqttSource(self.settings, ManualClock(NOON), versions=versions, memory=memory)
        self.messages: list[Message] = []
        self.calls = 0
        self.acking = False
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.source.run(self._take))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    @property
    def status(self) -> SourceStatus:
        return self.source.status()

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    async def connected(self) -> None:
        await eventually(lambda: self.status.connected, what=f"connected: {self.status.problem}")

    async def disconnected(self) -> None:
        await eventually(lambda: not self.status.connected, what="disconnected")

    async def reconnected(self, session: int) -> None:
        """Wait for a connection later than the given one."""
        await eventually(
            lambda: self.status.connected and self.status.session > session, what="reconnected"
        )

    async def receives(self, count: int) -> list[Message]:
        """Wait for so many messages since the beginning and return them."""
        await eventually(
            lambda: len(self.messages) >= count, what=f"{count} messages, not {len(self.messages)}"
        )
        return self.messages

    async def sees(self, payload: bytes) -> list[Message]:
        """Wait for a message and return everything that came before it."""
        await eventually(lambda: payload in self.payloads, what=f"{payload!r} in {self.payloads}")
        return self.messages[: self.payloads.index(payload)]

    def _take(self, messages: list[Message]) -> None:
        self.calls += 1
        self.messages.extend(messages)
        if self.acking:
            self.source.ack(messages)


async def publish(
    broker: Mosquitto,
    payloads: Sequence[bytes],
    *,
    topic: str = "gate/1",
    qos: int = 1,
    retain: bool = False,
) -> None:
    """Publish payloads in order; each is with the broker when this returns."""
    async with aiomqtt.Client(broker.host, broker.port) as client:
        for payload in payloads:
            await client.publish(topic, payload, qos=qos, retain=retain)


async def flood(broker: Mosquitto, payloads: Sequence[bytes], *, topic: str = "gate/1") -> None:
    """Publish many payloads in order and fast; the broker has all when this returns."""
    packets = [
        mqtt5.PublishPacket(
            topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=number % 65_535 + 1
        ).write()
        for number, payload in enumerate(payloads)
    ]

    def send() -> None:
        publisher = Publisher(broker.port)
        publisher.send(packets)
        publisher.close()

    await asyncio.to_thread(send)


def numbered(count: int, prefix: str = "m") -> list[bytes]:
    """Return that many different payloads in order."""
    return [f"{prefix}{number}".encode() for number in range(count)]
