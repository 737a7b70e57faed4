"""The ledger: what became of every journalled message, kept beside the cursor that says how far.

What always holds
    Cursor, counters and dead letters of a batch commit in one transaction, on disk when
    :meth:`Ledger.commit` returns, after the store has accepted the batch's points. So at every
    moment the counters add up to the cursor (books.py).
    Dead letters are bounded in bytes and age; an open one that a bound takes counts as expired.

After a crash between the store's acceptance and the commit the batch is written to the store
again, which changes nothing there, and is counted once.

One process writes batches (the series follower, in its thread). Another may ask for a replay or
discard letters (dead_letter.py); anybody may read.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from devices.clock import DAY
from ingest.journal_room import MIB
from ingest.ledger_file import (
    COUNT,
    SCHEMA,
    Account,
    LedgerRefused,
    close_letters,
    connect,
    read_account,
    transaction,
)
from ingest.message import Message

LETTER_BYTES = MIB
"""Payloads above this are counted and described, not kept."""
_ROW_BYTES = 300
"""What a letter takes beside payload, topic and detail, roughly."""
_EXPIRED_AT_ONCE = 1_000

_INSERT = """INSERT INTO dead_letter (position, arrived_at, source, topic, flags, device, payload,
    size, reason, detail, stored_points, state, kept) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"""
_MOVE = """INSERT INTO cursor VALUES (1, ?, ?)
    ON CONFLICT (one) DO UPDATE SET journal = excluded.journal, position = excluded.position"""
_REQUESTED = """SELECT id, position, arrived_at, source, topic, flags, payload FROM dead_letter
    WHERE replay = 1 ORDER BY id LIMIT ?"""
_AGAIN = """UPDATE dead_letter SET replay = 0, attempts = attempts + 1, reason = ?, detail = ?,
    stored_points = ? WHERE id = ? AND state = 'open'"""
_OLDEST = "SELECT id, state, kept FROM dead_letter ORDER BY state = 'open', id LIMIT ?"
_AGED = "SELECT id, state, kept FROM dead_letter WHERE arrived_at < ? ORDER BY id LIMIT ?"


class LetterDraft(msgspec.Struct, frozen=True):
    """A message that becomes a dead letter.

    Attributes:
        device: The device's id where decoding got that far; else empty.
        stored_points: How many of its points the store accepted; such a letter is not replayed.
    """

    position: int
    message: Message
    reason: str
    detail: str
    device: str = ""
    stored_points: int = 0


class Requested(msgspec.Struct, frozen=True):
    """A letter somebody wants replayed."""

    id: int
    position: int
    message: Message


class Settled(msgspec.Struct, frozen=True):
    """What came of replaying a letter: a counter's name, or a reason why it stays open."""

    id: int
    counter: str = ""
    reason: str = ""
    detail: str = ""
    stored_points: int = 0


class Ledger:
    """The writer's ledger."""

    def __init__(self, connection: sqlite3.Connection, *, max_bytes: int, keep_ms: int) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._keep_ms = keep_ms

    @classmethod
    def open(cls, path: Path, *, max_bytes: int = 512 * MIB, keep_ms: int = 30 * DAY) -> Self:
        """Open the ledger for writing, making it where it is missing.

        Args:
            path: ``ledger.db`` in the data folder.
            max_bytes: What dead letters may take.
            keep_ms: How long one is kept; milliseconds.

        Raises:
            LedgerRefused: It is damaged, a newer Gatehouse wrote it, or it cannot be opened.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            connection = connect(path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            raise LedgerRefused(
                f"{path} cannot be opened ({error}): look at the disk's room and the file's rights"
            ) from error
        except sqlite3.DatabaseError as error:
            raise LedgerRefused(
                f"{path} is damaged ({error}): restore it from the backup"
            ) from error
        return cls(connection, max_bytes=max_bytes, keep_ms=keep_ms)

    def cursor(self) -> tuple[str, int] | None:
        """Return the journal's id and the last position accounted for; None before the first."""
        found = self._connection.execute("SELECT journal, position FROM cursor").fetchone()
        return (found[0], found[1]) if found else None

    def account(self) -> Account:
        """Return cursor and counters."""
        return read_account(self._connection)

    def commit(
        self,
        *,
        journal: str,
        position: int,
        counts: Mapping[str, int],
        letters: Sequence[LetterDraft] = (),
    ) -> None:
        """Account for everything up to a position.

        Raises:
            sqlite3.OperationalError: Nothing was committed; the same may be tried again.
        """
        with transaction(self._connection):
            self._connection.execute(_MOVE, (journal, position))
            self._connection.executemany(COUNT, [item for item in counts.items() if item[1]])
            if letters:
                self._keep(letters)
                self._make_room()

    def requested(self, limit: int) -> list[Requested]:
        """Return the letters to be replayed, oldest first."""
        return [
            Requested(id, position, Message(topic, payload, arrived_at, source, flags=flags))
            for id, position, arrived_at, source, topic, flags, payload in (  # noqa: A001
                self._connection.execute(_REQUESTED, (limit,))
            )
        ]

    def settle(self, settled: Sequence[Settled], counts: Mapping[str, int]) -> None:
        """Record what came of a replay: a settled letter gives up its payload.

        Raises:
            sqlite3.OperationalError: Nothing was recorded; the same may be tried again.
        """
        with transaction(self._connection):
            self._connection.executemany(COUNT, [item for item in counts.items() if item[1]])
            for one in settled:
                if one.counter:
                    changed = close_letters(self._connection, [one.id], state="replayed")
                    self._connection.execute(COUNT, (one.counter, changed))
                else:
                    values = (one.reason, one.detail, one.stored_points, one.id)
                    self._connection.execute(_AGAIN, values)

    def expire(self, now: int) -> None:
        """Let go of letters older than the age to keep; an open one counts as expired.

        Raises:
            sqlite3.OperationalError: Nothing was let go.
        """
        aged = (_AGED, (now - self._keep_ms, _EXPIRED_AT_ONCE))
        if self._connection.execute(*aged).fetchone():
            with transaction(self._connection):
                self._delete(self._connection.execute(*aged).fetchall())

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _keep(self, letters: Sequence[LetterDraft]) -> None:
        rows = [_row(letter) for letter in letters]
        self._connection.executemany(_INSERT, rows)
        counts = {"dead_bytes": sum(row[-1] for row in rows)}
        for row in rows:
            counts[f"dead:{row[8]}"] = counts.get(f"dead:{row[8]}", 0) + 1
            if row[11] == "expired":
                counts["expired"] = counts.get("expired", 0) + 1
        self._connection.executemany(COUNT, counts.items())

    def _make_room(self) -> None:
        while self._bytes() > self._max_bytes:
            self._delete(self._connection.execute(_OLDEST, (_EXPIRED_AT_ONCE,)).fetchall())

    def _bytes(self) -> int:
        query = "SELECT value FROM counter WHERE name = 'dead_bytes'"
        found = self._connection.execute(query).fetchone()
        return found[0] if found else 0

    def _delete(self, rows: Sequence[tuple[int, str, int]]) -> None:
        self._connection.executemany("DELETE FROM dead_letter WHERE id = ?", [r[:1] for r in rows])
        expired = sum(1 for _, state, _ in rows if state == "open")
        freed = sum(kept for _, _, kept in rows)
        self._connection.executemany(COUNT, [("expired", expired), ("dead_bytes", -freed)])


def _row(letter: LetterDraft) -> tuple[Any, ...]:
    message = letter.message
    size = len(message.payload)
    payload = message.payload if size <= LETTER_BYTES else b""
    kept = _ROW_BYTES + len(payload) + len(message.topic) + len(letter.detail)
    return (
        letter.position,
        message.received_at,
        message.source,
        message.topic,
        message.flags,
        letter.device,
        payload,
        size,
        letter.reason,
        letter.detail,
        letter.stored_points,
        "open" if size <= LETTER_BYTES else "expired",
        kept,
    )
