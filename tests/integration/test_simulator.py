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
from devices.simulator import simulation
from devices.simulator.city import City, make_city
from devices.simulator.connection import IN_FLIGHT
from devices.simulator.event import Event
from devices.simulator.events import city_events
from devices.simulator.share import WHOLE
from devices.simulator.simulation import Unreachable, simulate, wind_forward
from devices.simulator.site import HUAAN
from devices.simulator.tally import Tally
from devices.simulator.wire import HUAAN_REQUEST, HUAAN_RESPONSE
from tests.servers import Mosquitto, eventually, free_port, port_answers
from tests.tcp_proxy import TcpProxy

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
    broker: Mosquitto, clock: ScaledClock, city: City
) -> AsyncIterator[list[tuple[int, int]]]:
    """Let the community live while the body runs; gives the progress it told."""
    told: list[tuple[int, int]] = []
    task = asyncio.create_task(
        simulate(
            url=broker.url,
            clock=clock,
            city=city,
            speed=SPEED,
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
    city = make_city(households=48)
    clock = ScaledClock(tmp_path / "clock.json")
    clock.set(city.begins, speed=0)
    history = list(city_events(city, city.begins, city.evening))
    async with Platform(clock).on(broker) as platform:
        async with living(broker, clock, city) as told:
            await eventually(lambda: told and told[-1][0] == told[-1][1], seconds=60)
            await eventually(lambda: len(platform.received) > len(history) + 200)
        assert_same([(e.topic, e.payload) for e in history], platform.received[: len(history)])
        late = [
            clock_then - event.at
            for event, (_, _, clock_then) in zip(history, platform.received, strict=False)
        ]
        assert min(late) >= 0
        assert max(late) <= 31 * MINUTE
        assert told[-1] == ((city.evening - city.begins) // (30 * MINUTE),) * 2

        clock.set(clock.now(), speed=0)
        await platform.catch_up(broker)
        stopped_at, before = clock.now(), len(platform.received)
        async with living(broker, clock, city):
            await eventually(lambda: len(platform.received) > before + 100)
        due = islice(city_events(city, stopped_at), 100)
        came = platform.received[before : before + 100]
        assert_same([(event.topic, event.payload) for event in due], came)


async def test_capture_is_sent_again_until_answered(broker: Mosquitto, tmp_path: Path) -> None:
    """A platform that misses the first capture gets it again, and the history waits meanwhile."""
    city = make_city(households=48)
    clock = ScaledClock(tmp_path / "clock.json")
    clock.set(city.evening - HOUR, speed=0)
    async with Platform(clock, deaf=1).on(broker) as platform:
        async with living(broker, clock, city) as told:
            await eventually(lambda: told and told[-1][0] == told[-1][1])
        captures = [got for got in platform.received if got[0].startswith(HUAAN_REQUEST)]
        assert captures[0][1] == captures[1][1]
        assert captures[0][2] == captures[1][2]
        assert captures[2][1] != captures[1][1]


async def test_lost_broker_is_found_again(broker: Mosquitto, tmp_path: Path) -> None:
    """When the broker goes away and comes back the community goes on by itself."""
    city = make_city(households=48)
    clock = ScaledClock(tmp_path / "clock.json")
    clock.set(city.evening + MINUTE, speed=0)
    async with living(broker, clock, city):
        await heard(broker, clock)
        broker.stop()
        broker.start()
        await heard(broker, clock)


async def test_wound_forward_over_losses_skips_nothing(broker: Mosquitto, tmp_path: Path) -> None:
    """What has a QoS of 1 arrives whole and in order over connections that are cut, and what comes
    twice is no more than was in flight."""
    city = make_city(households=48, has_history=False)
    stretch = (city.begins + 18 * HOUR, city.begins + 24 * HOUR)
    wanted = list(city_events(city, *stretch))
    async with (
        Platform(ScaledClock(_clock(tmp_path))).on(broker) as platform,
        TcpProxy(port=broker.port) as proxy,
    ):
        tally = Tally()
        task = asyncio.create_task(forward(f"mqtt://127.0.0.1:{proxy.port}", city, stretch, tally))
        for part in (1, 2, 3):
            await eventually(lambda part=part: tally.messages > len(wanted) * part // 4)
            proxy.cut()
        await task
        await platform.catch_up(broker)
    assert tally.messages == len(wanted)
    got = [one[:2] for one in platform.received if one[0] != LAST]
    assert len(got) <= len(wanted) + 3 * 2 * IN_FLIGHT
    assert_in_order(wanted, got)


async def test_wound_forward_with_a_clock_moves_it(broker: Mosquitto, tmp_path: Path) -> None:
    """With a clock each message comes while it shows its half-hour; at the end it shows the end,
    and a second try publishes nothing."""
    city = make_city(households=20, has_history=False)
    stretch = (city.begins, city.begins + 3 * HOUR)
    clock = ScaledClock(_clock(tmp_path))
    clock.set(stretch[0], speed=0)
    async with Platform(clock).on(broker) as platform:
        await forward(broker.url, city, stretch, Tally(), clock=clock)
        await platform.catch_up(broker)
        wanted = list(city_events(city, *stretch))
        got = [one for one in platform.received if one[0] != LAST]
        assert_same([(event.topic, event.payload) for event in wanted], got)
        assert all(
            0 <= then - event.at <= 30 * MINUTE
            for event, (_, _, then) in zip(wanted, got, strict=True)
        )
        assert clock.now() == stretch[1]
        again = Tally()
        clock.set(stretch[1] + HOUR, speed=0)
        await forward(broker.url, city, stretch, again, clock=clock)
        assert again.messages == 0


async def test_broker_that_never_was_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong address ends the simulation, in words; it is not tried for ever."""
    monkeypatch.setattr(simulation, "FIRST_CONTACT_S", 0.1)
    city = make_city(households=20, has_history=False)
    with pytest.raises(Unreachable, match="refused"):
        await forward(f"mqtt://127.0.0.1:{free_port()}", city, (city.begins, city.evening), Tally())


async def test_refused_password_is_told_at_once(tmp_path: Path, broker: Mosquitto) -> None:
    """A broker that refuses whoever logs in is not asked again."""
    broker.stop()
    broker.configure("allow_anonymous false")
    broker._process.spawn()
    await eventually(lambda: port_answers(broker.port))
    city = make_city(households=20, has_history=False)
    with pytest.raises(Unreachable, match="authori"):
        await forward(broker.url, city, (city.begins, city.evening), Tally())


async def forward(
    url: str,
    city: City,
    stretch: tuple[int, int],
    tally: Tally,
    *,
    clock: ScaledClock | None = None,
) -> None:
    await wind_forward(
        url=url,
        city=city,
        stretch=stretch,
        clock=clock,
        share=WHOLE,
        per_second=None,
        progress=lambda _done, _total: None,
        tally=tally,
    )


async def heard(broker: Mosquitto, clock: ScaledClock) -> None:
    async with Platform(clock).on(broker) as platform:
        await eventually(lambda: len(platform.received) > 20)


def assert_same(wanted: list[tuple[str, bytes]], got: list[tuple[str, bytes, int]]) -> None:
    """Compare in a way whose failure can be read."""
    for place, (want, have) in enumerate(zip(wanted, got, strict=True)):
        assert want == have[:2], place


def assert_in_order(wanted: list[Event], got: list[tuple[str, bytes]]) -> None:
    """Assert that, repeats aside, nothing of QoS 1 is missing and the order is kept."""
    guarded = dict.fromkeys((event.topic, event.payload) for event in wanted if event.qos)
    assert list(guarded) == [one for one in dict.fromkeys(got) if one in guarded]


def _clock(folder: Path) -> Path:
    path = folder / "clock.json"
    ScaledClock(path).set(0, speed=0)
    return path
