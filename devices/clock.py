"""The one clock, given to everything that judges.

Times inside Gatehouse are integers: milliseconds since 1970-01-01 UTC. Nothing else in the
repository may read the system's clock for a judgement (ruff bans it); sockets, retries and
sign-in sessions use real time on purpose and say so.
"""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Clock(Protocol):
    """Anything that tells the time of the community it watches."""

    def now(self) -> int:
        """Return milliseconds since 1970-01-01 UTC."""
        ...


def wall_now() -> int:
    """Return the system's time in milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000


class WallClock:
    """The system's clock."""

    def now(self) -> int:
        """Return milliseconds since 1970-01-01 UTC."""
        return wall_now()


class ManualClock:
    """A clock that moves only when told: tests wind it forward."""

    def __init__(self, at: int) -> None:
        self._at = at

    def now(self) -> int:
        """Return the time it was last set to."""
        return self._at

    def set(self, at: int) -> None:
        """Move the clock to a time in milliseconds; backwards is allowed (a clock step)."""
        self._at = at

    def advance(self, milliseconds: int) -> None:
        """Move the clock forward."""
        self._at += milliseconds


class ScaledClock:
    """A clock that runs faster than the world, shared by processes through a small file.

    The file holds an anchor: at wall time ``wall`` it was ``at``, and time passes ``speed`` times
    as fast since. The owner moves and saves it; every other process only reads. While nobody runs
    the demo, the community's time stands still: the owner resumes from the last save.
    """

    def __init__(self, path: Path, wall: Callable[[], int] = wall_now) -> None:
        self._path = path
        self._wall = wall
        self._stamp = (-1, -1)
        self._anchor = (0, 0, 1.0)

    @property
    def speed(self) -> float:
        """How many of the community's seconds pass in one real second; 0 stands still."""
        self._refresh()
        return self._anchor[2]

    def now(self) -> int:
        """Return the community's time in milliseconds since 1970-01-01 UTC."""
        self._refresh()
        wall, at, speed = self._anchor
        return at + int((self._wall() - wall) * speed)

    def set(self, at: int, *, speed: float) -> None:
        """Move the clock to ``at`` and let it run on at ``speed``; the file is replaced whole."""
        text = json.dumps({"wall": self._wall(), "at": at, "speed": speed})
        draft = self._path.with_suffix(".new")
        draft.write_text(text)
        draft.replace(self._path)
        self._refresh()

    def save(self) -> None:
        """Write the present time, so that a restart resumes from here."""
        self.set(self.now(), speed=self.speed)

    def resume(self, *, speed: float) -> None:
        """Go on from the last saved time, as the owner of the clock, after a stop."""
        self._refresh()
        self.set(self._anchor[1], speed=speed)

    def _refresh(self) -> None:
        # A kernel may stamp two files made within milliseconds alike; their inodes differ.
        found = self._path.stat()
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._stamp:
            saved = json.loads(self._path.read_text())
            self._anchor = (saved["wall"], saved["at"], saved["speed"])
            self._stamp = stamp


def rfc3339(at: int) -> str:
    """Return a time as RFC 3339 in UTC, with milliseconds only where there are any."""
    moment = datetime.fromtimestamp(at // SECOND, UTC)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    rest = at % SECOND
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def parse_rfc3339(text: str) -> int:
    """Return milliseconds since 1970-01-01 UTC.

    Raises:
        ValueError: The text is not a date and time with a zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write it like 2020-02-14T20:00:00+08:00")
    return round(moment.timestamp() * SECOND)
