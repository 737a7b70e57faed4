"""Dead letters as people handle them: grouped, looked at, sent through again, given up.

All of it works on the ledger's file, beside the running service or without one. A replay is only
asked for here; the series follower does it, with the decoder of the day. Its observations go to
the series store and not to the rules: late evidence never pages anybody.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ingest.ledger_file import close_letters, connect, transaction
from ingest.message import Message

GROUPS = 100
AT_ONCE = 10_000
"""Letters that one command touches; say it again for the rest."""
_TRANSACTION = 500
"""Letters settled in one transaction, so that the service never waits long for its turn."""
_POLL_S = 0.2
_MINE = "state = 'open' AND stored_points = 0"
_COLUMNS = """id, position, arrived_at, source, topic, flags, device, payload, size, reason,
    detail, stored_points, state, replay, attempts, note"""


class Selection(msgspec.Struct, frozen=True):
    """Which letters; what is empty does not narrow.

    Attributes:
        topic: As published; ending in ``#`` everything that begins like it.
        device: Its id, where decoding got that far.
        state: open, replayed, discarded or expired.
    """

    id: int | None = None
    reason: str = ""
    topic: str = ""
    device: str = ""
    state: str = ""

    def where(self) -> tuple[str, list[Any]]:
        """Return a condition in SQL and its values."""
        exact = {"id": self.id, "reason": self.reason, "device": self.device, "state": self.state}
        given = {name: value for name, value in exact.items() if value}
        parts, values = [f"{name} = ?" for name in given], list(given.values())
        if self.topic.endswith("#"):
            parts.append("substr(topic, 1, ?) = ?")
            values += [len(self.topic) - 1, self.topic[:-1]]
        elif self.topic:
            parts.append("topic = ?")
            values.append(self.topic)
        return " AND ".join(parts) or "1", values


class Group(msgspec.Struct, frozen=True):
    """Letters of one topic, device, reason and state; times of arrival, milliseconds UTC.

    Attributes:
        newest: The id of the newest letter, to look at.
    """

    topic: str
    device: str
    reason: str
    state: str
    count: int
    first_at: int
    last_at: int
    newest: int


class Letter(msgspec.Struct, frozen=True):
    """One dead letter.

    Attributes:
        position: In the journal.
        arrived_at: Milliseconds UTC.
        payload: As published; empty where it is not kept (any more).
        size: Bytes of the payload as published.
        stored_points: How many of its points are in the store; above 0 it cannot be replayed.
        replay: Whether the service is to replay it.
        attempts: How often a replay has failed.
        note: Why somebody discarded it.
    """

    id: int
    position: int
    arrived_at: int
    source: str
    topic: str
    flags: int
    device: str
    payload: bytes
    size: int
    reason: str
    detail: str
    stored_points: int
    state: str
    replay: bool
    attempts: int
    note: str

    @property
    def message(self) -> Message:
        """The message as it can be decoded again."""
        return Message(self.topic, self.payload, self.arrived_at, self.source, flags=self.flags)


class Replay(msgspec.Struct, frozen=True):
    """What came of asking for a replay.

    Attributes:
        settled: Stored, or knowingly ignored, after all.
        failed: Still dead letters, with the reason of today.
        waiting: Not tried yet when the time was up; the service does it when it runs.
    """

    settled: int
    failed: int
    waiting: int


def groups(ledger: Path, selection: Selection, *, limit: int = GROUPS) -> list[Group]:
    """Return the groups with the newest letters first.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    condition, values = selection.where()
    query = f"""SELECT topic, device, reason, state, count(*), min(arrived_at), max(arrived_at),
        max(id) FROM dead_letter WHERE {condition}
        GROUP BY topic, device, reason, state ORDER BY max(id) DESC LIMIT ?"""  # noqa: S608 - values are bound
    with closing(connect(ledger, read_only=True)) as connection:
        return [Group(*row) for row in connection.execute(query, (*values, limit))]


def letters(
    ledger: Path, selection: Selection, *, limit: int = GROUPS, before: int | None = None
) -> list[Letter]:
    """Return single letters, the newest first.

    Args:
        ledger: Its file.
        selection: Which ones.
        limit: At most so many.
        before: Only those with lower ids: the page after the one that ended there.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    condition, values = selection.where()
    if before is not None:
        condition, values = f"{condition} AND id < ?", [*values, before]
    query = f"SELECT {_COLUMNS} FROM dead_letter WHERE {condition} ORDER BY id DESC LIMIT ?"  # noqa: S608 - values are bound
    with closing(connect(ledger, read_only=True)) as connection:
        return [_letter(row) for row in connection.execute(query, (*values, limit))]


def letter(ledger: Path, number: int) -> Letter | None:
    """Return one letter by its id.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    return next(iter(letters(ledger, Selection(id=number), limit=1)), None)


def replayable(ledger: Path, selection: Selection) -> Iterator[Letter]:
    """Yield the letters that a replay would take, oldest first: open ones that stored nothing.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    condition, values = selection.where()
    query = f"""SELECT {_COLUMNS} FROM dead_letter WHERE {_MINE} AND {condition}
        ORDER BY id LIMIT ?"""  # noqa: S608 - values are bound
    with closing(connect(ledger, read_only=True)) as connection:
        for row in connection.execute(query, (*values, AT_ONCE)):
            yield _letter(row)


def request_replay(ledger: Path, selection: Selection) -> list[int]:
    """Ask the service to replay letters, and return their ids.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    condition, values = selection.where()
    query = f"SELECT id FROM dead_letter WHERE {_MINE} AND {condition} ORDER BY id LIMIT ?"  # noqa: S608 - values are bound
    with _opened(ledger) as connection, transaction(connection):
        ids = [row[0] for row in connection.execute(query, (*values, AT_ONCE))]
        connection.executemany(
            "UPDATE dead_letter SET replay = 1 WHERE id = ?", [(number,) for number in ids]
        )
    return ids


def await_replay(ledger: Path, ids: list[int], *, seconds: float) -> Replay:
    """Wait until the service has tried these letters, or the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        with closing(connect(ledger, read_only=True)) as connection:
            result = _result(connection, ids)
        if not result.waiting or time.monotonic() >= deadline:
            return result
        time.sleep(_POLL_S)


def discard(ledger: Path, selection: Selection, *, note: str) -> int:
    """Give up open letters and their payloads; return how many.

    Args:
        ledger: Its file.
        selection: Which ones.
        note: Why, in a person's words.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    condition, values = selection.where()
    query = f"SELECT id FROM dead_letter WHERE state = 'open' AND {condition} LIMIT ?"  # noqa: S608 - values are bound
    discarded = 0
    with _opened(ledger) as connection:
        while discarded < AT_ONCE:
            ids = [row[0] for row in connection.execute(query, (*values, _TRANSACTION))]
            if not ids:
                break
            with transaction(connection):
                discarded += close_letters(connection, ids, state="discarded", note=note)
    return discarded


@contextmanager
def _opened(ledger: Path) -> Iterator[sqlite3.Connection]:
    """Open an existing ledger for writing, beside the service."""
    connect(ledger, read_only=True).close()
    with closing(connect(ledger)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        yield connection


def _result(connection: sqlite3.Connection, ids: list[int]) -> Replay:
    waiting = failed = settled = 0
    for number in ids:
        query = "SELECT state, replay FROM dead_letter WHERE id = ?"
        state, replay = connection.execute(query, (number,)).fetchone() or ("expired", 0)
        waiting += bool(replay)
        settled += state == "replayed"
        failed += state == "open" and not replay
    return Replay(settled, failed, waiting)


def _letter(row: tuple[Any, ...]) -> Letter:
    fields = dict(zip(Letter.__struct_fields__, row, strict=True))
    return Letter(**fields | {"replay": bool(row[13])})
