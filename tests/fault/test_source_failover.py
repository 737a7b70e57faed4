"""Several brokers in one source, in every version of MQTT, on real mosquittos."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import failover, mqtt_source
from ingest.message import Batch, Message
from ingest.mqtt_source import Version
from ingest.publisher import Publisher
from ingest.repeat import RepeatGuard
from tests.intake import VERSIONS, Intake, publish
from tests.servers import Mosquitto, eventually

pytestmark = pytest.mark.parametrize("version", VERSIONS, ids=["mqtt5", "mqtt311"])


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Come back, and look back, at once."""
    monkeypatch.setattr(mqtt_source, "RETRY_CAP_S", 0.1)
    monkeypatch.setattr(failover, "RETURN_S", 0.4)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Mosquitto]:
    """Give a second broker."""
    server = Mosquitto(tmp_path / "other").start()
    yield server
    server.stop()


async def test_the_next_broker_serves_and_the_first_is_gone_back_to(
    mosquitto: Mosquitto, other: Mosquitto, version: Version
) -> None:
    """What the first kept for us arrives, and the status says with whom we are and why."""
    first, second = (f"127.0.0.1:{broker.port}" for broker in (mosquitto, other))
    urls = f"{mosquitto.url},{other.url}"
    async with Intake(urls, version, keep_alive_s=1) as intake:
        intake.acking = True
        await intake.connected()
        assert (intake.status.broker, intake.status.problem) == (first, "")
        mosquitto.stop()
        await eventually(lambda: intake.status.broker == second and intake.status.connected)
        assert f"cannot connect to {first}" in intake.status.problem
        assert f"connected to {second} meanwhile" in intake.status.problem
        await publish(other, [b"meanwhile"])
        await intake.sees(b"meanwhile")
        mosquitto.start()
        await publish(mosquitto, [b"kept"])
        await intake.sees(b"kept")
        await eventually(lambda: intake.status.connected)
        assert (intake.status.broker, intake.status.problem) == (first, "")
        await publish(other, [b"late"])
        mosquitto.stop()
        await intake.sees(b"late")
    assert intake.status.sessions_lost == 0
    assert intake.payloads == [b"meanwhile", b"kept", b"late"]


async def test_all_brokers_away_are_waited_for(
    mosquitto: Mosquitto, other: Mosquitto, version: Version
) -> None:
    """The sentence names each of them; the one that comes back first serves."""
    mosquitto.stop()
    other.stop()
    async with Intake(f"{mosquitto.url},{other.url}", version) as intake:
        for broker in (mosquitto, other):
            await eventually(
                lambda port=broker.port: (
                    f"cannot connect to 127.0.0.1:{port}" in intake.status.problem
                )
            )
        other.start()
        await intake.connected()
        assert intake.status.broker == f"127.0.0.1:{other.port}"
        await publish(other, [b"x"])
        await intake.sees(b"x")


async def test_acks_of_one_broker_never_reach_another(
    mosquitto: Mosquitto, other: Mosquitto, version: Version
) -> None:
    """Messages that the first waits to see acknowledged are not acknowledged at the second."""
    async with Intake(f"{mosquitto.url},{other.url}", version, keep_alive_s=1) as intake:
        await intake.connected()
        await publish(mosquitto, [b"a", b"b"])
        old = list(await intake.receives(2))
        mosquitto.stop()
        await intake.reconnected(1)
        await publish(other, [b"c"])
        await intake.sees(b"c")
        intake.source.ack(old)
        assert intake.status.acks == 0


async def test_a_broker_that_does_not_take_us_begins_no_session(
    mosquitto: Mosquitto, other: Mosquitto, version: Version
) -> None:
    """What the first sends again is still known after the second was tried in vain."""
    other.stop()
    async with Intake(f"{mosquitto.url},{other.url}", version) as intake:
        await intake.connected()
        sessions = intake.source.sessions
        mosquitto.stop()
        await eventually(lambda: f"127.0.0.1:{other.port}" in intake.status.problem)
        mosquitto.start()
        await intake.reconnected(1)
        assert intake.source.sessions == sessions


async def test_a_start_takes_nothing_of_one_broker_for_a_repeat_of_another(
    mosquitto: Mosquitto, other: Mosquitto, version: Version
) -> None:
    """Equal messages with equal packet ids: the journal's tail is of the second, both are kept."""
    journalled = []
    for broker, acking in ((other, True), (mosquitto, False)):
        async with Intake(broker.url, version) as intake:
            intake.acking = acking
            await intake.connected()
            await publish(broker, [b"same"])
            journalled.append((await intake.receives(1))[0])
    guard, fresh = RepeatGuard(), []
    guard.restore([Batch(1, journalled[:1])])
    intake = Intake(f"{mosquitto.url},{other.url}", version)

    def take(messages: list[Message]) -> None:
        fresh.extend(guard.fresh("mqtt", messages, 4, sessions=intake.source.sessions))
        intake.messages.extend(messages)

    intake._take = take  # type: ignore[method-assign]
    async with intake:
        again = (await intake.receives(1))[0]
    assert (again.packet_id, again.payload) == (journalled[0].packet_id, b"same")
    assert fresh == [again]


async def test_answers_go_where_the_source_is(
    mosquitto: Mosquitto, other: Mosquitto, version: Version
) -> None:
    """An answer is published to the broker that brought the question, before and after."""
    async with Intake(f"{mosquitto.url},{other.url}", version, keep_alive_s=1) as intake:
        await intake.connected()
        async with Publisher(intake.settings, at=intake.source.where) as publisher:
            await publisher.publish("gate/1", b"at the first")
            await intake.sees(b"at the first")
            mosquitto.stop()
            await intake.reconnected(1)
            await publisher.publish("gate/1", b"at the second")
            await intake.sees(b"at the second")


async def test_a_publisher_of_its_own_takes_the_next_broker(
    mosquitto: Mosquitto, other: Mosquitto, version: Version
) -> None:
    """A reading entered by hand reaches whichever broker is there."""
    async with Intake(other.url, version) as intake:
        await intake.connected()
        mosquitto.stop()
        settings = intake.settings.model_copy(update={"url": f"{mosquitto.url},{other.url}"})
        async with asyncio.timeout(10), Publisher(settings) as publisher:
            await publisher.publish("gate/1", b"by hand")
        await intake.sees(b"by hand")
