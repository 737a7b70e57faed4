"""An aiomqtt client whose every wait is bounded, and ends when its task is cancelled.

aiomqtt bounds its waits by ``asyncio.wait_for``, which on Python 3.11 loses a cancellation that
comes together with what was waited for: a task that publishes for ever then never ends. So its own
bound is off, and :func:`asyncio.timeout`, which loses none, takes its place.

Source: CPython issue 96764; from Python 3.12 on ``wait_for`` is made of ``timeout`` itself.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import structlog

TIMEOUT_S = 10.0
"""For connecting, for the broker's answer to each packet, and for leaving."""

FAILURES = (aiomqtt.MqttError, OSError)
"""What connecting and publishing raise: the broker is away, refuses, or did not answer in time."""

log = structlog.get_logger()


def make_client(host: str, port: int, **options: Any) -> aiomqtt.Client:
    """Return a client that is not yet connected; options as ``aiomqtt.Client`` takes them."""
    return aiomqtt.Client(host, port, timeout=math.inf, **options)


@asynccontextmanager
async def bounded() -> AsyncIterator[None]:
    """Bound what is waited for inside.

    Raises:
        TimeoutError: It took longer than ``TIMEOUT_S``; says so in words.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            yield
    except TimeoutError as error:
        raise TimeoutError(f"no answer within {TIMEOUT_S:g} s") from error


@asynccontextmanager
async def connected(client: aiomqtt.Client) -> AsyncIterator[aiomqtt.Client]:
    """Connect a client, and disconnect it at the end.

    Of a connection that did not come about in time aiomqtt keeps the socket until the broker
    closes it or our process ends.
    """
    async with bounded():
        await client.__aenter__()
    try:
        yield client
    finally:
        try:
            async with bounded():
                await client.__aexit__(None, None, None)
        except FAILURES as error:  # Whatever brought us here matters more.
            log.info("mqtt_not_disconnected", problem=str(error))


async def publish(
    client: aiomqtt.Client, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False
) -> None:
    """Publish one message; with a QoS of 1 or 2, wait until the broker has confirmed it."""
    async with bounded():
        await client.publish(topic, payload, qos=qos, retain=retain)
