"""A PUBACK leaves after the sync: seen from outside, in the system calls of a real process."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.servers import Mosquitto, Process, wait_until

TAKER = """
import asyncio, os, sys
from pathlib import Path
from devices.clock import WallClock
from devices.outcome import Ignored, IgnoredReason
from ingest.journal import Journal
from ingest.pipeline import Pipeline
from ingest.source import MqttSettings, open_source

async def main():
    clock = WallClock()
    source = open_source(MqttSettings(url=sys.argv[1], client_id="taker"), clock)
    pipeline = Pipeline(
        journal=Journal.open(Path(sys.argv[2]), min_free_bytes=0),
        sources=[source],
        consumers=[],
        decode=lambda _, messages: [Ignored(IgnoredReason.LOG_LINE) for _ in messages],
        reply=lambda _: (),
        publish=None,
        clock=clock,
    )
    print(os.getpid(), flush=True)
    running = asyncio.create_task(pipeline.run())
    while not running.done():
        print(source.status().connected, source.status().acks, flush=True)
        await asyncio.sleep(0.02)
    await running

asyncio.run(main())
"""
CALLS = "trace=fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg,recvfrom,recvmsg,read"
_LINE = re.compile(r"^(\d+) +(.*)$")
_PUBACK = re.compile(r'^(?:sendto|sendmsg|write|writev)\(\d+<(?:TCP|socket)[^>]*>.*?"@')


class Call(NamedTuple):
    """A system call: its text, and where in the trace it began and ended."""

    text: str
    began: int
    ended: int


def calls_of(trace: str) -> list[Call]:
    """Return the calls of an strace output, in the order of their beginnings."""
    calls: list[Call] = []
    unfinished: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(trace.splitlines()):
        match = _LINE.match(line)
        if match is None:
            continue
        thread, text = match.groups()
        if text.endswith("<unfinished ...>"):
            unfinished[thread] = (text, number)
        elif text.startswith("<..."):
            begun, began = unfinished.pop(thread)
            calls.append(Call(begun + text, began, number))
        else:
            calls.append(Call(text, number, number))
    return sorted(calls, key=lambda call: call.began)


def first(calls: Sequence[Call], *words: str, after: int) -> Call:
    """Return the first call with all these words that began after a line."""
    return next(
        call for call in calls if call.began > after and all(word in call.text for word in words)
    )


def test_a_puback_leaves_after_the_sync(  # type: ignore[no-untyped-def]
    mosquitto: Mosquitto, tmp_path: Path, program
) -> None:
    """Between a publish's arrival and its PUBACK it is written to the journal and synced."""
    trace = tmp_path / "trace"
    taker = Process(
        [
            *(program("strace"), "-f", "-yy", "-s", "70000", "-e", CALLS, "-o", str(trace)),
            *(sys.executable, "-c", TAKER, mosquitto.url, str(tmp_path / "journal")),
        ],
        tmp_path / "taker.log",
    )
    taker.spawn()
    try:
        wait_until(lambda: "True 0" in taker.said(), what=f"connected: {taker.said()[-2000:]}")
        for number in range(5):
            publish(mosquitto, f"reading-{number}-of-five")
            wait_until(lambda wanted=number + 1: f"True {wanted}" in taker.said(), what="an ack")
    finally:
        os.kill(int(taker.said().split()[0]), signal.SIGKILL)
        taker.end(signal.SIGTERM)
    calls = calls_of(trace.read_text(errors="replace"))
    for number in range(5):
        assert_synced_before_puback(calls, f"reading-{number}-of-five")


def publish(mosquitto: Mosquitto, payload: str) -> None:
    """Publish one message with QoS 1."""
    subprocess.run(
        ["mosquitto_pub", "-p", str(mosquitto.port), "-q", "1", "-t", "site/a", "-m", payload],
        check=True,
        timeout=20,
    )


def assert_synced_before_puback(calls: Sequence[Call], marker: str) -> None:
    """Check one message's way through the system calls."""
    arrived = next(call for call in calls if marker in call.text and call.text.startswith("re"))
    puback = next(call for call in calls if call.began > arrived.began and _PUBACK.match(call.text))
    written = first(calls, "pwrite64", "-wal>", marker, after=arrived.ended)
    synced = next(
        call
        for call in calls
        if call.began > written.ended and re.match(r"f(data)?sync\(\d+<[^>]*-wal>", call.text)
    )
    assert synced.ended < puback.began, f"{marker}: the PUBACK left before the sync"
