"""Followers: each reads the journal in its own thread, at its own pace, and hands on in order.

What always holds
    A consumer gets every position once, in order, in contiguous batches; a position missing
    between two batches is lost in the journal, and the consumer counts it.
    Nothing is skipped: a consumer that raises :class:`Held` gets the same again, after a pause,
    from the position behind its own durable cursor.
    A slow follower holds neither the intake nor the other follower: what does not fit into its
    hand-over queue it reads from the journal. What comes in while it is far behind is handed to a
    consumer that can store it before its turn (ahead.py).

After a crash a follower goes on from the consumer's durable cursor, so what the consumer had
handled but not made durable is handled again.
"""

import asyncio
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import msgspec
import structlog

from devices.outcome import Outcome
from ingest.ahead import AheadLane, StoresAhead
from ingest.backoff import Backoff
from ingest.decode_stage import DecodeStage
from ingest.journal import Journal, JournalError
from ingest.journal_room import MIB
from ingest.message import Batch, Message

HANDED_OVER = 16 * MIB
"""Bytes of batches that wait in memory for one follower; the followers wait for the same ones."""
GATHERED = 5_000
"""Messages from which on no further batch is joined to what a consumer handles at once."""
ROUND_S = 0.2
"""A consumer is given what came in so long, unless more than a round's worth waits: each round
costs it a commit and a request, and nobody sees five of them in a second."""
IDLE_S = 0.2
_STOP_S = 1.5
_RETRY_BASE_S = 0.2
_RETRY_CAP_S = 30.0
LEFT_ALONE_S = 300.0
"""The longest that a consumer is left alone because it asks for it."""

log = structlog.get_logger()


class Held(Exception):
    """Cannot be handled now; waiting helps.

    Args:
        sentence: What it waits for.
        by: The same in a word from a closed list: "store", "ledger", "journal",
            "database", "descriptions".
        retry_after: Seconds not to ask again, at most :data:`LEFT_ALONE_S`.
    """

    def __init__(self, sentence: str, *, by: str = "store", retry_after: float = 0.0) -> None:
        super().__init__(sentence)
        self.by = by
        self.retry_after = retry_after


class CursorRefused(JournalError):
    """The consumer's cursor does not belong to this journal; the sentence says what to do."""


class Consumer(Protocol):
    """What a follower hands on to. All but the first ``cursor`` is called in its own thread."""

    name: str

    def cursor(self) -> tuple[str, int] | None:
        """Return the journal's id and the last position that is durably handled; None: none."""
        ...

    def handle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Handle a batch, one outcome a message.

        Raises:
            Held: The same comes again later, from behind the durable cursor.
        """
        ...

    def idle(self, frontier: int) -> None:
        """Do what is due; called every :data:`IDLE_S`, between batches too.

        Args:
            frontier: Everything that arrived before has been handled; milliseconds UTC.
        """
        ...

    def close(self) -> None:
        """Make durable what is not yet; the last call."""
        ...


class FollowerStatus(msgspec.Struct, frozen=True):
    """How far a follower is.

    Attributes:
        cursor: The last position handled.
        durable: The last position that a crash would not take back.
        pending: How many journalled positions it has not handled.
        held: What it waits for, as a sentence; empty: it goes on.
        held_by: The same in a word; empty: it goes on.
        holds: How often it was held since the start, by that word.
        oldest_at: When the oldest message it has not handled began to arrive, milliseconds UTC;
            None: there is none, or the journal cannot tell.
        ahead: Messages stored before their turn since the start.
        ahead_failed: How often that failed; what they hold is stored in its turn.
    """

    cursor: int
    durable: int
    pending: int
    held: str
    held_by: str = ""
    holds: dict[str, int] = {}
    oldest_at: int | None = None
    ahead: int = 0
    ahead_failed: int = 0

    def age(self, now: int) -> int:
        """Return how old the oldest message is that waits for it; milliseconds, 0 for none."""
        return max(0, now - self.oldest_at) if self.oldest_at is not None else 0


class Follower:
    """One consumer's reader of the journal."""

    def __init__(
        self,
        consumer: Consumer,
        journal: Journal,
        stage: DecodeStage,
        frontier: Callable[[], int],
    ) -> None:
        """Find the place to go on from.

        Raises:
            CursorRefused: The consumer has followed another journal, or a longer one.
        """
        self.name = consumer.name
        self._consumer = consumer
        self._journal = journal
        self._stage = stage
        self._frontier = frontier
        self._handed: deque[tuple[Batch, int]] = deque()
        self._handed_in = self._handed_out = 0
        self._round_at = 0.0
        self._offered = journal.head
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._backoff = Backoff(base=_RETRY_BASE_S, cap=_RETRY_CAP_S)
        self._held = self._held_by = ""
        self._holds: Counter[str] = Counter()
        self._idled = 0.0
        self._current: tuple[Batch, Sequence[Outcome]] | None = None
        self.position = self.durable = _starting_position(consumer, journal)
        self._ahead = (
            AheadLane(consumer, stage.at_hand, head=journal.head)
            if isinstance(consumer, StoresAhead)
            else None
        )

    def offer(self, batch: Batch, size: int) -> None:
        """Hand over the batch just journalled, of so many bytes; never blocks."""
        if self._handed_in - self._handed_out < HANDED_OVER:
            self._handed.append((batch, size))
            self._handed_in += size  # Each of the two is changed by one thread only.
        if self._ahead is not None:
            self._ahead.offer(batch, size, position=self.position)
        self._offered = batch.last
        self._news.set()

    def status(self) -> FollowerStatus:
        """Return how far it is; may be asked from any thread."""
        position = self.position
        pending = max(0, self._journal.head - position)
        return FollowerStatus(
            cursor=position,
            durable=self.durable,
            pending=pending,
            held=self._held,
            held_by=self._held_by,
            holds=dict(self._holds),
            oldest_at=self._arrival(position + 1) if pending else None,
            ahead=self._ahead.stored if self._ahead else 0,
            ahead_failed=self._ahead.failed if self._ahead else 0,
        )

    def _arrival(self, position: int) -> int | None:
        try:
            return self._journal.arrival(position)
        except sqlite3.OperationalError:  # The follower meets it too, and says so.
            return None

    async def run(self) -> None:
        """Follow until cancelled; what the thread dies of is raised here."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        thread = threading.Thread(
            target=self._work, args=(loop, ended), name=f"follower {self.name}", daemon=True
        )
        thread.start()
        try:
            await ended
        finally:
            self._stopping.set()
            self._news.set()
            await asyncio.to_thread(thread.join, _STOP_S)
            if thread.is_alive():
                log.warning("follower_left_behind", follower=self.name, cursor=self.durable)

    def _work(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]) -> None:
        problem: BaseException | None = None
        try:
            self._follow()
        except Exception as error:  # noqa: BLE001 - the task's outer edge; it ends the service
            problem = error
        loop.call_soon_threadsafe(_settle, ended, problem)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except Held as held:
                self._hold(held)
        try:
            self._consumer.close()
        except Held as held:
            log.warning("follower_closed_while_held", follower=self.name, why=str(held))

    def _step(self) -> None:
        """Handle what there is, or wait a moment for it; do what is due."""
        if self._current is None:
            self._linger()
            self._current = self._gather()
        if self._current is not None:
            self._consumer.handle(*self._current)
            self.position = self._current[0].last
            self._current = None
            if self._ahead is not None:
                self._ahead.turn(self.position)
        else:
            self._news.wait(IDLE_S)
        if time.monotonic() - self._idled >= IDLE_S:
            with _held_by_journal():
                frontier = self._frontier()
            self._consumer.idle(frontier)
            self._idled = time.monotonic()
            self.durable = _durable_position(self._consumer)
        if self._held:
            log.info("follower_resumed", follower=self.name, cursor=self.position)
            self._held = self._held_by = ""
        self._backoff.reset()

    def _hold(self, held: Held) -> None:
        """Wait, then go on from behind the durable cursor."""
        if not self._held:
            log.warning("follower_held", follower=self.name, why=str(held), cursor=self.position)
        self._held, self._held_by = str(held), held.by
        self._holds[held.by] += 1
        self._idled = 0.0
        self._stopping.wait(max(self._backoff.next(), min(held.retry_after, LEFT_ALONE_S)))
        try:
            self.position = self.durable = _durable_position(self._consumer)
        except Held as other:
            self._held, self._held_by = str(other), other.by
        if self._current is not None and self._current[0].base != self.position + 1:
            self._current = None

    def _linger(self) -> None:
        """Let a round's worth come in, if the last round was just now and not much waits."""
        rest = self._round_at + ROUND_S - time.monotonic()
        if rest > 0 and self._offered - self.position < GATHERED:
            self._stopping.wait(rest)
        self._round_at = time.monotonic()

    def _gather(self) -> tuple[Batch, Sequence[Outcome]] | None:
        """Return the next contiguous positions as one batch, with their outcomes."""
        self._news.clear()
        batches = list(self._from_memory())
        if not batches and self._offered > self.position:
            head = self._journal.head
            with _held_by_journal():
                batches = self._journal.read(self.position, messages=GATHERED)
            if not batches:
                self.position = head
        if not batches:
            return None
        return self._joined(batches)

    def _from_memory(self) -> Iterator[Batch]:
        """Yield the batches that follow on the position; forget those behind it."""
        position, count = self.position, 0
        while self._handed and self._handed[0][0].base <= position + 1 and count < GATHERED:
            batch, size = self._handed.popleft()
            self._handed_out += size
            if batch.base == position + 1:
                position = batch.last
                count += len(batch)
                yield batch

    def _joined(self, batches: Sequence[Batch]) -> tuple[Batch, Sequence[Outcome]]:
        first = batches[0]
        if len(batches) == 1:
            return first, self._stage.outcomes(first, self.name)
        messages: list[Message] = []
        outcomes: list[Outcome] = []
        for batch in batches:
            if batch.base != first.base + len(messages):
                break
            messages.extend(batch.messages)
            outcomes.extend(self._stage.outcomes(batch, self.name))
        return Batch(first.base, messages), outcomes


@contextmanager
def _held_by_journal() -> Iterator[None]:
    """Turn a disk that cannot be read now into a wait."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Held(f"the journal cannot be read: {error}", by="journal") from error


def _starting_position(consumer: Consumer, journal: Journal) -> int:
    cursor = consumer.cursor()
    if cursor is None:
        return 0
    name, (journal_id, position) = consumer.name, cursor
    if journal_id != journal.id:
        raise CursorRefused(
            f"the {name} cursor belongs to journal {journal_id}, this one is {journal.id}: "
            f"restore the journal it belongs to, or what holds the {name} cursor, from one backup"
        )
    if position > journal.head:
        raise CursorRefused(
            f"the {name} cursor is at {position} and the journal ends at {journal.head}: "
            "an older journal was restored; restore both from one backup"
        )
    if position + 1 < journal.base:
        lost = journal.base - position - 1
        log.error("journal_gap", follower=name, lost=lost, first=position + 1)
    return position


def _durable_position(consumer: Consumer) -> int:
    cursor = consumer.cursor()
    return cursor[1] if cursor else 0


def _settle(future: asyncio.Future[None], problem: BaseException | None) -> None:
    if future.done():
        return
    if problem is None:
        future.set_result(None)
    else:
        future.set_exception(problem)
