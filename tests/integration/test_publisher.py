"""Publishing replies and readings by hand, on a real mosquitto."""

import pytest

from ingest.broker import MqttSettings
from ingest.mqtt5 import Mqtt5Connection
from ingest.publisher import Publisher, PublishFailed
from tests.intake import Intake
from tests.servers import Mosquitto, free_port


async def test_a_message_is_published(mosquitto: Mosquitto) -> None:
    """What is published arrives, and the session of the intake is not taken over."""
    async with Intake(mosquitto.url, Mqtt5Connection) as intake:
        await intake.connected()
        async with Publisher(intake.settings) as publisher:
            await publisher.publish("gate/1/reply", b"ok")
            await publisher.publish("gate/1/reply", b"again", qos=0)
            messages = await intake.receives(2)
        assert intake.status.session == 1
    assert [(message.topic, message.payload, message.qos) for message in messages] == [
        ("gate/1/reply", b"ok", 1),
        ("gate/1/reply", b"again", 0),
    ]


async def test_a_broker_restart_is_survived(mosquitto: Mosquitto) -> None:
    """The next publish after a restart connects anew."""
    async with (
        Intake(mosquitto.url, Mqtt5Connection) as intake,
        Publisher(intake.settings) as publisher,
    ):
        await intake.connected()
        await publisher.publish("gate/1", b"before")
        mosquitto.stop()
        mosquitto.start()
        await intake.reconnected(1)
        await publisher.publish("gate/1", b"after")
        await intake.sees(b"after")


async def test_an_absent_broker_is_said() -> None:
    """Nothing is kept for later: whoever publishes is told."""
    settings = MqttSettings(url=f"mqtt://127.0.0.1:{free_port()}")
    async with Publisher(settings) as publisher:
        with pytest.raises(PublishFailed, match="did not take the message"):
            await publisher.publish("gate/1", b"x")
