"""What an MQTT 5 source does with a broker that says what mosquitto 2.0.11 never says.

A stand-in for the broker plays bytes of the specification: takeovers with a reason, malformed and
oversized packets, a lowered QoS, QoS 2. What we answer is read back from the wire.
"""

import asyncio
from types import TracebackType
from typing import Self

import mqtt5
import pytest
from mqtt5 import ConnAckReasonCode, DisconnectReasonCode, QoS, SubAckReasonCode

from ingest.mqtt5 import Mqtt5Connection
from ingest.mqtt5_reader import MAXIMUM_PACKET
from ingest.source import SourceRefused
from tests.intake import Intake
from tests.servers import eventually

WELCOME = mqtt5.ConnAckPacket()
GRANTED = SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE


class Stage:
    """Accepts connections, answers CONNECT and SUBSCRIBE as told, notes what is said to it."""

    def __init__(
        self,
        connack: mqtt5.ConnAckPacket = WELCOME,
        suback: SubAckReasonCode = GRANTED,
    ) -> None:
        self._connack = connack
        self._suback = suback
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self.heard: list[mqtt5.Packet] = []
        self.writes = b""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def say(self, *packets: mqtt5.Packet | bytes) -> None:
        said = [packet if isinstance(packet, bytes) else packet.write() for packet in packets]
        self._writers[-1].write(b"".join(said))

    def heard_kinds(self, *kinds: type) -> list[mqtt5.Packet]:
        return [packet for packet in self.heard if isinstance(packet, kinds)]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        rest = b""
        while chunk := await reader.read(65_536):
            rest += chunk
            while rest:
                packet, size = mqtt5.read(memoryview(rest))
                rest = rest[size:]
                self.heard.append(packet)
                self._answer(packet)

    def _answer(self, packet: mqtt5.Packet) -> None:
        if isinstance(packet, mqtt5.ConnectPacket):
            self.say(self._connack)
        elif isinstance(packet, mqtt5.SubscribePacket):
            self.say(mqtt5.SubAckPacket(packet.packet_id, [self._suback]))
        elif isinstance(packet, mqtt5.PingReqPacket):
            self.say(mqtt5.PingRespPacket())


def published(packet_id: int, qos: QoS = QoS.AT_LEAST_ONCE) -> mqtt5.PublishPacket:
    return mqtt5.PublishPacket("gate/1", b"%d" % packet_id, qos=qos, packet_id=packet_id)


async def test_a_takeover_ends_with_a_sentence() -> None:
    """Told that another client has our id, the source gives up: no fight without end."""
    async with Stage() as stage, Intake(stage.url, Mqtt5Connection) as intake:
        await intake.connected()
        stage.say(mqtt5.DisconnectPacket(reason_code=DisconnectReasonCode.SESSION_TAKEN_OVER))
        assert intake.task is not None
        with pytest.raises(SourceRefused, match=r"as 'gatehouse'; stop it, or give one"):
            await asyncio.wait_for(intake.task, 20)
        assert not intake.status.connected


async def test_a_refused_client_id_ends_with_a_sentence() -> None:
    """Waiting does not make a client id valid."""
    refusal = mqtt5.ConnAckPacket(reason_code=ConnAckReasonCode.CLIENT_ID_NOT_VALID)
    async with Stage(refusal) as stage, Intake(stage.url, Mqtt5Connection) as intake:
        assert intake.task is not None
        with pytest.raises(SourceRefused, match="choose another client_id"):
            await asyncio.wait_for(intake.task, 20)


async def test_a_dismissal_is_said_in_words() -> None:
    """The broker's reason stands in the status, and the source comes back."""
    async with Stage() as stage, Intake(stage.url, Mqtt5Connection) as intake:
        await intake.connected()
        stage.say(mqtt5.DisconnectPacket(reason_code=DisconnectReasonCode.SERVER_SHUTTING_DOWN))
        await eventually(lambda: "server shutting down" in intake.status.problem)
        await intake.reconnected(1)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x00\x00", id="no packet"),
        pytest.param(b"\x30\xff\xff\xff\xff\x7f", id="length of five bytes"),
        pytest.param(b"\x32\x05\x00\xff\x61\x00\x01", id="topic longer than its packet"),
        pytest.param(b"\x30" + b"\xff\xff\xff\x7f", id="larger than we allowed"),
    ],
)
async def test_malformed_bytes_end_the_connection(data: bytes) -> None:
    """What came before them is taken, then the connection is made anew."""
    async with Stage() as stage, Intake(stage.url, Mqtt5Connection) as intake:
        await intake.connected()
        stage.say(published(1), data)
        await intake.receives(1)
        await intake.reconnected(1)
        last_words = stage.heard_kinds(mqtt5.DisconnectPacket)[0]
        assert isinstance(last_words, mqtt5.DisconnectPacket)
        assert last_words.reason_code == DisconnectReasonCode.MALFORMED_PACKET


async def test_a_lowered_quality_of_service_is_said() -> None:
    """A broker that grants QoS 0 only is used, and the status says what that means."""
    lowered = SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE
    async with Stage(suback=lowered) as stage, Intake(stage.url, Mqtt5Connection) as intake:
        await intake.connected()
        assert intake.status.granted == {"gate/#": 0}
        assert "'gate/#' at QoS 0 only" in intake.status.problem
        assert intake.status.limited == 1


async def test_acks_go_out_in_order_of_arrival() -> None:
    """One PUBACK for each message, in order, and none for what no ack guards."""
    async with Stage() as stage, Intake(stage.url, Mqtt5Connection) as intake:
        await intake.connected()
        order = [7, 3, 65_535, 1, 9]
        unguarded = mqtt5.PublishPacket("gate/1", b"fire and forget")
        stage.say(*[published(number) for number in order], unguarded)
        messages = await intake.receives(6)
        intake.source.ack(messages[:2])
        intake.source.ack(messages[2:])
        await eventually(lambda: len(stage.heard_kinds(mqtt5.PubAckPacket)) == 5)
    acked = [packet.packet_id for packet in stage.heard_kinds(mqtt5.PubAckPacket)]  # type: ignore[union-attr]
    assert acked == order


async def test_quality_of_service_two_is_answered() -> None:
    """A QoS 2 message of an older subscription gets PUBREC when told, PUBCOMP when released."""
    async with Stage() as stage, Intake(stage.url, Mqtt5Connection) as intake:
        await intake.connected()
        stage.say(published(5, QoS.EXACTLY_ONCE))
        messages = await intake.receives(1)
        assert stage.heard_kinds(mqtt5.PubRecPacket) == []
        intake.source.ack(messages)
        await eventually(lambda: stage.heard_kinds(mqtt5.PubRecPacket))
        stage.say(mqtt5.PubRelPacket(5))
        await eventually(lambda: stage.heard_kinds(mqtt5.PubCompPacket))
    assert intake.status.unguarded == 0


# PyO3 prints the codec's own failure before we see it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_topic_that_is_no_text_does_not_block() -> None:
    """A topic in GBK, which some brokers let pass, is taken in and acknowledged like others."""
    topic = "gate/北".encode("gbk")
    body = len(topic).to_bytes(2, "big") + topic + b"\x00\x09" + b"\x00" + b"37.9"
    async with Stage() as stage, Intake(stage.url, Mqtt5Connection) as intake:
        intake.acking = True
        await intake.connected()
        stage.say(published(8), b"\x3b" + bytes([len(body)]) + body, published(10))
        _, odd, _ = await intake.receives(3)
        await eventually(lambda: len(stage.heard_kinds(mqtt5.PubAckPacket)) == 3)
    assert (odd.topic, odd.payload) == ("gate/\\xb1\\xb1", b"37.9")
    assert (odd.packet_id, odd.qos, odd.flags) == (9, 1, 3)


async def test_connect_asks_for_what_the_settings_say() -> None:
    """Session, window and limits are named in CONNECT: a broker's defaults lose messages."""
    async with (
        Stage() as stage,
        Intake(stage.url, Mqtt5Connection, session_expiry_s=3600, receive_maximum=500) as intake,
    ):
        await intake.connected()
    connect = stage.heard[0]
    assert isinstance(connect, mqtt5.ConnectPacket)
    assert (connect.client_id, connect.clean_start) == ("gatehouse", False)
    assert (connect.session_expiry_interval, connect.receive_max) == (3600, 500)
    assert (connect.topic_alias_max, connect.max_packet_size) == (0, MAXIMUM_PACKET)
