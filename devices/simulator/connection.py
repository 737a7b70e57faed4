"""The simulated devices' connection: bounded in flight, and the terminal that wants answers."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt

from devices import mqtt_client
from devices.simulator.event import Event
from devices.simulator.feed import Feed
from devices.simulator.terminal import Terminal
from devices.simulator.wire import HUAAN_REQUEST, HUAAN_RESPONSE

IN_FLIGHT = 50
_ANSWERS_QUEUED = 1_000
_LOOK_EVERY_S = 0.5
_PORTS = {"mqtt": 1883, "mqtts": 8883}


def open_client(url: str) -> aiomqtt.Client:
    """Return a client for ``mqtt://`` or ``mqtts://[user[:password]@]host[:port]``, unconnected.

    Raises:
        ValueError: The address is none of these.
    """
    address = urlsplit(url)
    if address.scheme not in _PORTS or not address.hostname:
        raise ValueError(f"{url!r}: write it like mqtt://127.0.0.1:1883")
    client = mqtt_client.make_client(
        address.hostname,
        address.port or _PORTS[address.scheme],
        username=unquote(address.username) if address.username else None,
        password=unquote(address.password) if address.password else None,
        tls_context=ssl.create_default_context() if address.scheme == "mqtts" else None,
        max_inflight_messages=0,  # We bound it; paho's own bound costs a look at each per ack.
        max_queued_incoming_messages=_ANSWERS_QUEUED,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )
    client.pending_calls_threshold = IN_FLIGHT + 2
    return client


@asynccontextmanager
async def connected(
    url: str, feed: Feed, terminals: Mapping[str, Terminal]
) -> AsyncIterator["Connection"]:
    """Connect all simulated devices, by one client.

    Args:
        url: As for :func:`open_client`, which says what is raised too.
        feed: Where the events come from, which is told what the broker has.
        terminals: Those that want answers, by serial number. They outlive a connection, and send
            again on the next one what was not answered.

    Raises:
        ExceptionGroup: Of ``mqtt_client.FAILURES``: the broker is away, refuses, or went away.
    """
    async with mqtt_client.connected(open_client(url)) as client, asyncio.TaskGroup() as tasks:
        connection = Connection(client, feed, terminals)
        background = [tasks.create_task(work) for work in connection.background()]
        yield connection
        for task in background:
            task.cancel()


class Connection:
    """All simulated devices on one connected client."""

    def __init__(
        self, client: aiomqtt.Client, feed: Feed, terminals: Mapping[str, Terminal]
    ) -> None:
        self._client = client
        self._feed = feed
        self._terminals = terminals
        self._room: asyncio.Queue[tuple[int, Event]] = asyncio.Queue(IN_FLIGHT)
        self._in_flight = 0
        self._heard_at = time.monotonic()
        self._moved = asyncio.Event()

    def background(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield what has to run while it is used; each ends only with the connection."""
        for _ in range(IN_FLIGHT):
            yield self._deliver()
        yield from (self._listen(), self._resend(), self._watch())

    async def publish(self, number: int, event: Event) -> None:
        """Put an event in flight, waiting only while too many are."""
        await self._room.put((number, event))
        if event.topic.startswith(HUAAN_REQUEST):
            terminal = self._terminals.get(event.topic.removeprefix(HUAAN_REQUEST))
            if terminal is not None:
                terminal.sent(event, time.monotonic())

    async def settle(self) -> None:
        """Wait until the broker has acknowledged everything."""
        await self._room.join()

    async def answered(self) -> bool:
        """Wait until the terminals have their answers; return False if one gave up meanwhile."""
        given_up = self._given_up
        while not all(terminal.is_answered for terminal in self._terminals.values()):
            self._moved.clear()
            await self._moved.wait()
        return self._given_up == given_up

    async def _listen(self) -> None:
        """Take the platform's answers; this is also what notices that the broker is gone."""
        answers = [(HUAAN_RESPONSE + serial, 1) for serial in self._terminals]
        if answers:
            async with mqtt_client.bounded():
                await self._client.subscribe(answers)
        async for message in self._client.messages:
            serial = str(message.topic).removeprefix(HUAAN_RESPONSE)
            if isinstance(message.payload, bytes) and serial in self._terminals:
                self._terminals[serial].answered(message.payload)
            self._moved.set()

    async def _resend(self) -> None:
        """Send again what was not answered, for ever."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for terminal in self._terminals.values():
                for event in terminal.due(time.monotonic()):
                    await mqtt_client.publish(self._client, event.topic, event.payload)
            self._moved.set()

    @property
    def _given_up(self) -> int:
        return sum(terminal.given_up for terminal in self._terminals.values())

    async def _deliver(self) -> None:
        """Publish one event after the other, for ever; as many are in flight as do this."""
        while True:
            number, event = await self._room.get()
            self._in_flight += 1
            await self._client.publish(event.topic, event.payload, event.qos, event.retain)
            self._in_flight -= 1
            self._heard_at = time.monotonic()
            self._feed.delivered(number)
            self._room.task_done()

    async def _watch(self) -> None:
        """Bound the wait for acknowledgements: one timer for all is cheaper than one for each."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if not self._in_flight:
                self._heard_at = time.monotonic()
            elif time.monotonic() - self._heard_at > mqtt_client.TIMEOUT_S:
                raise TimeoutError(f"no answer within {mqtt_client.TIMEOUT_S:g} s")
