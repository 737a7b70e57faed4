"""Following every numbered device, for the series follower: what each batch tells of each counter.

What is known is changed in memory only by :meth:`NumberWatch.keep`, after the ledger has committed
it with the cursor. So a batch that comes again is counted once.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from devices.observation import DeviceStatus, TimeSource
from ingest.ledger import Ledger
from ingest.message import Message
from ingest.numbering import Number, Numbering, begin
from ingest.numbering_table import Counter
from ingest.trouble import Troubles, cause_in

KEPT = 50_000
"""Counters kept in memory; of the others the ledger knows."""
_TOPICS = 10_000
_DEAD_KEPT = 1_000
"""Dead letters remembered of a topic, of at most so many topics."""
_LOST_KEPT = 100


class Numbered(NamedTuple):
    """A message that bears a number."""

    position: int
    message: Message
    status: DeviceStatus


class NumberWatch:
    """What is known of each counter, as far as it is in memory.

    Args:
        ledger: Where it is kept.
        troubles: What happened between devices and us.
    """

    def __init__(self, ledger: Ledger, troubles: Troubles) -> None:
        self._ledger = ledger
        self._troubles = troubles
        self._spans = self._blamed = troubles.spans
        self._known: dict[Counter, Numbering] = {}
        self._dead: dict[str, deque[int]] = {}
        self._lost: deque[tuple[int, int]] = deque(maxlen=_LOST_KEPT)

    def look(self, numbered: Sequence[Numbered]) -> dict[Counter, Numbering]:
        """Return what a batch changes.

        Args:
            numbered: Its messages that bear a number, in their order.
        """
        self._load({_counter(one.status) for one in numbered})
        changed = self._blame_again()
        for one in numbered:
            counter, number = _counter(one.status), _number(one)
            known = changed.get(counter) or self._known.get(counter)
            if known is None:
                changed[counter] = begin(number)
                continue
            after = known.take(
                number,
                ours=partial(self._count_ours, one.message.topic, known.position, one.position),
                blame=self._troubles.cause,
            )
            if after is not known:
                changed[counter] = after
        return changed

    def fill(self, numbered: Sequence[Numbered]) -> dict[Counter, Numbering]:
        """Return what changes by messages that are taken in again, later: they fill gaps only."""
        changed: dict[Counter, Numbering] = {}
        self._load({_counter(one.status) for one in numbered})
        for one in numbered:
            counter = _counter(one.status)
            known = changed.get(counter) or self._known.get(counter)
            after = known.fill(one.status.sequence or 0) if known else None
            if after is not None and after is not known:
                changed[counter] = after
        return changed

    def keep(self, changed: Mapping[Counter, Numbering]) -> None:
        """Take for known what has been committed."""
        self._blamed = self._spans
        self._known.update(changed)

    def note_dead(self, letters: Iterable[tuple[int, str]]) -> None:
        """Note positions and topics of dead letters, in their order; again is as good as once."""
        for position, topic in letters:
            if topic not in self._dead and len(self._dead) >= _TOPICS:
                self._dead.clear()
            dead = self._dead.setdefault(topic, deque(maxlen=_DEAD_KEPT))
            if not dead or dead[-1] < position:
                dead.append(position)

    def note_lost(self, first: int, last: int) -> None:
        """Note positions that the journal lost, both included; again is as good as once."""
        if (first, last) not in self._lost:
            self._lost.append((first, last))

    def _load(self, counters: set[Counter]) -> None:
        if len(self._known) > KEPT:
            self._known.clear()
        unknown = counters - self._known.keys()
        if unknown:
            for counter, known in self._ledger.numberings(unknown).items():
                self._known[counter] = known.blame_again(self._troubles.cause)

    def _blame_again(self) -> dict[Counter, Numbering]:
        """Return what changes because more is known of what happened: judge by what is new."""
        self._spans = self._troubles.spans
        if self._spans is self._blamed:
            return {}
        news = partial(cause_in, frozenset(self._spans).difference(self._blamed))
        changed = {}
        for counter, known in self._known.items():
            after = known.blame_again(news)
            if after is not known:
                changed[counter] = after
        return changed

    def _count_ours(self, topic: str, after: int, before: int) -> int:
        """Return how many messages between two positions we lost, or could not read of a topic."""
        dead = sum(after < position < before for position in self._dead.get(topic, ()))
        return dead + sum(
            max(0, min(last, before - 1) - max(first, after + 1) + 1) for first, last in self._lost
        )


def _counter(status: DeviceStatus) -> Counter:
    return status.device_id, status.channel


def _number(one: Numbered) -> Number:
    status = one.status
    is_told = status.time_source is TimeSource.DEVICE
    return Number(
        number=status.sequence or 0,
        position=one.position,
        received_at=status.received_at,
        observed_at=status.observed_at if is_told else 0,
        source=one.message.source,
    )
