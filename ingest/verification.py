"""The books recomputed from first principles: from every row of journal, ledger and dead letters.

Beside a running service this reads ledger and dead letters as of one moment, and the journal after
them, so that may be ahead and never behind. What was trimmed from the journal cannot be counted
again; for it the ledger's word stands, and the result says how far that reaches. Decoding again is
not part of it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from ingest.books import Books, balance
from ingest.journal_file import FileDamaged, JournalFile, Row, list_files
from ingest.journal_identity import JournalError, read_identity
from ingest.journal_room import aside
from ingest.ledger_file import (
    LETTERS,
    Account,
    connect,
    read_account,
    read_counters,
    read_cursor,
)
from ingest.letter_file import SCHEMA, connect_letters

_LOST_SHOWN = 100
_LOOKS = 100
"""Tries to see ledger and letters between two commits, of which there are a dozen a second."""


class TooBusy(JournalError):
    """The service commits so often that it cannot be seen between two commits; try again."""


class Verification(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        journal: Its id; None: there is no journal.
        base: The first position still held; everything before is the ledger's word.
        head: The last position given.
        files: Files read from end to end.
        rows: Rows whose checksum was computed.
        messages: Messages in the rows that are right.
        damaged_files: Set aside, or unreadable now.
        damaged_rows: Rows whose checksum is wrong.
        lost: Ranges of positions, first and last, that the journal cannot give back.
        books: As they are now.
        problems: What does not fit, a sentence each; empty: everything fits.
    """

    journal: str | None
    base: int
    head: int
    files: int
    rows: int
    messages: int
    damaged_files: int
    damaged_rows: int
    lost: list[tuple[int, int]]
    books: Books
    problems: list[str]


def verify(journal: Path, ledger: Path) -> Verification:
    """Read everything and compare.

    Args:
        journal: The journal's folder.
        ledger: The ledger's file; it may be missing while nothing was handled.

    Raises:
        JournalError: A newer Gatehouse wrote one of them.
    """
    identity = read_identity(journal)
    found = _Walk()
    if not ledger.exists():
        found.read(journal, iter(()))
        account = Account(None, 0, {})
    else:
        with _one_moment(ledger) as (account, letters):
            found.read(journal, _open_letters(letters, account.position))
            found.problems += _ledger_problems(letters, account)
    found.problems += _cursor_problems(account, identity.id if identity else None, found.head)
    books = balance(account, head=found.head)
    return Verification(
        journal=identity.id if identity else None,
        base=found.base,
        head=found.head,
        files=found.files,
        rows=found.rows,
        messages=found.messages,
        damaged_files=aside(journal).files + found.damaged_files,
        damaged_rows=found.damaged_rows,
        lost=found.lost[:_LOST_SHOWN],
        books=books,
        problems=found.problems,
    )


def count_missing_letters(ledger: Path) -> int:
    """Return how many open dead letters are in no file: beside the service, one look at an index.

    Raises:
        TooBusy: Another look may help.
        sqlite3.OperationalError: One of the files cannot be read now.
    """
    with _one_moment(ledger) as (account, letters):
        books = balance(account, head=account.position)
        return books.dead_open - _count_open(letters, account.position)


class _Walk:
    """A walk through the journal, row by row, with the open dead letters alongside."""

    def __init__(self) -> None:
        self.base = 1
        self.head = 0
        self.files = self.rows = self.messages = 0
        self.damaged_files = self.damaged_rows = 0
        self.lost: list[tuple[int, int]] = []
        self.problems: list[str] = []
        self._trimmed = True

    def read(self, folder: Path, letters: Iterator[tuple[int, bytes]]) -> None:
        """Read every file, oldest first.

        Args:
            folder: The journal's.
            letters: Position and payload of the open dead letters, by position.
        """
        letter = next(letters, None)
        for file in list_files(folder):
            if self._trimmed:
                self.base, self.head, self._trimmed = file.base, file.base - 1, False
            self._reach(file.base)
            for row in self._rows(file):
                letter = self._check(row, letter, letters)

    def _rows(self, file: JournalFile) -> Iterator[Row]:
        self.files += 1
        try:
            yield from file.rows(0)
        except FileDamaged as error:
            self.damaged_files += 1
            self.problems.append(f"{file.path.name} is damaged: {error}")
        except sqlite3.OperationalError:
            if file.path.exists():
                raise
            self._trimmed = True

    def _check(
        self, row: Row, letter: tuple[int, bytes] | None, pending: Iterator[tuple[int, bytes]]
    ) -> tuple[int, bytes] | None:
        """Check one row and the dead letters made of it; return the next letter."""
        self.rows += 1
        if row.messages is None:
            self.damaged_rows += 1
            self.problems.append(f"the row at position {row.base} is damaged")
            return letter
        if row.base <= self.head:
            self.problems.append(f"position {row.base} was given twice")
        self._reach(row.base)
        self.head = max(self.head, row.last)
        self.messages += row.count
        while letter is not None and letter[0] <= row.last:
            position, payload = letter
            if position >= row.base and row.messages[position - row.base].payload != payload:
                self.problems.append(f"the dead letter of position {position} is another message")
            letter = next(pending, None)
        return letter

    def _reach(self, base: int) -> None:
        """Note the positions between the head and here as lost."""
        if base > self.head + 1:
            self.lost.append((self.head + 1, base - 1))
        self.head = max(self.head, base - 1)


@contextmanager
def _one_moment(ledger: Path) -> Iterator[tuple[Account, sqlite3.Connection]]:
    """Yield the account, and a connection that sees the letters as they were then.

    New letters are committed before the ledger, so both are of one moment when its cursor stands
    where it stood before the letters were looked at. Letters beyond it are not accounted for yet.

    Raises:
        JournalError: A newer Gatehouse wrote one of them.
        TooBusy: Another look may help.
    """
    for _ in range(_LOOKS):
        with (
            closing(connect(ledger, read_only=True)) as connection,
            closing(_letters_beside(ledger)) as letters,
        ):
            before = read_cursor(connection)
            letters.execute("BEGIN")
            counters = read_counters(letters)
            account = read_account(connection, counters)
            if account.position == (before[1] if before else 0):
                yield account, letters
                return
    raise TooBusy("the service is too busy to be verified beside: try again, or stop it")


def _letters_beside(ledger: Path) -> sqlite3.Connection:
    """Open the letters; where there is no file, none at all."""
    if ledger.with_name(LETTERS).exists():
        return connect_letters(ledger, read_only=True)
    nothing = sqlite3.connect(":memory:", isolation_level=None)
    nothing.executescript(SCHEMA)
    return nothing


def _open_letters(letters: sqlite3.Connection, last: int) -> Iterator[tuple[int, bytes]]:
    query = """SELECT position, payload FROM letter WHERE state = 'open' AND position <= ?
        ORDER BY position"""
    yield from letters.execute(query, (last,))


def _count_open(letters: sqlite3.Connection, last: int) -> int:
    query = "SELECT count(*) FROM letter WHERE state = 'open' AND position <= ?"
    found: int = letters.execute(query, (last,)).fetchone()[0]
    return found


def _ledger_problems(letters: sqlite3.Connection, account: Account) -> Iterator[str]:
    """Yield what does not fit inside the ledger and its letters."""
    books = balance(account, head=account.position)
    if books.difference:
        yield (
            f"the ledger's cursor is at {account.position} and its counters add up to "
            f"{account.position - books.difference}"
        )
    encoded, accepted, rejected = (
        books.points_encoded,
        books.points_accepted,
        books.points_rejected,
    )
    if encoded != accepted + rejected:
        yield f"{encoded} points were encoded, {accepted} accepted and {rejected} rejected"
    counted = _count_open(letters, account.position)
    if counted != books.dead_open:
        yield f"{counted} dead letters are open and the counters say {books.dead_open}"
    taken = letters.execute("SELECT coalesce(sum(kept), 0) FROM letter").fetchone()[0]
    if taken != account.counters.get("dead_bytes", 0):
        said = account.counters.get("dead_bytes", 0)
        yield f"dead letters take {taken} bytes and the counter says {said}"


def _cursor_problems(account: Account, journal: str | None, head: int) -> Iterator[str]:
    """Yield why the ledger's cursor cannot be one of this journal."""
    if account.journal is None:
        return
    if account.journal != journal:
        yield f"the ledger's cursor belongs to journal {account.journal}, here is {journal}"
    elif account.position > head:
        yield f"the ledger's cursor is at {account.position} and the journal ends at {head}"
