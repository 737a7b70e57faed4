"""From the bytes of an MQTT 5 connection to messages and control packets. No I/O.

The hot path: everything one socket read brought is read in one loop, at about half a microsecond
a message. A packet that has not arrived whole waits for the rest of it.

Source: MQTT 5.0, OASIS Standard; section numbers below are of that document.
"""

from collections.abc import Callable

import mqtt5
from mqtt5 import PublishPacket

from devices.clock import Clock
from ingest.backlog import Backlog
from ingest.message import BACKLOG, DUP, RETAIN, Message

MAXIMUM_PACKET = 64 * 1024 * 1024
"""Bytes. A broker drops what is larger without a word, so it is far above what devices send."""

_FLAGS = tuple((DUP if low & 8 else 0) | (RETAIN if low & 1 else 0) for low in range(16))
"""Our flags by the low four bits of a PUBLISH's first byte: DUP, QoS (two bits), RETAIN. 3.3.1."""
_PUBLISH = 3


class MalformedPacket(Exception):
    """The bytes are no MQTT 5; nothing after them can be understood."""


class PacketReader:
    """What has arrived on one connection and is not yet a whole packet.

    Args:
        source: Name of the source, written on messages.
        session: Number of the connection, written on messages.
        clock: Tells when messages arrived.
        backlog: Asked whether messages waited at the broker.
        deliver: Takes messages in order, and how many of them are QoS 0.
        control: Takes every other packet, at its place among the messages.
    """

    def __init__(
        self,
        *,
        source: str,
        session: int,
        clock: Clock,
        backlog: Backlog,
        deliver: Callable[[list[Message], int], None],
        control: Callable[[mqtt5.Packet], None],
    ) -> None:
        self._source = source
        self._session = session
        self._clock = clock
        self._backlog = backlog
        self._deliver = deliver
        self._control = control
        self._rest = bytearray()
        self._needed = 0

    def feed(self, data: bytes) -> None:
        """Hand on every packet that is whole now: messages in one call, if nothing is between.

        Raises:
            MalformedPacket: After everything before the bad packet has been handed on.
        """
        self._rest += data
        if len(self._rest) < self._needed:
            return
        with memoryview(self._rest) as view:
            taken = self._read(view)
        del self._rest[:taken]
        self._needed = _packet_size(self._rest)
        if self._needed > MAXIMUM_PACKET:
            raise MalformedPacket(f"a packet of {self._needed} bytes")

    def _read(self, view: memoryview) -> int:
        """Read whole packets and return how many bytes they took."""
        read, source, session, now = mqtt5.read, self._source, self._session, self._clock.now()
        backlog = BACKLOG if self._backlog.draining else 0
        messages: list[Message] = []
        offset, unguarded, end = 0, 0, len(view)
        while offset < end:
            try:
                packet, size = read(view[offset:])
            except IndexError:
                break
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # noqa: BLE001 - PyO3's panics are no Exception
                size = _packet_size(view[offset:])
                if size > end - offset:
                    break
                try:
                    packet = _salvage(bytes(view[offset : offset + size]))
                except (ValueError, IndexError):
                    self._deliver(messages, unguarded)
                    raise MalformedPacket(f"a packet of {size} bytes: {error}") from None
            if type(packet) is PublishPacket:
                low = view[offset] & 15
                packet_id = packet.packet_id or 0
                if not packet_id:
                    unguarded += 1
                messages.append(
                    Message(
                        packet.topic,
                        packet.payload,
                        now,
                        source,
                        session,
                        packet_id,
                        low >> 1 & 3,
                        _FLAGS[low] | backlog,
                        tuple(packet.user_properties),
                    )
                )
            else:
                self._deliver(messages, unguarded)
                messages, unguarded = [], 0
                self._control(packet)
                backlog = BACKLOG if self._backlog.draining else 0
            offset += size
        self._deliver(messages, unguarded)
        return offset


def _packet_size(data: bytes | bytearray | memoryview) -> int:
    """Return how many bytes the first packet has, or 0 when too little is there to tell. 2.1.4."""
    try:
        length, start = _length(data, 1)
    except IndexError:
        return 0
    return start + length


def _length(data: bytes | bytearray | memoryview, at: int) -> tuple[int, int]:
    """Read a variable byte integer; return it and the place behind it. 1.5.5.

    Raises:
        IndexError: It is cut off, or longer than four bytes.
    """
    value = 0
    for place in range(4):
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise IndexError("a variable byte integer of more than four bytes")


def _salvage(packet: bytes) -> PublishPacket:
    r"""Read a PUBLISH whose texts the codec refuses, without its properties.

    Some brokers let topics and user properties pass that are not UTF-8 (EMQX unless its
    ``strict_mode`` is on, and there are devices that publish in GBK). Refusing such a message would
    have it delivered again at once and for ever, and nothing behind it. Bad bytes of its topic
    are written as ``\xNN``, which no profile claims, so it becomes a dead letter.

    Raises:
        ValueError, IndexError: It is no PUBLISH, or its lengths do not add up. 3.3.
    """
    kind, low = packet[0] >> 4, packet[0] & 15
    qos = low >> 1 & 3
    _, start = _length(packet, 1)
    topic_end = start + 2 + int.from_bytes(packet[start : start + 2], "big")
    id_end = topic_end + (2 if qos else 0)
    properties, properties_at = _length(packet, id_end)
    topic = packet[start + 2 : topic_end]
    payload_at = properties_at + properties
    if kind != _PUBLISH or not topic or payload_at > len(packet):
        raise ValueError("no PUBLISH")
    return PublishPacket(
        topic.decode("utf-8", "backslashreplace"),
        packet[payload_at:],
        qos=mqtt5.QoS(qos),
        retain=bool(low & 1),
        packet_id=int.from_bytes(packet[topic_end:id_end], "big") or None,
        duplicate=bool(low & 8),
    )
