"""The books balance, whatever comes and whatever breaks."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from devices.clock import DAY, MINUTE, SECOND, ManualClock
from devices.registry import Registry
from ingest import dead_letter
from ingest.books import balance
from ingest.dead_letter import Selection
from ingest.follower import Held
from ingest.journal import Journal
from ingest.ledger import Ledger
from ingest.ledger_file import account_of
from ingest.message import Batch, Message
from ingest.series_consumer import SeriesConsumer
from ingest.verification import verify
from tests.messages import NOON
from tests.shelf import Shelf, decode, each

PAYLOADS = st.sampled_from(
    [b"t 36.5", b"t 36.5 37.5", b"t 41.0 36.6", b"i", b"garbage", b"x" * 3_000]
)
LETTER_BYTES = 60_000
"""Of one topic and minute one of the longest payloads is kept."""


class BooksMachine(RuleBasedStateMachine):
    """Messages, refusals, outages, crashes, replays, discards and bounds, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="books-"))
        self.ledger_path = self.root / "ledger.db"
        self.shelf = Shelf()
        self.clock = ManualClock(NOON)
        self.dead = b"garbage"

    @initialize()
    def begin(self) -> None:
        self.journal = Journal.open(self.root / "journal", min_free_bytes=0)
        self._open()

    @rule(
        payloads=st.lists(PAYLOADS, min_size=1, max_size=20),
        after=st.sampled_from([SECOND, MINUTE]),
    )
    def arrive(self, payloads: list[bytes], after: int) -> None:
        self.clock.advance(after)
        now = self.clock.now()
        self.journal.append(
            [Message(f"d{n % 3}", body, now + n) for n, body in enumerate(payloads)]
        )

    @rule()
    def follow(self) -> None:
        """Handle what is pending, unless the store holds."""
        for batch in self.journal.read(self._position(), messages=1_000):
            with suppress(Held):
                self._handle(batch)

    @rule(held=st.booleans())
    def outage(self, held: bool) -> None:
        self.shelf.held = "the store is down" if held else ""

    @rule(limit=st.sampled_from([0.0, 37.0, 40.0]))
    def refuse(self, limit: float) -> None:
        """The store refuses values above a limit for good; 0: none."""
        self.shelf.refuses = lambda point: bool(limit) and point.observation.celsius > limit

    @rule()
    def crash_after_the_store_accepted(self) -> None:
        """The points are in the store and the ledger was not committed."""
        for batch in self.journal.read(self._position(), messages=5)[:1]:
            before = self.ledger
            self.consumer._ledger = _Dying(before)  # type: ignore[assignment]
            with suppress(Held, _Died):
                self._handle(batch)
        self.ledger.close()
        self._open()

    @rule()
    def replay(self) -> None:
        """Somebody has taught the decoder, asks for a replay, and the service does it when idle."""
        dead_letter.request_replay(self.ledger_path, Selection(topic="d1"))
        with suppress(Held):
            self.consumer.idle(self.clock.now())

    @rule(learnt=st.booleans())
    def learn(self, learnt: bool) -> None:
        self.dead = b"nothing" if learnt else b"garbage"

    @rule()
    def discard(self) -> None:
        dead_letter.discard(self.ledger_path, Selection(topic="d2"), note="a test")

    @rule()
    def grow_old(self) -> None:
        self.clock.advance(31 * DAY)
        self.ledger.expire(self.clock.now())

    @invariant()
    def every_message_is_accounted_for(self) -> None:
        if not hasattr(self, "ledger"):
            return
        books = balance(self.ledger.account(), head=self.journal.head)
        assert books.difference == 0
        assert books.balanced
        assert books.received == self.journal.head
        assert account_of(self.ledger_path).counters.get("dead_bytes", 0) <= LETTER_BYTES
        found = verify(self.root / "journal", self.ledger_path)
        assert found.problems == []
        assert found.books == books

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            self.journal.close()
        shutil.rmtree(self.root)

    def _handle(self, batch: Batch) -> None:
        outcomes = [self._decode(at, one) for at, one in enumerate(batch.messages, batch.base)]
        self.consumer.handle(batch, outcomes)

    def _decode(self, position: int, message: Message):  # type: ignore[no-untyped-def]
        learnt = self.dead == b"nothing" and message.payload == b"garbage"
        known = Message(message.topic, b"t 36.0", message.received_at) if learnt else message
        return decode(position, known)

    def _position(self) -> int:
        cursor = self.ledger.cursor()
        return cursor[1] if cursor else 0

    def _open(self) -> None:
        self.ledger = Ledger.open(self.ledger_path, max_bytes=LETTER_BYTES)
        self.consumer = SeriesConsumer(
            journal_id=self.journal.id,
            ledger=self.ledger,
            store=self.shelf,  # type: ignore[arg-type]
            decode=each(self._decode),
            registry=Registry,
            clock=self.clock,
        )


class _Died(Exception):
    """The process ended here."""


class _Dying:
    """A ledger whose process ends before it commits."""

    def __init__(self, ledger: Ledger) -> None:
        self.cursor = ledger.cursor

    def commit(self, **_: object) -> None:
        raise _Died


TestBooks = BooksMachine.TestCase
TestBooks.settings = settings(max_examples=40, stateful_step_count=25)
