"""The ledger's file: tables, connections, transactions. Any process may open it.

``counter`` holds names that only grow, so that metrics can be made of them: ``stored``,
``ignored:<reason>``, ``dead:<reason>`` (ever), ``dead_replayed``, ``dead_discarded``, ``expired``,
``lost``, ``points_encoded``, ``points_accepted``, ``points_rejected``; and ``dead_bytes``, which
follows what dead letters take.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec

from ingest.journal_identity import JournalError

NAME = "ledger.db"
FORMAT = 1
_BUSY_S = 5.0

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS cursor (
    one INTEGER PRIMARY KEY CHECK (one = 1), journal TEXT NOT NULL, position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT, position INTEGER NOT NULL, arrived_at INTEGER NOT NULL,
    source TEXT NOT NULL, topic TEXT NOT NULL, flags INTEGER NOT NULL, device TEXT NOT NULL,
    payload BLOB NOT NULL, size INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    stored_points INTEGER NOT NULL, state TEXT NOT NULL, replay INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT '', kept INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS dead_letter_replay ON dead_letter (id) WHERE replay = 1;
CREATE INDEX IF NOT EXISTS dead_letter_state ON dead_letter (state, id);
CREATE INDEX IF NOT EXISTS dead_letter_age ON dead_letter (arrived_at);
PRAGMA user_version = {FORMAT};
"""
COUNT = """INSERT INTO counter VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"""
_CLOSE = """UPDATE dead_letter SET state = ?, note = ?, replay = 0, payload = x'',
    kept = kept - length(payload) WHERE id = ?"""


class LedgerRefused(JournalError):
    """The ledger cannot be used, and waiting does not help; the sentence says what to do."""


class Account(msgspec.Struct, frozen=True):
    """Cursor and counters of one moment.

    Attributes:
        journal: The id of the journal the position is in; None: nothing is accounted for yet.
        position: The last one accounted for.
        counters: By name.
    """

    journal: str | None
    position: int
    counters: dict[str, int]


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the ledger's file; transactions are begun and ended by hand.

    Raises:
        LedgerRefused: There is none to read, or a newer Gatehouse wrote it.
    """
    if read_only and not path.exists():
        raise LedgerRefused(f"{path} is not there: no Gatehouse has taken anything in yet")
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={'ro' if read_only else 'rwc'}",
        uri=True,
        isolation_level=None,
        timeout=_BUSY_S,
        check_same_thread=False,
    )
    form = connection.execute("PRAGMA user_version").fetchone()[0]
    if form > FORMAT:
        connection.close()
        raise LedgerRefused(
            f"{path} was written by a newer Gatehouse (format {form}, this one knows {FORMAT}): "
            "upgrade, or give this one its own GATEHOUSE_DATA_DIR"
        )
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit everything or nothing; waits a few seconds for another writer."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def read_account(connection: sqlite3.Connection) -> Account:
    """Return cursor and counters of one moment."""
    query = "SELECT journal, position, name, value FROM cursor, counter"
    rows = connection.execute(query).fetchall()
    if not rows:
        return Account(None, 0, {})
    return Account(rows[0][0], rows[0][1], {name: value for _, _, name, value in rows})


def account_of(path: Path) -> Account:
    """Return cursor and counters, read beside the running service.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    with closing(connect(path, read_only=True)) as connection:
        return read_account(connection)


def close_letters(
    connection: sqlite3.Connection, ids: Sequence[int], *, state: str, note: str = ""
) -> int:
    """Settle those letters that are open, inside a transaction, and return how many were.

    Their payloads go. ``state`` is "replayed" or "discarded", and counted as ``dead_<state>``.
    """
    freed = changed = 0
    for number in ids:
        query = "SELECT length(payload) FROM dead_letter WHERE id = ? AND state = 'open'"
        found = connection.execute(query, (number,)).fetchone()
        if found is not None:
            connection.execute(_CLOSE, (state, note, number))
            freed += found[0]
            changed += 1
    connection.executemany(COUNT, [(f"dead_{state}", changed), ("dead_bytes", -freed)])
    return changed
