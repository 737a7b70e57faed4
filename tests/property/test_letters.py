"""The dead letters' file against a model, with the process ended between any two statements."""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from devices.clock import DAY
from ingest import dead_letter
from ingest.books import balance
from ingest.dead_letter import Selection
from ingest.ledger import Ledger
from ingest.ledger_file import LETTERS, account_of
from ingest.letter_draft import LetterDraft
from ingest.letters import Settled
from ingest.message import Message
from tests.messages import NOON

TOPICS = ("a", "b", "c")
LONG = 10**9
STEPS = st.integers(0, 25)
"""Statements after which the process ends; with the higher ones nothing is cut short."""


class _Died(BaseException):
    """The process ended here."""


class _Mortal:
    """A connection whose process ends before its n-th statement from now."""

    def __init__(self, connection: sqlite3.Connection, life: list[int]) -> None:
        self._connection = connection
        self._life = life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        return self._counted(found) if name.startswith("execute") else found

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self._life[0] -= 1
            if self._life[0] < 0:
                raise _Died
            return call(*arguments)

        return counted


class LettersMachine(RuleBasedStateMachine):
    """The model: what is accounted for, by position: topic, state and attempts."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="letters-"))
        self.path = self.root / "ledger.db"
        self.letters: dict[int, tuple[str, str, int]] = {}
        self.asked: set[int] = set()
        self.head = 0
        self.now = NOON
        self.life = [LONG]
        self.open()

    def open(self) -> None:
        self.ledger = Ledger.open(self.path)
        for owner in (self.ledger, self.ledger._letters):
            owner._connection = _Mortal(owner._connection, self.life)  # type: ignore[assignment]

    def survive(self, steps: int, act: Callable[[], object]) -> bool:
        """Act, and end the process after so many statements; return whether it was done before."""
        self.life[0] = steps
        try:
            act()
        except _Died:
            done = False
        else:
            done = True
        self.life[0] = LONG
        if not done:
            self.ledger.close()
            self.open()
        return done

    @rule(topics=st.lists(st.sampled_from((*TOPICS, "")), min_size=1, max_size=6), steps=STEPS)
    def commit(self, topics: list[str], steps: int) -> None:
        """A batch, of which an empty topic is no letter."""
        base = self.head + 1
        drafts = [
            LetterDraft(at, Message(topic, _payload(at, topic), self.now), "empty", "")
            for at, topic in enumerate(topics, base)
            if topic
        ]
        last, stored = base + len(topics) - 1, len(topics) - len(drafts)
        self.survive(
            steps,
            lambda: self.ledger.commit(
                journal="j", position=last, counts={"stored": stored}, letters=drafts
            ),
        )
        cursor = self.ledger.cursor()
        assert cursor in (None, ("j", self.head), ("j", last))
        if cursor == ("j", last):
            self.head = last
            self.letters |= {draft.position: (draft.message.topic, "open", 0) for draft in drafts}

    @rule(topic=st.sampled_from(TOPICS))
    def discard(self, topic: str) -> None:
        dead_letter.discard(self.path, Selection(topic=topic), note="a test")
        for at in self.open_ones(topic):
            self.letters[at] = (topic, "discarded", self.letters[at][2])
            self.asked.discard(at)

    @rule(topic=st.sampled_from(TOPICS))
    def ask(self, topic: str) -> None:
        assert dead_letter.request_replay(self.path, Selection(topic=topic)) == self.open_ones(
            topic
        )
        self.asked |= set(self.open_ones(topic))

    @rule(fails=st.booleans(), steps=STEPS)
    def replay(self, fails: bool, steps: int) -> None:
        """What was asked for is stored after all, or fails again."""
        found = [one.position for one in self.ledger.requested(100)]
        assert found == sorted(self.asked)
        settled = [
            Settled(at, reason="empty") if fails else Settled(at, counter="stored") for at in found
        ]
        self.survive(steps, lambda: self.ledger.settle(settled, {"points_encoded": 0}))
        if not found or self.ledger.requested(100):
            return
        for at in found:
            topic, _, attempts = self.letters[at]
            self.letters[at] = (
                (topic, "open", attempts + 1) if fails else (topic, "replayed", attempts)
            )
        self.asked.clear()

    @rule(steps=STEPS)
    def grow_old(self, steps: int) -> None:
        """What is older than the age to keep goes; all of it, or nothing yet."""
        self.now += 31 * DAY
        self.survive(steps, lambda: self.ledger.expire(self.now))
        if not dead_letter.letters(self.path, Selection()):
            self.letters.clear()
            self.asked.clear()

    @invariant()
    def the_file_says_what_the_model_says(self) -> None:
        shown = {
            one.position: (one.topic, one.state, one.attempts, one.payload)
            for one in dead_letter.letters(self.path, Selection(), limit=10_000)
        }
        assert shown == {
            at: (topic, state, attempts, _payload(at, topic) if state == "open" else b"")
            for at, (topic, state, attempts) in self.letters.items()
        }

    @invariant()
    def the_books_balance(self) -> None:
        account = account_of(self.path)
        books = balance(account, head=self.head)
        assert books.balanced
        open_now = sum(state == "open" for _, state, _ in self.letters.values())
        assert books.dead_open == open_now
        with closing(sqlite3.connect(self.path.with_name(LETTERS))) as connection:
            kept = connection.execute("SELECT coalesce(sum(kept), 0) FROM letter").fetchone()
        assert kept == (account.counters.get("dead_bytes", 0),)

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.root)

    def open_ones(self, topic: str) -> list[int]:
        found = self.letters.items()
        return sorted(at for at, (one, state, _) in found if (one, state) == (topic, "open"))


def _payload(position: int, topic: str) -> bytes:
    return f"{topic} {position}".encode() * 10


TestLetters = LettersMachine.TestCase
TestLetters.settings = settings(max_examples=40, stateful_step_count=25)
