"""Dead letters as people handle them: grouped, looked at, sent through again, given up.

All of it works on the letters' file, beside the running service or without one. A replay is only
asked for here; the series follower does it, with the decoder of the day. Its observations go to
the series store and not to the rules: late evidence never pages anybody.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from devices.outcome import DeadLetter, Ignored, Outcome
from ingest.decode_stage import Decode
from ingest.ledger_file import transaction
from ingest.letter_file import LetterState, accounted, close_letters, connect_letters
from ingest.message import Message

GROUPS = 100
AT_ONCE = 10_000
"""Letters that one command touches; say it again for the rest."""
_RECENT = 20_000
"""Positions among which the newest groups are looked for first: in a flood of topics they are."""
_TRANSACTION = 500
"""Letters settled in one transaction, so that the service never waits long for its turn."""
_POLL_S = 0.2
_LAST = 2**63 - 1
_MINE = "stored_points = 0"
_COLUMNS = """position, count, first_at, arrived_at, source, topic, flags, device, payload, size,
    reason, detail, stored_points, state, replay, attempts, note"""


class Selection(msgspec.Struct, frozen=True):
    """Which letters; what is None does not narrow.

    Attributes:
        topic: As published.
        topic_begins: How the topics begin.
        device: Its id; "" where decoding did not get that far.
    """

    position: int | None = None
    reason: str | None = None
    topic: str | None = None
    topic_begins: str | None = None
    device: str | None = None
    state: str | None = None

    def where(self) -> tuple[str, list[Any]]:
        """Return a condition in SQL and its values."""
        names = ("state", "topic", "device", "reason", "position")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        parts, values = [f"{name} = ?" for name in given], list(given.values())
        if self.topic_begins is not None:
            parts.append("substr(topic, 1, ?) = ?")
            values += [len(self.topic_begins), self.topic_begins]
        return " AND ".join(parts) or "1", values


class Group(msgspec.Struct, frozen=True):
    """Letters of one topic, device, reason and state; times of arrival, milliseconds UTC.

    Attributes:
        newest: The position of the newest letter, to look at.
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
        position: Its message's in the journal, which names it.
        count: How many messages it stands for; above 1 it is the last of those of a flood, whose
            payloads were not kept.
        first_at: When the first of them arrived; milliseconds UTC.
        arrived_at: When the message, or the last of them, arrived; milliseconds UTC.
        payload: As published; empty where it is not kept (any more).
        size: Bytes of the payload as published; of all of them.
        stored_points: How many of its points are in the store; above 0 it cannot be replayed.
        replay: Whether the service is to replay it.
        attempts: How often a replay has failed.
        note: Why somebody discarded it.
    """

    position: int
    count: int
    first_at: int
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
    def group(self) -> Selection:
        """The open letters that are like this one."""
        return Selection(
            topic=self.topic, device=self.device, reason=self.reason, state=LetterState.OPEN
        )

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
    names = "topic, device, reason, state"
    newest = f"""SELECT {names} FROM letter NOT INDEXED WHERE {{0}}
        AND position > (SELECT max(position) FROM letter) - {_RECENT}
        GROUP BY {names} ORDER BY max(position) DESC LIMIT ?"""  # noqa: S608 - values are bound
    summed = f"""SELECT {names}, sum(count), min(first_at), max(arrived_at), max(position)
        FROM letter WHERE {{0}} {{1}}
        GROUP BY {names} ORDER BY max(position) DESC LIMIT ?"""  # noqa: S608 - values are bound
    with _reading(ledger, selection, "{}") as (connection, condition, values):
        connection.execute("BEGIN")
        found = connection.execute(newest.format(condition), (*values, limit)).fetchall()
        if len(found) < limit:  # Then others are older, and all have to be added up.
            rows = connection.execute(summed.format(condition, ""), (*values, limit))
            return [Group(*row) for row in rows]
        one = "AND topic = ? AND device = ? AND reason = ? AND state = ?"
        query = summed.format(condition, one)
        return [Group(*connection.execute(query, (*values, *each, 1)).fetchone()) for each in found]


def letters(
    ledger: Path, selection: Selection, *, limit: int = GROUPS, before: int | None = None
) -> list[Letter]:
    """Return single letters, the newest first.

    Args:
        ledger: Its file.
        selection: Which ones.
        limit: At most so many.
        before: Only those with lower positions: the page after the one that ended there.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    query = f"""SELECT {_COLUMNS} FROM {_in_order(selection)} WHERE {{}} AND position < ?
        ORDER BY position DESC LIMIT ?"""  # noqa: S608 - values are bound
    bound = _LAST if before is None else before
    with _reading(ledger, selection, query) as (connection, asked, values):
        return [_letter(row) for row in connection.execute(asked, (*values, bound, limit))]


def letter(ledger: Path, position: int) -> Letter | None:
    """Return the letter of a position.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    return next(iter(letters(ledger, Selection(position=position), limit=1)), None)


def replayable(ledger: Path, selection: Selection) -> Iterator[Letter]:
    """Yield the letters that a replay would take, oldest first: open ones that stored nothing.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    query = f"""SELECT {_COLUMNS} FROM {_in_order(selection)} WHERE {_MINE} AND {{}}
        ORDER BY position LIMIT {AT_ONCE}"""  # noqa: S608 - values are bound
    with _reading(ledger, _open(selection), query) as (connection, asked, values):
        for row in connection.execute(asked, values):
            yield _letter(row)


def rehearse(ledger: Path, selection: Selection, decode: Decode) -> dict[str, int]:
    """Return what a replay would come to, and change nothing: counts by outcome, most first.

    What the store would refuse is not known before it is asked.

    Returns:
        ``stored``, ``ignored:<reason>`` and ``dead:<reason>``, of at most :data:`AT_ONCE` letters.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    counts: Counter[str] = Counter()
    found = replayable(ledger, selection)
    while some := list(islice(found, _TRANSACTION)):
        outcomes = decode([one.position for one in some], [one.message for one in some])
        counts.update(map(_counter, outcomes))
    return dict(counts.most_common())


def request_replay(ledger: Path, selection: Selection) -> list[int]:
    """Ask the service to replay letters, and return their positions.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    condition, values = _accounted(ledger, _open(selection))
    query = f"""SELECT position FROM {_in_order(selection)} WHERE {_MINE} AND {condition}
        ORDER BY position LIMIT ?"""  # noqa: S608 - values are bound
    mark = "UPDATE letter SET replay = 1 WHERE position = ? AND state = 'open'"
    with _opened(ledger) as connection:
        chunks = _chunks(connection.execute(query, (*values, AT_ONCE)))
        for some in chunks:
            with transaction(connection):
                connection.executemany(mark, [(one,) for one in some])
    return [position for some in chunks for position in some]


def await_replay(ledger: Path, positions: Sequence[int], *, seconds: float) -> Replay:
    """Wait until the service has tried these letters, or the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        with closing(connect_letters(ledger, read_only=True)) as connection:
            result = _result(connection, positions)
        if not result.waiting or time.monotonic() >= deadline:
            return result
        time.sleep(_POLL_S)


def discard(ledger: Path, selection: Selection, *, note: str) -> int:
    """Give up open letters and their payloads, which cannot be undone; return how many.

    Args:
        ledger: Its file.
        selection: Which ones.
        note: Why, in a person's words.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    condition, values = _accounted(ledger, _open(selection))
    query = f"SELECT position FROM letter WHERE {condition} LIMIT ?"  # noqa: S608 - values are bound
    discarded = 0
    with _opened(ledger) as connection:
        for some in _chunks(connection.execute(query, (*values, AT_ONCE))):
            with transaction(connection):
                discarded += close_letters(connection, some, state=LetterState.DISCARDED, note=note)
    return discarded


def _chunks(rows: Iterable[tuple[int]]) -> list[list[int]]:
    """Return positions in parts of a transaction's size, all read before the first is begun."""
    positions = [row[0] for row in rows]
    starts = range(0, len(positions), _TRANSACTION)
    return [positions[start : start + _TRANSACTION] for start in starts]


def _open(selection: Selection) -> Selection:
    """Return the open ones of a selection."""
    return msgspec.structs.replace(selection, state=LetterState.OPEN)


def _in_order(selection: Selection) -> str:
    """Return the table to read by position: without a topic an index would have to be sorted."""
    return "letter" if selection.topic is not None else "letter NOT INDEXED"


def _accounted(ledger: Path, selection: Selection) -> tuple[str, list[Any]]:
    """Return the condition for letters of a selection that the ledger accounts for."""
    condition, values = selection.where()
    return f"{condition} AND position <= ?", [*values, accounted(ledger)]


@contextmanager
def _reading(
    ledger: Path, selection: Selection, query: str
) -> Iterator[tuple[sqlite3.Connection, str, list[Any]]]:
    """Open the letters to read; yield the query with its condition filled in, and the values."""
    condition, values = _accounted(ledger, selection)
    with closing(connect_letters(ledger, read_only=True)) as connection:
        yield connection, query.format(condition), values


@contextmanager
def _opened(ledger: Path) -> Iterator[sqlite3.Connection]:
    """Open existing letters for writing, beside the service."""
    connect_letters(ledger, read_only=True).close()
    with closing(connect_letters(ledger)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        yield connection


def _result(connection: sqlite3.Connection, positions: Sequence[int]) -> Replay:
    waiting = failed = settled = 0
    for position in positions:
        query = "SELECT state, replay FROM letter WHERE position = ?"
        state, replay = connection.execute(query, (position,)).fetchone() or ("expired", 0)
        waiting += bool(replay)
        settled += state == LetterState.REPLAYED
        failed += state == LetterState.OPEN and not replay
    return Replay(settled, failed, waiting)


def _counter(outcome: Outcome) -> str:
    if isinstance(outcome, DeadLetter):
        return f"dead:{outcome.reason.value}"
    if isinstance(outcome, Ignored):
        return f"ignored:{outcome.reason.value}"
    return "stored"


def _letter(row: tuple[Any, ...]) -> Letter:
    fields = dict(zip(Letter.__struct_fields__, row, strict=True))
    return Letter(**fields | {"replay": bool(fields["replay"])})
