"""How much room a journal takes, how much it may, and for how long that lasts."""

import os
import sqlite3
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from ingest.journal_file import DAMAGED, SUFFIX, FileDamaged, JournalFile, list_files
from ingest.journal_identity import read_identity

MIB = 1024**2
GIB = 1024**3
_HALF = 0.5
_HIGH = 0.8
_RATE_STEP_S = 60.0
"""Over less than this a rate would be a guess."""
_RATE_SPAN_S = 3600.0
_RATE_MARKS = int(_RATE_SPAN_S / _RATE_STEP_S) + 1


class Bounds(msgspec.Struct, frozen=True):
    """What the journal may take.

    Attributes:
        max_bytes: On disk, everything in its folder.
        min_free_bytes: Free disk it leaves to others.
        keep_ms: How long read messages are kept while there is room; milliseconds.
        file_bytes: Size at which a new file is begun.
    """

    max_bytes: int
    min_free_bytes: int
    keep_ms: int
    file_bytes: int = 256 * MIB


class JournalStatus(msgspec.Struct, frozen=True):
    """How the journal is.

    Attributes:
        base: The first position still held.
        head: The last position given.
        unread_bytes: What not every follower has passed; the rest is kept only while there is room.
        limit_bytes: What it may take: the bound in bytes, or what the disk leaves if that is less.
        level: "", "half", "high" (80 %) or "full": what the operator is told.
        hours_left: Until it is full when nobody reads on, at the rate of the last hour; None: not
            known.
        problem: Why nothing can be appended; empty: it can.
        damaged_files: Set aside; their positions are lost.
        damaged_rows: Passed over since the start; their positions are lost.
    """

    id: str
    base: int
    head: int
    bytes: int
    max_bytes: int
    unread_bytes: int
    limit_bytes: int
    level: str
    hours_left: float | None
    problem: str
    files: int
    damaged_files: int
    damaged_rows: int


class Part:
    """One file as the journal knows it, without asking the disk.

    Attributes:
        last: The last position it holds, or lost.
        bytes: What it takes on disk.
        begun_at: Since when it may have been written to, by the clock that nobody sets; seconds.
        written_at: When it was last written to.
        torn: Its last row is damaged.
    """

    __slots__ = ("begun_at", "bytes", "file", "last", "torn", "written_at")

    def __init__(self, file: JournalFile, now: float) -> None:
        """Take a file that holds nothing yet."""
        self.file = file
        self.last = file.base - 1
        self.begun_at = self.written_at = now
        self.bytes = 0
        self.torn = False

    @classmethod
    def found(cls, file: JournalFile, *, newest: bool) -> "Part":
        """Look into a file; how far it goes is read of the newest only.

        Raises:
            FileDamaged: It cannot be read.
        """
        part = cls(file, 0.0)
        if newest:
            extent = file.extent()
            part.last, part.torn = extent.last, extent.torn
        part.measure()
        return part

    @property
    def base(self) -> int:
        """The first position it can hold."""
        return self.file.base

    def grow(self, last: int, now: float) -> int:
        """Note up to where the file was written; return by how many bytes it has grown."""
        before = self.bytes
        self.last, self.written_at = last, now
        self.measure()
        return self.bytes - before

    def measure(self) -> None:
        """Ask the disk how much the file takes."""
        self.bytes = self.file.size()


class Growth:
    """How fast the journal grows at present: over the last hour, by the clock nobody sets."""

    def __init__(self) -> None:
        self._total = 0
        self._marks: deque[tuple[float, int]] = deque(maxlen=_RATE_MARKS)

    def add(self, size: int, now: float) -> None:
        """Count bytes that were written."""
        if not self._marks or now - self._marks[-1][0] >= _RATE_STEP_S:
            self._marks.append((now, self._total))
        self._total += size

    def per_hour(self, now: float) -> float | None:
        """Return bytes an hour; None: not known yet, or nothing has been written for an hour."""
        recent = [mark for mark in tuple(self._marks) if now - mark[0] <= _RATE_SPAN_S]
        if not recent or now - recent[0][0] < _RATE_STEP_S or self._total == recent[0][1]:
            return None
        at, total = recent[0]
        return (self._total - total) / (now - at) * 3600


class Aside(msgspec.Struct, frozen=True):
    """What was set aside: damaged files that a person may look at, and delete."""

    files: int
    bytes: int


def aside(folder: Path) -> Aside:
    """Count the damaged files of a folder."""
    paths = list(folder.glob(f"*{SUFFIX}{DAMAGED}"))
    return Aside(len(paths), sum(path.stat().st_size for path in paths))


def free_bytes(folder: Path) -> int:
    """Return what the disk has left for us."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def shortage(folder: Path, *, taken: int, size: int, bounds: Bounds) -> str:
    """Return why another ``size`` bytes may not be appended, as a sentence; empty: they may."""
    if taken + size > bounds.max_bytes:
        return (
            f"the journal holds all of the {_gib(bounds.max_bytes)} it may take; "
            "it goes on when a follower has read on, or raise [journal] max_gib"
        )
    free = free_bytes(folder)
    if free < bounds.min_free_bytes + size:
        return (
            f"the disk of {folder} has {_gib(free)} left and the journal leaves "
            f"{_gib(bounds.min_free_bytes)} to others; free some"
        )
    return ""


def look(folder: Path, *, read: int, bounds: Bounds) -> JournalStatus:
    """Return the status of a journal from beside its owner; touches nothing.

    Args:
        folder: The journal's.
        read: The lowest durable cursor.
        bounds: As its owner has them.

    Raises:
        JournalRefused: It cannot be used by this Gatehouse.
    """
    identity = read_identity(folder)
    files, parts = list_files(folder), []
    for file in files:
        try:
            parts.append(Part.found(file, newest=file is files[-1]))
        except FileDamaged:
            continue  # Its owner sets it aside at the next start; `journal verify` names it.
        except sqlite3.OperationalError:
            if file.path.exists():  # Else it was trimmed while we came here.
                raise
    for part, following in pairwise(parts):
        part.last = following.base - 1
    name = identity.id if identity else ""
    return describe(folder, parts, journal=name, read=read, bounds=bounds)


def describe(
    folder: Path,
    parts: Sequence[Part],
    *,
    journal: str,
    read: int,
    bounds: Bounds,
    per_hour: float | None = None,
    problem: str = "",
    damaged_rows: int = 0,
) -> JournalStatus:
    """Return the status of a journal whose positions up to ``read`` everybody has passed.

    ``per_hour`` is how many bytes are written in an hour; None: not known.
    """
    damaged = aside(folder)
    total = damaged.bytes + sum(part.bytes for part in parts)
    unread = sum(part.bytes for part in parts if part.last > read)
    limit = max(1, min(bounds.max_bytes, total + free_bytes(folder) - bounds.min_free_bytes))
    return JournalStatus(
        id=journal,
        base=parts[0].base if parts else 1,
        head=parts[-1].last if parts else 0,
        bytes=total,
        max_bytes=bounds.max_bytes,
        unread_bytes=unread,
        limit_bytes=limit,
        level="full" if problem else level_of(unread / limit),
        hours_left=max(0, limit - unread) / per_hour if per_hour else None,
        problem=problem,
        files=len(parts),
        damaged_files=damaged.files,
        damaged_rows=damaged_rows,
    )


def level_of(fill: float) -> str:
    """Return what the operator is told of a room that is filled so far; 1 is full."""
    if fill >= 1:
        return "full"
    if fill >= _HIGH:
        return "high"
    return "half" if fill >= _HALF else ""


def _gib(size: int) -> str:
    return f"{size / GIB:.2f} GiB"
