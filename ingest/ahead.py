"""The ahead lane: what has just come in is stored before its turn, while the store catches up.

What always holds
    It is outside of the books: no cursor, counter or dead letter comes of it. What it stores is
    stored again in its turn, as the same points, and accounted for then.
    It holds nothing up: what fails is counted and left to its turn, and at most a third of the
    follower's time goes into it.
    It hands on only what another follower has had decoded in order, so each message has been read
    by what its device had said of itself when it came, and is not decoded another time.
    Its memory is bounded: newer batches push out older ones, which wait for their turn.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Protocol, runtime_checkable

from devices.outcome import Outcome
from ingest.journal_room import MIB
from ingest.message import Batch, Message

LATE_S = 5.0
"""A follower is far behind when what it has not handled came in so long ago; twice as long at most
goes by before that is noticed. What a burst leaves is over before."""
WAITING_MESSAGES = 5_000
WAITING_BYTES = 8 * MIB
"""What waits for the lane; the newest batch does in any case."""
_REST = 2.0
"""Times as long as a turn took, in which there is none: a third of the time."""


@runtime_checkable
class StoresAhead(Protocol):
    """A consumer that can store something before its turn."""

    def ahead(
        self, positions: Sequence[int], messages: Sequence[Message], outcomes: Sequence[Outcome]
    ) -> bool:
        """Store what messages come to, and account for nothing; return whether it is stored.

        Called in the follower's thread, between two batches.
        """
        ...


class AheadLane:
    """The lane of one follower; offered to by one thread, taking turns in the follower's."""

    def __init__(
        self,
        consumer: StoresAhead,
        at_hand: Callable[[Batch], Sequence[Outcome] | None],
        *,
        head: int,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing.

        Args:
            consumer: Who stores it.
            at_hand: Returns the outcomes of a batch that another follower had decoded; None: none.
            head: The last position there is; what is not handled of it counts as late.
            ticks: Seconds of a clock that nobody sets.
        """
        self._ticks = ticks
        self._consumer = consumer
        self._at_hand = at_hand
        self._late = self._mark = head
        self._marked_at = ticks()
        self._waiting: deque[tuple[Batch, int]] = deque()
        self._lock = threading.Lock()
        self._rests_until = 0.0
        self.stored = 0
        """Messages stored before their turn, since the start."""
        self.failed = 0
        """Turns in which the store took nothing."""

    def offer(self, batch: Batch, size: int, *, position: int) -> None:
        """Note that a batch came in; keep it where the follower is far behind it.

        Args:
            batch: The newest.
            size: Its bytes.
            position: The last one that the follower has handled.
        """
        now = self._ticks()
        if now - self._marked_at >= LATE_S:
            self._late, self._mark, self._marked_at = self._mark, batch.last, now
        if position < self._late:
            with self._lock:
                self._waiting.append((batch, size))
                self._make_room()

    def turn(self, position: int) -> None:
        """Store what is at hand, if the follower is far behind and the lane has rested."""
        if not self._waiting or self._ticks() < self._rests_until:
            return
        taken = self._take(position)
        if not taken:
            return
        batches = [batch for batch, _ in taken]
        messages = [message for batch in batches for message in batch.messages]
        began = self._ticks()
        is_stored = self._consumer.ahead(
            list(chain.from_iterable(range(one.base, one.last + 1) for one in batches)),
            messages,
            [outcome for _, outcomes in taken for outcome in outcomes],
        )
        ended = self._ticks()
        self._rests_until = ended + _REST * (ended - began)
        self.stored += len(messages) if is_stored else 0
        self.failed += not is_stored

    def _take(self, position: int) -> list[tuple[Batch, Sequence[Outcome]]]:
        """Take what is at hand; put back what may be soon, forget what the follower is near to."""
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
        if position >= self._late:
            return []
        found = [(batch, size, self._at_hand(batch)) for batch, size in waiting]
        with self._lock:
            later = [(batch, size) for batch, size, outcomes in found if outcomes is None]
            self._waiting.extendleft(reversed(later))
            self._make_room()
        return [(batch, outcomes) for batch, _, outcomes in found if outcomes is not None]

    def _make_room(self) -> None:
        """Forget the oldest while more waits than may."""
        messages = sum([len(batch) for batch, _ in self._waiting])
        size = sum([size for _, size in self._waiting])
        while len(self._waiting) > 1 and (messages > WAITING_MESSAGES or size > WAITING_BYTES):
            batch, bytes_ = self._waiting.popleft()
            messages -= len(batch)
            size -= bytes_
