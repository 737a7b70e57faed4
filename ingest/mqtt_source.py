"""One broker as a source, whatever version of MQTT it speaks, for as long as we run.

Invariants:
- A source never acknowledges by itself. What was not given to :meth:`MqttSource.ack` is delivered
  again by the broker after a reconnect or a crash, marked DUP.
- Each connection has its own number, written on its messages; an ack reaches only the connection
  that its message came on.
- While reading is paused no new connection is made, so that what is in flight stays bounded.
- A connection is dead when nothing was heard for three quarters of a keep-alive although the
  broker was asked; that is noticed at the latest after one and a quarter.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from devices.clock import Clock
from ingest import reason
from ingest.backoff import Backoff
from ingest.broker import MqttSettings
from ingest.connection import Connection, ConnectionLost, SourceRefused, VersionRefused
from ingest.message import Message
from ingest.mqtt5 import Mqtt5Connection
from ingest.mqtt311 import Mqtt311Connection
from ingest.source_status import SourceStatus

RETRY_BASE_S = 0.5
RETRY_CAP_S = 30.0
STEADY_S = 10.0
"""A connection that held so long was of use: the next failure waits shortly again."""
DRAIN_S = 0.05
"""Between two questions while the backlog is being delivered."""
GOODBYE_S = 1.0
"""For the broker to read our last acks when we stop."""
DEAD = 0.75
"""Share of a keep-alive without a sign of life."""

Version = type[Mqtt5Connection] | type[Mqtt311Connection]

log = structlog.get_logger()


class MqttSource:
    """One broker: connects, subscribes, notices when the connection is dead, and comes back.

    Args:
        settings: The broker.
        clock: Tells when messages arrived.
        versions: Kinds of connection to try, in this order.
    """

    def __init__(
        self,
        settings: MqttSettings,
        clock: Clock,
        *,
        versions: Sequence[Version],
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._clock = clock
        self._versions = versions
        self._connection: Connection | None = None
        self._connected = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._protocol = ""
        self._session = 0
        self._since = clock.now()
        self._connections = 0
        self._granted: dict[str, int] = {}
        self._received = 0
        self._unguarded = 0
        self._acks = 0
        self._problem = ""

    async def run(self, sink: Callable[[list[Message]], None]) -> None:
        """Connect, hand messages to ``sink`` on the loop, reconnect; until cancelled.

        Args:
            sink: Takes what one socket read brought, in order of arrival.

        Raises:
            SourceRefused: The broker refuses us and waiting cannot help.
        """
        backoff = Backoff(base=RETRY_BASE_S, cap=RETRY_CAP_S)
        loop = asyncio.get_running_loop()
        while True:
            await self._flowing.wait()
            began = loop.time()
            try:
                await self._attend(await self._connect(sink))
            except ConnectionLost as lost:
                self._note_loss(str(lost))
            except SourceRefused as refused:
                self._note_loss(str(refused))
                raise
            finally:
                await self._drop()
            if loop.time() - began >= STEADY_S:
                backoff.reset()
            await asyncio.sleep(backoff.next())

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages that are on disk; those of an earlier connection are ignored."""
        if self._connection:
            self._acks += self._connection.ack(messages)

    def pause(self) -> None:
        """Stop reading; the broker keeps what it cannot send.

        A connection that is just being opened is read until it is open: without acks the broker
        sends a window of messages at most.
        """
        self._flowing.clear()
        if self._connection and self._connected:
            self._connection.pause()

    def resume(self) -> None:
        """Read again."""
        self._flowing.set()
        if self._connection and self._connected:
            self._connection.resume()

    def status(self) -> SourceStatus:
        """Return what it is doing."""
        return SourceStatus(
            name=self.name,
            connected=self._connected,
            protocol=self._protocol,
            session=self._session,
            since=self._since,
            granted=self._granted,
            received=self._received,
            unguarded=self._unguarded,
            acks=self._acks,
            reconnects=max(0, self._connections - 1),
            problem=self._problem,
            draining=self._connection is not None and self._connection.backlog.draining,
        )

    async def _connect(self, sink: Callable[[list[Message]], None]) -> Connection:
        """Open a connection in the first version of MQTT that the broker speaks.

        A broker that has once spoken the best of them is not addressed in a lesser one again: it
        may just be restarting.
        """

        def receive(messages: list[Message], unguarded: int) -> None:
            if self._connection:
                self._received += len(messages)
                self._unguarded += unguarded
                sink(messages)

        refusals: list[str] = []
        for version in self._versions:
            self._session += 1
            connection: Connection = version(
                self._settings, session=self._session, clock=self._clock, receive=receive
            )
            self._connection = connection
            try:
                await connection.open()
            except VersionRefused as refused:
                refusals.append(str(refused))
            else:
                if refusals:
                    log.warning("mqtt5_refused", source=self.name, problem=refusals[0])
                else:
                    self._versions = (version,)
                self._note_connection(connection)
                return connection
        raise ConnectionLost("; ".join(refusals))

    async def _attend(self, connection: Connection) -> None:
        """Stay until the connection ends, asking the broker for signs of life; raise why."""
        keep_alive, loop = connection.keep_alive_s, asyncio.get_running_loop()
        while not connection.ended.done():
            asked = (connection.ended, connection.ask())
            await asyncio.wait(asked, timeout=keep_alive / 2, return_when=asyncio.FIRST_COMPLETED)
            silence = loop.time() - connection.heard_at
            if self._flowing.is_set() and silence > DEAD * keep_alive:
                said = f"{self._settings.address} has been silent for {silence:.0f} s"
                connection.abort(ConnectionLost(f"{said}; the connection is dead"))
            pause = DRAIN_S if connection.backlog.draining else keep_alive / 2
            await asyncio.wait((connection.ended,), timeout=pause)
        raise connection.ended.result()

    def _note_connection(self, connection: Connection) -> None:
        granted = {topic: qos for topic, qos in connection.suback.items() if qos < reason.FAILURE}
        complaint = self._complaint(connection.suback)
        if not granted:
            raise ConnectionLost(complaint)
        self._connected, self._since = True, self._clock.now()
        if not self._flowing.is_set():
            connection.pause()
        self._connections += 1
        self._protocol, self._granted, self._problem = connection.protocol, granted, complaint
        log.info(
            "mqtt_connected",
            source=self.name,
            protocol=self._protocol,
            session=self._session,
            session_present=connection.session_present,
        )
        if complaint:
            log.warning("mqtt_subscription_limited", source=self.name, problem=complaint)

    def _complaint(self, suback: dict[str, int]) -> str:
        """Return what the broker did not grant as we asked, as a sentence; "" if nothing."""
        address = self._settings.address
        said = [
            f"{address} refuses the topic {topic!r}: {reason.words(code)}"
            if code >= reason.FAILURE
            else f"{address} delivers {topic!r} at QoS 0 only: what it loses is gone"
            for topic, code in suback.items()
            if code != 1
        ]
        return "; ".join(said)

    def _note_loss(self, problem: str) -> None:
        """Log once when something goes away, and when the reason changes, not each attempt."""
        if self._connected or problem != self._problem:
            log.warning("mqtt_disconnected", source=self.name, problem=problem)
        if self._connected:
            self._connected, self._since = False, self._clock.now()
        self._problem = problem

    async def _drop(self) -> None:
        """Leave the connection; what still arrives is not taken and will come again."""
        connection, self._connection = self._connection, None
        connected, self._connected = self._connected, False
        if connection and connected:
            connection.resume()
            await _read_up(connection)
        if connection:
            await connection.close()


async def _read_up(connection: Connection) -> None:
    """Wait until the broker has read our last acks; gone with the socket they would be lost."""
    if not connection.ended.done():
        asked = (connection.ended, connection.ask())
        await asyncio.wait(asked, timeout=GOODBYE_S, return_when=asyncio.FIRST_COMPLETED)
