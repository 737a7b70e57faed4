"""Messages that become dead letters, as rows of their file: whole, or a count of a group. Pure."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from ingest.journal_room import MIB
from ingest.letter_file import LetterState
from ingest.letter_sample import Group, LetterSample
from ingest.message import Message

LETTER_BYTES = MIB
"""Payloads above this are counted and described, not kept."""
ROW_BYTES = 300
"""What a letter takes beside payload, topic and detail, roughly."""
MANY_TOPICS = ""
"""The topic of a letter that stands for messages of several."""

Row = tuple[object, ...]
"""In the order of :data:`ingest.letters._INSERT`."""


class LetterDraft(msgspec.Struct, frozen=True):
    """A message that becomes a dead letter.

    Attributes:
        device: The device's id where decoding got that far; else empty.
        stored_points: How many of its points the store accepted; such a letter is not replayed.
    """

    position: int
    message: Message
    reason: str
    detail: str
    device: str = ""
    stored_points: int = 0


def draft_rows(
    drafts: Sequence[LetterDraft], sample: LetterSample
) -> tuple[list[Row], int, Counter[str]]:
    """Return whole letters and counted ones as rows, the bytes they take, and the counts."""
    rows: list[Row] = []
    taken = 0
    counted: dict[Group, _Counted] = {}
    for draft in drafts:
        message, reason = draft.message, draft.reason
        size = len(message.payload)
        kept = ROW_BYTES + size + len(message.topic) + len(draft.detail)
        group = (message.topic, draft.device, reason)
        if size <= LETTER_BYTES and sample.admits(group, size=kept, at=message.received_at):
            rows.append(_whole(draft, kept))
            taken += kept
            continue
        if sample.is_spent:
            group = (MANY_TOPICS, "", reason)
        if group not in counted:
            counted[group] = _Counted(group, draft)
        counted[group].add(draft)
    reasons = Counter([draft.reason for draft in drafts])
    counts = Counter({f"dead:{reason}": count for reason, count in reasons.items()})
    for one in counted.values():
        rows.append(one.row())
        taken += one.kept
        counts["expired"] += one.count
    return rows, taken, counts


class _Counted:
    """Messages of one group of which no payload is kept; adds up to one row."""

    def __init__(self, group: Group, first: LetterDraft) -> None:
        self.count = self._size = 0
        self._group = group
        self._first = self._last = first

    def add(self, draft: LetterDraft) -> None:
        """Count one more."""
        self.count += 1
        self._size += len(draft.message.payload)
        self._last = draft

    @property
    def kept(self) -> int:
        """Bytes that the row takes."""
        return ROW_BYTES + len(self._group[0]) + len(self._last.detail)

    def row(self) -> Row:
        """Return the row that stands for them."""
        topic, device, reason = self._group
        last = self._last
        return (
            *(last.position, self.count, self._first.message.received_at),
            *(last.message.received_at, last.message.source, topic, 0, device, reason),
            *(last.detail, self._size, 0, LetterState.EXPIRED, self.kept, b""),
        )


def _whole(draft: LetterDraft, kept: int) -> Row:
    message = draft.message
    return (
        *(draft.position, 1, message.received_at, message.received_at),
        *(message.source, message.topic, message.flags, draft.device, draft.reason, draft.detail),
        *(len(message.payload), draft.stored_points, LetterState.OPEN, kept, message.payload),
    )
