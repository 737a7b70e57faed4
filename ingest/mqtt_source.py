"""A broker as a source, whatever version of MQTT it speaks, for as long as we run.

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
from functools import partial

import structlog

from devices.clock import Clock
from ingest import reason, subscription
from ingest.asides import Asides
from ingest.backoff import Backoff
from ingest.broker import MqttSettings
from ingest.broker_traffic import BrokerTraffic
from ingest.connection import Connection, ConnectionLost, SourceRefused, VersionRefused
from ingest.failover import Failover
from ingest.message import Message
from ingest.mqtt5 import Mqtt5Connection
from ingest.mqtt311 import Mqtt311Connection
from ingest.session_memory import SessionMemory
from ingest.source_record import SourceRecord
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
    """A broker, or the first of several: connects, subscribes, notices when the connection is dead.

    Args:
        settings: The brokers.
        clock: Tells when messages arrived.
        versions: Kinds of connection to try, in this order.
        memory: What was subscribed before.
    """

    def __init__(
        self,
        settings: MqttSettings,
        clock: Clock,
        *,
        versions: Sequence[Version],
        memory: SessionMemory | None = None,
    ) -> None:
        self.name = settings.name
        self.sessions = 0
        self.window = settings.receive_maximum
        self._clock = clock
        self._memory = memory or SessionMemory()
        self._failover = Failover(settings.brokers)
        self._heard_from = self._broker if len(settings.brokers) == 1 else None
        self._asides = Asides(settings, self._memory)
        self._versions = {each.address: versions for each in settings.brokers}
        self._traffic_of = {each.address: BrokerTraffic() for each in settings.brokers}
        self._record = SourceRecord(settings.name, clock.now())
        self._connection: Connection | None = None
        self._in_use: MqttSettings | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()

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
            began, waits = loop.time(), True
            try:
                await self._attend(await self._connect(sink))
            except ConnectionLost as lost:
                waits = self._note_loss(str(lost))
            except SourceRefused as refused:
                self._note_loss(str(refused))
                raise
            finally:
                await self._drop()
            if loop.time() - began >= STEADY_S:
                backoff.reset()
            if waits:
                await asyncio.sleep(backoff.next())

    def where(self) -> MqttSettings:
        """Return the broker it is connected to, or tries."""
        return self._failover.broker

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages that are on disk; those of an earlier connection are ignored."""
        if self._connection:
            self._record.acks += self._connection.ack(messages)

    def pause(self) -> None:
        """Stop reading; the broker keeps what it cannot send.

        A connection that is just being opened is read until it is open: without acks the broker
        sends a window of messages at most.
        """
        self._flowing.clear()
        if self._connection and self._record.connected:
            self._connection.pause()

    def resume(self) -> None:
        """Read again."""
        self._flowing.set()
        if self._connection and self._record.connected:
            self._connection.resume()

    def status(self) -> SourceStatus:
        """Return what it is doing."""
        return self._record.status(
            self._broker,
            problem=self._failover.problem,
            deaf=self._traffic.complaint,
            draining=self._connection is not None and self._connection.backlog.draining,
            dropped=self._traffic.dropped,
        )

    @property
    def _broker(self) -> MqttSettings:
        return self._failover.broker

    @property
    def _traffic(self) -> BrokerTraffic:
        return self._traffic_of[self._broker.address]

    async def _connect(self, sink: Callable[[list[Message]], None]) -> Connection:
        """Open a connection in the first version of MQTT that the broker speaks, and subscribe.

        A broker that has once spoken the best of them is not addressed in a lesser one again: it
        may just be restarting.
        """
        broker, record = self._broker, self._record
        refusals: list[str] = []
        for version in self._versions[broker.address]:
            record.begin_connection()
            connection: Connection = version(
                broker,
                session=record.session,
                clock=self._clock,
                receive=partial(self._receive, sink),
            )
            self._connection = connection
            try:
                await connection.open()
            except VersionRefused as refused:
                refusals.append(str(refused))
                continue
            self._count_broker()
            if not connection.session_present:
                self.sessions += 1
            if refusals:
                log.warning("mqtt5_refused", source=self.name, problem=refusals[0])
            else:
                self._versions[broker.address] = (version,)
            await self._subscribe(connection, broker)
            return connection
        raise ConnectionLost("; ".join(refusals))

    async def _subscribe(self, connection: Connection, broker: MqttSettings) -> None:
        """Subscribe; raises ConnectionLost where the broker allows nothing of it."""
        session = subscription.session_name(broker)
        if self._memory.topics(session) and not connection.session_present:
            self._record.note_lost_session(broker, self._clock.now())
        granted = await subscription.subscribe(connection, broker, self._memory)
        if all(code >= reason.FAILURE for code in granted.values()):
            self._record.note_refusal(granted)
            raise ConnectionLost(subscription.complaint(broker, granted))
        self._record.note_connection(connection, broker, granted, self._clock.now())
        self._in_use = broker
        self._failover.connected()
        self._traffic.begin()
        if not self._flowing.is_set():
            connection.pause()

    def _receive(
        self, sink: Callable[[list[Message]], None], messages: list[Message], unguarded: int
    ) -> None:
        """Hand on what one socket read brought, without what the broker says of itself."""
        if not self._connection:
            return
        self._count_broker()
        record = self._record
        if unguarded:
            now, before = asyncio.get_running_loop().time(), len(messages)
            messages = self._traffic.take_out(messages, received=record.received, now=now)
            record.unguarded += unguarded - (before - len(messages))
        record.received += len(messages)
        if messages:
            sink(messages)

    def _count_broker(self) -> None:
        """Begin a session where another broker has taken us, before any message of it is handed on.

        After a start, which of several brokers the journal's tail came from is not known.
        """
        if self._broker is not self._heard_from:
            self._heard_from = self._broker
            self.sessions += 1

    async def _attend(self, connection: Connection) -> None:
        """Stay until the connection ends, asking the broker for signs of life; raise why."""
        broker = self._broker
        asked = self._asides.say(connection, broker)
        back = asyncio.create_task(self._await_preferred(), name=f"{self.name} looks back")
        try:
            await self._keep_alive(connection, back)
        finally:
            back.cancel()
            if connection.ended.done():
                self._asides.learn(asked, broker)

    async def _keep_alive(self, connection: Connection, back: "asyncio.Task[str]") -> None:
        keep_alive = connection.keep_alive_s
        while not connection.ended.done():
            asked = (connection.ended, connection.ask())
            await asyncio.wait(asked, timeout=keep_alive / 2, return_when=asyncio.FIRST_COMPLETED)
            self._mind_silence(connection)
            self._mind_deafness(connection)
            pause = DRAIN_S if connection.backlog.draining else keep_alive / 2
            await asyncio.wait(
                (connection.ended, back), timeout=pause, return_when=asyncio.FIRST_COMPLETED
            )
            self._mind_silence(connection)
            if back.done() and not connection.ended.done():
                raise ConnectionLost(back.result())
        raise connection.ended.result()

    def _mind_silence(self, connection: Connection) -> None:
        """End a connection that is dead; judged twice for each question, so that none is missed."""
        silence = asyncio.get_running_loop().time() - connection.heard_at
        if self._flowing.is_set() and silence > DEAD * connection.keep_alive_s:
            said = f"{self._broker.address} has been silent for {silence:.0f} s"
            connection.abort(ConnectionLost(f"{said}; the connection is dead"))

    def _mind_deafness(self, connection: Connection) -> None:
        """Leave a broker that is busy and sends us nothing: subscribing again may mend it."""
        now = asyncio.get_running_loop().time()
        deaf = self._traffic.deafness(received=self._record.received, now=now)
        if deaf and self._flowing.is_set() and not connection.backlog.in_flight:
            self._traffic.deafnesses += 1
            raise ConnectionLost(f"{self._broker.address} {deaf}")

    async def _await_preferred(self) -> str:
        """Return when a broker that is to be preferred answers, with the sentence to leave on."""
        if not self._failover.preferred:
            await asyncio.Event().wait()
        while True:
            await asyncio.sleep(self._failover.return_s)
            for broker in self._failover.preferred:
                if await broker.answers():
                    return f"left {self._broker.address}: {broker.address} answers again"

    def _note_loss(self, problem: str) -> bool:
        """Go on to another broker, or the first; return whether it is time to wait."""
        waits = True
        if self._record.connected:
            self._failover.ended(problem)
        else:
            waits = self._failover.failed(problem)
        self._record.note_loss(self._failover.problem, self._clock.now())
        return waits

    async def _drop(self) -> None:
        """Leave the connection; what still arrives is not taken and will come again."""
        connection, self._connection = self._connection, None
        self._record.connected = False
        broker, self._in_use = self._in_use, None
        if connection and broker and not connection.ended.done():
            connection.resume()
            await _read_up(connection)
            self._asides.take_leave(connection, broker)
        if connection:
            await connection.close()


async def _read_up(connection: Connection) -> None:
    """Wait until the broker has read our last acks; gone with the socket they would be lost."""
    if not connection.ended.done():
        asked = (connection.ended, connection.ask())
        await asyncio.wait(asked, timeout=GOODBYE_S, return_when=asyncio.FIRST_COMPLETED)
