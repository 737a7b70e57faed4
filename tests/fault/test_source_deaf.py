"""A broker that answers every ping and delivers nothing, in every version, on a real mosquitto.

Mosquitto forgets no subscription by itself, so the tests give it up on the source's own connection.
"""

import pytest

from ingest import broker_traffic, mqtt_source
from ingest.mqtt_source import Version
from tests.intake import VERSIONS, Intake, flood, numbered, publish
from tests.servers import Mosquitto, eventually

pytestmark = pytest.mark.parametrize("version", VERSIONS, ids=["mqtt5", "mqtt311"])


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge after a second and twenty messages, and come back at once."""
    monkeypatch.setattr(mqtt_source, "RETRY_CAP_S", 0.1)
    monkeypatch.setattr(broker_traffic, "SILENT_S", 0.5)
    monkeypatch.setattr(broker_traffic, "FEW", 20)
    monkeypatch.setattr(broker_traffic, "LULLS", 2)


def hears_counts(intake: Intake) -> bool:
    """Return whether the broker's own counts reach the source."""
    return intake.status.dropped_at_broker is not None


async def learns(intake: Intake, broker: Mosquitto) -> None:
    """Let the source see that messages of its own are usual here."""
    traffic = intake.source._traffic
    await eventually(lambda: hears_counts(intake), what="counts")
    await publish(broker, numbered(5, "usual"))
    await eventually(lambda: traffic._has_heard, what="a count after our messages")


async def forgets(intake: Intake) -> None:
    """Let the broker forget the subscription; the connection lives on."""
    connection = intake.source._connection
    assert connection is not None
    await connection.unsubscribe(["gate/#"])


async def test_a_forgotten_subscription_is_made_again(
    mosquitto: Mosquitto, version: Version
) -> None:
    """The broker takes messages of which none arrives: the source leaves, and hears again."""
    async with Intake(mosquitto.url, version, keep_alive_s=1) as intake:
        intake.acking = True
        await intake.connected()
        await learns(intake, mosquitto)
        await forgets(intake)
        await flood(mosquitto, numbered(60, "unheard"))
        await intake.reconnected(1)
        await publish(mosquitto, [b"heard"])
        await intake.sees(b"heard")
        assert intake.status.problem == ""
        assert intake.status.unguarded == 0
    assert not any(message.topic.startswith("$") for message in intake.messages)


async def test_a_broker_that_stays_deaf_is_a_problem(
    mosquitto: Mosquitto, version: Version
) -> None:
    """Where connecting anew mends nothing, the status says so until something arrives."""
    async with Intake(mosquitto.url, version, keep_alive_s=1) as intake:
        intake.acking = True
        await intake.connected()
        await learns(intake, mosquitto)
        for session in (1, 2):
            await intake.reconnected(session - 1)
            await forgets(intake)
            await publish(mosquitto, [b"first count"])
            traffic = intake.source._traffic
            await eventually(lambda told=traffic: told._since is not None, what="a first count")
            await flood(mosquitto, numbered(150, "unheard"))
            await intake.reconnected(session)
        assert "is busy and sends us nothing" in intake.status.problem
        await publish(mosquitto, [b"heard"])
        await intake.sees(b"heard")
        await eventually(lambda: intake.status.problem == "", what="the all-clear")


async def test_filters_that_match_nothing_are_no_alarm(
    mosquitto: Mosquitto, version: Version
) -> None:
    """A busy broker on which our devices have never said anything is left alone."""
    async with Intake(mosquitto.url, version, keep_alive_s=1) as intake:
        await intake.connected()
        await eventually(lambda: hears_counts(intake), what="counts")
        traffic = intake.source._traffic
        await flood(mosquitto, numbered(60), topic="others/1")
        await eventually(lambda: traffic._taken >= 60, what="the broker's count")
        await publish(mosquitto, [b"one"])
        await intake.sees(b"one")
        assert (intake.status.session, intake.status.problem) == (1, "")


async def test_what_a_small_queue_drops_is_shown(mosquitto: Mosquitto, version: Version) -> None:
    """At mosquitto's stock limits 2,000 of 3,000 messages are gone; the status says how many."""
    mosquitto.stop()
    mosquitto.configure("max_queued_messages 1000")
    mosquitto.start()
    async with Intake(mosquitto.url, version) as intake:
        await intake.connected()
        await eventually(lambda: intake.status.dropped_at_broker == 0, what="nothing dropped yet")
    await flood(mosquitto, numbered(3_000))
    async with Intake(mosquitto.url, version) as intake:
        intake.acking = True
        await intake.receives(1_000)
        await eventually(lambda: intake.status.dropped_at_broker == 2_000, what="the broker's word")


async def test_a_subscription_of_ones_own_to_the_counts_is_left_alone(
    mosquitto: Mosquitto, version: Version
) -> None:
    """Who takes the broker's counts in as messages gets every one of them, guarded."""
    async with Intake(mosquitto.url, version, topics=("gate/#", "$SYS/#")) as intake:
        intake.acking = True
        await intake.connected()
        await eventually(
            lambda: any(one.topic == broker_traffic.TOPICS[0] for one in intake.messages)
        )
        assert not hears_counts(intake)
