"""The journal and its followers against a model: a dictionary that forgets nothing by itself."""

import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from devices.outcome import Ignored, IgnoredReason, Outcome
from ingest import follower
from ingest.decode_stage import DecodeStage
from ingest.follower import Follower, Held
from ingest.journal import Journal
from ingest.journal_file import list_files
from ingest.message import Batch, Message
from tests.messages import message

BOUNDS = {"min_free_bytes": 0, "keep_ms": 0, "file_bytes": 100_000}
"""So small that a batch or two fill a file."""


IGNORED = Ignored(IgnoredReason.LOG_LINE)


class Reader:
    """A follower's consumer that checks each message it gets, and what it was not given."""

    def __init__(self, name: str, machine: "JournalMachine") -> None:
        self.name = name
        self.held = False
        self.position = self.durable = 0
        self._machine = machine

    def cursor(self) -> tuple[str, int]:
        return self._machine.id, self.durable

    def handle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        if self.held:
            raise Held("it waits")
        machine = self._machine
        assert len(outcomes) == len(batch)
        assert batch.base > self.position, "nothing is given twice"
        left_out = range(self.position + 1, batch.base)
        assert not machine.kept.keys() & set(left_out), "nothing that can be read is left out"
        for position, one in enumerate(batch.messages, batch.base):
            assert machine.written[position] == one
        self.position = batch.last

    def idle(self, frontier: int) -> None:
        """Nothing is due."""

    def close(self) -> None:
        """Nothing is behind."""

    def go_back(self) -> None:
        """Forget what was not durable, as a crash does."""
        self.position = self.durable


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Followers wait for nothing: each step of theirs is one of the machine's."""
    monkeypatch.setattr(follower, "ROUND_S", 0.0)
    monkeypatch.setattr(follower, "IDLE_S", 0.0)


class JournalMachine(RuleBasedStateMachine):
    """What is readable is exactly what was appended, and each follower gets all of it in order.

    Whatever happens between any two steps: a crash, a follower that is held or falls behind,
    trimming, damage. Only what was damaged is ever missing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="journal-"))
        self.folder = self.root / "0"
        self.copies = 0
        self.written: dict[int, Message] = {}
        self.kept: dict[int, Message] = {}
        self.given = 0
        self.number = 0
        self.readers = [Reader("series", self), Reader("alerts", self)]

    @initialize()
    def begin(self) -> None:
        self.journal = Journal.open(self.folder, **BOUNDS)
        self.id = self.journal.id
        self._start_followers()

    @rule(
        count=st.integers(1, 40),
        size=st.sampled_from([0, 3_000, 3_000]),
        handed=st.sampled_from([True, True, True, False]),
    )
    def append(self, count: int, size: int, handed: bool) -> None:
        """A batch becomes durable; now and then it does not fit into a hand-over queue."""
        head = self.journal.head
        batch = self.journal.append([self._message(size) for _ in range(count)])
        assert batch.base == head + 1, "positions are dense"
        assert batch.base > self.given, "no position is given twice"
        assert self.journal.head == batch.last
        self.written |= dict(enumerate(batch.messages, batch.base))
        self.kept |= dict(enumerate(batch.messages, batch.base))
        self.given = batch.last
        for one in self.followers:
            one.offer(batch, follower.HANDED_OVER * (not handed))

    @rule(
        readers=st.sampled_from([[0, 1], [0, 1], [0], [1]]),
        held=st.sampled_from([False, False, True]),
        durable=st.sampled_from([True, True, False]),
    )
    def follow(self, readers: list[int], held: bool, durable: bool) -> None:
        """Followers hand on what there is, or are held and go back to what is durable."""
        for number in readers:
            one, reader = self.followers[number], self.readers[number]
            reader.held = held
            try:
                one._step()
            except Held as why:
                one._hold(why)
                reader.go_back()
            if durable:
                reader.durable = reader.position
        self._trim()

    @rule(part=st.floats(0, 1), wanted=st.integers(1, 50))
    def read(self, part: float, wanted: int) -> None:
        """A read from anywhere brings what follows there, at least as much as was asked for."""
        after = int(part * self.journal.head)
        found = self._readable(self.journal, after, wanted=wanted, all_of_it=False)
        expected = [position for position in sorted(self.kept) if position > after]
        assert list(found) == expected[: len(found)]
        assert len(found) >= min(wanted, len(expected))
        assert all(self.kept[position] == one for position, one in found.items())

    def _trim(self) -> None:
        """Trimming takes whole files that both have durably passed, from the front, no others."""
        self.journal.trim(min(reader.durable for reader in self.readers))
        gone = [position for position in self.kept if position < self.journal.base]
        for reader in self.readers:
            assert all(position <= reader.durable for position in gone)
        for position in gone:
            del self.kept[position]

    @rule(clean=st.booleans())
    def restart(self, clean: bool) -> None:
        """A clean stop keeps everything; so does a copy of the files at any moment of a run."""
        if not clean:
            self.copies += 1
            crashed = self.root / str(self.copies)
            shutil.copytree(self.folder, crashed, ignore=shutil.ignore_patterns("*-shm"))
        self.journal.close()
        if not clean:
            self.folder = crashed
        self._open()

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def damage_row(self, data: st.DataObject) -> None:
        """A flipped byte in a row loses that row and no other, and not its positions."""
        file = data.draw(st.sampled_from(list_files(self.folder)))
        with closing(sqlite3.connect(file.path)) as connection:
            every = connection.execute("SELECT base, count, body FROM batch").fetchall()
            rows = [row for row in every if row[0] + row[1] - 1 in self.kept]
            if not rows:
                return
            base, count, body = data.draw(st.sampled_from(rows))
            flipped = body[:-1] + bytes([body[-1] ^ 1])
            connection.execute("UPDATE batch SET body = ? WHERE base = ?", (flipped, base))
            connection.commit()
        for position in range(base, base + count):
            self.kept.pop(position, None)

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def damage_file(self, data: st.DataObject) -> None:
        """A file that is no database any more loses its positions, and the start succeeds."""
        self.journal.close()
        files = list_files(self.folder)
        file = data.draw(st.sampled_from(files))
        following = [other.base for other in files if other.base > file.base]
        end = following[0] if following else self.given + 1
        file.path.write_bytes(b"no database at all" * 1_000)
        file.path.with_name(file.path.name + "-wal").unlink(missing_ok=True)
        for position in range(file.base, end):
            self.kept.pop(position, None)
        self._open()
        assert list(self.folder.glob("*.damaged")), "it is set aside for a person"

    @invariant()
    def everything_kept_is_readable(self) -> None:
        if not hasattr(self, "journal"):
            return
        assert self.journal.head >= self.given
        assert self._readable(self.journal, 0) == self.kept

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self._drain()
            self.journal.close()
        shutil.rmtree(self.root)

    def _drain(self) -> None:
        """When nobody is held, both get to the head, past whatever was damaged."""
        for reader, one in zip(self.readers, self.followers, strict=True):
            reader.held = False
            for _ in range(len(self.written) + 2):
                one._step()
            assert one.status().pending == 0
            assert max(self.kept, default=0) <= reader.position

    def _open(self) -> None:
        self.journal = Journal.open(self.folder, **BOUNDS)
        assert self.journal.id == self.id
        for reader in self.readers:
            reader.go_back()
        self._start_followers()

    def _start_followers(self) -> None:
        """Start both followers, as a start of the service does."""
        stage = DecodeStage(
            lambda _, messages: [IGNORED for _ in messages], followers=("series", "alerts")
        )
        self.followers = [
            Follower(reader, self.journal, stage, lambda: 0) for reader in self.readers
        ]
        for one in self.followers:
            one._stopping.set()  # So that a held one does not wait for its next attempt.

    def _message(self, size: int) -> Message:
        self.number += 1
        return message(self.number, payload=b"%d " % self.number + b"x" * size)

    @staticmethod
    def _readable(
        journal: Journal, after: int, *, wanted: int = 25, all_of_it: bool = True
    ) -> dict[int, Message]:
        found: dict[int, Message] = {}
        while batches := journal.read(after, messages=wanted):
            for batch in batches:
                assert batch.base > after
                found |= dict(enumerate(batch.messages, batch.base))
                after = batch.last
            if not all_of_it:
                break
        return found


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
