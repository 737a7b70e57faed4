"""Decoding the journal again, with today's profiles and registry, into a series store.

What it writes are the points that the series follower would write today: the same identities, so a
point that comes out as before overwrites itself. It reads beside the journal's owner, changes
neither journal nor ledger, and may be cut off anywhere: what is written again changes nothing.

The journal holds the last hours only. What it covers without a gap begins at a position, and in
time at *covered from*: whatever was observed since then arrived at or behind that position.
Before it a rebuild knows only what came late, and the points that were there must stay.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from devices.device_time import NEWEST
from devices.outcome import Ignored
from devices.registry import Registry
from ingest.decode_stage import Decode
from ingest.journal_file import FileDamaged, Row, cut, list_files
from ingest.journal_room import MIB
from ingest.message import Batch, Message
from ingest.point import Point, PointEncoder
from ingest.private_file import replace_private
from ingest.reading import END_OF_TIME
from ingest.refusal import Rejected

MESSAGES_AT_ONCE = 5_000
BYTES_AT_ONCE = 16 * MIB
"""Decoded and written together; the last row of the journal may bring them beyond it."""


class Progress(msgspec.Struct, frozen=True):
    """How far a rebuild is; kept in a file, so that it can go on there.

    Attributes:
        journal: The journal's id.
        profiles: Which profiles it decodes with: a digest.
        target: Which store it writes to: its address, without what is secret.
        position: The last one that is written; 0: none.
        covered_from: Milliseconds UTC; whatever was observed since is of positions without a gap.
    """

    journal: str
    profiles: str
    target: str
    position: int = 0
    covered_from: int = 0


class Account(msgspec.Struct):
    """What the messages of a rebuild came to.

    Attributes:
        first, last: Positions it went through; 0: none.
        messages: Those that could be read.
        lost: Positions in between that the journal could not give back.
        points: As decoded, by measurement; what was sent twice counts twice and is one point.
        ignored, dead: Messages by reason.
        rejected: Points that the store refuses.
    """

    first: int = 0
    last: int = 0
    messages: int = 0
    lost: int = 0
    points: Counter[str] = msgspec.field(default_factory=Counter)
    ignored: Counter[str] = msgspec.field(default_factory=Counter)
    dead: Counter[str] = msgspec.field(default_factory=Counter)
    rejected: int = 0


Write = Callable[[Sequence[Point]], Sequence[Rejected]]
"""Store points, except those it returns; raises StoreHeld when it cannot now."""
Kept = Callable[[Progress, Account], None]
"""Take note of how far it is, when everything up to there is written."""


def rebuild(
    journal: Path,
    progress: Progress,
    *,
    until: int,
    decode: Decode,
    registry: Registry,
    write: Write,
    kept: Kept,
) -> tuple[Progress, Account]:
    """Write what the positions beyond those written come to.

    Args:
        journal: Its folder.
        progress: Where to go on.
        until: The last position.
        decode: Today's.
        registry: Today's.
        write: Into the store.
        kept: Called after each of some thousand messages.

    Raises:
        StoreHeld: The store cannot take it now; what was kept is written.
        sqlite3.OperationalError: The journal's disk refuses.
    """
    account, encoder = Account(), PointEncoder()
    held = first_position(journal) - 1
    for batch in _batches(journal, after=progress.position, until=until):
        points = _points(batch, decode, encoder, registry, account)
        account.rejected += len(write(points))
        account.first = account.first or batch.base
        account.last = batch.last
        account.messages += len(batch)
        account.lost += batch.base - max(progress.position, held) - 1
        progress = _advanced(progress, batch)
        kept(progress, account)
    if progress.position < until:  # Nobody knows when what is lost at the end was observed.
        account.lost += until - max(progress.position, held)
        progress = msgspec.structs.replace(progress, position=until, covered_from=END_OF_TIME)
        kept(progress, account)
    return progress, account


def read_progress(path: Path) -> Progress | None:
    """Return how far an earlier rebuild was; None: there was none, or its note is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_progress(path: Path, progress: Progress) -> None:
    """Replace the note of how far a rebuild is."""
    replace_private(path, msgspec.json.encode(progress))


def first_position(journal: Path) -> int:
    """Return the first position that the journal holds; 1 of one that holds nothing yet."""
    files = list_files(journal)
    return files[0].base if files else 1


def _advanced(progress: Progress, batch: Batch) -> Progress:
    """Return the progress behind a batch; behind a gap what is covered begins anew."""
    covered = progress.covered_from
    if not progress.position or batch.base != progress.position + 1:
        covered = max(covered, batch.messages[0].received_at + NEWEST)
    return msgspec.structs.replace(progress, position=batch.last, covered_from=covered)


def _points(
    batch: Batch, decode: Decode, encoder: PointEncoder, registry: Registry, account: Account
) -> list[Point]:
    """Return the points of a batch, and count what its messages came to."""
    positions = range(batch.base, batch.last + 1)
    points: list[Point] = []
    outcomes = decode(positions, batch.messages)
    for position, message, outcome in zip(positions, batch.messages, outcomes, strict=True):
        if isinstance(outcome, tuple):
            points += encoder.encode(outcome, message, position, registry)
        elif isinstance(outcome, Ignored):
            account.ignored[outcome.reason.value] += 1
        else:
            account.dead[outcome.reason.value] += 1
    account.points.update(point.series.measurement for point in points)
    return points


def _batches(journal: Path, *, after: int, until: int) -> Iterator[Batch]:
    """Yield what can be read of a span of positions, in order, a bounded number at a time."""
    base, size, messages = 0, 0, list[Message]()
    for row in _rows(journal, after=after, until=until):
        batch = cut(row, after)
        is_full = len(messages) >= MESSAGES_AT_ONCE or size >= BYTES_AT_ONCE
        if messages and (is_full or batch.base != base + len(messages)):
            yield Batch(base, messages)
            messages, size = [], 0
        base = base if messages else batch.base
        messages.extend(batch.messages[: until + 1 - batch.base])
        size += row.size
    if messages:
        yield Batch(base, messages)


def _rows(journal: Path, *, after: int, until: int) -> Iterator[Row]:
    """Yield the rows that can be read and hold positions of a span."""
    for file in list_files(journal):
        if file.base > until:
            return
        try:
            for row in file.rows(after):
                if row.messages is not None and row.base <= until:
                    yield row
        except FileDamaged:
            continue  # `journal verify` names it; its positions count as lost.
        except sqlite3.OperationalError:
            if file.path.exists():
                raise  # Else its owner trimmed it while we came here.
