"""Publishing at a low rate: replies to devices, and readings entered by hand.

In MQTT 3.1.1, which brokers of every age speak, with a client id and connection of its own, so
that it never takes over the session that brings messages in. Nothing is kept while the broker is
away: whoever publishes is told and decides.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import aiomqtt

from devices import mqtt_client
from ingest.broker import MqttSettings
from ingest.connection import ConnectionLost


class PublishFailed(Exception):
    """The broker did not confirm the message; it may have it nevertheless. Try again later."""


class Publisher:
    """A connection made at the first publish and made again when it was lost.

    Args:
        settings: The brokers; the first that takes a message is stayed with.
        at: Which of them to publish to, where whoever listens is at no other.
    """

    def __init__(
        self, settings: MqttSettings, *, at: Callable[[], MqttSettings] | None = None
    ) -> None:
        self._brokers = settings.brokers
        self._at = at
        self._broker: MqttSettings | None = None
        self._client: aiomqtt.Client | None = None
        self._connection = AsyncExitStack()
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._disconnect()

    async def publish(self, topic: str, payload: bytes, qos: int = 1) -> None:
        """Publish one message and wait until the broker has confirmed it.

        Raises:
            PublishFailed: Not confirmed, neither on an old connection, which may have died
                unnoticed, nor on a new one.
        """
        async with self._turn:
            brokers = (self._at(),) if self._at else self._brokers
            if self._broker and self._broker not in brokers:
                await self._disconnect()
            if self._broker and not await self._attempt(self._broker, topic, payload, qos):
                return
            failures = []
            for broker in brokers:
                failure = await self._attempt(broker, topic, payload, qos)
                if not failure:
                    return
                failures.append(f"{broker.address} did not take the message: {failure}")
            raise PublishFailed("; ".join(failures))

    async def _attempt(
        self, broker: MqttSettings, topic: str, payload: bytes, qos: int
    ) -> Exception | None:
        """Send; return why it was not confirmed, with the connection closed, or None."""
        try:
            if self._client is None:
                self._client = await self._connection.enter_async_context(
                    mqtt_client.connected(_make_client(broker))
                )
                self._broker = broker
            await mqtt_client.publish(self._client, topic, payload, qos=qos)
        except (*mqtt_client.FAILURES, ConnectionLost) as failure:
            await self._disconnect()
            return failure
        return None

    async def _disconnect(self) -> None:
        self._client = self._broker = None
        await self._connection.aclose()


def _make_client(broker: MqttSettings) -> aiomqtt.Client:
    return mqtt_client.make_client(
        broker.host,
        broker.port,
        username=broker.user,
        password=broker.secret,
        identifier=f"{broker.client_id}-{secrets.token_hex(4)}",
        protocol=aiomqtt.ProtocolVersion.V311,
        keepalive=broker.keep_alive_s,
        tls_context=broker.tls_context(),
    )
