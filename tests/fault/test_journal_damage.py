"""Disks that lie, and people who delete: what can be read of the journal is read; it goes on."""

import json
import random
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ingest.journal import Journal, JournalFull
from ingest.journal_file import list_files
from ingest.journal_identity import Identity, is_whole, read_identity, write_identity
from ingest.message import Message
from ingest.verification import verify
from tests.messages import message, messages

ROWS = 30
FLIPS = 60
PAGE = 32 * 1024
ROW_BEGINS = rb"\xdc\x00\x12\x99"
"""The first bytes of a body: a MessagePack array of 18 messages of nine fields."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, Message]]:
    """A closed journal of several files, and what is in it by position."""
    folder = tmp_path_factory.mktemp("written") / "journal"
    kept: dict[int, Message] = {}
    with closing(open_small(folder)) as journal:
        for row in range(ROWS):
            sizes = [0, 10, 2_000] * 6
            new = [message(row * 100 + n, payload=b"x" * size) for n, size in enumerate(sizes)]
            batch = journal.append(new)
            kept |= dict(enumerate(new, batch.base))
    return folder, kept


def open_small(folder: Path) -> Journal:
    return Journal.open(folder, min_free_bytes=0, file_bytes=200_000)


def readable(journal: Journal) -> dict[int, Message]:
    """Return all that can be read, by position."""
    found: dict[int, Message] = {}
    after = 0
    while batches := journal.read(after, messages=50):
        for batch in batches:
            assert batch.base > after
            found |= dict(enumerate(batch.messages, batch.base))
            after = batch.last
    return found


def flip(path: Path, chance: random.Random) -> None:
    """Flip one to sixty-four bits, most of them in headers, where they hurt most."""
    content = bytearray(path.read_bytes())
    rows = [found.start() for found in re.finditer(ROW_BEGINS, content)]
    for _ in range(chance.choice([1, 1, 4, 64])):
        in_row_header = chance.choice(rows) - chance.randrange(1, 40)
        in_page_header = chance.choice([0, PAGE]) + chance.randrange(300)
        place = chance.choice([in_row_header, in_page_header, chance.randrange(len(content))])
        content[place % len(content)] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def test_no_flipped_bit_stops_or_falsifies_anything(
    tmp_path: Path, written: tuple[Path, dict[int, Message]]
) -> None:
    """Whatever bits of a file are flipped: it opens, reads only what was written, and goes on."""
    folder, kept = written
    chance = random.Random(0)
    for number in range(FLIPS):
        copy = tmp_path / str(number)
        shutil.copytree(folder, copy)
        flip(chance.choice(list_files(copy)).path, chance)
        with closing(open_small(copy)) as journal:
            found = readable(journal)
            assert found.items() <= kept.items()
            for position in (1, 200, 540):
                journal.arrival(position)
            assert journal.append(messages([1])).base > max(kept)
            journal.trim(300)
            journal.status()
        verify(copy, tmp_path / "no-ledger.db")
        shutil.rmtree(copy)


@pytest.mark.parametrize("column", ["count", "first_at", "last_at", "format", "checksum", "body"])
@pytest.mark.parametrize("value", ["'x'", "1.5", "x'ff'", str(2**62)])
def test_a_column_of_another_type_is_a_damaged_row(tmp_path: Path, column: str, value: str) -> None:
    """A flip in a row's header makes a text, a float or a blob of a number: no reader minds."""
    with closing(open_small(tmp_path)) as journal:
        for number in range(3):
            journal.append(messages([number]))
    with closing(sqlite3.connect(list_files(tmp_path)[0].path)) as connection:
        connection.execute(f"UPDATE batch SET {column} = {value} WHERE base > 1")
        connection.commit()
    with closing(open_small(tmp_path)) as journal:
        about_time = column.endswith("_at")
        assert sorted(readable(journal)) == ([1, 2, 3] if about_time else [1])
        assert isinstance(journal.arrival(2), int)
        journal.trim(3)
        assert journal.append(messages([4])).base > 3
        assert journal.status().damaged_rows == (0 if about_time else 2)


def test_a_read_file_that_was_deleted_is_lost_and_no_more(tmp_path: Path) -> None:
    """Somebody deletes a file beside the service: its positions are lost, the rest is read."""
    with closing(open_small(tmp_path)) as journal:
        for _ in range(ROWS):
            journal.append([message(1, payload=bytes(30_000))])
        second, third = list_files(tmp_path)[1:3]
        second.remove()
        found = sorted(readable(journal))
        assert found == [*range(1, second.base), *range(third.base, ROWS + 1)]
        assert journal.append(messages([1])).base == ROWS + 1


def test_nothing_is_acknowledged_into_a_deleted_file(tmp_path: Path) -> None:
    """What is written to a file without a name is on no disk: another is begun before."""
    with closing(open_small(tmp_path)) as journal:
        journal.append(messages([1]))
        list_files(tmp_path)[-1].remove()
        with pytest.raises(JournalFull, match="another is begun"):
            journal.append(messages([2]))
        batch = journal.append(messages([2]))
        assert batch.base > 1
        assert journal.status().problem == ""
    with closing(open_small(tmp_path)) as journal:
        assert readable(journal) == {batch.base: message(2)}


def test_a_deleted_folder_stops_the_acks(tmp_path: Path) -> None:
    """With nowhere to write, the append says so and nothing is taken for kept."""
    folder = tmp_path / "journal"
    with closing(open_small(folder)) as journal:
        journal.append(messages([1]))
        shutil.rmtree(folder)
        for _ in range(3):
            with pytest.raises(JournalFull):
                journal.append(messages([2]))


COPIES = ["journal.json", "journal.copy.json"]


@pytest.mark.parametrize("name", COPIES)
def test_no_flipped_bit_of_a_copy_changes_the_identity(tmp_path: Path, name: str) -> None:
    """Whichever bit of a copy is flipped, the other one's id, format and mark are taken."""
    written = Identity("0123456789abcdef" * 2, format=1, reserved=200_000)
    write_identity(tmp_path, written)
    sound = (tmp_path / name).read_bytes()
    for bit in range(len(sound) * 8):
        flipped = bytearray(sound)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / name).write_bytes(flipped)
        assert read_identity(tmp_path) == written, bytes(flipped)
        assert not is_whole(tmp_path), "it is written again"


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("change", [{"format": 3}, {"id": "another's"}, {"reserved": 9}])
def test_a_start_mends_a_falsified_copy(
    tmp_path: Path, name: str, change: dict[str, object]
) -> None:
    """A copy that parses and is wrong is neither believed nor spread over the sound one."""
    with closing(open_small(tmp_path)) as journal:
        journal.append(messages([1]))
        known = read_identity(tmp_path)
    path = tmp_path / name
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with closing(open_small(tmp_path)) as journal:
        assert known is not None
        assert journal.id == known.id
    assert read_identity(tmp_path) == known
    assert is_whole(tmp_path)


def test_a_mark_written_to_one_copy_only_counts(tmp_path: Path) -> None:
    """A crash between the copies leaves two that are sound: the higher mark is the later one."""
    write_identity(tmp_path, Identity("one", format=1, reserved=200_000))
    later = (tmp_path / "journal.copy.json").read_bytes()
    write_identity(tmp_path, Identity("one", format=1, reserved=100_000))
    (tmp_path / "journal.copy.json").write_bytes(later)
    assert read_identity(tmp_path) == Identity("one", format=1, reserved=200_000)


@pytest.mark.parametrize("name", COPIES)
def test_an_identity_without_a_checksum_is_read_and_gets_one(tmp_path: Path, name: str) -> None:
    """The first builds wrote none; a number of a format that they did not know is damage."""
    for copy in COPIES:
        (tmp_path / copy).write_text('{"id":"one","format":1,"reserved":100000}')
    (tmp_path / name).write_text('{"id":"one","format":3,"reserved":100000}')
    with closing(open_small(tmp_path)) as journal:
        assert journal.id == "one"
    assert read_identity(tmp_path) == Identity("one", format=1, reserved=100_000)
    assert is_whole(tmp_path)


def test_a_stray_file_is_none_of_the_journal(tmp_path: Path) -> None:
    """What somebody copied into the folder under another name is passed over."""
    with closing(open_small(tmp_path)) as journal:
        journal.append(messages([1]))
        for name in ("copy.journal", "1.journal", "00000000000000000001 (2).journal"):
            (tmp_path / name).write_bytes(b"x")
        assert [file.base for file in list_files(tmp_path)] == [1]
    with closing(open_small(tmp_path)) as journal:
        assert readable(journal) == {1: message(1)}
