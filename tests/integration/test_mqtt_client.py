"""The bounded aiomqtt client on a real mosquitto."""

import asyncio

import pytest

from devices import mqtt_client
from tests.servers import Mosquitto
from tests.tcp_proxy import TcpProxy


async def test_a_cancellation_is_never_lost(mosquitto: Mosquitto) -> None:
    """A task that publishes for ever ends when it is cancelled, whatever comes at that moment."""
    client = mqtt_client.make_client(mosquitto.host, mosquitto.port)

    async def publish_for_ever() -> None:
        while True:
            await mqtt_client.publish(client, "a/b", b"x")

    async with mqtt_client.connected(client):
        for rounds in range(200):  # One of them is the round in which the PUBACK comes.
            task = asyncio.create_task(publish_for_ever())
            for _ in range(rounds):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=5)
            assert task.cancelled(), rounds


async def test_a_broker_that_says_nothing_is_not_waited_for(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connecting, publishing and leaving are bounded over a connection that has gone half-open."""
    monkeypatch.setattr(mqtt_client, "TIMEOUT_S", 0.5)
    async with TcpProxy(port=mosquitto.port) as proxy, asyncio.timeout(10):
        client = mqtt_client.make_client("127.0.0.1", proxy.port)
        async with mqtt_client.connected(client):
            await mqtt_client.publish(client, "a/b", b"x")
            proxy.freeze()
            with pytest.raises(TimeoutError, match="no answer within"):
                await mqtt_client.publish(client, "a/b", b"y")
        with pytest.raises(mqtt_client.FAILURES):
            async with mqtt_client.connected(mqtt_client.make_client("127.0.0.1", proxy.port)):
                pass
