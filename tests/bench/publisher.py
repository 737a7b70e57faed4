"""A publisher that is not the bottleneck: packets made beforehand, one socket, a bounded window."""

import secrets
import select
import socket
import time
from collections.abc import Sequence
from threading import Event

import mqtt5

WINDOW = 2_000
"""Messages on their way to the broker that it has not acknowledged."""
GIVE_UP_S = 120.0


class Publisher:
    """One MQTT 5 connection that sends packets and counts their PUBACKs."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(mqtt5.ConnectPacket(client_id=f"bench-{secrets.token_hex(4)}").write())
        self._buffer = b""
        assert isinstance(self._receive()[0], mqtt5.ConnAckPacket)
        self.acked = 0

    def send(
        self, packets: Sequence[bytes], *, per_second: float = 0, until: Event | None = None
    ) -> None:
        """Send QoS 1 packets and wait for their acks; at full speed, or at a rate.

        Args:
            packets: What to send, in order.
            per_second: The rate; 0 for full speed.
            until: Stops it early.
        """
        sent, acked_before, began = 0, self.acked, time.monotonic()
        deadline = began + GIVE_UP_S
        while self.acked - acked_before < len(packets):
            if until is not None and until.is_set():
                packets = packets[:sent]
            room = WINDOW - (sent - (self.acked - acked_before))
            if per_second:
                due = int((time.monotonic() - began) * per_second) + 1
                room = min(room, due - sent)
            chunk = packets[sent : sent + min(room, 500)] if room > 0 else ()
            if chunk:
                self._socket.sendall(b"".join(chunk))
                sent += len(chunk)
            wait = 0.0 if chunk and not per_second else 0.001
            if select.select([self._socket], [], [], wait)[0]:
                self._count(self._receive())
            assert time.monotonic() < deadline, "the broker does not acknowledge"

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _count(self, packets: Sequence[object]) -> None:
        self.acked += sum(isinstance(packet, mqtt5.PubAckPacket) for packet in packets)

    def _receive(self) -> list[object]:
        """Return the packets that one read brought; at least one byte must come."""
        self._buffer += self._socket.recv(1 << 16)
        packets: list[object] = []
        view, offset = memoryview(self._buffer), 0
        while offset < len(view):
            try:
                packet, size = mqtt5.read(view[offset:])
            except IndexError:
                break
            packets.append(packet)
            offset += size
        self._buffer = self._buffer[offset:]
        return packets
