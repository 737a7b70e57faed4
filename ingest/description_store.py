"""What devices have said of themselves, kept with the positions at which they said it.

What always holds
    A description is on disk before the outcomes of its batch are handed on, so before any cursor
    passes it. Looked up as of a position it is the newest at or before it: decoding again from the
    journal gives the same, whichever follower asks and in whatever order.
    The file is bounded in rows and bytes. A description is let go of when a newer one of its key
    stands at or before the journal's first position. If the bound is met nevertheless, what
    unregistered devices said goes first, then what is superseded, then the oldest.

What a crash leaves
    Before the commit: nothing; the batch is decoded again. After it: rows that are written again,
    the same.
"""

import sqlite3
import threading
from bisect import bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
import structlog

from devices.description import DescriptionsAway, Said
from ingest.journal_room import MIB
from ingest.ledger_file import (
    connect,
    connect_durably,
    expect_whole,
    tells_damage,
    transaction,
)
from ingest.letter_file import set_aside

NAME = "descriptions.db"
FORMAT = 1
MAX_ROWS = 100_000
MAX_BYTES = 64 * MIB
_FREED = 16
"""So much of the bound is freed at once, so that it is seldom."""
ROW_BYTES = 100
"""What a row takes beside body and names, roughly."""
_CACHED_BYTES = 16 * MIB

_SCHEMA = """CREATE TABLE IF NOT EXISTS description (
    family TEXT NOT NULL, owner TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL,
    device TEXT NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (family, owner, key, position)) WITHOUT ROWID"""
_SUPERSEDED = """EXISTS (SELECT 1 FROM description AS newer
    WHERE newer.family = old.family AND newer.owner = old.owner AND newer.key = old.key
    AND newer.position > old.position{})"""
_PLACE = "SELECT family, owner, key, position, size, device FROM description AS old"

log = structlog.get_logger()
_at = itemgetter(0)

Owner = tuple[str, str]
_Known = dict[str, list[Said]]


class Row(NamedTuple):
    """One description as it is kept."""

    family: str
    owner: str
    key: str
    position: int
    device: str
    size: int
    body: bytes


class DescriptionStore:
    """The descriptions of one data folder; threads may share it."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        base: Callable[[], int] = lambda: 0,
        max_rows: int = MAX_ROWS,
        max_bytes: int = MAX_BYTES,
        path: Path | None = None,
    ) -> None:
        """Take a connection over; :meth:`close` closes it.

        Args:
            connection: To a file of this format.
            base: The journal's first position.
            max_rows: How many descriptions are kept.
            max_bytes: How much they may take, roughly.
            path: Of the file, to be begun anew when it is damaged; None: it is in memory.
        """
        self._connection = connection
        self._path = path
        self._base = base
        self._max_rows, self._max_bytes = max_rows, max_bytes
        self._lock = threading.RLock()
        self._known: dict[Owner, _Known] = {}
        self._known_bytes = 0
        self._recount()

    @classmethod
    def open(cls, path: Path, *, base: Callable[[], int] = lambda: 0) -> Self:
        """Open the file for writing; one that is damaged is set aside for a person to look at.

        Raises:
            LedgerRefused: A newer Gatehouse wrote it.
            sqlite3.OperationalError: It cannot be opened now.
        """
        try:
            return cls(_connected(path), base=base, path=path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            _set_aside(path, error)
            return cls(_connected(path), base=base, path=path)

    @classmethod
    def copy(cls, path: Path) -> Self:
        """Return a copy in memory, for who decodes beside the service; empty where no file is."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        if path.exists():
            with closing(connect(path, read_only=True, newest=FORMAT)) as source:
                source.backup(connection)
        connection.execute(_SCHEMA)
        return cls(connection)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def find(self, family: str, owner: str, key: str, *, until: int | None) -> Said | None:
        """Return the newest that was said at or before a position; None for no end: the newest.

        Raises:
            DescriptionsAway: The disk refuses, or the file was damaged.
        """
        if family not in self._families:
            return None
        with self._lock, self._waited_for():
            return _newest(self._of((family, owner)).get(key, ()), until)

    def members(self, family: str, owner: str, *, until: int | None) -> dict[str, Said]:
        """Return the same for every key of an owner."""
        if family not in self._families:
            return {}
        with self._lock, self._waited_for():
            found = self._of((family, owner))
            newest = ((key, _newest(said, until)) for key, said in found.items())
            return {key: said for key, said in newest if said is not None}

    def keep(self, rows: Sequence[Row], registered: Collection[str]) -> None:
        """Keep what a batch said, all of it or nothing; what is kept already changes nothing.

        Args:
            rows: In the order of their positions.
            registered: The devices whose descriptions are kept longest.

        Raises:
            DescriptionsAway: Nothing was kept; the same may be tried again.
        """
        with self._lock, self._waited_for():
            try:
                with transaction(self._connection):
                    for row in rows:
                        self._keep(row)
                    self._make_room(registered)
            except BaseException:
                self._recount()
                raise
            self._families.update(row.family for row in rows)

    def _keep(self, row: Row) -> None:
        here = f"{_PLACE} WHERE family = ? AND owner = ? AND key = ?"
        if self._query(f"{here} AND position = ? AND body = ?", *row[:4], row.body):
            return
        self._delete(self._query(f"{here} AND position = ?", *row[:4]))
        self._connection.execute("INSERT INTO description VALUES (?,?,?,?,?,?,?)", row)
        self._rows += 1
        self._bytes += row.size
        passed = _SUPERSEDED.format(" AND newer.position <= ?")
        self._delete(self._query(f"{here} AND {passed}", *row[:3], self._base()))
        known = self._known.get(row[:2])
        if known is not None:
            said = Said(row.position, msgspec.msgpack.decode(row.body))
            insort(known.setdefault(row.key, []), said, key=_at)
            self._known_bytes += row.size

    def _make_room(self, registered: Collection[str]) -> None:
        """Let go of what is needed least until the file is within its bounds."""
        if self._rows <= self._max_rows and self._bytes <= self._max_bytes:
            return
        rows = self._max_rows - self._max_rows // _FREED
        size = self._max_bytes - self._max_bytes // _FREED
        everything = self._query(f"{_PLACE} ORDER BY position")
        old = self._query(f"{_PLACE} WHERE {_SUPERSEDED.format('')} ORDER BY position")
        strangers = [one for one in everything if one[-1] not in registered]
        before = self._rows
        for one in dict.fromkeys((*strangers, *old, *everything)):
            if self._rows <= rows and self._bytes <= size:
                break
            self._delete([one])
        log.warning("descriptions_let_go", count=before - self._rows, kept=self._rows)

    def _delete(self, places: Iterable[Any]) -> None:
        query = """DELETE FROM description
            WHERE family = ? AND owner = ? AND key = ? AND position = ?"""
        for family, owner, key, position, size, _ in places:
            self._connection.execute(query, (family, owner, key, position))
            self._rows -= 1
            self._bytes -= size
            self._known.pop((family, owner), None)

    def _of(self, owner: Owner) -> _Known:
        """Return all that is kept of an owner, from memory where it is there."""
        known = self._known.get(owner)
        if known is None:
            if self._known_bytes > _CACHED_BYTES:
                self._known, self._known_bytes = {}, 0
            known = {}
            query = """SELECT key, position, size, body FROM description
                WHERE family = ? AND owner = ? ORDER BY key, position"""
            for key, position, size, body in self._query(query, *owner):
                said = Said(position, msgspec.msgpack.decode(body))
                known.setdefault(key, []).append(said)
                self._known_bytes += size
            self._known_bytes += ROW_BYTES
            self._known[owner] = known
        return known

    def _recount(self) -> None:
        """Forget what may not have been kept; look at what is."""
        self._known, self._known_bytes = {}, 0
        self._families = {row[0] for row in self._query("SELECT DISTINCT family FROM description")}
        totals = "SELECT count(*), coalesce(sum(size), 0) FROM description"
        ((self._rows, self._bytes),) = self._query(totals)

    @contextmanager
    def _waited_for(self) -> Iterator[None]:
        """Turn a disk that refuses into something to wait for; begin a damaged file anew first."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if self._path is not None and tells_damage(error):
                self._connection.close()
                _set_aside(self._path, error)
                self._connection = _connected(self._path)
                self._recount()
            elif not isinstance(error, sqlite3.OperationalError):
                raise
            raise DescriptionsAway(f"descriptions cannot be read or written: {error}") from error

    def _query(self, query: str, *values: object) -> list[Any]:
        return self._connection.execute(query, values).fetchall()


def _newest(said: Sequence[Said], until: int | None) -> Said | None:
    place = len(said) if until is None else bisect_right(said, until, key=_at)
    return said[place - 1] if place else None


def _set_aside(path: Path, damage: sqlite3.DatabaseError) -> None:
    kept_as = set_aside(path)
    log.error("descriptions_damaged", why=str(damage), kept_as=kept_as.name)


def _connected(path: Path) -> sqlite3.Connection:
    connection = connect_durably(path, newest=FORMAT)
    try:
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        expect_whole(connection)
    except BaseException:
        connection.close()
        raise
    return connection
