"""The dead letters' file: its table, and what every process may do to it.

A letter is named by the position of its message in the journal. One that stands for several
messages, whose payloads were not kept, is named by the last of them. Letters beyond the ledger's
cursor belong to a batch that is not accounted for yet: nobody but the series follower touches them.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path

from ingest.ledger_file import COUNT, COUNTERS, LETTERS, connect, read_cursor

FORMAT = 1
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS letter (
    position INTEGER PRIMARY KEY, count INTEGER NOT NULL, first_at INTEGER NOT NULL,
    arrived_at INTEGER NOT NULL, source TEXT NOT NULL, topic TEXT NOT NULL, flags INTEGER NOT NULL,
    device TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, size INTEGER NOT NULL,
    stored_points INTEGER NOT NULL, state TEXT NOT NULL, replay INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT '', kept INTEGER NOT NULL,
    payload BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS letter_group ON letter
    (state, topic, device, reason, position, count, first_at, arrived_at, kept);
CREATE INDEX IF NOT EXISTS letter_settled ON letter (position) WHERE state != 'open';
CREATE INDEX IF NOT EXISTS letter_replay ON letter (position) WHERE replay = 1;
CREATE INDEX IF NOT EXISTS letter_age ON letter (arrived_at);
{COUNTERS};
PRAGMA user_version = {FORMAT};
"""
"""``letter_group`` covers what a list of groups shows, and finds the oldest of a group."""
_CLOSE = """UPDATE letter SET state = ?, note = ?, replay = 0, payload = x'',
    kept = kept - length(payload) WHERE position = ?"""


DAMAGED = ".damaged"
"""How the name of a file that was set aside ends, or is followed by a number."""
_BESIDES = ("", "-wal", "-shm")
_DAMAGED_KEPT = 9
"""Damaged files that are kept; the last is replaced by what is damaged after it."""


class LetterState(StrEnum):
    """What became of a letter."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    EXPIRED = "expired"


def connect_letters(ledger: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the letters that lie beside a ledger.

    Raises:
        LedgerRefused: There are none to read, or a newer Gatehouse wrote them.
    """
    return connect(ledger.with_name(LETTERS), read_only=read_only, newest=FORMAT)


def set_aside(letters: Path) -> Path:
    """Rename a damaged file, for a person to look at; return where it is now.

    The next ones are ``….damaged-2`` and so on: what was set aside before stays.
    """
    names = [letters.name + DAMAGED]
    names += [f"{names[0]}-{number}" for number in range(2, _DAMAGED_KEPT + 1)]
    targets = [letters.with_name(name) for name in names]
    target = next((one for one in targets if not one.exists()), targets[-1])
    for suffix in _BESIDES:
        path = letters.with_name(letters.name + suffix)
        if path.exists():
            path.replace(target.with_name(target.name + suffix))
    return target


def accounted(ledger: Path) -> int:
    """Return the last position that the ledger accounts for; 0 before the first.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    with closing(connect(ledger, read_only=True)) as connection:
        cursor = read_cursor(connection)
    return cursor[1] if cursor else 0


def close_letters(
    connection: sqlite3.Connection, positions: Sequence[int], *, state: LetterState, note: str = ""
) -> int:
    """Settle those letters that are open, inside a transaction, and return how many were.

    Their payloads go. ``state`` is replayed or discarded, and counted as ``dead_<state>``.
    """
    freed = changed = 0
    for position in positions:
        query = "SELECT length(payload) FROM letter WHERE position = ? AND state = 'open'"
        found = connection.execute(query, (position,)).fetchone()
        if found is not None:
            connection.execute(_CLOSE, (state, note, position))
            freed += found[0]
            changed += 1
    connection.executemany(COUNT, [(f"dead_{state}", changed), ("dead_bytes", -freed)])
    return changed
