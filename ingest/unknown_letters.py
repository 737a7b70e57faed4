"""Dead letters of topics that nobody claims and devices that nobody registered, to be looked at.

What is read is bounded, however many letters are kept: the groups with the most messages, and of
each the newest few that are not large.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from devices.outcome import DeadLetterReason
from ingest.dead_letter import Selection
from ingest.letter_file import LetterState, accounted, connect_letters
from ingest.message import Message

GROUPS = 200
SAMPLES = 10
SAMPLE_BYTES = 64 * 1024
"""Groups looked at, letters read of each, and bytes of the largest that is."""
REASONS = (DeadLetterReason.UNKNOWN_TOPIC, DeadLetterReason.UNKNOWN_DEVICE)

_GROUPS = """SELECT topic, device, reason, sum(count), min(first_at), max(arrived_at)
    FROM letter WHERE state IN ('open', 'expired') AND reason IN (?, ?) AND position <= ?
    GROUP BY topic, device, reason HAVING sum(state = 'open')
    ORDER BY sum(count) DESC, max(position) DESC LIMIT ?"""
_SAMPLE = """SELECT topic, payload, arrived_at, source, flags FROM letter
    WHERE state = 'open' AND topic = ? AND device = ? AND reason = ? AND position <= ?
    AND size <= ? ORDER BY position DESC LIMIT ?"""


class UnknownGroup(msgspec.Struct, frozen=True):
    """Letters of one topic, device and reason; times of arrival, milliseconds UTC.

    Attributes:
        device: Its id where decoding got that far; else empty.
        count: Messages, with those of which no payload is kept.
        sample: The newest of those that are kept, the newest first.
    """

    topic: str
    device: str
    reason: str
    count: int
    first_at: int
    last_at: int
    sample: tuple[Message, ...] = ()

    @property
    def open(self) -> Selection:
        """Its letters that can be replayed."""
        return Selection(
            topic=self.topic, device=self.device, reason=self.reason, state=LetterState.OPEN
        )


def unknown_groups(ledger: Path, *, limit: int = GROUPS) -> list[UnknownGroup]:
    """Return the groups with the most messages, each with its sample.

    Raises:
        LedgerRefused: There is no ledger yet.
    """
    last = accounted(ledger)
    with closing(connect_letters(ledger, read_only=True)) as connection:
        rows = connection.execute(_GROUPS, (*REASONS, last, limit)).fetchall()
        return list(_with_samples(connection, rows, last))


def _with_samples(
    connection: sqlite3.Connection, rows: Sequence[tuple[str, str, str, int, int, int]], last: int
) -> Iterator[UnknownGroup]:
    for row in rows:
        asked = (*row[:3], last, SAMPLE_BYTES, SAMPLES)
        sample = tuple(
            Message(topic, payload, arrived_at, source, flags=flags)
            for topic, payload, arrived_at, source, flags in connection.execute(_SAMPLE, asked)
        )
        yield UnknownGroup(*row, sample=sample)
