"""The journal: every message we acknowledged, in the order it came, until everybody has read it.

What always holds
    Positions are dense: 1, 2, 3, …; none is given twice, whatever breaks.
    ``append`` returns after the batch is on disk (WAL, ``synchronous=FULL``), or raises and has
    appended nothing that a follower could see.
    A position is deleted only when every follower has durably passed it, and by age only when it
    has been on disk for so long by a clock that nobody sets.
    The folder has one owner, who holds ``lock``; anybody may read beside the owner.

Format
    A folder with ``journal.json`` (the journal's random id, the format's number, and a mark that
    no given position is beyond; twice) and SQLite files of at most 256 MiB, named by the position
    they begin at (journal_file.py). Only the newest is written.

After a crash
    SQLite recovers the newest file to its last commit (journal_recovery.py). A batch that was
    committed but not yet acknowledged comes again from the broker and is recognised (repeat.py).
    A batch that was not committed was not acknowledged either.
    A file that cannot be read is renamed ``….damaged`` and its positions are lost: a reader sees
    them missing and counts them. A single damaged row stays where it is and is passed over.
    Where the newest file or its last row is damaged, nobody knows how far it went: the next
    position lies beyond the mark. None of this ever keeps the service from starting.
"""

import sqlite3
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import structlog

from devices.clock import DAY, HOUR, SECOND
from ingest import journal_file
from ingest.folder_lock import FolderLock, FolderLocked
from ingest.journal_file import FORMAT, FileDamaged, JournalFile
from ingest.journal_identity import (
    Identity,
    JournalError,
    JournalRefused,
    is_whole,
    read_identity,
    write_identity,
)
from ingest.journal_recovery import recover, set_aside
from ingest.journal_room import (
    GIB,
    MIB,
    Bounds,
    Growth,
    JournalStatus,
    Part,
    aside,
    describe,
    shortage,
)
from ingest.message import Batch, Message

__all__ = ["Journal", "JournalError", "JournalFull", "JournalRefused", "JournalStatus"]

LOCK = "lock"
_RESERVED_AT_ONCE = 100_000
_READ_BYTES = 16 * 1024 * 1024
"""How much of the journal one ``read`` brings into memory."""

log = structlog.get_logger()


class JournalFull(JournalError):
    """Nothing can be appended now: a bound is reached or the disk refuses. Waiting may help."""


class Journal:
    """The owner's journal: one thread appends and trims, any thread reads."""

    def __init__(
        self,
        folder: Path,
        identity: Identity,
        bounds: Bounds,
        *,
        lock: FolderLock,
        ticks: Callable[[], float],
    ) -> None:
        self.id = identity.id
        self._identity = identity
        self._folder = folder
        self._bounds = bounds
        self._lock = lock
        self._ticks = ticks
        self._writing = threading.RLock()
        self._growth = Growth()
        self._read = 0
        self._problem = ""
        self._damaged_rows: set[int] = set()
        recovered = recover(folder, reserved=identity.reserved, now=ticks())
        self.head = recovered.head
        self._parts = recovered.parts
        self._aside = aside(folder)
        self._connection = self._parts[-1].file.open_writer()

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        max_bytes: int = 20 * GIB,
        min_free_bytes: int = GIB,
        keep_ms: int = DAY,
        file_bytes: int = 256 * MIB,
        ticks: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Open a folder as its only owner; an empty one becomes a new journal.

        Args:
            folder: Made with mode 0700 where it is missing.
            max_bytes: What it may take on disk.
            min_free_bytes: Free disk it leaves to others.
            keep_ms: How long read messages are kept while there is room; milliseconds.
            file_bytes: Size at which a new file is begun; at most a sixteenth of ``max_bytes``.
            ticks: Seconds of a clock that nobody sets: what is kept for a day must not go because
                somebody has corrected the date.

        Raises:
            JournalRefused: Another process owns it, a newer Gatehouse wrote it, the disk refuses.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        bounds = Bounds(max_bytes, min_free_bytes, keep_ms, min(file_bytes, max_bytes // 16))
        try:
            lock = FolderLock(folder / LOCK)
        except FolderLocked as error:
            raise JournalRefused(
                f"{error}: stop that Gatehouse, or give this one its own GATEHOUSE_DATA_DIR"
            ) from error
        try:
            identity = read_identity(folder) or Identity.new()
            if not is_whole(folder):
                write_identity(folder, identity)
            return cls(folder, identity, bounds, lock=lock, ticks=ticks)
        except (sqlite3.OperationalError, OSError) as error:
            lock.release()
            raise JournalRefused(
                f"{folder} cannot be opened ({error}): look at the disk's room and the files' "
                "rights"
            ) from error
        except BaseException:
            lock.release()
            raise

    @property
    def base(self) -> int:
        """The first position that is still held."""
        return self._parts[0].base

    def append(self, messages: Sequence[Message]) -> Batch:
        """Give the messages the next positions and write them; they are on disk on return.

        Raises:
            JournalFull: Nothing was appended; the same messages may be tried again.
        """
        body = journal_file.pack(messages)
        with self._writing:
            batch = Batch(self.head + 1, messages)
            try:
                self._make_room(len(body))
                self._reserve(batch.last)
                self._write(batch, body)
            except (sqlite3.OperationalError, OSError) as error:
                self._drop_oldest()
                raise self._full(f"{self._folder} cannot be written: {error}") from error
            now = self._ticks()
            self._growth.add(self._parts[-1].grow(batch.last, now), now)
            self.head = batch.last
            self._problem = ""
        return batch

    def read(self, after: int, *, messages: int) -> list[Batch]:
        """Return batches with the positions beyond ``after``, in order.

        The first begins at ``after + 1`` unless that position is lost; positions missing between
        batches are lost too. Empty: nothing beyond ``after`` can be read.

        Args:
            after: The last position already known; 0 for none.
            messages: Stop after the batch that brings this many.

        Raises:
            sqlite3.OperationalError: The disk refuses; trying again may help.
        """
        head, room = self.head, _READ_BYTES
        batches: list[Batch] = []
        for part in self._parts_beyond(after):
            with self._reading(part):
                for row in part.file.rows(after):
                    if row.messages is None:
                        self._pass_over(row.base)
                        continue
                    if row.base > head:
                        return batches
                    batches.append(journal_file.cut(row, after))
                    messages -= len(batches[-1])
                    room -= row.size
                    if messages <= 0 or room <= 0:
                        return batches
        return batches

    def arrival(self, position: int) -> int | None:
        """Return when the batch of a position began to arrive, or the next one still readable.

        Raises:
            sqlite3.OperationalError: The disk refuses; trying again may help.
        """
        for part in self._parts_beyond(position - 1):
            with self._reading(part):
                found = part.file.arrival(position)
                if found is not None:
                    return found
        return None

    def trim(self, below: int) -> None:
        """Let go of what every follower has durably passed and is older than the age to keep.

        A file that little is written to is ended at that age (an hour at least), so that its turn
        comes.

        Args:
            below: The lowest durable cursor; only files that end at or before it are deleted.
        """
        with self._writing:
            self._read = max(self._read, below)
            now, keep, newest = self._ticks(), self._bounds.keep_ms, self._parts[-1]
            if newest.begun_at < now - max(keep, HOUR) / SECOND and newest.last >= newest.base:
                with suppress(sqlite3.OperationalError, OSError):  # The next append says so too.
                    self._begin_file(self.head + 1)
            while self._parts[0].written_at < now - keep / SECOND and self._drop_oldest():
                pass

    def status(self) -> JournalStatus:
        """Return how full it is; may be asked from any thread."""
        return describe(
            self._folder,
            self._parts,
            journal=self.id,
            read=self._read,
            bounds=self._bounds,
            per_hour=self._growth.per_hour(self._ticks()),
            problem=self._problem,
            damaged_rows=len(self._damaged_rows),
        )

    def close(self) -> None:
        """Let go of the folder."""
        with self._writing:
            self._connection.close()
            self._lock.release()

    def _make_room(self, size: int) -> None:
        """Begin a new file, and delete read history, where needed.

        Raises:
            JournalFull: Neither helps.
        """
        newest = self._parts[-1]
        if newest.bytes + size > self._bounds.file_bytes and newest.last >= newest.base:
            self._begin_file(self.head + 1)
        while sentence := self._shortage(size):
            if not self._drop_oldest():
                raise self._full(sentence)

    def _write(self, batch: Batch, body: bytes) -> None:
        """Write a row; where the newest file turns out to be of no use, begin another.

        Raises:
            JournalFull: Nothing that a follower could see was appended.
        """
        newest = self._parts[-1]
        try:
            journal_file.append(self._connection, batch.base, batch.messages, body)
            newest.file.expect()
        except FileDamaged as error:
            self._abandon(newest, error)
            raise JournalFull("the newest file is damaged; another is begun") from error

    def _reserve(self, position: int) -> None:
        """Set the mark ahead of a position about to be given."""
        if position > self._identity.reserved:
            ahead = Identity(self.id, FORMAT, position + _RESERVED_AT_ONCE)
            write_identity(self._folder, ahead)
            self._identity = ahead  # Only now: what could not be written is tried again.

    def _shortage(self, size: int) -> str:
        taken = self._aside.bytes + sum(part.bytes for part in self._parts)
        return shortage(self._folder, taken=taken, size=size, bounds=self._bounds)

    def _begin_file(self, base: int) -> None:
        file = JournalFile(self._folder, base)
        connection, self._connection = self._connection, file.open_writer()
        before, part = self._parts[-1], Part(file, self._ticks())
        self._parts = (*self._parts, part)
        connection.close()
        before.measure()
        part.measure()

    def _drop_oldest(self) -> bool:
        """Delete the oldest file if everybody has read it and it is not the one written to."""
        oldest = self._parts[0]
        if len(self._parts) == 1 or oldest.last > self._read:
            return False
        self._parts = self._parts[1:]
        self._damaged_rows = {base for base in self._damaged_rows if base > oldest.last}
        try:
            oldest.file.remove()
        except OSError as error:
            log.warning("journal_file_left", first=oldest.base, why=str(error))
        else:
            log.info("journal_file_trimmed", first=oldest.base, last=oldest.last)
        return True

    def _abandon(self, part: Part, damage: FileDamaged) -> None:
        """Give up a file that can no longer be read; it is renamed for a person to look at."""
        with self._writing:
            if part not in self._parts:
                return
            if part is self._parts[-1]:
                base = max(self.head, part.base) + 1
                self._begin_file(base)
                self.head = base - 1
            self._parts = tuple(other for other in self._parts if other is not part)
            set_aside(part.file, damage)
            self._aside = aside(self._folder)

    @contextmanager
    def _reading(self, part: Part) -> Iterator[None]:
        """Give up a file that turns out to be damaged, or gone, while it is read."""
        try:
            yield
        except FileDamaged as error:
            self._abandon(part, error)
        except sqlite3.OperationalError:
            if part.file.path.exists():
                raise
            self._abandon(part, FileDamaged("somebody has deleted it"))

    def _pass_over(self, base: int) -> None:
        if base not in self._damaged_rows:
            self._damaged_rows.add(base)
            log.error("journal_row_damaged", base=base)

    def _parts_beyond(self, after: int) -> Sequence[Part]:
        parts = self._parts
        return parts[max(0, bisect_right(parts, after + 1, key=_base) - 1) :]

    def _full(self, sentence: str) -> JournalFull:
        self._problem = sentence
        return JournalFull(sentence)


def _base(part: Part) -> int:
    return part.base
