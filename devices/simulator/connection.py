"""The simulated devices' connection: bounded in flight, and the terminal that wants answers."""

import asyncio
import socket
import ssl
import time
from urllib.parse import unquote, urlsplit

import aiomqtt

from devices import mqtt_client
from devices.simulator.event import Event
from devices.simulator.site import HUAAN
from devices.simulator.terminal import Terminal
from devices.simulator.wire import HUAAN_RESPONSE

IN_FLIGHT = 200
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
        max_inflight_messages=IN_FLIGHT,
        max_queued_incoming_messages=_ANSWERS_QUEUED,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )
    client.pending_calls_threshold = IN_FLIGHT
    return client


class Connection:
    """All simulated devices on one connected client."""

    def __init__(self, client: aiomqtt.Client, tasks: asyncio.TaskGroup) -> None:
        self.terminal = Terminal()
        self._client = client
        self._tasks = tasks
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()

    async def publish(self, event: Event) -> None:
        """Put an event in flight, waiting only while too many are."""
        await self._room.acquire()
        task = self._tasks.create_task(self._send(event), name="simulated publish")
        self._in_flight.add(task)
        task.add_done_callback(self._landed)
        self.terminal.sent(event, time.monotonic())

    async def settle(self) -> None:
        """Wait until the broker has acknowledged everything."""
        while self._in_flight:
            await asyncio.wait(self._in_flight)

    async def answered(self) -> bool:
        """Wait until the terminal has its answers; return False if it gave one up meanwhile."""
        given_up = self.terminal.given_up
        while not self.terminal.is_answered:
            self._moved.clear()
            await self._moved.wait()
        return self.terminal.given_up == given_up

    async def listen(self) -> None:
        """Take the platform's answers, for ever."""
        async with mqtt_client.bounded():
            await self._client.subscribe(HUAAN_RESPONSE + HUAAN, qos=1)
        async for message in self._client.messages:
            if isinstance(message.payload, bytes):
                self.terminal.answered(message.payload)
            self._moved.set()

    async def resend(self) -> None:
        """Send again what was not answered, for ever."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for event in self.terminal.due(time.monotonic()):
                await self._send(event)
            self._moved.set()

    async def _send(self, event: Event) -> None:
        await mqtt_client.publish(
            self._client, event.topic, event.payload, qos=event.qos, retain=event.retain
        )

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._room.release()
