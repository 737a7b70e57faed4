"""The series follower's consumer: outcomes become points in the store, and entries in the ledger.

Order of a batch: encode, write to the store, commit the ledger (cursor, counters, dead letters).
A crash before the commit writes the same points again, which changes nothing in the store.
What the store refuses for good is a dead letter with the store's words; what it cannot take now
is held, and nothing is dropped.

The store's word is not enough: every half minute a canary is written and read back, and until one
comes back nothing more is accounted for. When a canary has vanished, what was written since the
last good one is written again, from the journal, without being counted a second time.
"""

import sqlite3
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog
from msgspec.structs import replace

from devices.clock import Clock
from devices.observation import DeviceStatus
from devices.outcome import DeadLetterReason, Ignored, Outcome
from devices.registry import Registry
from ingest.decode_stage import Decode
from ingest.durations import Durations, Stopwatch
from ingest.follower import GATHERED, Held
from ingest.ledger import Ledger
from ingest.letter_draft import LetterDraft
from ingest.letters import Requested, Settled
from ingest.message import Batch, Message
from ingest.number_watch import Numbered, NumberWatch
from ingest.point import Point, PointEncoder
from ingest.refusal import Rejected, StoreHeld, StoreLies
from ingest.series import SeriesStore
from ingest.trouble import Troubles

REPLAYED_AT_ONCE = 200
REPLAYED_BEHIND = 20
"""The same while live data waits: a replay takes its time, and never for ever."""
_EXPIRE_S = 60.0
CHECK_S = 30.0
"""Between two canaries."""
_WORDS = 500
"""Characters kept of what the store said."""

log = structlog.get_logger()


class SeriesConsumer:
    """Writes what was observed into the series store and accounts for every message."""

    name = "series"

    def __init__(  # noqa: PLR0913 - built in one place, each by name
        self,
        *,
        journal_id: str,
        ledger: Ledger,
        store: SeriesStore,
        decode: Decode,
        registry: Callable[[], Registry],
        clock: Clock,
        troubles: Troubles | None = None,
        refresh: Callable[[], None] = lambda: None,
        mask: Callable[[str], str] = str,
    ) -> None:
        """Tie them together.

        Args:
            journal_id: Of the journal this consumer's positions are in.
            ledger: Opened for writing; closed by the caller.
            store: Opened for writing; closed by the caller.
            decode: For replaying dead letters; today's.
            registry: The present snapshot.
            clock: The one clock; judges how old a dead letter is.
            troubles: When messages may have been lost on the way to us; None: never.
            refresh: Makes the snapshot the latest; a replay is asked for after it was changed.
            mask: Returns a topic as a dead letter may keep it; it is decoded alike.
        """
        self._journal_id = journal_id
        self._ledger = ledger
        self._store = store
        self._decode = decode
        self._registry = registry
        self._refresh = refresh
        self._mask = mask
        self._clock = clock
        self._encoder = PointEncoder()
        self._numbers = NumberWatch(ledger, troubles or Troubles())
        self._writes, self._commits = Stopwatch(), Stopwatch()
        self._expired_at = time.monotonic()
        cursor = ledger.cursor()
        self._position = self._written = self._verified = cursor[1] if cursor else 0
        self._check_at = time.monotonic()
        self._is_behind = False

    def cursor(self) -> tuple[str, int] | None:
        """Return the ledger's cursor; the one before what must be written again, where there is."""
        if self._written < self._position:
            return self._journal_id, self._written
        return self._ledger.cursor()

    def handle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Store a batch and account for it.

        Raises:
            Held: The store, or the ledger's disk, cannot take it now.
        """
        self._check()
        again = min(max(0, self._position + 1 - batch.base), len(batch))
        if again:
            positions = range(batch.base, batch.base + again)
            self._write(positions, batch.messages[:again], outcomes[:again])
            self._written = positions[-1]
            batch, outcomes = Batch(positions[-1] + 1, batch.messages[again:]), outcomes[again:]
        if outcomes:
            self._handle(batch, outcomes)

    def _handle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Store and account for what has never been accounted for."""
        work = self._write(range(batch.base, batch.last + 1), batch.messages, outcomes)
        counts = work.message_counts() + work.point_counts()
        counts["lost"] = batch.base - self._position - 1
        if counts["lost"]:
            self._numbers.note_lost(self._position + 1, batch.base - 1)
        self._numbers.note_dead((letter.position, letter.message.topic) for letter in work.letters)
        with _held_by_disk(), self._commits.timing():
            numberings = self._numbers.look(work.numbered())
            self._ledger.commit(
                journal=self._journal_id,
                position=batch.last,
                counts=counts,
                letters=work.letters,
                numberings=numberings,
            )
        self._numbers.keep(numberings)
        self._position = self._written = batch.last
        self._is_behind = len(batch) >= GATHERED

    def ahead(
        self, positions: Sequence[int], messages: Sequence[Message], outcomes: Sequence[Outcome]
    ) -> bool:
        """Store messages before their turn, outside of the books; return whether that was done.

        They are stored again and accounted for in their turn; so is what is refused of them now.
        """
        try:
            self._write(positions, messages, outcomes)
        except Held:
            return False
        return True

    def idle(self, frontier: int) -> None:  # noqa: ARG002 - silence is no concern of the store's
        """Replay what somebody asked for, a little at a time; let go of old dead letters.

        Raises:
            Held: The store, or the ledger's disk, cannot take it now.
        """
        self._check()
        with _held_by_disk():
            at_once = REPLAYED_BEHIND if self._is_behind else REPLAYED_AT_ONCE
            requested = self._ledger.requested(at_once)
            if requested:
                self._replay(requested)
            if time.monotonic() - self._expired_at > _EXPIRE_S:
                self._expired_at = time.monotonic()
                self._ledger.expire(self._clock.now())

    def durations(self) -> dict[str, Durations]:
        """Return how long the writes to the store and the ledger's commits took."""
        return {"store": self._writes.durations(), "ledger": self._commits.durations()}

    def close(self) -> None:
        """Do nothing: a batch handled is durable."""

    def _replay(self, requested: Sequence[Requested]) -> None:
        positions = [letter.position for letter in requested]
        messages = [letter.message for letter in requested]
        self._refresh()
        outcomes = self._decode(positions, messages)
        work = self._write(positions, messages, outcomes)
        self._check(now=True)  # What is settled gives up its payload.
        again = {draft.position: draft for draft in work.letters}
        settled = [
            _settled(letter, outcome, again.get(letter.position))
            for letter, outcome in zip(requested, outcomes, strict=True)
        ]
        filled = self._numbers.fill(work.numbered())
        if filled:
            self._ledger.keep(filled)
            self._numbers.keep(filled)
        self._ledger.settle(settled, work.point_counts())
        log.info("dead_letters_replayed", tried=len(requested), failed=len(again))

    def _write(
        self, positions: Sequence[int], messages: Sequence[Message], outcomes: Sequence[Outcome]
    ) -> "_Work":
        """Write what messages come to into the store; return the account of it."""
        work = _Work(positions, messages, outcomes, self._mask)
        work.encode(self._encoder, self._registry())
        if work.points:
            try:
                with self._writes.timing():
                    rejected = self._store.write(work.points)
                work.refuse(rejected)
            except StoreHeld as held:
                raise Held(str(held), retry_after=held.retry_after) from held
        return work

    def _check(self, *, now: bool = False) -> None:
        """See whether the store keeps what it takes, when that is due or wanted now.

        Raises:
            Held: It does not, or cannot be asked; it is asked again before anything else is done.
        """
        if time.monotonic() < self._check_at and not now:
            return
        try:
            self._store.check()
        except StoreLies as lie:
            if self._written > self._verified:
                log.error("points_in_doubt", since=self._verified + 1, until=self._written)
            self._written = self._verified
            raise Held(str(lie)) from lie
        except StoreHeld as held:
            raise Held(str(held), retry_after=held.retry_after) from held
        self._verified = self._written
        self._check_at = time.monotonic() + CHECK_S


class _Work:
    """What some messages come to: points for the store, counts and dead letters."""

    def __init__(
        self,
        positions: Sequence[int],
        messages: Sequence[Message],
        outcomes: Sequence[Outcome],
        mask: Callable[[str], str],
    ) -> None:
        self.points: list[Point] = []
        self.letters: list[LetterDraft] = []
        self._positions = positions
        self._messages = messages
        self._outcomes = outcomes
        self._mask = mask
        self._ends: list[int] = []
        self._stored = 0
        self._ignored: Counter[str] = Counter()
        self._refused_points = 0

    def encode(self, encoder: PointEncoder, registry: Registry) -> None:
        """Make the points, and the dead letters of what could not be decoded."""
        points, ends, encode = self.points, self._ends, encoder.encode
        for position, message, outcome in zip(
            self._positions, self._messages, self._outcomes, strict=True
        ):
            if isinstance(outcome, tuple):
                self._stored += 1
                points += encode(outcome, message, position, registry)
            elif isinstance(outcome, Ignored):
                self._ignored[f"ignored:{outcome.reason.value}"] += 1
            else:
                reason, detail = outcome.reason.value, outcome.detail
                device = detail if outcome.reason is DeadLetterReason.UNKNOWN_DEVICE else ""
                kept = self._kept(message)
                self.letters.append(LetterDraft(position, kept, reason, detail, device))
            ends.append(len(points))

    def refuse(self, rejected: Sequence[Rejected]) -> None:
        """Make dead letters of the messages whose points the store refused for good."""
        self._refused_points = len(rejected)
        words: dict[int, list[str]] = {}
        for one in rejected:
            words.setdefault(bisect_right(self._ends, one.index), []).append(one.words)
        self._stored -= len(words)
        for index, said in sorted(words.items()):
            begin = self._ends[index - 1] if index else 0
            outcome = self._outcomes[index]
            self.letters.append(
                LetterDraft(
                    self._positions[index],
                    self._kept(self._messages[index]),
                    reason=DeadLetterReason.STORE_REFUSED.value,
                    detail=said[0][:_WORDS],
                    device=outcome[0].device_id if isinstance(outcome, tuple) else "",
                    stored_points=self._ends[index] - begin - len(said),
                )
            )

    def _kept(self, message: Message) -> Message:
        """Return a message as a dead letter keeps it."""
        topic = self._mask(message.topic)
        return message if topic == message.topic else replace(message, topic=topic)

    def numbered(self) -> list[Numbered]:
        """Return the messages that bear a number of their device's own, in their order."""
        found = [
            (index, status)
            for index, point in enumerate(self.points)
            # Not isinstance, which takes some times as long where the answer is no.
            if (status := point.observation).__class__ is DeviceStatus
            and status.sequence is not None
        ]
        places = [bisect_right(self._ends, index) for index, _ in found]
        return [
            Numbered(self._positions[place], self._messages[place], status)
            for place, (_, status) in zip(places, found, strict=True)
        ]

    def message_counts(self) -> Counter[str]:
        """Return how many messages were stored, and how many ignored by reason."""
        return Counter(stored=self._stored) + self._ignored

    def point_counts(self) -> Counter[str]:
        """Return how many points were encoded, accepted and rejected."""
        encoded = len(self.points)
        return Counter(
            points_encoded=encoded,
            points_accepted=encoded - self._refused_points,
            points_rejected=self._refused_points,
        )


def _settled(letter: Requested, outcome: Outcome, again: LetterDraft | None) -> Settled:
    if again is not None:
        return Settled(
            letter.position,
            reason=again.reason,
            detail=again.detail,
            stored_points=again.stored_points,
        )
    if isinstance(outcome, Ignored):
        return Settled(letter.position, counter=f"ignored:{outcome.reason.value}")
    return Settled(letter.position, counter="stored")


@contextmanager
def _held_by_disk() -> Iterator[None]:
    """Turn a ledger that cannot be written now into a wait."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Held(f"the ledger cannot be written: {error}", by="ledger") from error
