"""The series follower's hand on the dead letters' file.

What always holds
    New letters are on disk before the ledger's cursor passes them. Those beyond the cursor, which
    a crash or a full disk has left, are taken back before anything is put: nothing is kept twice.
    A letter that stands for one message holds its payload while it is open; what a bound took is
    counted as expired, in the same transaction.
    The file never takes more than its bound. A group that holds more than a sixteenth of it gives
    its oldest first, so that one device's garbage does not push out what others sent.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import msgspec

from ingest.ledger_file import COUNT, connect_durably, read_counters, transaction
from ingest.letter_draft import LetterDraft, draft_rows
from ingest.letter_file import FORMAT, SCHEMA, LetterState, close_letters
from ingest.letter_sample import GROUP_SHARE, LetterSample
from ingest.message import Message

_FREED = 20
"""A twentieth of the bound is freed at once, so that it is seldom."""
_EXPIRED_AT_ONCE = 1_000

_INSERT = """INSERT INTO letter (position, count, first_at, arrived_at, source, topic, flags,
    device, reason, detail, size, stored_points, state, kept, payload)
    VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"""
_REQUESTED = """SELECT position, arrived_at, source, topic, flags, payload FROM letter
    WHERE replay = 1 ORDER BY position LIMIT ?"""
_AGAIN = """UPDATE letter SET replay = 0, attempts = attempts + 1, reason = ?, detail = ?,
    stored_points = ? WHERE position = ? AND state = 'open'"""
_TOTALS = "SELECT reason, state, sum(count), sum(kept) FROM letter GROUP BY reason, state"
_ROW = "SELECT position, state, count, kept FROM letter WHERE"
_SETTLED = f"{_ROW} state != 'open' AND position <= ? ORDER BY position"
_OF_GROUP = f"""{_ROW} state = 'open' AND topic = ? AND device = ? AND reason = ?
    AND position <= ? ORDER BY position"""
_OLDEST = f"{_ROW} position <= ? ORDER BY position"
_AGED = f"{_ROW} arrived_at < ? AND position <= ? LIMIT {_EXPIRED_AT_ONCE}"
_GREATEST = f"""SELECT topic, device, reason, sum(kept) FROM letter WHERE state = 'open'
    GROUP BY topic, device, reason ORDER BY sum(kept) DESC LIMIT {GROUP_SHARE}"""  # noqa: S608 - constants only


class Requested(msgspec.Struct, frozen=True):
    """A letter somebody wants replayed."""

    position: int
    message: Message


class Settled(msgspec.Struct, frozen=True):
    """What came of replaying a letter: a counter's name, or a reason why it stays open."""

    position: int
    counter: str = ""
    reason: str = ""
    detail: str = ""
    stored_points: int = 0


class Letters:
    """The writer's letters."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, *, max_bytes: int, keep_ms: int
    ) -> None:
        self._path = path
        self._file = _file_at(path)
        self._connection = connection
        self._max_bytes = max_bytes
        self._keep_ms = keep_ms
        self._sample = LetterSample(max_bytes=max_bytes)
        self._is_left_over = True

    @classmethod
    def open(cls, path: Path, *, max_bytes: int, keep_ms: int) -> Self:
        """Open the file for writing, making it where it is missing.

        Raises:
            LedgerRefused: A newer Gatehouse wrote it.
            sqlite3.DatabaseError: It is damaged, or cannot be opened.
        """
        connection = connect_durably(path, newest=FORMAT)
        try:
            connection.executescript(SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return cls(path, connection, max_bytes=max_bytes, keep_ms=keep_ms)

    def is_in_place(self) -> bool:
        """Return whether the file that others find is still the one that was opened."""
        return _file_at(self._path) == self._file

    def counters(self) -> Counter[str]:
        """Return this file's counters."""
        return read_counters(self._connection)

    def count_open(self) -> int:
        """Return how many letters are open."""
        query = "SELECT coalesce(sum(count), 0) FROM letter WHERE state = 'open'"
        found: int = self._connection.execute(query).fetchone()[0]
        return found

    def correct(self, missing: int) -> None:
        """Count letters that are in no file any more as expired."""
        with transaction(self._connection):
            self._connection.execute(COUNT, ("expired", missing))

    def recount(self, *, cursor: int) -> tuple[Counter[str], int]:
        """Take back what is beyond a cursor, and count anew what there is before it.

        Returns:
            For an account that begins there: what ever became a letter, by reason, as the ledger's
            counters; and how many of them a replay has settled.
        """
        with transaction(self._connection):
            self._connection.execute("DELETE FROM letter WHERE position > ?", (cursor,))
            rows = self._connection.execute(_TOTALS).fetchall()
            dead, states = Counter[str](), Counter[str]()
            for reason, state, count, kept in rows:
                dead[f"dead:{reason}"] += count
                states[state] += count
                states["bytes"] += kept
            replayed = states[LetterState.REPLAYED]
            self._connection.execute("DELETE FROM counter")
            counters = {
                "dead_replayed": replayed,
                "dead_discarded": states[LetterState.DISCARDED],
                "expired": states[LetterState.EXPIRED],
                "dead_bytes": states["bytes"],
            }
            self._connection.executemany(COUNT, counters.items())
        return dead, replayed

    def put(self, drafts: Sequence[LetterDraft], *, cursor: int) -> Counter[str]:
        """Keep new letters, and return what the ledger has to count with the batch they are of.

        Args:
            drafts: In the order of their positions; none is at or before the cursor.
            cursor: The ledger's; what is beyond was never accounted for, and is taken back.

        Raises:
            sqlite3.OperationalError: Nothing was put; the same may be tried again.
        """
        if not drafts and not self._is_left_over:
            return Counter()
        rows, taken, counts = draft_rows(drafts, self._sample)
        with transaction(self._connection):
            self._take_back(cursor)
            self._make_room(taken, cursor)
            self._connection.executemany(_INSERT, rows)
            self._connection.execute(COUNT, ("dead_bytes", taken))
        self._is_left_over = bool(rows)
        return counts

    def accounted(self) -> None:
        """Note that the ledger's cursor has passed what was put."""
        self._is_left_over = False

    def requested(self, limit: int) -> list[Requested]:
        """Return the letters to be replayed, oldest first."""
        return [
            Requested(position, Message(topic, payload, arrived_at, source, flags=flags))
            for position, arrived_at, source, topic, flags, payload in (
                self._connection.execute(_REQUESTED, (limit,))
            )
        ]

    def settle(self, settled: Sequence[Settled], counts: Counter[str]) -> None:
        """Record what came of a replay: a settled letter gives up its payload.

        Raises:
            sqlite3.OperationalError: Nothing was recorded; the same may be tried again.
        """
        counts = counts.copy()
        with transaction(self._connection):
            for one in settled:
                if one.counter:
                    closed = [one.position]
                    counts[one.counter] += close_letters(
                        self._connection, closed, state=LetterState.REPLAYED
                    )
                else:
                    values = (one.reason, one.detail, one.stored_points, one.position)
                    self._connection.execute(_AGAIN, values)
            self._connection.executemany(COUNT, counts.items())

    def expire(self, now: int, *, cursor: int) -> None:
        """Let go of letters older than the age to keep; an open one counts as expired.

        Raises:
            sqlite3.OperationalError: Nothing was let go.
        """
        aged = (_AGED, (now - self._keep_ms, cursor))
        if self._connection.execute(*aged).fetchone():
            with transaction(self._connection):
                self._delete(self._connection.execute(*aged).fetchall())

    def adopt(self, rows: Iterable[Sequence[object]]) -> None:
        """Take in the letters that an older ledger held, in its columns; again where some are here.

        Raises:
            sqlite3.OperationalError: Nothing was taken in.
        """
        query = "INSERT OR REPLACE INTO letter VALUES (?,1,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        with transaction(self._connection):
            self._connection.executemany(query, rows)
            self._connection.execute("DELETE FROM counter WHERE name = 'dead_bytes'")
            total = "INSERT INTO counter SELECT 'dead_bytes', coalesce(sum(kept), 0) FROM letter"
            self._connection.execute(total)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _take_back(self, cursor: int) -> None:
        query = "SELECT coalesce(sum(kept), 0) FROM letter WHERE position > ?"
        (freed,) = self._connection.execute(query, (cursor,)).fetchone()
        self._connection.execute("DELETE FROM letter WHERE position > ?", (cursor,))
        self._connection.execute(COUNT, ("dead_bytes", -freed))

    def _make_room(self, wanted: int, cursor: int) -> None:
        """Let go of what is settled, then of the greatest groups' oldest, then of the oldest."""
        excess = self._bytes() + wanted - self._max_bytes
        if excess <= 0:
            return
        excess += self._max_bytes // _FREED
        excess -= self._let_go(excess, _SETTLED, cursor)
        if excess > 0:
            share = self._max_bytes // GROUP_SHARE
            for *group, kept in self._connection.execute(_GREATEST).fetchall():
                most = min(excess, kept - share)
                excess -= self._let_go(most, _OF_GROUP, *group, cursor)
        self._let_go(excess, _OLDEST, cursor)

    def _let_go(self, wanted: int, query: str, *values: object) -> int:
        """Delete what a query finds until so many bytes are freed; return how many were."""
        freed, rows = 0, []
        if wanted > 0:
            for row in self._connection.execute(query, values):
                rows.append(row)
                freed += row[-1]
                if freed >= wanted:
                    break
        self._delete(rows)
        return freed

    def _bytes(self) -> int:
        query = "SELECT value FROM counter WHERE name = 'dead_bytes'"
        found = self._connection.execute(query).fetchone()
        return found[0] if found else 0

    def _delete(self, rows: Sequence[tuple[int, str, int, int]]) -> None:
        delete = "DELETE FROM letter WHERE position = ?"
        self._connection.executemany(delete, [row[:1] for row in rows])
        expired = sum(count for _, state, count, _ in rows if state == LetterState.OPEN)
        freed = sum(kept for *_, kept in rows)
        self._connection.executemany(COUNT, [("expired", expired), ("dead_bytes", -freed)])


def _file_at(path: Path) -> tuple[int, int] | None:
    """Return which file is there; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
