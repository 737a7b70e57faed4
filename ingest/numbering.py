"""Following a device that numbers its messages: which numbers are missing, and who lost them. Pure.

A number that is skipped is missing until it comes late. One that falls back is a counter that has
wrapped, a device that counts anew, a repeat, or a late one. A counter wraps at the end of 8, 16 or
32 bits; one that has wrapped is taken to do so again. Of the others, a device that says the time
has restarted when that is later than before; of one that does not, the next number tells. Where the
count then goes on from before, it was a repeat after all.
Gaps are kept, so that late numbers and later knowledge find them: the newest :data:`MOST_GAPS`.
An older one keeps its count.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

MOST_GAPS = 32
FURTHEST = 100_000
"""Numbers; a leap further than this is a new beginning, not so many messages lost."""
NEAR = 16
"""Numbers; so near to the end a counter wraps, and so near to each other are the first two
numbers after a restart."""
_BITS = (8, 16, 32)


class Cause(StrEnum):
    """Who lost a message, as far as can be known."""

    DEVICE = "device"
    """Nothing was wrong on our side or the broker's: it was not sent, or lost before the broker."""
    BROKER = "broker"
    """Meanwhile the broker dropped messages, lost our session, or could not be reached."""
    US = "us"
    """Meanwhile a message of that topic became a dead letter, or the journal lost some."""


class Number(NamedTuple):
    """A message's own number, and what came with it.

    Attributes:
        number: 0 or more.
        position: In the journal.
        received_at: Milliseconds UTC.
        observed_at: What the device said of the time, milliseconds UTC; 0 where it said nothing
            that is believed.
        source: That brought it.
    """

    number: int
    position: int
    received_at: int
    observed_at: int
    source: str


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """Numbers in succession that are missing.

    Attributes:
        first, last: The first and the last of them.
        since, until: Arrival of the number before them, and of the one after; milliseconds UTC.
        source: That brought the one after them.
        cause: Who lost them.
    """

    first: int
    last: int
    since: int
    until: int
    source: str
    cause: Cause

    @property
    def size(self) -> int:
        """How many numbers."""
        return self.last - self.first + 1

    def without(self, number: int) -> Iterator["Gap"]:
        """Yield what is left of it without a number."""
        if self.first < number:
            yield msgspec.structs.replace(self, last=min(self.last, number - 1))
        if number < self.last:
            yield msgspec.structs.replace(self, first=max(self.first, number + 1))


Blame = Callable[[str, int, int], Cause]
"""A source and a span of arrivals (milliseconds UTC) to who lost what should have come in it."""


class Numbering(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one counter of a device.

    Attributes:
        last: The number that the next one follows.
        position, received_at, observed_at: Of that number; see :class:`Number`.
        gaps: The newest of them, oldest first.
        missing: How many numbers are missing, by cause.
        restarts: How often the device began to count anew.
        suspect: A number that may be the first after a restart; -1 for none.
        size: How many numbers the counter has before it wraps; 0 where it has not yet.
        before: What was known before the last restart, until its last number is passed.
    """

    last: int
    position: int
    received_at: int
    observed_at: int
    gaps: tuple[Gap, ...] = ()
    missing: dict[Cause, int] = {}
    restarts: int = 0
    suspect: int = -1
    size: int = 0
    before: "Numbering | None" = None

    def take(self, seen: Number, *, ours: Callable[[], int], blame: Blame) -> "Numbering":
        """Return what is known after the next number.

        Args:
            seen: The number.
            ours: Counts the messages since the number before that may be what is missing, and are
                dead letters or lost by the journal; asked only where something is missing.
            blame: Who lost the rest.
        """
        size = self._size(seen.number)
        forward = _forward(self.last, seen.number, size)
        if forward == 1:
            return self._follow(seen, size)
        before = self.before
        if before is not None and forward > 1 and 0 < seen.number - before.last <= NEAR:
            return before.take(seen, ours=ours, blame=blame)
        if 0 < forward <= FURTHEST:
            return self._follow(seen, size)._lack(self._lost(seen, size), ours(), blame)
        filled = self.fill(seen.number)
        if filled is not self or forward == 0:
            return filled
        if self._has_restarted(seen):
            anew = self._follow(seen, 0)
            return msgspec.structs.replace(anew, restarts=self.restarts + 1, before=before or self)
        return msgspec.structs.replace(self, suspect=seen.number)

    def fill(self, number: int) -> "Numbering":
        """Return what is known after a number came late; the same where it was not missing."""
        for place, gap in enumerate(self.gaps):
            if gap.first <= number <= gap.last:
                gaps = (*self.gaps[:place], *gap.without(number), *self.gaps[place + 1 :])
                missing = self.missing | {gap.cause: self.missing[gap.cause] - 1}
                return msgspec.structs.replace(self, gaps=gaps, missing=missing)
        return self

    def blame_again(self, blame: Blame) -> "Numbering":
        """Return what is known after more is known of what happened: the device may be innocent."""
        if not self.gaps:
            return self
        missing, gaps = dict(self.missing), []
        for gap in self.gaps:
            cause = gap.cause
            if cause is Cause.DEVICE:
                cause = blame(gap.source, gap.since, gap.until)
            if cause is not gap.cause:
                missing[gap.cause] -= gap.size
                missing[cause] = missing.get(cause, 0) + gap.size
            gaps.append(msgspec.structs.replace(gap, cause=cause))
        if missing == self.missing:
            return self
        return msgspec.structs.replace(self, gaps=tuple(gaps), missing=missing)

    def _size(self, number: int) -> int:
        """Return after how many numbers the counter wraps, as far as this one tells; 0: unknown."""
        if number < self.size:
            return self.size
        if self.size or number >= min(NEAR, self.last):
            return 0
        return next((1 << bits for bits in _BITS if 0 < (1 << bits) - self.last <= NEAR), 0)

    def _follow(self, seen: Number, size: int) -> "Numbering":
        """Return what is known with a new last number; gaps half a round behind are forgotten."""
        gaps = self.gaps
        if size and gaps:
            gaps = tuple(gap for gap in gaps if _forward(seen.number, gap.last, size) < 0)
        return msgspec.structs.replace(
            self,
            last=seen.number,
            position=seen.position,
            received_at=seen.received_at,
            observed_at=seen.observed_at,
            gaps=gaps,
            suspect=-1,
            size=size,
            before=self.before if self.before and seen.number < self.before.last else None,
        )

    def _lost(self, seen: Number, size: int) -> list[Gap]:
        """Return the gap between the last number and the next, in two where the counter wrapped."""
        since, until = sorted((self.received_at, seen.received_at))
        spans = [(self.last + 1, seen.number - 1)]
        if seen.number < self.last:
            spans = [(self.last + 1, size - 1), (0, seen.number - 1)]
        return [
            Gap(first, last, since, until, seen.source, Cause.DEVICE)
            for first, last in spans
            if first <= last
        ]

    def _lack(self, lost: Sequence[Gap], ours: int, blame: Blame) -> "Numbering":
        """Return what is known with more gaps, of which the first numbers are ours."""
        found: list[Gap] = []
        for gap in lost:
            count = min(ours, gap.size)
            ours -= count
            if count:
                end = gap.first + count - 1
                found.append(msgspec.structs.replace(gap, last=end, cause=Cause.US))
            if count < gap.size:
                cause = blame(gap.source, gap.since, gap.until)
                rest = msgspec.structs.replace(gap, first=gap.first + count, cause=cause)
                found.append(rest)
        missing = dict(self.missing)
        for gap in found:
            missing[gap.cause] = missing.get(gap.cause, 0) + gap.size
        gaps = (*self.gaps, *found)[-MOST_GAPS:]
        return msgspec.structs.replace(self, gaps=gaps, missing=missing)

    def _has_restarted(self, seen: Number) -> bool:
        if seen.observed_at and self.observed_at:
            return seen.observed_at > self.observed_at
        return self.suspect >= 0 and 0 < seen.number - self.suspect <= NEAR


def begin(seen: Number) -> Numbering:
    """Return what is known after the first number."""
    return Numbering(seen.number, seen.position, seen.received_at, seen.observed_at)


def _forward(last: int, number: int, size: int) -> int:
    """Return how far a number is ahead of the last one, the shorter way round; negative: behind."""
    if not size:
        return number - last
    ahead = (number - last) % size
    return ahead - size if ahead > size // 2 else ahead
