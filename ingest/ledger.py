"""The ledger: what became of every journalled message, kept beside the cursor that says how far.

What always holds
    A batch is accounted for in this order: the store has accepted its points; its dead letters are
    on disk in their own file; cursor and counters commit here, in one transaction, on disk when
    :meth:`Ledger.commit` returns. So at every moment the counters add up to the cursor (books.py).
    What becomes of a letter later is counted in the letters' file, with the letter itself.

After a crash before the commit the batch is written to the store again, which changes nothing
there; its letters are taken back and put again; and it is counted once.
A letters' file that is damaged, or was deleted or replaced, keeps nothing from starting or going
on: one that is damaged is set aside, another begins, what was open in the old one counts as
expired, and the log tells it as an error. A ledger that is damaged ends the service, with a
sentence; the next start sets it aside and accounts anew for what the journal still holds, which is
stored again, as the same points. Of what was before only the letters' file tells.

One process writes batches (the series follower, in its thread). Another may ask for a replay or
discard letters (dead_letter.py); anybody may read.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Self

import structlog

from devices.clock import DAY
from ingest.books import balance
from ingest.journal_room import MIB
from ingest.ledger_file import (
    COUNT,
    FORMAT,
    LETTERS,
    SCHEMA,
    Account,
    LedgerRefused,
    connect,
    connect_durably,
    expect_whole,
    read_account,
    read_cursor,
    tells_damage,
    transaction,
)
from ingest.letter_draft import LetterDraft
from ingest.letter_file import set_aside
from ingest.letters import Letters, Requested, Settled
from ingest.numbering import Numbering
from ingest.numbering_table import Counter as Counted
from ingest.numbering_table import load, save

_MOVE = """INSERT INTO cursor VALUES (1, ?, ?)
    ON CONFLICT (one) DO UPDATE SET journal = excluded.journal, position = excluded.position"""
_OLDER = """SELECT position, arrived_at, arrived_at, source, topic, flags, device, reason, detail,
    size, stored_points, state, replay, attempts, note, kept, payload FROM dead_letter"""

log = structlog.get_logger()


class Ledger:
    """The writer's ledger."""

    def __init__(
        self, path: Path, *, max_bytes: int, keep_ms: int, begins: tuple[str, int] | None
    ) -> None:
        self._connection = connect_durably(path)
        expect_whole(self._connection)
        self._connection.executescript(SCHEMA)
        self._ledger = path
        self._path = path.with_name(LETTERS)
        self._begins = begins
        self._bounds = (max_bytes, keep_ms)
        self._letters = self._open_letters()
        self._is_doubtful = False

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        max_bytes: int = 512 * MIB,
        keep_ms: int = 30 * DAY,
        begins: tuple[str, int] | None = None,
    ) -> Self:
        """Open the ledger for writing, making it where it is missing; set a damaged one aside.

        Args:
            path: ``ledger.db`` in the data folder; the dead letters lie beside it.
            max_bytes: What dead letters may take.
            keep_ms: How long one is kept; milliseconds.
            begins: Where an account begins that there is none of: the journal's id, and the
                position before the first that it holds. None: the journal's first.

        Raises:
            LedgerRefused: A newer Gatehouse wrote it, or it cannot be opened.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        bounds = {"max_bytes": max_bytes, "keep_ms": keep_ms}
        try:
            try:
                return cls(path, **bounds, begins=begins)
            except sqlite3.DatabaseError as error:
                if not tells_damage(error):
                    raise
                kept_as = set_aside(path)
                log.error("ledger_damaged", why=str(error), kept_as=kept_as.name)
                return cls(path, **bounds, begins=begins)
        except sqlite3.DatabaseError as error:
            raise LedgerRefused(
                f"{path} cannot be opened ({error}): look at the disk's room and the file's rights"
            ) from error

    def cursor(self) -> tuple[str, int] | None:
        """Return the journal's id and the last position accounted for; None before the first."""
        with self._expecting_whole():
            return read_cursor(self._connection)

    @contextmanager
    def seen_from_beside(self) -> Iterator[None]:
        """Read the files in another thread; damage to the letters becomes a wait for the writer.

        Raises:
            sqlite3.OperationalError: The letters are damaged; the writer looks at them next.
            LedgerRefused: The ledger is damaged; the next start mends it.
        """
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not tells_damage(error):
                raise
            with self._expecting_whole(), closing(connect(self._ledger, read_only=True)) as beside:
                expect_whole(beside)
            self._is_doubtful = True
            raise sqlite3.OperationalError(str(error)) from error

    def account(self) -> Account:
        """Return cursor and counters."""
        return read_account(self._connection, self._letters.counters())

    def commit(
        self,
        *,
        journal: str,
        position: int,
        counts: Mapping[str, int],
        letters: Sequence[LetterDraft] = (),
        numberings: Mapping[Counted, Numbering] = MappingProxyType({}),
    ) -> None:
        """Account for everything up to a position, and keep what is known of numbered devices.

        Raises:
            sqlite3.OperationalError: Nothing was committed; the same may be tried again.
        """
        with self._mending():
            counted = self._letters.put(letters, cursor=self._position())
        counted.update(counts)
        with self._expecting_whole(), transaction(self._connection):
            self._connection.execute(_MOVE, (journal, position))
            self._connection.executemany(COUNT, [item for item in counted.items() if item[1]])
            save(self._connection, numberings)
        self._letters.accounted()

    def numberings(self, counters: Iterable[Counted]) -> dict[Counted, Numbering]:
        """Return what is known of some counters of devices; others are left out."""
        with self._expecting_whole():
            return load(self._connection, counters)

    def keep(self, numberings: Mapping[Counted, Numbering]) -> None:
        """Keep what has become known of numbered devices since the last commit.

        Raises:
            sqlite3.OperationalError: Nothing was kept; the same may be tried again.
        """
        with self._expecting_whole(), transaction(self._connection):
            save(self._connection, numberings)

    def requested(self, limit: int) -> list[Requested]:
        """Return the letters to be replayed, oldest first."""
        with self._mending():
            return self._letters.requested(limit)

    def settle(self, settled: Sequence[Settled], counts: Mapping[str, int]) -> None:
        """Record what came of a replay: a settled letter gives up its payload.

        Raises:
            sqlite3.OperationalError: Nothing was recorded; the same may be tried again.
        """
        with self._mending():
            self._letters.settle(settled, Counter(counts))

    def expire(self, now: int) -> None:
        """Let go of letters older than the age to keep; an open one counts as expired.

        Raises:
            sqlite3.OperationalError: Nothing was let go.
        """
        with self._mending():
            self._letters.expire(now, cursor=self._position())

    def close(self) -> None:
        """Let go of the files."""
        self._letters.close()
        self._connection.close()

    def _position(self) -> int:
        cursor = self.cursor()
        return cursor[1] if cursor else 0

    def _open_letters(self) -> Letters:
        """Open the letters' file; one that is damaged is set aside for a person to look at."""
        read_account(self._connection, Counter())
        try:
            return self._begin()
        except sqlite3.DatabaseError as error:
            if not tells_damage(error):
                raise
            self._set_aside(error)
            return self._begin()

    def _begin(self) -> Letters:
        """Open the letters, move older ones in, take back what no commit has passed, and count."""
        max_bytes, keep_ms = self._bounds
        letters = Letters.open(self._path, max_bytes=max_bytes, keep_ms=keep_ms)
        try:
            self._adopt(letters)
            if self._begins is not None and self.cursor() is None:
                self._begin_account(letters, *self._begins)
            letters.put((), cursor=self._position())
            counted = balance(read_account(self._connection, letters.counters()), head=0).dead_open
            missing = counted - letters.count_open()
            if missing:
                log.error("dead_letters_missing", count=missing)
                letters.correct(missing)
        except sqlite3.Error:
            letters.close()
            raise
        return letters

    def _begin_account(self, letters: Letters, journal: str, position: int) -> None:
        """Account for what the letters tell up to a position, and for nothing else before it.

        A crash on the way leaves no cursor, and the next start does it again. Where the journal
        holds all there ever was, nothing is before it.
        """
        dead, settled = letters.recount(cursor=position)
        if not position:
            return
        with transaction(self._connection):
            self._connection.execute(_MOVE, (journal, position))
            counts = {**dead, "begun": position - (dead.total() - settled)}
            self._connection.executemany(COUNT, counts.items())
        log.error("account_begun_anew", since=position + 1)

    def _adopt(self, letters: Letters) -> None:
        """Move the letters out of a ledger of format 1, in which they lay; say it is of today's.

        A crash on the way leaves them in both, and the next start does it again.
        """
        query = "SELECT 1 FROM sqlite_master WHERE name = 'dead_letter'"
        if self._connection.execute(query).fetchone():
            letters.adopt(self._connection.execute(_OLDER))
            with transaction(self._connection):
                self._connection.execute("DROP TABLE dead_letter")
                self._connection.execute("DELETE FROM counter WHERE name = 'dead_bytes'")
            self._connection.execute("VACUUM")
            log.info("dead_letters_moved", file=LETTERS)
        self._connection.execute(f"PRAGMA user_version = {FORMAT}")

    @contextmanager
    def _mending(self) -> Iterator[None]:
        """Set the letters' file aside when it is found damaged, and let the same be tried again.

        One that is not the file which was opened, or that others cannot read, is opened anew first.
        """
        if self._is_doubtful or not self._letters.is_in_place():
            self._is_doubtful = True
            self._letters.close()
            self._letters = self._open_letters()
            self._is_doubtful = False
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not tells_damage(error):
                raise
            self._letters.close()
            self._set_aside(error)
            raise sqlite3.OperationalError("the dead letters were damaged") from error

    @contextmanager
    def _expecting_whole(self) -> Iterator[None]:
        """End the service where the ledger turns out to be damaged."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not tells_damage(error):
                raise
            raise LedgerRefused(
                f"{self._ledger} is damaged ({error}): start Gatehouse again; it sets the file "
                "aside and accounts anew for what the journal holds"
            ) from error

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        kept_as = set_aside(self._path)
        log.error("dead_letters_damaged", why=str(error), kept_as=kept_as.name)
