"""A stand-in for the broker that streams as fast as it is acknowledged: a process of its own.

Why it exists: on two cores a real broker (13 to 16 microseconds of CPU a message) is what bounds a
measurement through it. This one sends packets made beforehand and counts PUBACKs, so that what
is measured is the service. It keeps no session and is never used to show that anything is right.

``python -m tests.bench.stand_in PORT COUNT [--bytes N] [--picture] [--per-second N]`` waits for a
subscriber; each SIGUSR1 then streams so many messages, and prints a :class:`Streamed` as JSON.
"""

import argparse
import base64
import json
import os
import random
import select
import signal
import socket
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Self

import mqtt5

from devices.clock import wall_now
from tests.bench.load import messages, packets
from tests.servers import Process, free_port, wait_until
from tests.service import without_settings

_CHUNK = 250
"""Packets sent at once."""
_CHUNK_BYTES = 1 << 20
_TEXT = b'{"value": 21.5, "unit": "C"}, '
"""Repeated to the size wanted: nothing that looks like a picture."""
_PUBACK = b"\x40\x02"
"""MQTT 5, 3.4: a PUBACK of success has no reason and no properties, four bytes in all."""
_APART_S = 3_600.0
"""Between what meters say in two streams, so that no point meets another."""
PATIENCE_S = 180.0


@dataclass(frozen=True, slots=True)
class Streamed:
    """What one stream came to: seconds from the first byte to the last ack, and to each ack."""

    messages: int
    seconds: float
    ack_p50_ms: float
    ack_p99_ms: float

    @property
    def per_second(self) -> float:
        """Messages acknowledged a second."""
        return self.messages / self.seconds


class StandIn:
    """The process, seen from the bench."""

    def __init__(
        self,
        folder: Path,
        messages: int,
        *,
        payload_bytes: int = 0,
        picture: bool = False,
        per_second: int = 0,
    ) -> None:
        self.port = free_port()
        self.messages = messages
        self._process = Process(
            [
                *(sys.executable, "-m", "tests.bench.stand_in", str(self.port), str(messages)),
                *("--bytes", str(payload_bytes), "--per-second", str(per_second)),
                *(("--picture",) if picture else ()),
            ],
            folder / "stand-in.log",
            env=without_settings(),
        )
        self._streams = 0

    @property
    def url(self) -> str:
        """Address for GATEHOUSE_MQTT_URL."""
        return f"mqtt://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._process.spawn()
        self._wait_for("ready", 1)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.end(signal.SIGKILL)

    def stream(self) -> Streamed:
        """Stream to who has subscribed, and wait for the last ack."""
        self._streams += 1
        self._wait_for("subscribed", 1)
        self._wait_for("ready", self._streams)
        os.kill(self._process.pid, signal.SIGUSR1)
        return Streamed(**json.loads(self._wait_for("{", self._streams)[-1]))

    def _wait_for(self, start: str, lines: int) -> list[str]:
        """Wait until it has printed so many lines that start so, and return them."""

        def told() -> list[str]:
            found = [line for line in self._process.said().splitlines() if line.startswith(start)]
            return found if len(found) >= lines else []

        found: list[str] = wait_until(told, seconds=PATIENCE_S, every=0.1, what=start)
        return found


class _Broker:
    """Answers control packets; streams to the first connection that subscribes."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._buffers: dict[socket.socket, bytes] = {}
        self._subscriber: socket.socket | None = None
        self._window = 0
        self._acked = 0

    def attend(self, seconds: float) -> None:
        """Read and answer what comes within some seconds."""
        ready, _, _ = select.select([self._listener, *self._buffers], [], [], seconds)
        for one in ready:
            if one is self._listener:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._buffers[client] = b""
            else:
                self._read(one)

    def stream(self, load: Sequence[bytes], per_second: int) -> Streamed:
        """Send packets within the subscriber's receive maximum, and wait for all PUBACKs."""
        assert self._subscriber is not None, "nobody has subscribed"
        sent, self._acked = 0, 0
        sent_at: list[tuple[int, float]] = []
        waits: list[float] = []
        largest = max(map(len, load))
        chunk_size = max(1, min(_CHUNK, _CHUNK_BYTES // largest))
        began = time.monotonic()
        while self._acked < len(load):
            room = min(self._window - (sent - self._acked), chunk_size)
            if per_second:
                room = min(room, int((time.monotonic() - began) * per_second) + 1 - sent)
            chunk = load[sent : sent + room] if room > 0 else ()
            if chunk:
                sent += len(chunk)
                sent_at.append((sent, time.monotonic()))
                self._subscriber.sendall(b"".join(chunk))
            self.attend(0.0 if chunk and not per_second else 0.0005)
            waits += self._waits(sent_at)
        seconds = time.monotonic() - began
        p99 = statistics.quantiles(waits, n=100, method="inclusive")[98]
        return Streamed(
            len(load),
            seconds,
            round(statistics.median(waits) * 1_000, 1),
            round(p99 * 1_000, 1),
        )

    def _waits(self, sent_at: list[tuple[int, float]]) -> Iterator[float]:
        """Yield how long each chunk waited that is acknowledged now; forget it."""
        while sent_at and sent_at[0][0] <= self._acked:
            _, at = sent_at.pop(0)
            yield time.monotonic() - at

    def _read(self, client: socket.socket) -> None:
        received = client.recv(1 << 16)
        if not received:
            client.close()
            del self._buffers[client]
            self._subscriber = None if client is self._subscriber else self._subscriber
            return
        data = self._buffers[client] + received
        offset = 0
        while offset < len(data):
            if data.startswith(_PUBACK, offset):
                if offset + 4 > len(data):
                    break
                self._acked += 1
                offset += 4
                continue
            try:
                packet, size = mqtt5.read(memoryview(data)[offset:])
            except IndexError:
                break
            offset += size
            self._answer(client, packet)
        self._buffers[client] = data[offset:]

    def _answer(self, client: socket.socket, packet: mqtt5.Packet) -> None:
        if isinstance(packet, mqtt5.ConnectPacket):
            self._window = packet.receive_max
            client.sendall(mqtt5.ConnAckPacket().write())
        elif isinstance(packet, mqtt5.SubscribePacket):
            granted = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE] * len(packet.topic_filters)
            client.sendall(mqtt5.SubAckPacket(packet.packet_id, granted).write())
            self._subscriber = client
            print("subscribed", flush=True)
        elif isinstance(packet, mqtt5.UnsubscribePacket):
            done = [mqtt5.UnsubAckReasonCode.SUCCESS] * len(packet.topic_filters)
            client.sendall(mqtt5.UnsubAckPacket(packet.packet_id, done).write())
        elif isinstance(packet, mqtt5.PublishPacket) and packet.packet_id:
            client.sendall(mqtt5.PubAckPacket(packet.packet_id).write())
        elif isinstance(packet, mqtt5.PingReqPacket):
            client.sendall(mqtt5.PingRespPacket().write())


def _load(many: int, payload_bytes: int, picture: bool, run: int) -> list[bytes]:
    if payload_bytes:
        payload = _event(payload_bytes) if picture else (_TEXT * payload_bytes)[:payload_bytes]
        return packets((f"blob/{number % 500}", payload) for number in range(many))
    return packets(messages(many, wall_now() / 1000 - run * _APART_S))


def _event(payload_bytes: int) -> bytes:
    """Return a gate's event with a JPEG in base64, of some size in all."""
    face = b"\xff\xd8\xff\xe0" + random.Random(1).randbytes(payload_bytes * 3 // 4) + b"\xff\xd9"
    return b'{"id": 7, "pic": "%b"}' % base64.b64encode(face)


def main() -> None:
    """Listen until ended; stream at each SIGUSR1."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--bytes", type=int, default=0, help="payload; 0: the bench's families")
    parser.add_argument("--picture", action="store_true", help="the payload is a face's event")
    parser.add_argument("--per-second", type=int, default=0, help="0: at full speed")
    given = parser.parse_args()
    asked: list[int] = []
    signal.signal(signal.SIGUSR1, lambda *_: asked.append(1))
    broker = _Broker(given.port)
    for run in count():
        load = _load(given.count, given.bytes, given.picture, run)
        print("ready", flush=True)
        while not asked:
            broker.attend(0.05)
        asked.clear()
        print(json.dumps(asdict(broker.stream(load, given.per_second))), flush=True)


if __name__ == "__main__":
    main()
