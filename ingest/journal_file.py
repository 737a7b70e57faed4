"""One file of the journal: a SQLite database in WAL mode, a row for each batch.

A row holds the position of its first message, how many there are, the arrival of the first and
the last (milliseconds UTC), the row's format, a CRC-32 of position, count and body, and the body:
the messages as MessagePack. A file is named by the position it begins at, so that the folder's
listing alone says which positions a file that cannot be read any more has held.
"""

import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from ingest.message import Batch, Message
from ingest.private_file import make_private

FORMAT = 1
SUFFIX = ".journal"
DAMAGED = ".damaged"
_BESIDES = ("", "-wal", "-shm")
_PAGE_BYTES = 32 * 1024
"""Rows are blobs of kilobytes: half the CPU of SQLite's default page (tests/bench)."""
_CHECKPOINT_PAGES = 128
_BUSY_S = 5
_WAL_KEPT_BYTES = 16 * 1024 * 1024
_CREATE = """CREATE TABLE IF NOT EXISTS batch (
    base INTEGER PRIMARY KEY, count INTEGER NOT NULL, first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL, format INTEGER NOT NULL, checksum INTEGER NOT NULL,
    body BLOB NOT NULL)"""
_INSERT = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?)"
_FROM = "base >= coalesce((SELECT max(base) FROM batch WHERE base <= ?), 0)"
_READ = f"SELECT base, count, format, checksum, body FROM batch WHERE {_FROM} ORDER BY base"  # noqa: S608 - constants only
_ARRIVAL = f"SELECT CAST(first_at AS INTEGER) FROM batch WHERE {_FROM} ORDER BY base LIMIT 1"  # noqa: S608 - as above
_LAST_ARRIVAL = "SELECT CAST(last_at AS INTEGER) FROM batch ORDER BY base DESC LIMIT 1"
_LAST = "SELECT base, count, format, checksum, body FROM batch ORDER BY base DESC LIMIT 1"
_ABOUT_CONTENT = frozenset(
    {
        sqlite3.SQLITE_ERROR,  # Our statements are right: the schema is not, or the file's version.
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CONSTRAINT,  # A position that was never given is there already.
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_TOOBIG,
    }
)
"""SQLite's errors that waiting, room and rights do not mend."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Message]).decode


class FileDamaged(Exception):
    """SQLite cannot make sense of the file any more."""


class Row(msgspec.Struct, frozen=True):
    """A row as found; where it is damaged ``messages`` is None, and ``count`` and ``size`` 0."""

    base: int
    count: int
    size: int
    messages: list[Message] | None

    @property
    def last(self) -> int:
        """The position of the row's last message."""
        return self.base + self.count - 1


class Extent(msgspec.Struct, frozen=True):
    """How far a file goes.

    Attributes:
        last: The last position of its last row; where that is damaged, the last before it.
        torn: Whether the last row is damaged: nobody knows how many positions it held.
    """

    last: int
    torn: bool = False


class JournalFile:
    """A file by its path. Every reading opens and closes it: readers never hold a trimmed one."""

    __slots__ = ("_besides", "base", "path")

    def __init__(self, folder: Path, base: int) -> None:
        self.base = base
        self.path = folder / f"{base:020d}{SUFFIX}"
        self._besides = [self.path.with_name(self.path.name + suffix) for suffix in _BESIDES]

    def open_writer(self) -> sqlite3.Connection:
        """Open the file for appending, making it where it is missing.

        Every statement commits by itself and returns after the write-ahead log is on disk.

        Raises:
            FileDamaged: It exists and is no database.
            sqlite3.OperationalError: The disk is full or refuses.
        """
        fresh = not self.path.exists()
        make_private(self.path)
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
            connection.execute(_CREATE)
        except sqlite3.DatabaseError as error:
            connection.close()
            raise translated(error) from error
        if fresh:
            sync_folder(self.path.parent)
        return connection

    def extent(self) -> Extent:
        """Return how far the file goes; of what it holds one row is read.

        Raises:
            FileDamaged: It cannot be read.
        """
        values = self._one(_LAST)
        if values is None:
            return Extent(self.base - 1)
        row = _unpack(*values)
        return Extent(row.last, row.messages is None)

    def last_arrival(self) -> int:
        """Return the last arrival, milliseconds UTC; 0 where there is none. No body is read.

        Raises:
            FileDamaged: It cannot be read.
        """
        found = self._one(_LAST_ARRIVAL)
        return found[0] or 0 if found else 0

    def rows(self, after: int) -> Iterator[Row]:
        """Yield the rows that hold positions beyond ``after``, in order.

        Raises:
            FileDamaged: The file cannot be read on from here.
        """
        try:
            with closing(self._reader()) as connection:
                if not _was_written_to(connection):
                    return
                for values in connection.execute(_READ, (after + 1,)):
                    row = _unpack(*values)
                    if row.messages is None or row.last > after:
                        yield row
        except sqlite3.DatabaseError as error:
            raise translated(error) from error

    def arrival(self, position: int) -> int | None:
        """Return the arrival of the first message in the row of a position; None: beyond the end.

        Raises:
            FileDamaged: The file cannot be read.
        """
        found = self._one(_ARRIVAL, position)
        return found[0] if found else None

    def expect(self) -> None:
        """Make sure that it has its name still: what is written without one is nowhere.

        Raises:
            FileDamaged: Somebody has deleted it.
        """
        if not self.path.exists():
            raise FileDamaged("somebody has deleted it")

    def size(self) -> int:
        """Return the bytes it takes on disk, with its write-ahead log."""
        return sum(_bytes(path) for path in self._besides)

    def remove(self) -> None:
        """Delete it."""
        for path in self._besides:
            path.unlink(missing_ok=True)

    def set_aside(self) -> Path:
        """Rename it out of the journal, for a person to look at; return where it is now."""
        target = self.path.with_name(self.path.name + DAMAGED)
        for path, suffix in zip(self._besides, _BESIDES, strict=True):
            if path.exists():
                path.replace(target.with_name(target.name + suffix))
        sync_folder(self.path.parent)
        return target

    def _one(self, query: str, *values: int) -> Any:
        """Return a query's first row; None: there is none, or the file was never written to."""
        try:
            with closing(self._reader()) as connection:
                if not _was_written_to(connection):
                    return None
                return connection.execute(query, values).fetchone()
        except sqlite3.DatabaseError as error:
            raise translated(error) from error

    def _reader(self) -> sqlite3.Connection:
        uri = f"file:{quote(str(self.path))}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S)
        connection.text_factory = bytes  # A flipped byte makes a text of a number, in no encoding.
        return connection


def list_files(folder: Path) -> list[JournalFile]:
    """Return the files of a journal in the order of their positions, and no stray ones."""
    names = sorted(path.name for path in folder.glob(f"{'[0-9]' * 20}{SUFFIX}"))
    return [JournalFile(folder, int(name.removesuffix(SUFFIX))) for name in names]


def find_message(folder: Path, position: int) -> Message | None:
    """Return the message at a position, from beside its owner; None where it is not held.

    Raises:
        FileDamaged: Its file cannot be read.
    """
    for file in reversed(list_files(folder)):
        if file.base <= position:
            for row in file.rows(position - 1):
                if row.messages is None or not row.base <= position <= row.last:
                    return None
                return row.messages[position - row.base]
            return None
    return None


def pack(messages: Sequence[Message]) -> bytes:
    """Return the body of a row."""
    return _encode(messages)


def append(
    connection: sqlite3.Connection, base: int, messages: Sequence[Message], body: bytes
) -> None:
    """Write one row; it is on disk when this returns.

    Raises:
        FileDamaged: SQLite finds the file damaged.
        sqlite3.OperationalError: The disk is full or refuses; nothing was appended.
    """
    count = len(messages)
    span = (messages[0].received_at, messages[-1].received_at)
    values = (base, count, *span, FORMAT, _checksum(base, count, body), body)
    try:
        connection.execute(_INSERT, values)
    except sqlite3.DatabaseError as error:
        raise translated(error) from error


def cut(row: Row, after: int) -> Batch:
    """Return the row's messages beyond ``after`` as a batch."""
    messages = row.messages or []
    skip = max(0, after + 1 - row.base)
    return Batch(row.base + skip, messages[skip:] if skip else messages)


def sync_folder(folder: Path) -> None:
    """Make a folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _was_written_to(connection: sqlite3.Connection) -> bool:
    """Return whether the file has come so far that it has its table."""
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None


def _checksum(base: int, count: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(b"%d %d" % (base, count)))


def _unpack(base: int, count: int, form: int, checksum: int, body: bytes) -> Row:
    is_sound = type(count) is int and type(body) is bytes  # A flipped byte makes another type.
    if is_sound and form == FORMAT and _checksum(base, count, body) == checksum:
        return Row(base, count, len(body), _decode(body))
    return Row(base, 0, 0, None)


def translated(error: sqlite3.DatabaseError) -> Exception:
    """Return FileDamaged where SQLite speaks of the file's content, else the error itself."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return FileDamaged(str(error)) if code in _ABOUT_CONTENT else error


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
