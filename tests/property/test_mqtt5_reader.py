"""Reading packets from a stream that is cut anywhere."""

import contextlib
from itertools import pairwise

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.clock import ManualClock
from ingest.backlog import Backlog
from ingest.message import BACKLOG, DUP, RETAIN, Message
from ingest.mqtt5_reader import MalformedPacket, PacketReader

PACKETS = st.builds(
    lambda topic, payload, qos, retain, duplicate, properties: mqtt5.PublishPacket(
        topic,
        payload,
        qos=mqtt5.QoS(qos),
        retain=retain,
        duplicate=duplicate and qos > 0,
        packet_id=77 if qos else None,
        user_properties=properties,
    ),
    st.text("ab/北", min_size=1, max_size=20),
    st.binary(max_size=300),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
    st.lists(st.tuples(st.text("xy", max_size=3), st.text("xy", max_size=3)), max_size=2),
)


class Taken:
    """A reader and what it has handed on."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.unguarded = 0
        self.control: list[tuple[int, mqtt5.Packet]] = []
        self.backlog = Backlog()
        self.reader = PacketReader(
            source="yard",
            session=4,
            clock=ManualClock(5),
            backlog=self.backlog,
            deliver=self._deliver,
            control=lambda packet: self.control.append((len(self.messages), packet)),
        )

    def _deliver(self, messages: list[Message], unguarded: int) -> None:
        self.messages += messages
        self.unguarded += unguarded


@given(packets=st.lists(PACKETS, max_size=8), cuts=st.lists(st.integers(0, 3_000), max_size=10))
def test_cuts_change_nothing(packets: list[mqtt5.PublishPacket], cuts: list[int]) -> None:
    """However the stream is cut into reads, every message arrives once, whole and in order."""
    stream = b"".join(packet.write() for packet in packets)
    taken = Taken()
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, end in pairwise(edges):
        taken.reader.feed(stream[start:end])
    expected = [
        Message(
            packet.topic,
            packet.payload,
            5,
            "yard",
            4,
            packet.packet_id or 0,
            int(packet.qos),
            (DUP if packet.duplicate else 0) | (RETAIN if packet.retain else 0),
            tuple(packet.user_properties),
        )
        for packet in packets
    ]
    assert taken.messages == expected
    assert taken.unguarded == sum(int(packet.qos) == 0 for packet in packets)


@given(before=st.lists(PACKETS, max_size=4), after=st.lists(PACKETS, max_size=4))
def test_control_packets_keep_their_place(
    before: list[mqtt5.PublishPacket], after: list[mqtt5.PublishPacket]
) -> None:
    """A packet between messages is handled between them, though all came in one read."""
    packets = [*before, mqtt5.PingRespPacket(), *after]
    taken = Taken()
    taken.reader.feed(b"".join(packet.write() for packet in packets))
    assert [place for place, _ in taken.control] == [len(before)]
    assert len(taken.messages) == len(before) + len(after)


def test_the_backlog_flag_ends_at_the_answer() -> None:
    """Of one read, messages before the answer that ends draining are flagged, later ones not."""
    taken = Taken()
    taken.backlog.begin()
    taken.reader._control = lambda packet: taken.backlog.answered(0)
    packet = mqtt5.PublishPacket("a", b"").write()
    taken.reader.feed(packet + mqtt5.PingRespPacket().write() + packet)
    assert [message.flags for message in taken.messages] == [BACKLOG, 0]


@given(data=st.binary(max_size=200).filter(lambda data: data[:1] not in {b"\x30", b"\x32"}))
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_any_bytes_are_packets_or_malformed(data: bytes) -> None:
    """Garbage either waits for more, is read, or is refused: nothing else comes out."""
    with contextlib.suppress(MalformedPacket):
        Taken().reader.feed(data)
