"""One MQTT 5 connection: CONNECT, subscriptions, messages in, acks out.

Nothing here acknowledges by itself: a PUBACK leaves only through :meth:`Mqtt5Connection.ack`,
which the pipeline calls after the journal's fsync, and only for messages of this very connection,
since packet ids mean nothing on another one. A connection that ends takes its unsent acks with
it; the broker then delivers those messages again.

Source: MQTT 5.0, OASIS Standard; section numbers below are of that document.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import mqtt5

from devices.clock import Clock
from ingest import mqtt5_packets as packets
from ingest import reason
from ingest.backlog import Backlog
from ingest.broker import MqttSettings
from ingest.connection import (
    ConnectionLost,
    Granted,
    SourceRefused,
    VersionRefused,
    finish,
    owed,
    reach,
)
from ingest.message import Message
from ingest.mqtt5_reader import MalformedPacket, PacketReader

CONNECT_SECONDS = 10.0
"""For TCP and TLS."""
ANSWER_SECONDS = 5.0
"""For CONNACK: some brokers without MQTT 5 never answer it, amqtt 0.12 among them."""
CLOSE_SECONDS = 1.0
BREATH_SECONDS = 0.005
BREATH_BYTES = 1_024
"""A read that brings so much is followed by a breath: what arrives meanwhile comes in one read, and
a read costs as much as thirty messages. Little is read at once."""


class _Request:
    """Subscribing or unsubscribing, in as many packets as it takes."""

    __slots__ = ("answer", "answers", "missing")

    def __init__(self, answer: asyncio.Future[Granted], packets: int) -> None:
        self.answer = answer
        self.answers: Granted = {}
        self.missing = packets

    def answered(self, topics: Sequence[str], codes: Iterable[int]) -> None:
        self.answers.update(zip(topics, map(int, codes), strict=False))
        self.missing -= 1
        self.finish_if_answered()

    def finish_if_answered(self) -> None:
        if self.missing <= 0 and not self.answer.done():
            self.answer.set_result(self.answers)


class Mqtt5Connection(asyncio.Protocol):
    """A connection from CONNECT until it is lost or closed; never used again.

    Args:
        settings: The broker.
        session: Number of this connection, written on its messages.
        clock: Tells when messages arrived.
        receive: Takes messages in order of arrival, and how many of them no ack guards (QoS 0).
            Called on the loop, once for a socket read.
    """

    protocol = "5"

    def __init__(
        self,
        settings: MqttSettings,
        *,
        session: int,
        clock: Clock,
        receive: Callable[[list[Message], int], None],
    ) -> None:
        self._settings = settings
        self._session = session
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._is_paused = False
        self._questions: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._requests: dict[int, tuple[list[str], _Request]] = {}
        self._announced: dict[int, asyncio.Future[int]] = {}
        self._packet_id = 0
        self._packet_limit: int | None = None
        self.ended: asyncio.Future[Exception] = self._loop.create_future()
        self.heard_at = self._loop.time()
        self.backlog = Backlog()
        self.session_present = False
        self.keep_alive_s = settings.keep_alive_s
        self.session_expiry_s: int | None = settings.session_expiry_s
        self.client_id = settings.client_id
        self._reader = PacketReader(
            source=settings.name,
            session=session,
            clock=clock,
            backlog=self.backlog,
            deliver=self._deliver,
            control=self._control,
        )

    async def open(self) -> None:
        """Connect.

        Raises:
            ConnectionLost: Unreachable, refused or too slow; another try may help.
            VersionRefused: The broker does not speak MQTT 5.
            SourceRefused: Only the operator can help.
        """
        settings = self._settings
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._loop.create_connection(
                    lambda: self, settings.host, settings.port, ssl=settings.tls_context()
                )
        except OSError as error:
            raise settings.unreachable(error) from error
        mute = VersionRefused(f"{settings.address} does not answer a CONNECT of MQTT 5")
        await reach(self, self._accepted, seconds=ANSWER_SECONDS, late=mute)

    def subscribe(self, topics: Sequence[str], qos: int) -> asyncio.Future[Granted]:
        """Subscribe; retained messages of filters that the session already has do not come again.

        A filter that does not fit into the largest packet that the broker takes is answered by us,
        with 0x95.
        """
        return self._ask_for(topics, lambda number, some: packets.subscribe(number, some, qos))

    def unsubscribe(self, topics: Sequence[str]) -> asyncio.Future[Granted]:
        """Give filters up."""
        return self._ask_for(topics, packets.unsubscribe)

    def announce(self, topic: str, payload: bytes) -> asyncio.Future[int]:
        """Publish at QoS 1, retained; one that the broker would not take is answered by us."""
        answer: asyncio.Future[int] = self._loop.create_future()
        self._packet_id += 1
        packet = packets.announcement(self._packet_id, topic, payload)
        if self._packet_limit is not None and len(packet) > self._packet_limit:
            answer.set_result(reason.PACKET_TOO_LARGE)
        else:
            self._announced[self._packet_id] = answer
            self._write(packet)
        return answer

    def ack(self, messages: Sequence[Message]) -> int:
        """Acknowledge those of the messages that came on this connection, in one write.

        Returns:
            How many were acknowledged.
        """
        if self.ended.done():
            return 0
        messages = owed(messages, source=self._settings.name, session=self._session)
        if messages:
            self._write(packets.acks(messages))
            self.backlog.acked(len(messages))
        return len(messages)

    def ask(self) -> asyncio.Future[None]:
        """Send PINGREQ; the future is done when its answer is there."""
        answer: asyncio.Future[None] = self._loop.create_future()
        self._questions.append((self.backlog.asked(), answer))
        self._write(packets.PINGREQ)
        return answer

    def pause(self) -> None:
        """Stop reading: what the broker sends waits in the kernel, then at the broker."""
        self._is_paused = True
        if self._transport:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._is_paused = False
        self.heard_at = self._loop.time()
        if self._transport:
            self._transport.resume_reading()

    def abort(self, error: Exception) -> None:
        """End the connection at once, for the given reason."""
        if not self.ended.done():
            self.ended.set_result(error)
        if self._transport:
            self._transport.abort()

    async def close(self) -> None:
        """Say goodbye; the broker keeps the session and what is not acknowledged."""
        if self._transport and not self.ended.done():
            self._write(mqtt5.DisconnectPacket().write())
            self._transport.close()
            await asyncio.wait((self.ended,), timeout=CLOSE_SECONDS)
        self.abort(ConnectionLost("closed by us"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with CONNECT (called by asyncio)."""
        self._transport = cast(asyncio.Transport, transport)
        self._write(packets.connect(self._settings))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end (called by asyncio); an error of our own goes on to whoever waits."""
        if self.ended.done():
            return
        if exc is not None and not isinstance(exc, OSError):
            self.ended.set_result(exc)
        elif not self._accepted.done():
            address = self._settings.address
            self.ended.set_result(
                VersionRefused(f"{address} closed the connection upon a CONNECT of MQTT 5")
            )
        else:
            self.ended.set_result(self._settings.closed())

    def data_received(self, data: bytes) -> None:
        """Take what one socket read brought (called by asyncio)."""
        if self.ended.done():
            return
        self.heard_at = self._loop.time()
        if len(data) >= BREATH_BYTES and self._transport:
            self._transport.pause_reading()
            self._loop.call_later(BREATH_SECONDS, self._read_on)
        try:
            self._reader.feed(data)
        except MalformedPacket as error:
            if self._accepted.done():
                self._leave(mqtt5.DisconnectReasonCode.MALFORMED_PACKET, f"sent {error}")
            else:
                self.abort(VersionRefused(f"{self._settings.address} does not answer in MQTT 5"))

    def _read_on(self) -> None:
        if self._transport and not self._is_paused:
            self._transport.resume_reading()

    def _deliver(self, messages: list[Message], unguarded: int) -> None:
        if messages:
            self.backlog.received(len(messages) - unguarded)
            self._receive(messages, unguarded)

    def _control(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.PingRespPacket():
                self._answered()
            case mqtt5.ConnAckPacket():
                self._accept(packet)
            case mqtt5.SubAckPacket() | mqtt5.UnsubAckPacket():
                topics, request = self._requests.pop(packet.packet_id, ([], None))
                if request:
                    request.answered(topics, packet.reason_codes)
            case mqtt5.PubAckPacket() if packet.packet_id in self._announced:
                self._announced.pop(packet.packet_id).set_result(int(packet.reason_code))
            case mqtt5.DisconnectPacket():
                self._dismissed(packet)
            case mqtt5.PubRelPacket():
                self._write(mqtt5.PubCompPacket(packet.packet_id).write())
            case _:
                kind = type(packet).__name__
                self._leave(mqtt5.DisconnectReasonCode.PROTOCOL_ERROR, f"sent an unasked {kind}")

    def _ask_for(
        self, topics: Sequence[str], make: Callable[[int, list[str]], bytes]
    ) -> asyncio.Future[Granted]:
        """Send filters in packets that the broker takes; packet ids are used once."""
        groups = packets.fitting(topics, self._packet_limit)
        request = _Request(self._loop.create_future(), len(groups))
        sent = {topic for group in groups for topic in group}
        too_large = {topic: reason.PACKET_TOO_LARGE for topic in topics if topic not in sent}
        request.answers.update(too_large)
        for group in groups:
            self._packet_id += 1
            self._requests[self._packet_id] = (group, request)
            self._write(make(self._packet_id, group))
        request.finish_if_answered()
        return request.answer

    def _answered(self) -> None:
        if self._questions:
            asked, answer = self._questions.popleft()
            self.backlog.answered(asked)
            finish(answer)

    def _accept(self, packet: mqtt5.ConnAckPacket) -> None:
        """Heed what CONNACK says. 3.2."""
        code = int(packet.reason_code)
        if code >= reason.FAILURE:
            self.abort(self._settings.refused(code, packet.server_reference))
            return
        self.session_present = packet.session_present
        if packet.session_present:
            self.backlog.begin()
        self.keep_alive_s = packet.server_keep_alive or self._settings.keep_alive_s
        self.client_id = packet.assigned_client_id or self._settings.client_id
        if packet.session_expiry_interval is not None:
            self.session_expiry_s = packet.session_expiry_interval
        self._packet_limit = packet.max_packet_size
        finish(self._accepted)

    def _dismissed(self, packet: mqtt5.DisconnectPacket) -> None:
        """Say why the broker ends the connection. 3.14."""
        settings = self._settings
        if int(packet.reason_code) == reason.SESSION_TAKEN_OVER:
            taken = f"another client connected to {settings.address} as {settings.client_id!r}"
            self.abort(SourceRefused(f"{taken}; stop it, or give one of the two its own client_id"))
        else:
            said = reason.words(int(packet.reason_code))
            self.abort(ConnectionLost(f"{settings.address} ended the connection: {said}"))

    def _leave(self, code: mqtt5.DisconnectReasonCode, why: str) -> None:
        self._write(mqtt5.DisconnectPacket(reason_code=code).write())
        self.abort(ConnectionLost(f"{self._settings.address} {why}"))

    def _write(self, data: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)
