"""The journal against a model: a dictionary of positions that forgets nothing by itself."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ingest.journal import Journal
from ingest.journal_file import list_files
from ingest.message import Message
from tests.messages import message

BOUNDS = {"min_free_bytes": 0, "keep_ms": 0, "file_bytes": 150_000}
"""So small that a few batches fill a file."""


class JournalMachine(RuleBasedStateMachine):
    """Whatever happens to the folder, what is readable is exactly what was appended, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="journal-"))
        self.folder = self.root / "0"
        self.copies = 0
        self.kept: dict[int, Message] = {}
        self.given = 0
        self.passed = 0
        self.number = 0

    @initialize()
    def begin(self) -> None:
        self.journal = Journal.open(self.folder, **BOUNDS)
        self.id = self.journal.id

    @rule(count=st.integers(1, 40), size=st.sampled_from([0, 10, 3_000]))
    def append(self, count: int, size: int) -> None:
        head = self.journal.head
        batch = self.journal.append([self._message(size) for _ in range(count)])
        assert batch.base == head + 1, "positions are dense"
        assert batch.base > self.given, "no position is given twice"
        assert self.journal.head == batch.last
        self.kept |= dict(enumerate(batch.messages, batch.base))
        self.given = batch.last

    @rule(part=st.floats(0, 1), wanted=st.integers(1, 50))
    def read(self, part: float, wanted: int) -> None:
        """A read from anywhere brings what follows there, at least as much as was asked for."""
        after = int(part * self.journal.head)
        found = self._readable(self.journal, after, wanted=wanted, all_of_it=False)
        expected = [position for position in sorted(self.kept) if position > after]
        assert list(found) == expected[: len(found)]
        assert len(found) >= min(wanted, len(expected))
        assert all(self.kept[position] == one for position, one in found.items())

    @rule(part=st.floats(0, 1))
    def trim(self, part: float) -> None:
        """Trimming takes whole files of what was read, from the front, and nothing else."""
        below = int(part * self.journal.head)
        self.journal.trim(below)
        self.passed = max(self.passed, below)  # What followers have passed they do not ask again.
        gone = [position for position in self.kept if position < self.journal.base]
        assert all(position <= self.passed for position in gone)
        for position in gone:
            del self.kept[position]

    @rule()
    def reopen(self) -> None:
        """A clean stop keeps everything."""
        self.journal.close()
        self._open()

    @rule()
    def crash(self) -> None:
        """A copy of the files at any moment between two calls is a journal with everything."""
        self.copies += 1
        crashed = self.root / str(self.copies)
        shutil.copytree(self.folder, crashed, ignore=shutil.ignore_patterns("*-shm"))
        self.journal.close()
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
            self.journal.close()
        shutil.rmtree(self.root)

    def _open(self) -> None:
        self.journal = Journal.open(self.folder, **BOUNDS)
        assert self.journal.id == self.id

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
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
