"""The simulated community on a real broker, with a platform that answers like the service."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import islice
from pathlib import Path

import aiomqtt
import pytest

from devices import mqtt_client
from devices.clock import HOUR, MINUTE, ScaledClock
from devices.simulator.community import Community, build_community
from devices.simulator.events import events
from devices.simulator.simulation import simulate
from devices.simulator.site import HUAAN
from devices.simulator.wire import HUAAN_REQUEST, HUAAN_RESPONSE
from tests.servers import Mosquitto, eventually

SPEED = 600.0
LAST = "test/last"


@pytest.fixture
def broker(tmp_path: Path, program: Callable[[str], str]) -> Iterator[Mosquitto]:
    """A mosquitto that sends small packets at once, as the demo's does."""
    program("mosquitto")
    server = Mosquitto(tmp_path / "mosquitto", extra="set_tcp_nodelay true").start()
    yield server
    server.stop()


class Platform:
    """Takes everything in and answers the terminal; notes topic, payload and the clock's time."""

    def __init__(self, clock: ScaledClock, *, deaf: int = 0) -> None:
        self.received: list[tuple[str, bytes, int]] = []
        self._clock = clock
        self._deaf = deaf

    @asynccontextmanager
    async def on(self, broker: Mosquitto) -> AsyncIterator["Platform"]:
        nodelay = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
        client = mqtt_client.make_client(broker.host, broker.port, socket_options=nodelay)
        async with mqtt_client.connected(client):
            await client.subscribe("#", qos=1)
            task = asyncio.create_task(self._take_in(client))
            yield self
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def catch_up(self, broker: Mosquitto) -> None:
        """Wait until everything that the broker has taken so far has come."""
        client = mqtt_client.make_client(broker.host, broker.port)
        async with mqtt_client.connected(client):
            await mqtt_client.publish(client, LAST, b"", qos=1)
        await eventually(lambda: self.received[-1][0] == LAST)

    async def _take_in(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            topic, payload = str(message.topic), message.payload
            assert isinstance(payload, bytes)
            if topic.startswith(HUAAN_RESPONSE):
                continue
            self.received.append((topic, payload, self._clock.now()))
            if topic.startswith(HUAAN_REQUEST):
                if self._deaf:
                    self._deaf -= 1
                    continue
                capture = json.loads(payload)
                answer = {key: capture.get(key) for key in ("sequence_no", "cap_time")}
                payload = json.dumps(answer).encode()
                await mqtt_client.publish(client, HUAAN_RESPONSE + HUAAN, payload, qos=0)


@asynccontextmanager
async def living(
    broker: Mosquitto, clock: ScaledClock, community: Community
) -> AsyncIterator[list[tuple[int, int]]]:
    """Let the community live while the body runs; gives the progress it told."""
    told: list[tuple[int, int]] = []
    task = asyncio.create_task(
        simulate(
            url=broker.url,
            clock=clock,
            community=community,
            speed=SPEED,
            history=True,
            progress=lambda done, total: told.append((done, total)),
        )
    )
    try:
        yield told
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_history_then_life(broker: Mosquitto, tmp_path: Path) -> None:
    """Two weeks arrive in order, each message while the clock shows its half-hour; then the clock
    runs, and what comes is what is due. Started again, it goes on and repeats nothing."""
    community = build_community(households=48)
    clock = ScaledClock(tmp_path / "clock.json")
    clock.set(community.begins, speed=0)
    history = list(events(community, community.begins, community.evening))
    async with Platform(clock).on(broker) as platform:
        async with living(broker, clock, community) as told:
            await eventually(lambda: told and told[-1][0] == told[-1][1], seconds=60)
            await eventually(lambda: len(platform.received) > len(history) + 200)
        assert_same([(e.topic, e.payload) for e in history], platform.received[: len(history)])
        late = [
            clock_then - event.at
            for event, (_, _, clock_then) in zip(history, platform.received, strict=False)
        ]
        assert min(late) >= 0
        assert max(late) <= 31 * MINUTE
        assert told[-1] == ((community.evening - community.begins) // (30 * MINUTE),) * 2

        clock.set(clock.now(), speed=0)
        await platform.catch_up(broker)
        stopped_at, before = clock.now(), len(platform.received)
        async with living(broker, clock, community):
            await eventually(lambda: len(platform.received) > before + 100)
        due = islice(events(community, stopped_at), 100)
        came = platform.received[before : before + 100]
        assert_same([(event.topic, event.payload) for event in due], came)


async def test_capture_is_sent_again_until_answered(broker: Mosquitto, tmp_path: Path) -> None:
    """A platform that misses the first capture gets it again, and the history waits meanwhile."""
    community = build_community(households=48)
    clock = ScaledClock(tmp_path / "clock.json")
    clock.set(community.evening - HOUR, speed=0)
    async with Platform(clock, deaf=1).on(broker) as platform:
        async with living(broker, clock, community) as told:
            await eventually(lambda: told and told[-1][0] == told[-1][1])
        captures = [got for got in platform.received if got[0].startswith(HUAAN_REQUEST)]
        assert captures[0][1] == captures[1][1]
        assert captures[0][2] == captures[1][2]
        assert captures[2][1] != captures[1][1]


async def test_lost_broker_is_found_again(broker: Mosquitto, tmp_path: Path) -> None:
    """When the broker goes away and comes back the community goes on by itself."""
    community = build_community(households=48)
    clock = ScaledClock(tmp_path / "clock.json")
    clock.set(community.evening + MINUTE, speed=0)
    async with living(broker, clock, community):
        await heard(broker, clock)
        broker.stop()
        broker.start()
        await heard(broker, clock)


async def heard(broker: Mosquitto, clock: ScaledClock) -> None:
    async with Platform(clock).on(broker) as platform:
        await eventually(lambda: len(platform.received) > 20)


def assert_same(wanted: list[tuple[str, bytes]], got: list[tuple[str, bytes, int]]) -> None:
    """Compare in a way whose failure can be read."""
    for place, (want, have) in enumerate(zip(wanted, got, strict=True)):
        assert want == have[:2], place
