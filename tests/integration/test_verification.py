"""``journal verify``: what does not fit is found."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devices.clock import ManualClock
from devices.registry import Registry
from ingest.journal import Journal
from ingest.journal_file import list_files
from ingest.ledger import Ledger
from ingest.ledger_file import LETTERS, NAME
from ingest.message import Message
from ingest.series_consumer import SeriesConsumer
from ingest.verification import Verification, count_missing_letters, verify
from tests.messages import NOON
from tests.shelf import Shelf, decode, each


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder of a service that still runs: 300 messages in several files."""
    journal = Journal.open(tmp_path / "journal", file_bytes=100_000, min_free_bytes=0, keep_ms=0)
    ledger = Ledger.open(tmp_path / "ledger.db")
    consumer = SeriesConsumer(
        journal_id=journal.id,
        ledger=ledger,
        store=Shelf(),  # type: ignore[arg-type]
        decode=each(decode),
        registry=Registry,
        clock=ManualClock(NOON),
    )
    bodies = [b"t 36.5", b"i", b"garbage" * 1_000]
    for start in range(0, 300, 30):
        batch = journal.append(
            [Message("d", bodies[n % 3], NOON + n) for n in range(start, start + 30)]
        )
        if start < 270:
            outcomes = [decode(at, one) for at, one in enumerate(batch.messages, batch.base)]
            consumer.handle(batch, outcomes)
    yield tmp_path
    journal.trim(90)
    ledger.close()
    journal.close()


def check(data: Path) -> Verification:
    return verify(data / "journal", data / "ledger.db")


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def test_right_books_are_right(data: Path) -> None:
    """Beside the running service everything is read and everything fits."""
    found = check(data)
    assert found.problems == []
    assert (found.base, found.head, found.messages, found.lost) == (1, 300, 300, [])
    assert found.rows == 10
    assert (found.books.stored, found.books.dead_open, found.books.pending) == (90, 90, 30)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        pytest.param(
            "UPDATE counter SET value = value - 1 WHERE name = 'stored'",
            "counters add up to 269",
            id="a message missing",
        ),
        pytest.param(
            "DELETE FROM letter WHERE position = 3",
            "89 dead letters are open and the counters say 90",
            id="a letter missing",
        ),
        pytest.param(
            "UPDATE letter SET payload = 'x' WHERE position = 3",
            "dead letter of position 3 is another message",
            id="a letter changed",
        ),
        pytest.param(
            "UPDATE letter SET kept = kept + 1 WHERE position = 3",
            "bytes and the counter says",
            id="a size changed",
        ),
        pytest.param("UPDATE cursor SET position = 400", "ends at 300", id="a cursor ahead"),
        pytest.param("UPDATE cursor SET journal = 'x'", "belongs to journal x", id="another id"),
        pytest.param(
            "UPDATE counter SET value = value - 1 WHERE name = 'points_accepted'",
            "90 points were encoded, 89 accepted and 0 rejected",
            id="a point missing",
        ),
    ],
)
def test_a_wrong_ledger_is_found(data: Path, statement: str, sentence: str) -> None:
    """Whatever is changed in the ledger contradicts the journal or itself."""
    change(data / (LETTERS if " letter " in statement else NAME), statement)
    assert any(sentence in problem for problem in check(data).problems)


def test_missing_letters_are_counted_beside_the_service(data: Path) -> None:
    """What the service asks twice a minute: a letter that vanished is one, one too many is -1."""
    assert count_missing_letters(data / NAME) == 0
    change(data / LETTERS, "DELETE FROM letter WHERE position IN (3, 6)")
    assert count_missing_letters(data / NAME) == 2
    change(data / NAME, "UPDATE counter SET value = value - 3 WHERE name = 'dead:missing_field'")
    assert count_missing_letters(data / NAME) == -1


def test_a_damaged_row_is_found(data: Path) -> None:
    """A row whose body changed has a wrong checksum, and its positions are lost."""
    change(list_files(data / "journal")[0].path, "UPDATE batch SET body = x'90' WHERE base = 1")
    found = check(data)
    assert (found.damaged_rows, found.lost) == (1, [(1, 30)])
    assert found.problems == ["the row at position 1 is damaged"]


def test_a_missing_row_is_found(data: Path) -> None:
    """Positions are dense: a hole is told as lost."""
    file = list_files(data / "journal")[1]
    change(file.path, f"DELETE FROM batch WHERE base = {file.base}")
    assert check(data).lost == [(file.base, file.base + 29)]


def test_a_trimmed_journal_proves_what_it_holds(data: Path) -> None:
    """What was trimmed is not counted as lost; the rest is still read and fits."""
    for file in list_files(data / "journal")[:2]:
        file.remove()
    found = check(data)
    assert found.base > 1
    assert found.lost == []
    assert found.problems == []


def test_verifying_beside_a_busy_service_finds_nothing_wrong(tmp_path: Path) -> None:
    """While rows are written, accounted for and trimmed, each look is of a moment that fits."""
    journal = Journal.open(tmp_path / "journal", file_bytes=100_000, min_free_bytes=0, keep_ms=0)
    ledger = Ledger.open(tmp_path / "ledger.db")
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            batch = journal.append([Message("d", bytes(9_000), NOON)] * 5)
            ledger.commit(journal=journal.id, position=batch.last, counts={"ignored:birth": 5})
            journal.trim(batch.last)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        looks = []
        while len(looks) < 10 or looks[-1].base == 1:
            looks.append(check(tmp_path))
    finally:
        stop.set()
        thread.join()
        ledger.close()
        journal.close()
    assert [one.problems for one in looks] == [[]] * len(looks)
    assert all(one.books.balanced and not one.lost for one in looks)
