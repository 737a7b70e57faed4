"""One MQTT 3.1.1 connection, for brokers without MQTT 5: paho-mqtt, driven by our event loop.

As on MQTT 5 nothing is acknowledged but through :meth:`Mqtt311Connection.ack`. Each connection has
a paho client of its own, so no packet id or queued ack of it can reach the next one. Paho's
network thread is not used: it dies silently of an exception and cannot be paused.

Weaker than MQTT 5: the broker chooses the window (mosquitto: 20) and may close without a reason,
QoS 2 messages are answered by paho before we have them and so count as unguarded.

Source: MQTT 3.1.1, OASIS Standard; section numbers below are of that document.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from devices.clock import Clock
from ingest.backlog import Backlog
from ingest.broker import MqttSettings
from ingest.connection import OFFLINE, ConnectionLost, Granted, finish, owed, reach
from ingest.message import BACKLOG, DUP, RETAIN, Message

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 10.0
BURST = 200
"""Packets read at most before the event loop gets its turn."""
_NOWHERE = "gatehouse/nobody/subscribes/here"


class Mqtt311Connection:
    """A connection from CONNECT until it is lost or closed; never used again.

    Args:
        settings: The broker.
        session: Number of this connection, written on its messages.
        clock: Tells when messages arrived.
        receive: Takes messages in order of arrival, and how many of them no ack guards.
    """

    protocol = "3.1.1"

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
        self._clock = clock
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | ssl.SSLSocket | None = None
        self._reading = True
        self._messages: list[Message] = []
        self._questions: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._announced: dict[int, asyncio.Future[int]] = {}
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._requests: dict[int | None, tuple[Sequence[str], asyncio.Future[Granted]]] = {}
        self.ended: asyncio.Future[Exception] = self._loop.create_future()
        self.heard_at = self._loop.time()
        self.backlog = Backlog()
        self.session_present = False
        self.keep_alive_s = settings.keep_alive_s
        self.session_expiry_s: int | None = None
        self.client_id = settings.client_id
        self._client = self._make_client()

    async def open(self) -> None:
        """Connect.

        Raises:
            ConnectionLost: Unreachable, refused or too slow; another try may help.
            VersionRefused: The broker does not speak MQTT 3.1.1 either.
            SourceRefused: Only the operator can help.
        """
        settings, client = self._settings, self._client
        if settings.tls:
            client.tls_set_context(settings.tls_context())
        try:
            await asyncio.to_thread(
                client.connect, settings.host, settings.port, settings.keep_alive_s
            )
        except OSError as error:
            raise settings.unreachable(error) from error
        self._attach()
        mute = ConnectionLost(f"{settings.address} does not answer a CONNECT of MQTT 3.1.1")
        await reach(self, self._accepted, seconds=ANSWER_SECONDS, late=mute)

    def subscribe(self, topics: Sequence[str], qos: int) -> asyncio.Future[Granted]:
        """Subscribe; retained messages come again each time."""
        _, number = self._client.subscribe([(topic, qos) for topic in topics])
        return self._expect(number, topics)

    def unsubscribe(self, topics: Sequence[str]) -> asyncio.Future[Granted]:
        """Give filters up; the broker cannot refuse."""
        _, number = self._client.unsubscribe(list(topics))
        return self._expect(number, topics)

    def announce(self, topic: str, payload: bytes) -> asyncio.Future[int]:
        """Publish at QoS 1, retained; a refusal or a limit is not said in MQTT 3.1.1."""
        answer: asyncio.Future[int] = self._loop.create_future()
        self._announced[self._client.publish(topic, payload, qos=1, retain=True).mid] = answer
        return answer

    def ack(self, messages: Sequence[Message]) -> int:
        """Acknowledge those of the messages that came on this connection.

        Returns:
            How many were acknowledged.
        """
        if self.ended.done():
            return 0
        messages = owed(messages, source=self._settings.name, session=self._session)
        for message in messages:
            self._client.ack(message.packet_id, message.qos)
        self.backlog.acked(sum(message.qos == 1 for message in messages))
        return len(messages)

    def ask(self) -> asyncio.Future[None]:
        """Ask for a sign of life; the future is done when the answer is there.

        Paho sends PINGREQ by its own timer only and keeps the answer to itself. The broker must
        answer an UNSUBSCRIBE even if there is nothing to unsubscribe. 3.10.4.
        """
        answer: asyncio.Future[None] = self._loop.create_future()
        self._questions.append((self.backlog.asked(), answer))
        self._client.unsubscribe(_NOWHERE)
        return answer

    def pause(self) -> None:
        """Stop reading: what the broker sends waits in the kernel, then at the broker."""
        self._reading = False
        if self._socket:
            self._loop.remove_reader(self._socket)

    def resume(self) -> None:
        """Read again."""
        self._reading = True
        self.heard_at = self._loop.time()
        if self._socket:
            self._loop.add_reader(self._socket, self._readable)
            self._loop.call_soon(self._readable)

    def abort(self, error: Exception) -> None:
        """End the connection at once, for the given reason."""
        if not self.ended.done():
            self.ended.set_result(error)
        if self._socket:
            connection = self._socket
            self._detach()
            connection.close()

    async def close(self) -> None:
        """Say goodbye; the broker keeps the session and what is not acknowledged."""
        if self._socket and not self.ended.done():
            self._client.disconnect()
            self._client.loop_write()
        self.abort(ConnectionLost("closed by us"))

    def _make_client(self) -> paho.Client:
        settings = self._settings
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_SECONDS
        if settings.status_topic:
            client.will_set(settings.status_topic, OFFLINE, qos=1, retain=True)
        if settings.user is not None:
            client.username_pw_set(settings.user, settings.secret)
        return client

    def _attach(self) -> None:
        """Let our event loop drive paho's socket; until here a thread of its own did."""
        client, settings = self._client, self._settings
        client.on_connect = lambda _c, _u, flags, code, _p: self._accept(
            flags.session_present, code
        )
        client.on_message = lambda _c, _u, message: self._take(message)
        client.on_subscribe = lambda _c, _u, number, codes, _p: self._granted(
            number, [code.value for code in codes]
        )
        client.on_unsubscribe = lambda _c, _u, number, _codes, _p: self._forgotten(number)
        client.on_publish = lambda _c, _u, number, _code, _p: self._heard(number)
        client.on_disconnect = lambda *_: self.abort(settings.closed())
        client.on_socket_register_write = lambda *_: self._watch_room()
        client.on_socket_unregister_write = lambda *_: self._ignore_room()
        client.on_socket_close = lambda *_: self._detach()
        self._socket = cast(socket.socket | None, client.socket())
        if self._socket is None:
            raise settings.closed()
        self._loop.add_reader(self._socket, self._readable)

    def _watch_room(self) -> None:
        if self._socket:
            self._loop.add_writer(self._socket, self._client.loop_write)

    def _ignore_room(self) -> None:
        if self._socket:
            self._loop.remove_writer(self._socket)

    def _detach(self) -> None:
        """Take paho's socket from our event loop, before it is closed."""
        if self._socket:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket = None

    def _readable(self) -> None:
        """Read what is there, at most a burst of it, and hand it on in one call."""
        self.heard_at = self._loop.time()
        try:
            for _ in range(BURST):
                before = len(self._messages)
                if not self._reading or not self._socket:
                    break
                self._client.loop_read()
                if len(self._messages) == before and not self._decrypted():
                    break
            else:
                self._loop.call_soon(self._readable)
            self._deliver()
        except Exception as error:  # noqa: BLE001 - the edge of what the loop calls: goes to ended
            self.abort(error)

    def _decrypted(self) -> int:
        """Return how many bytes TLS has ready that the socket will not announce."""
        return self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0

    def _deliver(self) -> None:
        messages, self._messages = self._messages, []
        if messages:
            guarded = sum(message.qos == 1 for message in messages)
            self.backlog.received(guarded)
            self._receive(messages, len(messages) - guarded)

    def _accept(self, session_present: bool, code: ReasonCode) -> None:
        """Heed what CONNACK says. 3.2."""
        if code.is_failure:
            self.abort(self._settings.refused(code.value))
            return
        self.session_present = session_present
        if session_present:
            self.backlog.begin()
        finish(self._accepted)

    def _take(self, message: paho.MQTTMessage) -> None:
        flags = (DUP if message.dup else 0) | (RETAIN if message.retain else 0)
        self._messages.append(
            Message(
                _topic(message),
                bytes(message.payload),
                self._clock.now(),
                self._settings.name,
                self._session,
                message.mid,
                message.qos,
                flags | (BACKLOG if self.backlog.draining else 0),
            )
        )

    def _expect(self, number: int | None, topics: Sequence[str]) -> asyncio.Future[Granted]:
        answer: asyncio.Future[Granted] = self._loop.create_future()
        self._requests[number] = (topics, answer)
        return answer

    def _granted(self, number: int, codes: Sequence[int]) -> None:
        topics, answer = self._requests.pop(number, ((), None))
        if answer and not answer.done():
            answer.set_result(dict(zip(topics, codes, strict=False)))

    def _heard(self, number: int) -> None:
        answer = self._announced.pop(number, None)
        if answer and not answer.done():
            answer.set_result(0)

    def _forgotten(self, number: int) -> None:
        """Note UNSUBACK: of a request, else of the oldest question."""
        if number in self._requests:
            self._granted(number, [0] * len(self._requests[number][0]))
        else:
            self._answered()

    def _answered(self) -> None:
        """Note UNSUBACK, at its place among the messages."""
        self._deliver()
        if self._questions:
            asked, answer = self._questions.popleft()
            self.backlog.answered(asked)
            finish(answer)


def _topic(message: paho.MQTTMessage) -> str:
    """Return the topic; bytes that are not UTF-8 as on MQTT 5 (see mqtt5_reader)."""
    try:
        return message.topic
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", "backslashreplace")
