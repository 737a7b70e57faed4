"""What only MQTT 5 offers, on a real mosquitto."""

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.mqtt5 import Mqtt5Connection
from tests.intake import Intake, numbered, publish
from tests.servers import Mosquitto


async def test_two_thousand_messages_may_be_ahead_of_acks(mosquitto: Mosquitto) -> None:
    """The default window is 2,000 although mosquitto's own is 20."""
    async with Intake(mosquitto.url, Mqtt5Connection) as intake:
        await intake.connected()
        await publish(mosquitto, numbered(2_100))
        await publish(mosquitto, [b"past the window"], qos=0)
        assert len(await intake.sees(b"past the window")) == 2_000


async def test_a_socket_read_is_one_call(mosquitto: Mosquitto) -> None:
    """A backlog of a thousand messages arrives in a few calls, not in a thousand."""
    async with Intake(mosquitto.url, Mqtt5Connection) as intake:
        await intake.connected()
    await publish(mosquitto, numbered(1_000))
    async with Intake(mosquitto.url, Mqtt5Connection) as intake:
        await intake.receives(1_000)
        assert intake.calls < 100


async def test_user_properties_come_along(mosquitto: Mosquitto) -> None:
    """User properties of a message arrive in order, repeated names included."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.UserProperty = [("site", "a"), ("site", "b")]
    async with Intake(mosquitto.url, Mqtt5Connection) as intake:
        await intake.connected()
        async with aiomqtt.Client(
            mosquitto.host, mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5
        ) as client:
            await client.publish("gate/1", b"x", qos=1, properties=properties)
        (message,) = await intake.receives(1)
    assert message.properties == (("site", "a"), ("site", "b"))


async def test_retained_messages_are_not_repeated(mosquitto: Mosquitto) -> None:
    """Coming back to a kept session does not bring the retained messages again."""
    await publish(mosquitto, [b"kept"], retain=True)
    async with Intake(mosquitto.url, Mqtt5Connection) as intake:
        intake.acking = True
        await intake.receives(1)
    async with Intake(mosquitto.url, Mqtt5Connection) as intake:
        await intake.connected()
        await publish(mosquitto, [b"live"])
        assert await intake.sees(b"live") == []


async def test_the_brokers_keep_alive_is_heeded(mosquitto: Mosquitto) -> None:
    """A broker that wants to hear from us more often does."""
    mosquitto.stop()
    mosquitto.configure("max_keepalive 10")
    mosquitto.start()
    async with Intake(mosquitto.url, Mqtt5Connection, keep_alive_s=600) as intake:
        await intake.connected()
        connection = intake.source._connection
        assert connection is not None
        assert connection.keep_alive_s == 10


async def test_our_packets_fit_the_broker(mosquitto: Mosquitto) -> None:
    """A subscription that is longer than the broker's largest packet goes in several."""
    mosquitto.stop()
    mosquitto.configure("max_packet_size 150")
    mosquitto.start()
    topics = tuple(f"gate/{number}/{'x' * 30}" for number in range(20))
    async with Intake(mosquitto.url, Mqtt5Connection, topics=topics) as intake:
        await intake.connected()
        assert intake.status.granted == dict.fromkeys(topics, 1)
        for topic in topics:
            await publish(mosquitto, [topic.encode()], topic=topic)
        await intake.receives(20)
        assert intake.status.session == 1


async def test_a_filter_that_fits_no_packet_is_said(mosquitto: Mosquitto) -> None:
    """What the broker would close the connection for is not sent, and the rest flows."""
    mosquitto.stop()
    mosquitto.configure("max_packet_size 150")
    mosquitto.start()
    topics = ("gate/1", "door/" + "x" * 200)
    async with Intake(mosquitto.url, Mqtt5Connection, topics=topics) as intake:
        await intake.connected()
        assert intake.status.granted == {"gate/1": 1}
        assert "packet too large" in intake.status.problem
        assert intake.status.limited == 1
