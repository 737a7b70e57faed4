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
from typing import Any

import structlog

from devices.clock import Clock
from ingest import reason, subscription
from ingest.backoff import Backoff
from ingest.broker import MqttSettings
from ingest.broker_traffic import TOPICS as TRAFFIC_TOPICS
from ingest.broker_traffic import BrokerTraffic
from ingest.connection import (
    OFFLINE,
    ONLINE,
    Connection,
    ConnectionLost,
    Granted,
    SourceRefused,
    VersionRefused,
)
from ingest.failover import Failover
from ingest.message import Message
from ingest.mqtt5 import Mqtt5Connection
from ingest.mqtt311 import Mqtt311Connection
from ingest.session_memory import SessionMemory
from ingest.source_status import SourceStatus

RETRY_BASE_S = 0.5
RETRY_CAP_S = 30.0
STEADY_S = 10.0
"""A connection that held so long was of use: the next failure waits shortly again."""
DRAIN_S = 0.05
"""Between two questions while the backlog is being delivered."""
GOODBYE_S = 1.0
"""For the broker to read our last acks when we stop."""
PROBE_S = 10.0
"""For a broker that is to be preferred to answer."""
ASIDES_TRIED = 3
"""Connections that end upon what we say beside the subscription, until we leave it out."""
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
        self._status_topic = settings.status_topic
        self._clock = clock
        self._memory = memory or SessionMemory()
        self._failover = Failover(settings.brokers)
        self._versions = {each.address: versions for each in settings.brokers}
        self._traffic = {each.address: BrokerTraffic() for each in settings.brokers}
        self._thrown_out = {each.address: 0 for each in settings.brokers}
        self._connection: Connection | None = None
        self._connected = False
        self._in_use = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._protocol = ""
        self._session = 0
        self._since = clock.now()
        self._connections = 0
        self._granted: Granted = {}
        self._received = 0
        self._unguarded = 0
        self._acks = 0
        self._sessions_lost = 0
        self._session_lost_at = 0
        self._complaint = ""
        self._told = ""

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
            granted={topic: qos for topic, qos in self._granted.items() if qos < reason.FAILURE},
            received=self._received,
            unguarded=self._unguarded,
            acks=self._acks,
            reconnects=max(0, self._connections - 1),
            problem=self._problem(),
            draining=self._connection is not None and self._connection.backlog.draining,
            broker=self._broker.address,
            limited=sum(qos != 1 for qos in self._granted.values()),
            sessions_lost=self._sessions_lost,
            session_lost_at=self._session_lost_at,
            dropped_at_broker=self._traffic[self._broker.address].dropped,
        )

    @property
    def _broker(self) -> MqttSettings:
        return self._failover.broker

    def _problem(self) -> str:
        """Return everything that is wrong, as sentences."""
        deaf = ""
        if self._connected and self._traffic[self._broker.address].deafnesses > 1:
            deaf = (
                f"{self._broker.address} is busy and sends us nothing, though it did before: "
                "look at what it allows us to read, and whether devices still publish there"
            )
        said = [self._failover.problem]
        if self._connected and self._failover.problem:
            said.append(f"connected to {self._broker.address} meanwhile")
        if self._connected:
            said += [self._complaint, deaf]
        return "; ".join(each for each in said if each)

    async def _connect(self, sink: Callable[[list[Message]], None]) -> Connection:
        """Open a connection in the first version of MQTT that the broker speaks, and subscribe.

        A broker that has once spoken the best of them is not addressed in a lesser one again: it
        may just be restarting.
        """
        broker = self._broker

        def receive(messages: list[Message], unguarded: int) -> None:
            if not self._connection:
                return
            if unguarded:
                before = len(messages)
                messages = self._without_own(messages)
                unguarded -= before - len(messages)
            self._received += len(messages)
            self._unguarded += unguarded
            if messages:
                sink(messages)

        refusals: list[str] = []
        for version in self._versions[broker.address]:
            self._session += 1
            connection: Connection = version(
                broker, session=self._session, clock=self._clock, receive=receive
            )
            self._connection = connection
            try:
                await connection.open()
            except VersionRefused as refused:
                refusals.append(str(refused))
                continue
            if refusals:
                log.warning("mqtt5_refused", source=self.name, problem=refusals[0])
            else:
                self._versions[broker.address] = (version,)
            self._note_session(connection)
            granted = await subscription.subscribe(connection, broker, self._memory)
            self._note_connection(connection, granted)
            return connection
        raise ConnectionLost("; ".join(refusals))

    def _without_own(self, messages: list[Message]) -> list[Message]:
        """Return what devices say; note what the broker says of itself."""
        kept = []
        for message in messages:
            topic = message.topic
            if message.qos or topic not in TRAFFIC_TOPICS:
                kept.append(message)
            else:
                self._traffic[self._broker.address].report(
                    topic,
                    message.payload,
                    received=self._received,
                    now=asyncio.get_running_loop().time(),
                )
        return kept

    async def _attend(self, connection: Connection) -> None:
        """Stay until the connection ends, asking the broker for signs of life; raise why."""
        asides = self._ask_aside(connection)
        back = asyncio.create_task(self._await_preferred(), name=f"{self.name} looks back")
        try:
            await self._keep_alive(connection, back)
        finally:
            back.cancel()
            if connection.ended.done():
                self._learn(asides)

    async def _keep_alive(self, connection: Connection, back: "asyncio.Task[str]") -> None:
        keep_alive, loop = connection.keep_alive_s, asyncio.get_running_loop()
        while not connection.ended.done():
            asked = (connection.ended, connection.ask())
            await asyncio.wait(asked, timeout=keep_alive / 2, return_when=asyncio.FIRST_COMPLETED)
            silence = loop.time() - connection.heard_at
            if self._flowing.is_set() and silence > DEAD * keep_alive:
                said = f"{self._broker.address} has been silent for {silence:.0f} s"
                connection.abort(ConnectionLost(f"{said}; the connection is dead"))
            self._mind_deafness(connection)
            pause = DRAIN_S if connection.backlog.draining else keep_alive / 2
            await asyncio.wait(
                (connection.ended, back), timeout=pause, return_when=asyncio.FIRST_COMPLETED
            )
            if back.done() and not connection.ended.done():
                raise ConnectionLost(back.result())
        raise connection.ended.result()

    def _ask_aside(self, connection: Connection) -> list[asyncio.Future[Any]]:
        """Say that we are there and ask for the broker's own counts; nobody waits for answers."""
        broker = self._broker
        if self._thrown_out[broker.address] >= ASIDES_TRIED:
            return []
        asides: list[asyncio.Future[Any]] = []
        if self._status_topic:
            birth = connection.announce(self._status_topic, ONLINE)
            birth.add_done_callback(self._note_birth)
            asides.append(birth)
        counts = subscription.watch_traffic(connection, broker, self._memory)
        return [*asides, counts] if counts else asides

    def _learn(self, asides: Sequence[asyncio.Future[Any]]) -> None:
        """Note whether the broker closed the connection instead of answering what nobody needs."""
        address = self._broker.address
        if all(aside.done() for aside in asides):
            self._thrown_out[address] = 0
            return
        self._thrown_out[address] += 1
        if self._thrown_out[address] == ASIDES_TRIED:
            log.warning(
                "mqtt_asides_left_out",
                source=self.name,
                broker=address,
                problem="it closes the connection upon our birth message or $SYS: allow both",
            )

    def _note_birth(self, answer: asyncio.Future[int]) -> None:
        if not answer.cancelled() and answer.result() >= reason.FAILURE:
            said = reason.words(answer.result())
            log.warning(
                "mqtt_birth_refused", source=self.name, topic=self._status_topic, problem=said
            )

    def _mind_deafness(self, connection: Connection) -> None:
        """Leave a broker that is busy and sends us nothing: subscribing again may mend it."""
        traffic = self._traffic[self._broker.address]
        now = asyncio.get_running_loop().time()
        deaf = traffic.deafness(received=self._received, now=now)
        if deaf and self._flowing.is_set() and not connection.backlog.in_flight:
            traffic.deafnesses += 1
            raise ConnectionLost(f"{self._broker.address} {deaf}")

    async def _await_preferred(self) -> str:
        """Return when a broker that is to be preferred answers, with the sentence to leave on."""
        if not self._failover.preferred:
            await asyncio.Event().wait()
        while True:
            await asyncio.sleep(self._failover.return_s)
            for broker in self._failover.preferred:
                if await _answers(broker):
                    return f"left {self._broker.address}: {broker.address} answers again"

    def _note_session(self, connection: Connection) -> None:
        """Tell of a session that should be there and is not: the broker lost what it kept."""
        broker = self._broker
        if connection.session_present or not self._memory.topics(subscription.session_name(broker)):
            return
        self._sessions_lost += 1
        self._session_lost_at = self._clock.now()
        log.error(
            "mqtt_session_lost",
            source=self.name,
            broker=broker.address,
            problem="it had a session of ours and has none: what it kept for us may be lost",
        )

    def _note_connection(self, connection: Connection, granted: Granted) -> None:
        broker = self._broker
        self._granted = granted
        complaint = subscription.complaint(broker, granted)
        if all(code >= reason.FAILURE for code in granted.values()):
            raise ConnectionLost(complaint)
        self._connected, self._since = True, self._clock.now()
        self._in_use = True
        if not self._flowing.is_set():
            connection.pause()
        self._connections += 1
        self._protocol, self._complaint = connection.protocol, complaint
        self._failover.connected()
        self._traffic[broker.address].begin()
        self._told = ""
        log.info(
            "mqtt_connected",
            source=self.name,
            broker=broker.address,
            protocol=self._protocol,
            session=self._session,
            session_present=connection.session_present,
        )
        if complaint:
            log.warning("mqtt_subscription_limited", source=self.name, problem=complaint)
        self._note_assigned(connection)

    def _note_assigned(self, connection: Connection) -> None:
        """Tell of what the broker decides otherwise than we asked. 3.2.2.3."""
        broker, kept_s = self._broker, connection.session_expiry_s
        if kept_s is not None and kept_s < broker.session_expiry_s:
            log.warning(
                "mqtt_session_shortened", source=self.name, asked=broker.session_expiry_s, s=kept_s
            )
        if connection.client_id != broker.client_id:
            log.warning("mqtt_client_id_assigned", source=self.name, assigned=connection.client_id)

    def _note_loss(self, problem: str) -> bool:
        """Go on to another broker, or the first; return whether it is time to wait.

        Logged is when something goes away, and when the reason changes, not each attempt.
        """
        waits = True
        if self._connected:
            self._failover.ended(problem)
            self._connected, self._since = False, self._clock.now()
            self._told = ""
        else:
            waits = self._failover.failed(problem)
        said = self._failover.problem
        if said != self._told:
            log.warning("mqtt_disconnected", source=self.name, problem=said)
        self._told = said
        return waits

    async def _drop(self) -> None:
        """Leave the connection; what still arrives is not taken and will come again."""
        connection, self._connection = self._connection, None
        self._connected = False
        used, self._in_use = self._in_use, False
        if connection and used and not connection.ended.done():
            connection.resume()
            await _read_up(connection)
            if self._status_topic:
                connection.announce(self._status_topic, OFFLINE)
        if connection:
            await connection.close()


async def _read_up(connection: Connection) -> None:
    """Wait until the broker has read our last acks; gone with the socket they would be lost."""
    if not connection.ended.done():
        asked = (connection.ended, connection.ask())
        await asyncio.wait(asked, timeout=GOODBYE_S, return_when=asyncio.FIRST_COMPLETED)


async def _answers(broker: MqttSettings) -> bool:
    """Return whether somebody is there; whether it takes us shows when we connect."""
    try:
        async with asyncio.timeout(PROBE_S):
            _, writer = await asyncio.open_connection(
                broker.host, broker.port, ssl=broker.tls_context()
            )
            writer.close()
            await writer.wait_closed()
    except (OSError, ConnectionLost):
        return False
    return True
