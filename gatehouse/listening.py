"""Listening in at a broker: what arrives, without taking anything from anybody.

A client id of its own, a clean session and QoS 0: nothing is kept for it at the broker, and the
service's session is not touched. What comes faster than it is looked at is counted and let go.
Pictures are cut out as the service does it.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Self, cast

import aiomqtt

from devices import mqtt_client
from devices.clock import Clock
from ingest import reason
from ingest.broker import MqttSettings
from ingest.connection import ConnectionLost
from ingest.message import RETAIN, Message
from ingest.picture import cut

QUEUED = 1_000
"""Messages that wait to be looked at."""


class ListenFailed(Exception):
    """The broker is away, refuses us or a topic, or has ended the connection; says which."""


class _Waiting(asyncio.Queue[aiomqtt.Message]):
    """Messages that wait to be looked at; what is too many is missed."""

    missed = 0

    def put_nowait(self, item: aiomqtt.Message) -> None:
        """Take one more, or count it."""
        if self.full():
            self.missed += 1
        else:
            super().put_nowait(item)


class Listener:
    """A connection to the first of a source's brokers that takes us.

    Args:
        settings: The source's.
        topics: Filters to subscribe to.
        clock: Says when a message arrived.
    """

    def __init__(self, settings: MqttSettings, topics: Sequence[str], clock: Clock) -> None:
        self._brokers = settings.brokers
        self._topics = tuple(topics)
        self._clock = clock
        self._waiting = _Waiting(QUEUED)
        self._open = AsyncExitStack()

    @property
    def missed(self) -> int:
        """Messages that came faster than they were looked at."""
        return self._waiting.missed

    async def __aenter__(self) -> Self:
        """Connect and subscribe.

        Raises:
            ListenFailed: No broker takes us, or the one that does refuses a topic.
        """
        failures = []
        for broker in self._brokers:
            try:
                client = self._client(broker)
                await self._open.enter_async_context(mqtt_client.connected(client))
            except (*mqtt_client.FAILURES, ConnectionLost) as error:
                failures.append(f"{broker.address} does not take us: {error}")
                continue
            self._broker, self._messages = broker, client.messages
            await self._subscribe(client)
            return self
        raise ListenFailed("; ".join(failures))

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what arrives.

        Raises:
            ListenFailed: The connection has ended.
        """
        try:
            async for one in self._messages:
                payload, _ = cut(one.payload if isinstance(one.payload, bytes) else b"")
                flags = RETAIN if one.retain else 0
                topic, at = one.topic.value, self._clock.now()
                yield Message(topic, payload, at, self._broker.name, qos=0, flags=flags)
        except mqtt_client.FAILURES as error:
            said = f"{self._broker.address} has ended the connection: {error}"
            raise ListenFailed(said) from error

    def _client(self, broker: MqttSettings) -> aiomqtt.Client:
        is_new = broker.version == "5"
        return mqtt_client.make_client(
            broker.host,
            broker.port,
            username=broker.user,
            password=broker.secret,
            tls_context=broker.tls_context(),
            identifier=f"gatehouse-see-{secrets.token_hex(4)}",
            protocol=aiomqtt.ProtocolVersion.V5 if is_new else aiomqtt.ProtocolVersion.V311,
            queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", self._queue),
        )

    def _queue(self, maxsize: int) -> _Waiting:  # noqa: ARG002 - ours is bounded already
        return self._waiting

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        address = self._broker.address
        try:
            async with mqtt_client.bounded():
                codes = await client.subscribe([(topic, 0) for topic in self._topics])
        except mqtt_client.FAILURES as error:
            await self._open.aclose()
            raise ListenFailed(f"{address} does not answer SUBSCRIBE: {error}") from error
        numbers = [code if isinstance(code, int) else code.value for code in codes]
        for topic, number in zip(self._topics, numbers, strict=True):
            if number >= reason.FAILURE:
                await self._open.aclose()
                raise ListenFailed(f"{address} refuses the topic {topic!r}: {reason.words(number)}")
