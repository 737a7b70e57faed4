"""How much room a journal takes, how much it may, and for how long that lasts."""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from devices.clock import HOUR, MINUTE
from ingest.journal_file import DAMAGED, SUFFIX, FileDamaged, JournalFile, list_files
from ingest.journal_identity import read_identity
from ingest.message import Message

MIB = 1024**2
GIB = 1024**3
_HALF = 0.5
_HIGH = 0.8
_SHORTEST_SPAN = MINUTE
"""Below this a rate would be a guess."""


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
        hours_left: Until it is full when nobody reads on, at the rate of what it holds; None: not
            known yet.
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
    """One file as the journal knows it, without asking the disk."""

    __slots__ = ("bytes", "file", "first_at", "last", "last_at", "torn")

    def __init__(self, file: JournalFile) -> None:
        """Take a file that holds nothing yet."""
        self.file = file
        self.last = file.base - 1
        self.first_at = self.last_at = 0
        self.bytes = 0
        self.torn = False

    @classmethod
    def found(cls, file: JournalFile) -> "Part":
        """Look into a file.

        Raises:
            FileDamaged: It cannot be read.
        """
        part = cls(file)
        extent = file.extent()
        part.last, part.torn = extent.last, extent.torn
        part.first_at, part.last_at = extent.first_at, extent.last_at
        part.measure()
        return part

    @property
    def base(self) -> int:
        """The first position it can hold."""
        return self.file.base

    def grow(self, base: int, messages: Sequence[Message]) -> None:
        """Note what was appended to the file."""
        self.last = base + len(messages) - 1
        self.first_at = self.first_at or messages[0].received_at
        self.last_at = messages[-1].received_at
        self.measure()

    def measure(self) -> None:
        """Ask the disk how much the file takes."""
        self.bytes = self.file.size()


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
    parts = []
    for file in list_files(folder):
        try:
            parts.append(Part.found(file))
        except FileDamaged:
            continue  # Its owner sets it aside at the next start; `journal verify` names it.
        except sqlite3.OperationalError:
            if file.path.exists():  # Else it was trimmed while we came here.
                raise
    name = identity.id if identity else ""
    return describe(folder, parts, journal=name, read=read, bounds=bounds)


def describe(
    folder: Path,
    parts: Sequence[Part],
    *,
    journal: str,
    read: int,
    bounds: Bounds,
    problem: str = "",
    damaged_rows: int = 0,
) -> JournalStatus:
    """Return the status of a journal whose positions up to ``read`` everybody has passed."""
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
        level="full" if problem else _level(unread / limit),
        hours_left=_hours_left(parts, limit - unread),
        problem=problem,
        files=len(parts),
        damaged_files=damaged.files,
        damaged_rows=damaged_rows,
    )


def _level(fill: float) -> str:
    if fill >= 1:
        return "full"
    if fill >= _HIGH:
        return "high"
    return "half" if fill >= _HALF else ""


def _hours_left(parts: Sequence[Part], room: int) -> float | None:
    held = [part for part in parts if part.last >= part.base]
    if not held:
        return None
    span = held[-1].last_at - held[0].first_at
    if span < _SHORTEST_SPAN:
        return None
    return max(0.0, room * span / sum(part.bytes for part in held) / HOUR)


def _gib(size: int) -> str:
    return f"{size / GIB:.2f} GiB"
