"""What ``gatehouse simulate`` says of its work, and what it writes in place of publishing."""

import base64
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

import msgspec

from devices.clock import rfc3339
from devices.simulator.city import City
from devices.simulator.event import Event
from devices.simulator.events import city_events
from devices.simulator.tally import Tally

STDOUT = Path("-")
_SHOWN = 5
_TOLD_EVERY_S = 5.0


class Report:
    """How far a simulation is, now and then on standard error; at the end the sum.

    Args:
        as_json: The sum as JSON, for scripts.
        to: Where the sum is written.
    """

    def __init__(self, as_json: bool, to: TextIO) -> None:
        self._as_json = as_json
        self._to = to
        self._began = self._told_at = time.monotonic()
        self._tally = Tally()

    def show(self, tally: Tally) -> None:
        """Take what has been published so far."""
        self._tally = tally
        now = time.monotonic()
        if now - self._told_at > _TOLD_EVERY_S and tally.messages:
            self._told_at = now
            line = f"{rfc3339(tally.at)}  {tally.messages:,} messages  {self._rate:,.0f} a second"
            print(line, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Write the sum: messages, seconds, and messages by family."""
        seconds, tally = time.monotonic() - self._began, self._tally
        families = dict(tally.families.most_common())
        if self._as_json:
            whole = {
                "messages": tally.messages,
                "seconds": round(seconds, 1),
                "per_second": round(self._rate),
                "until": rfc3339(tally.at),
                "families": families,
            }
            print(json.dumps(whole), file=self._to)
            return
        print(
            f"{tally.messages:,} messages until {rfc3339(tally.at)} "
            f"in {seconds:.1f} s ({self._rate:,.0f} a second)",
            file=self._to,
        )
        for name, count in families.items():
            print(f"  {name:<24} {count:>12,}", file=self._to)

    @property
    def _rate(self) -> float:
        return self._tally.messages / max(time.monotonic() - self._began, 0.001)


def record(city: City, stretch: tuple[int, int], out: Path | None, *, as_json: bool) -> None:
    """Write the messages of a stretch of time as lines of JSON, and count them.

    Args:
        city: Who and what.
        stretch: First time, and first time that is left out; milliseconds UTC.
        out: The file, or :data:`STDOUT`; None to show the first few only.
        as_json: The sum as JSON.

    Raises:
        OSError: The file cannot be written; nothing of that name is left.
    """
    report = Report(as_json, sys.stderr if out == STDOUT else sys.stdout)
    tally = Tally()
    with _opened(out) as file:
        for event in city_events(city, *stretch):
            if file is not None:
                file.write(as_line(event))
            elif tally.messages < _SHOWN and not as_json:
                print(as_line(event).decode(), end="")
            tally.add(event)
            report.show(tally)
    report.end()


@contextmanager
def _opened(out: Path | None) -> Iterator[BinaryIO | None]:
    """Open standard output, or a file that has its name only once it is complete."""
    if out is None:
        yield None
    elif out == STDOUT:
        try:
            yield sys.stdout.buffer
            sys.stdout.flush()
        except BrokenPipeError:  # Whoever reads has enough.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        part = out.with_name(f"{out.name}.part")
        try:
            part.touch(mode=0o600)
            with part.open("wb") as file:
                yield file
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)


def as_line(event: Event) -> bytes:
    """Return a publish as one line: ``at`` in RFC 3339, ``payload`` in base64."""
    document = {
        "at": rfc3339(event.at),
        "topic": event.topic,
        "payload": base64.b64encode(event.payload).decode(),
        "qos": event.qos,
        "retain": event.retain,
    }
    return msgspec.json.encode(document) + b"\n"
