"""The ack frontier across reconnects: the real pipeline and connection against a model broker.

The broker keeps a session: a window of messages in flight, each until its PUBACK has been read,
and a queue behind it. A connection may be cut with acks unread, the broker may lose its store, the
process may die before or after any commit and in the middle of the acks. Everything is MQTT 5 on
the wire, a model only where a broker and a kernel would be.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import mqtt5
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from devices.clock import ManualClock
from ingest.broker import MqttSettings
from ingest.journal import Journal
from ingest.journal_file import list_files
from ingest.message import Batch, Message
from ingest.mqtt5 import Mqtt5Connection
from ingest.pipeline import Pipeline
from tests.messages import NOON

WINDOW = 5
SETTINGS = MqttSettings(url="mqtt://broker", topics=("site/#",), receive_maximum=WINDOW)


class Died(Exception):
    """The process ended here."""


Sent = tuple[int, bytes]
"""Packet id and payload: what a broker sends again as the same message."""


class Broker:
    """One session: what is in flight, oldest first, and what waits behind the window."""

    def __init__(self) -> None:
        self.queue: list[bytes] = []
        self.in_flight: list[Sent] = []
        self.unread: list[int] = []
        self.wire: list[bytes] = []
        self.sent: set[Sent] = set()
        self.lost: set[Sent] = set()
        self.session = 1
        self.connected = False
        self._packet_id = 0

    def publish(self, payload: bytes) -> None:
        self.queue.append(payload)
        self.send()

    def connect(self) -> None:
        """Send again what is in flight, marked DUP, then go on. MQTT 5, 4.4."""
        self.connected = True
        self.wire = [as_packet(one, dup=True) for one in self.in_flight]
        self.send()

    def cut(self) -> None:
        """What is on its way, in either direction, is gone."""
        self.connected, self.wire, self.unread = False, [], []

    def lose_everything(self) -> None:
        """Forget the session; a new one begins with packet id 1."""
        self.cut()
        self.lost |= set(self.in_flight)
        self.in_flight, self.queue = [], []
        self.session += 1
        self._packet_id = 0

    def send(self) -> None:
        while self.connected and self.queue and len(self.in_flight) < WINDOW:
            self._packet_id += 1
            one = (self._packet_id, self.queue.pop(0))
            self.in_flight.append(one)
            self.sent.add(one)
            self.wire.append(as_packet(one, dup=False))

    def read(self, count: int) -> None:
        """Read some of our acks: each is of the oldest message in flight."""
        for packet_id in self.unread[:count]:
            assert self.in_flight, "an ack of nothing"
            assert packet_id == self.in_flight.pop(0)[0], "acks in the order of arrival"
        self.unread = self.unread[count:]
        self.send()


def as_packet(one: Sent, *, dup: bool) -> bytes:
    return mqtt5.PublishPacket(
        "site/a", one[1], qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=one[0], duplicate=dup
    ).write()


class Wire:
    """The transport of one connection: our acks become what the broker has not read yet."""

    def __init__(self, machine: "AckMachine") -> None:
        self._machine = machine

    def write(self, data: bytes) -> None:
        acked = []
        while data:
            packet, size = mqtt5.read(data)
            data = data[size:]
            if isinstance(packet, mqtt5.PubAckPacket):
                acked.append(packet.packet_id)
        self._machine.acknowledged(acked)

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def abort(self) -> None: ...


class Line:
    """The pipeline's source: it has the present connection, as MqttSource does."""

    name = SETTINGS.name
    sessions = 0

    def __init__(self) -> None:
        self.connection: Mqtt5Connection | None = None
        self.dies_at_ack = False

    def ack(self, messages: Sequence[Message]) -> None:
        if self.dies_at_ack:
            messages = messages[: len(messages) // 2]
        if self.connection:
            self.connection.ack(messages)
        if self.dies_at_ack:
            raise Died


class Mortal:
    """A journal whose process may die just before, or just after, a commit."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.dies = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def append(self, messages: Sequence[Message]) -> Batch:
        if self.dies == "before":
            raise Died
        batch = self._journal.append(messages)
        if self.dies == "after":
            raise Died
        return batch


class AtOnce(Executor):
    """Runs in the caller's thread."""

    def submit(self, act: Any, /, *arguments: Any, **_: Any) -> Any:
        future: Future[Any] = Future()
        try:
            future.set_result(act(*arguments))
        except Exception as error:  # noqa: BLE001 - handed on
            future.set_exception(error)
        return future


async def _at_once() -> None:
    """Let the pipeline wait for nothing more to come before it commits."""


class AckMachine(RuleBasedStateMachine):
    """What was acknowledged is on disk, what is owed comes, and nothing is journalled twice."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="acks-"))
        self.loop = asyncio.new_event_loop()
        self.broker = Broker()
        self.number = self.connections = 0
        self.arrived: list[int] = []

    @initialize()
    def start(self) -> None:
        """Start the process; it is not connected yet."""
        self.journal = Mortal(Journal.open(self.root, min_free_bytes=0))
        self.line = Line()
        self.pipeline = Pipeline(
            journal=self.journal,  # type: ignore[arg-type]
            sources=[],
            consumers=[],
            decode=lambda _, messages: [],
            reply=lambda _: (),
            publish=None,
            clock=ManualClock(NOON),
        )
        self.pipeline._thread = AtOnce()  # type: ignore[assignment]
        self.pipeline._group = _at_once  # type: ignore[method-assign]
        self.pipeline._remember_tail()
        self.task = self.loop.create_task(self.pipeline._write())

    @rule(count=st.integers(1, 8), alike=st.booleans())
    def publish(self, count: int, alike: bool) -> None:
        """Devices publish; some say the same again and again."""
        for _ in range(count):
            self.number += 1
            said = b"same, session %d" % self.broker.session if alike else b"%d" % self.number
            self.broker.publish(said)

    @precondition(lambda self: not self.broker.connected)
    @rule()
    def connect(self) -> None:
        self.connections += 1
        self.arrived = []
        self.loop.run_until_complete(self._connect())
        self.broker.connect()

    @precondition(lambda self: self.broker.wire)
    @rule(part=st.floats(0, 1), dies=st.sampled_from(["", "", "", "before", "after", "at ack"]))
    def receive(self, part: float, dies: str) -> None:
        """One socket read brings some of what is on the wire; the process may die of it."""
        self.journal.dies, self.line.dies_at_ack = dies, dies == "at ack"
        self._bring(max(1, round(part * len(self.broker.wire))))
        self._settle()

    @rule(count=st.integers(1, WINDOW))
    def broker_reads(self, count: int) -> None:
        self.broker.read(count)

    @precondition(lambda self: self.broker.connected)
    @rule(received=st.booleans(), connects=st.booleans())
    def cut(self, received: bool, connects: bool) -> None:
        """The connection ends; what it brought just before is acknowledged too late, if ever."""
        if received:
            self._bring(len(self.broker.wire))
        self._hang_up()
        if connects:
            self.connect()
        self._settle()

    @rule()
    def broker_loses_its_store(self) -> None:
        self._hang_up()
        self.broker.lose_everything()

    @rule()
    def kill(self) -> None:
        self._restart()

    @invariant()
    def nothing_is_journalled_twice(self) -> None:
        found = self.on_disk()
        assert len(found) == len(set(found))
        assert set(found) <= self.broker.sent

    def acknowledged(self, packet_ids: Sequence[int]) -> None:
        """Take acks at the moment they are written: what they are of is on disk."""
        assert packet_ids == self.arrived[: len(packet_ids)], "acks of this connection, in order"
        del self.arrived[: len(packet_ids)]
        if packet_ids:
            on_disk, in_flight = set(self.on_disk()), dict(self.broker.in_flight)
            for packet_id in packet_ids:
                assert (packet_id, in_flight[packet_id]) in on_disk
            self.broker.unread += packet_ids

    def on_disk(self) -> list[Sent]:
        """Return what anybody can read in the journal's files."""
        return [
            (one.packet_id, one.payload)
            for file in list_files(self.root)
            for row in file.rows(0)
            for one in row.messages or ()
        ]

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self._drain()
            self._end()
        self.loop.close()
        shutil.rmtree(self.root)

    def _drain(self) -> None:
        """Once all goes well, the broker is owed no ack and every message is in the journal."""
        self._restart()
        self.connect()
        while self.broker.in_flight or self.broker.queue:
            if self.broker.wire:
                self.receive(part=1.0, dies="")
            assert self.broker.unread, "what is in flight is acknowledged"
            self.broker.read(WINDOW)
        assert set(self.on_disk()) >= self.broker.sent - self.broker.lost

    def _bring(self, count: int) -> None:
        """Let so many packets arrive, in one socket read."""
        packets, self.broker.wire = self.broker.wire[:count], self.broker.wire[count:]
        self.arrived += [mqtt5.read(packet)[0].packet_id for packet in packets]  # type: ignore[union-attr]
        assert self.line.connection is not None
        self.line.connection.data_received(b"".join(packets))

    def _settle(self) -> None:
        """Let the pipeline take what has come, or die of it and be started again."""
        while self.pipeline._bytes and not self.task.done():
            self.loop.run_until_complete(asyncio.sleep(0))
        if self.task.done():
            assert isinstance(self.task.exception(), Died)
            self._restart()

    def _hang_up(self) -> None:
        self.broker.cut()
        if self.line.connection:
            self.line.connection.connection_lost(None)
            self.line.connection = None

    def _restart(self) -> None:
        self._hang_up()
        self._end()
        self.start()

    def _end(self) -> None:
        self.task.cancel()
        self.loop.run_until_complete(asyncio.wait([self.task]))
        self.journal.close()

    async def _connect(self) -> None:
        self.line.connection = Mqtt5Connection(
            SETTINGS,
            session=self.connections,
            clock=ManualClock(NOON),
            receive=lambda messages, _: self.pipeline._take_in(self.line, messages),  # type: ignore[arg-type]
        )
        self.line.connection.connection_made(Wire(self))  # type: ignore[arg-type]


TestAcks = AckMachine.TestCase
TestAcks.settings = settings(
    max_examples=50,
    stateful_step_count=30,
    suppress_health_check=[HealthCheck.too_slow],
)
