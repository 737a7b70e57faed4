"""The ledger's file: tables, connections, transactions. Any process may open it.

Dead letters lie in a file of their own beside it (letter_file.py). Both have a table ``counter``;
a counter's value is the sum over both files, so neither ever has to commit together with the other:
this one counts what a batch came to, the other what became of its letters later.

The counters, which only grow, so that metrics can be made of them: ``stored``,
``ignored:<reason>``, ``dead:<reason>`` (ever), ``dead_replayed``, ``dead_discarded``, ``expired``,
``lost``, ``points_encoded``, ``points_accepted``, ``points_rejected``; ``dead_bytes``, which
follows what dead letters take; and ``begun``: positions of which there is no account, because the
one that told of them was damaged.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec

from ingest.journal_file import FileDamaged, translated
from ingest.journal_identity import JournalError
from ingest.private_file import make_private

NAME = "ledger.db"
LETTERS = "dead_letters.db"
FORMAT = 2
"""1 held the dead letters itself."""
_BUSY_S = 5.0
_WAL_KEPT_BYTES = 16 * 1024 * 1024

COUNTERS = """CREATE TABLE IF NOT EXISTS counter (
    name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID"""
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS cursor (
    one INTEGER PRIMARY KEY CHECK (one = 1), journal TEXT NOT NULL, position INTEGER NOT NULL);
{COUNTERS};
CREATE TABLE IF NOT EXISTS numbering (
    device TEXT NOT NULL, channel TEXT NOT NULL, by_device INTEGER NOT NULL,
    by_broker INTEGER NOT NULL, by_us INTEGER NOT NULL, restarts INTEGER NOT NULL,
    state BLOB NOT NULL, PRIMARY KEY (device, channel)) WITHOUT ROWID;
"""
COUNT = """INSERT INTO counter VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"""


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


def connect(path: Path, *, read_only: bool = False, newest: int = FORMAT) -> sqlite3.Connection:
    """Open the ledger's file or its neighbour; transactions are begun and ended by hand.

    Args:
        path: The file.
        read_only: Open what is there, and change nothing.
        newest: The newest format of such a file that this program knows.

    Raises:
        LedgerRefused: There is none to read, or a newer Gatehouse wrote it.
    """
    if read_only and not path.exists():
        raise LedgerRefused(f"{path} is not there: this Gatehouse has taken nothing in yet")
    if not read_only:
        make_private(path)
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={'ro' if read_only else 'rwc'}",
        uri=True,
        isolation_level=None,
        timeout=_BUSY_S,
        check_same_thread=False,
    )
    try:
        form = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error:
        connection.close()
        raise
    if form > newest:
        connection.close()
        raise LedgerRefused(
            f"{path} was written by a newer Gatehouse (format {form}, this one knows {newest}): "
            "upgrade, or give this one its own GATEHOUSE_DATA_DIR"
        )
    return connection


def connect_durably(path: Path, *, newest: int = FORMAT) -> sqlite3.Connection:
    """Open a file for writing: what has been committed is on disk.

    Raises:
        LedgerRefused: A newer Gatehouse wrote it.
        sqlite3.DatabaseError: It is damaged, or cannot be opened.
    """
    connection = connect(path, newest=newest)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def tells_damage(error: sqlite3.DatabaseError) -> bool:
    """Return whether SQLite speaks of the file's content, which waiting does not mend."""
    return isinstance(translated(error), FileDamaged)


def expect_whole(connection: sqlite3.Connection) -> None:
    """Look through a file, in a second or so of 100 MB.

    Raises:
        sqlite3.DatabaseError: It is damaged.
    """
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        damage = sqlite3.DatabaseError(problem.splitlines()[-1])
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage


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


def read_cursor(connection: sqlite3.Connection) -> tuple[str, int] | None:
    """Return the journal's id and the last position accounted for; None before the first."""
    found = connection.execute("SELECT journal, position FROM cursor").fetchone()
    return (found[0], found[1]) if found else None


def read_counters(connection: sqlite3.Connection) -> Counter[str]:
    """Return one file's counters."""
    return Counter(dict(connection.execute("SELECT name, value FROM counter")))


def read_account(connection: sqlite3.Connection, letters: Counter[str]) -> Account:
    """Return cursor and counters of one moment.

    Args:
        connection: To the ledger's file.
        letters: The other file's counters, read before: then no letter is settled in them that
            the ledger does not know of yet.
    """
    query = "SELECT journal, position, name, value FROM cursor LEFT JOIN counter"
    rows = connection.execute(query).fetchall()
    if not rows:
        return Account(None, 0, dict(letters))
    counters = letters.copy()
    for _, _, name, value in rows:
        if name is not None:
            counters[name] += value
    return Account(rows[0][0], rows[0][1], dict(counters))


def account_of(path: Path) -> Account:
    """Return cursor and counters, read beside the running service.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    letters: Counter[str] = Counter()
    beside = path.with_name(LETTERS)
    if beside.exists():
        with closing(connect(beside, read_only=True)) as connection:
            letters = read_counters(connection)
    with closing(connect(path, read_only=True)) as connection:
        return read_account(connection, letters)
