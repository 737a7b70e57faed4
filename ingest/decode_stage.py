"""Decoding once: all followers share what came of a batch, also when they read it from the journal.

Outcomes are kept, by the positions they are of, until every follower has asked for them. The one
that leads pays for decoding, so the others catch up with it: they stay near each other.
"""

import threading
from collections.abc import Callable, Iterable, Sequence

from devices.decoder import Decoder, of_retained
from devices.description import UNDESCRIBED, Descriptions
from devices.outcome import DeadLetter, DeadLetterReason, Outcome
from devices.registry import Registry
from ingest.batch_descriptions import BatchDescriptions
from ingest.message import BACKLOG, POSTS, RETAIN, Batch, Message

KEPT = 50_000
"""Messages and observations kept for a follower that is behind; some ten megabytes. One that is
further behind decodes for itself."""

_POSTED = f"{POSTS}/"
_NOT_POSTED = DeadLetter(DeadLetterReason.UNKNOWN_TOPIC, "of a post, and none")

Decode = Callable[[Sequence[int], Sequence[Message]], list[Outcome]]
"""Positions and messages to what became of each; raises nothing for any input, and Held where what
they say of their devices cannot be kept now."""


def decode_all(
    messages: Sequence[Message],
    decoder: Decoder,
    registry: Registry,
    descriptions: BatchDescriptions | None = None,
) -> list[Outcome]:
    """Return what ``decoder.decode`` does of each message; what came together is asked together.

    Args:
        messages: In the order of their positions.
        decoder: All profiles.
        registry: The present snapshot.
        descriptions: What devices had said of themselves, begun for these messages; it is told
            what they say, and keeping that is left to the caller. None: nothing is known.

    Raises:
        DescriptionsAway: What devices had said cannot be read now.
    """
    read = decoder.read
    outcomes: list[Outcome] = []
    described: Descriptions = UNDESCRIBED
    if descriptions is not None:
        descriptions.follow(outcomes)
        described = descriptions
    at = flags = -1
    for message in messages:
        if message.received_at != at or message.flags != flags:
            at, flags = message.received_at, message.flags
            is_backlog, is_retained = bool(flags & BACKLOG), bool(flags & RETAIN)
            arrival = decoder.arrival(
                at, backlog=is_backlog, registry=registry, descriptions=described
            )
        topic = message.topic
        if topic.startswith(_POSTED) and message.source != POSTS:
            outcome: Outcome = _NOT_POSTED
        else:
            outcome = read(topic, message.payload, arrival)
        outcomes.append(of_retained(outcome) if is_retained else outcome)
    return outcomes


class DecodeStage:
    """Makes the outcomes of a batch when the first of the followers asks for them."""

    def __init__(self, decode: Decode, *, followers: Iterable[str], kept: int = KEPT) -> None:
        self._decode = decode
        self._asked = dict.fromkeys(followers, 0)
        self._limit = kept
        self._lock = threading.Lock()
        self._kept: dict[tuple[int, int], tuple[Sequence[Outcome], int]] = {}
        self._size = 0

    def outcomes(self, batch: Batch, follower: str) -> Sequence[Outcome]:
        """Return one outcome for each message, in order; called by the thread of a follower."""
        span = (batch.base, batch.last)
        with self._lock:
            self._asked[follower] = batch.last
            if span in self._kept:
                return self._take(span)
            outcomes = self._decode(range(batch.base, batch.last + 1), batch.messages)
            behind = sum(asked < batch.last for asked in self._asked.values())
            if behind:
                self._keep(span, outcomes, behind)
        return outcomes

    def at_hand(self, batch: Batch) -> Sequence[Outcome] | None:
        """Return the outcomes of a batch that is kept for a follower behind; None: it is not."""
        with self._lock:
            kept = self._kept.get((batch.base, batch.last))
        return kept[0] if kept else None

    def _take(self, span: tuple[int, int]) -> Sequence[Outcome]:
        outcomes, behind = self._kept[span]
        if behind > 1:
            self._kept[span] = (outcomes, behind - 1)
        else:
            self._drop(span)
        return outcomes

    def _keep(self, span: tuple[int, int], outcomes: Sequence[Outcome], behind: int) -> None:
        self._kept[span] = (outcomes, behind)
        self._size += _size(outcomes)
        while self._size > self._limit:
            self._drop(next(iter(self._kept)))

    def _drop(self, span: tuple[int, int]) -> None:
        outcomes, _ = self._kept.pop(span)
        self._size -= _size(outcomes)


def _size(outcomes: Sequence[Outcome]) -> int:
    return len(outcomes) + sum([len(one) for one in outcomes if type(one) is tuple])
