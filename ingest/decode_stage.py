"""Decoding once: all followers share what came of a batch, also when they read it from the journal.

Outcomes are kept for the follower that comes later, by the positions they are of. The one that
leads pays for decoding, so the other catches up with it: they stay near each other by themselves.
"""

import threading
from collections.abc import Callable, Sequence

from devices.outcome import Outcome
from ingest.message import Batch, Message

KEPT = 50_000
"""Messages and observations whose outcomes are kept; some ten megabytes."""

Decode = Callable[[int, Message], Outcome]
"""Position and message to what became of it; raises nothing for any input."""


class DecodeStage:
    """Makes the outcomes of a batch when somebody first asks, and keeps the latest."""

    def __init__(self, decode: Decode, *, kept: int = KEPT) -> None:
        self._decode = decode
        self._lock = threading.Lock()
        self._limit = kept
        self._kept: dict[tuple[int, int], Sequence[Outcome]] = {}
        self._size = 0

    def outcomes(self, batch: Batch) -> Sequence[Outcome]:
        """Return one outcome for each message, in order; called by followers' threads."""
        span = (batch.base, batch.last)
        with self._lock:
            outcomes = self._kept.get(span)
            if outcomes is None:
                decode = self._decode
                outcomes = [
                    decode(position, message)
                    for position, message in enumerate(batch.messages, batch.base)
                ]
                self._keep(span, outcomes)
        return outcomes

    def _keep(self, span: tuple[int, int], outcomes: Sequence[Outcome]) -> None:
        self._kept[span] = outcomes
        self._size += _size(outcomes)
        while self._size > self._limit and len(self._kept) > 1:
            oldest = next(iter(self._kept))
            self._size -= _size(self._kept.pop(oldest))


def _size(outcomes: Sequence[Outcome]) -> int:
    return len(outcomes) + sum([len(one) for one in outcomes if type(one) is tuple])
