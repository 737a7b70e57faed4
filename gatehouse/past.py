"""What of the statuses before is needed to judge the next: how far things were, and when. Pure.

Times are of a clock that nobody sets; milliseconds.
"""

from collections.abc import Mapping

import msgspec

from devices.clock import HOUR, MINUTE
from ingest.status import ServiceStatus


class Mark(msgspec.Struct, frozen=True):
    """How far things were at one moment.

    Attributes:
        head: Of the journal.
        handled: Messages that the series follower has accounted for.
        dead: Those of them that ever became dead letters.
    """

    ticks: int
    head: int
    handled: int
    dead: int


class Past(msgspec.Struct, frozen=True):
    """The statuses before.

    Attributes:
        marks: Oldest first, one a minute at most and only where something moved; of an hour.
        moved_at: When a message was last journalled.
        lull: The longest time between two such moments so far, milliseconds.
        head: The journal's, at the last status; -1 before the first.
        wall_less_ticks: The wall clock minus the clock that nobody sets, at the last status.
        dropped: By source what its broker said it had dropped, at the last status.
    """

    marks: tuple[Mark, ...] = ()
    moved_at: int = 0
    lull: int = 0
    head: int = -1
    wall_less_ticks: int = 0
    dropped: Mapping[str, int] = {}

    def then(self, status: ServiceStatus) -> "Past":
        """Return the past as the next status has it."""
        ticks, head = status.ticks, status.pipeline.journal.head
        moved, lull = head != self.head, self.lull
        if moved and self.head >= 0:
            lull = max(lull, ticks - self.moved_at)
        return Past(
            marks=self._marks(status),
            moved_at=ticks if moved else self.moved_at,
            lull=lull,
            head=head,
            wall_less_ticks=status.wall_at - ticks,
            dropped={
                one.name: one.dropped_at_broker
                for one in status.pipeline.sources
                if one.dropped_at_broker is not None
            },
        )

    def mark_before(self, ticks: int) -> Mark | None:
        """Return how far things were at a time, or at the first mark; None where there is none."""
        older = [mark for mark in self.marks if mark.ticks <= ticks]
        return older[-1] if older else next(iter(self.marks), None)

    @property
    def came_before_lull(self) -> int:
        """How many messages came in the hour before the last one; 0 where it is not known."""
        first = next(iter(self.marks), None)
        if first is None or self.moved_at - first.ticks < HOUR - 2 * MINUTE:
            return 0
        return self.head - first.head

    def _marks(self, status: ServiceStatus) -> tuple[Mark, ...]:
        books, last = status.books, self.marks[-1] if self.marks else None
        handled, dead = books.received - books.pending, sum(books.dead.values())
        mark = Mark(status.ticks, status.pipeline.journal.head, handled, dead)
        if last is not None:
            moved = (last.head, last.handled, last.dead) != (mark.head, handled, dead)
            if not moved or mark.ticks - last.ticks < MINUTE:
                return self.marks
        return (*(one for one in self.marks if mark.ticks - one.ticks <= HOUR), mark)
