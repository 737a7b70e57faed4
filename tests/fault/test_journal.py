"""What the journal survives: kills, a full disk, damaged files, a second owner, a newer format."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from devices.clock import DAY, HOUR
from ingest.journal import Journal, JournalFull, JournalRefused
from ingest.journal_file import list_files
from ingest.journal_identity import Identity, write_identity
from ingest.journal_room import GIB
from tests.disk import small_disk
from tests.messages import message, messages
from tests.servers import wait_until

APPENDER = """
import sys
from pathlib import Path
from ingest.journal import Journal
from tests.messages import messages
journal = Journal.open(Path(sys.argv[1]), min_free_bytes=0, file_bytes=300_000)
while True:
    head = journal.head
    journal.append(messages(range(head + 1, head + 51)))
    print(journal.head, flush=True)
"""


def read_numbers(journal: Journal) -> list[int]:
    """Return the numbers of all messages that can be read, in order."""
    numbers, after = [], journal.base - 1
    while batches := journal.read(after, messages=1_000):
        for batch in batches:
            numbers += [json.loads(one.payload)["n"] for one in batch.messages]
            after = batch.last
    return numbers


def test_what_was_appended_survives_sigkill(tmp_path: Path) -> None:
    """Every append that returned is there after a SIGKILL at any moment, once and in place."""
    promised = 0
    for round_number in range(4):
        wanted = promised + 50 * random.Random(round_number).randint(5, 40)
        child = subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(tmp_path / "journal")],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        for line in child.stdout:
            promised = int(line)
            if promised >= wanted:
                break
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split()
        promised = int(rest[-1]) if rest and rest[-1].isdigit() else promised
        child.stdout.close()
        child.wait(20)
    with closing(Journal.open(tmp_path / "journal")) as journal:
        assert journal.head >= promised
        assert read_numbers(journal) == list(range(1, journal.head + 1))


def test_a_second_owner_is_refused(tmp_path: Path) -> None:
    """The folder has one owner; the second is told whose it is and what to do."""
    with (
        closing(Journal.open(tmp_path)),
        pytest.raises(JournalRefused, match=rf"process {os.getpid()}.*GATEHOUSE_DATA_DIR"),
    ):
        Journal.open(tmp_path)
    Journal.open(tmp_path).close()


def test_a_dead_owner_does_not_lock_anybody_out(tmp_path: Path) -> None:
    """The lock ends with its process, however it ended."""
    child = subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(tmp_path / "journal")], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline()
    child.kill()
    child.wait(20)
    child.stdout.close()
    Journal.open(tmp_path / "journal").close()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """An older program touches nothing that a newer one wrote, and says so."""
    Journal.open(tmp_path).close()
    write_identity(tmp_path, Identity("a newer one's", format=2))
    with pytest.raises(JournalRefused, match=r"newer Gatehouse \(format 2.*upgrade"):
        Journal.open(tmp_path)


@pytest.mark.parametrize("name", ["journal.json", "journal.copy.json"])
@pytest.mark.parametrize("text", [None, b"", b'{"id":"x', bytes(90)])
def test_either_copy_of_the_identity_will_do(tmp_path: Path, name: str, text: bytes | None) -> None:
    """A copy that is lost or damaged keeps no start from succeeding, and is written again."""
    with closing(Journal.open(tmp_path)) as journal:
        journal.append(messages([1]))
        known = journal.id
    (tmp_path / name).unlink()
    if text is not None:
        (tmp_path / name).write_bytes(text)
    with closing(Journal.open(tmp_path)) as journal:
        assert journal.id == known
    assert json.loads((tmp_path / name).read_text())["id"] == known


def test_positions_without_identity_are_refused(tmp_path: Path) -> None:
    """A journal whose id is gone cannot be matched with cursors: a person has to decide."""
    with closing(Journal.open(tmp_path)) as journal:
        journal.append(messages([1]))
    for name in ("journal.json", "journal.copy.json"):
        (tmp_path / name).unlink()
    with pytest.raises(JournalRefused, match="restore one from the backup"):
        Journal.open(tmp_path)


def test_positions_of_a_damaged_newest_file_are_not_given_again(tmp_path: Path) -> None:
    """After the newest file is lost, the next position lies beyond any that it can have held."""
    with closing(Journal.open(tmp_path, file_bytes=100_000)) as journal:
        for _ in range(10):
            journal.append(messages(range(100)))
    newest = list_files(tmp_path)[-1]
    newest.path.write_bytes(os.urandom(newest.path.stat().st_size))
    with closing(Journal.open(tmp_path)) as journal:
        assert journal.append(messages([1])).base > 1_000
        assert journal.read(newest.base - 1, messages=1)[0].base == journal.head
        assert journal.status().damaged_files == 1


def test_a_file_that_breaks_while_running_is_set_aside(tmp_path: Path) -> None:
    """A reader that meets a damaged file goes on behind it, and appending goes on too."""
    with closing(Journal.open(tmp_path, file_bytes=100_000)) as journal:
        for _ in range(10):
            journal.append(messages(range(100)))
        middle = list_files(tmp_path)[1]
        following = list_files(tmp_path)[2].base
        middle.path.write_bytes(os.urandom(middle.path.stat().st_size))
        assert journal.read(middle.base - 1, messages=1)[0].base == following
        assert journal.append(messages([1])).base == 1_001
        assert journal.status().damaged_files == 1


def test_the_newest_file_may_break_while_running(tmp_path: Path) -> None:
    """When the file being written is found damaged, another is begun and nothing is given twice."""
    with closing(Journal.open(tmp_path)) as journal:
        journal.append(messages(range(100)))
        newest = list_files(tmp_path)[-1]
        with closing(sqlite3.connect(newest.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with newest.path.open("r+b") as file:
            file.write(os.urandom(newest.path.stat().st_size))
        assert journal.read(0, messages=1) == []
        assert journal.append(messages([7])).base > 100
        assert read_numbers(journal) == [7]


def test_a_half_written_batch_is_no_batch(tmp_path: Path) -> None:
    """A write-ahead log cut anywhere loses only batches at its end, never one in the middle."""
    with closing(Journal.open(tmp_path / "whole")) as journal:
        for number in range(20):
            journal.append(messages([number]))
        log = next((tmp_path / "whole").glob("*-wal"))
        size = log.stat().st_size
        for cut in random.Random(1).sample(range(size), 12):
            torn = tmp_path / str(cut)
            shutil.copytree(tmp_path / "whole", torn, ignore=shutil.ignore_patterns("*-shm"))
            os.truncate(torn / log.name, cut)
            with closing(Journal.open(torn)) as survivor:
                numbers = read_numbers(survivor)
                assert numbers == list(range(len(numbers)))
                assert survivor.head == len(numbers)


@pytest.fixture
def eight_mib(tmp_path: Path) -> Iterator[Path]:
    """A disk of eight megabytes."""
    with small_disk(tmp_path / "disk", mib=8) as folder:
        yield folder


def fill(journal: Journal) -> None:
    """Append until the journal takes no more."""
    for number in range(10_000):
        journal.append([message(number, payload=b'{"n":%d,"x":"%s"}' % (number, b"x" * 20_000))])


def test_a_full_disk_holds_and_then_goes_on(eight_mib: Path) -> None:
    """A disk without room refuses the append and keeps the rest; with room again, it goes on."""
    ballast = eight_mib / "ballast"
    ballast.write_bytes(bytes(3 * 1024 * 1024))
    with closing(Journal.open(eight_mib / "journal", min_free_bytes=0)) as journal:
        with pytest.raises(JournalFull, match="disk"):
            fill(journal)
        held = journal.head
        assert journal.status().level == "full"
        assert read_numbers(journal) == list(range(held)), "what was appended stays readable"
        ballast.unlink()
        wait_until(lambda: appends(journal, held), what="appending again")
        assert read_numbers(journal) == list(range(held + 1))
        assert journal.status().problem == ""
    with closing(Journal.open(eight_mib / "journal", min_free_bytes=0)) as journal:
        assert journal.head == held + 1


def test_a_start_on_a_full_disk_says_so(eight_mib: Path) -> None:
    """Where not even the lock's neighbours fit, the refusal names the folder and the disk."""
    with closing(Journal.open(eight_mib / "journal", min_free_bytes=0)) as journal:
        journal.append(messages([1]))
    with suppress(OSError):
        (eight_mib / "ballast").write_bytes(bytes(16 * 1024 * 1024))
    with pytest.raises(JournalRefused, match="room"):
        Journal.open(eight_mib / "journal", min_free_bytes=0)
    (eight_mib / "ballast").unlink()
    with closing(Journal.open(eight_mib / "journal", min_free_bytes=0)) as journal:
        assert read_numbers(journal) == [1]


def appends(journal: Journal, number: int) -> bool:
    """Try to append one message."""
    try:
        journal.append(messages([number]))
    except JournalFull:
        return False
    return True


def test_free_disk_is_left_to_others(eight_mib: Path) -> None:
    """The journal stops before the disk is full, as far before as it is told."""
    left = 4 * 1024 * 1024
    with closing(Journal.open(eight_mib / "journal", min_free_bytes=left)) as journal:
        with pytest.raises(JournalFull, match="leaves"):
            fill(journal)
        assert journal.head > 10
        assert shutil.disk_usage(eight_mib).free >= left - 1024 * 1024


def test_a_bound_in_bytes_gives_up_read_history_first(tmp_path: Path) -> None:
    """At the bound whatever everybody has read goes; when nothing is left, appending stops."""
    bound = 3 * 1024 * 1024
    with closing(Journal.open(tmp_path, max_bytes=bound, min_free_bytes=0)) as journal:
        with pytest.raises(JournalFull, match="max_gib"):
            fill(journal)
        assert journal.base == 1, "nothing unread was given up"
        assert journal.status().level == "full"
        assert journal.status().bytes <= bound + 100_000, "but for what an empty file takes"
        journal.trim(journal.head // 2)
        journal.append(messages([1]))
        assert 1 < journal.base <= journal.head // 2 + 1


def test_the_operator_sees_it_fill(tmp_path: Path) -> None:
    """At half and at four fifths of the bound the status says so, with the hours left."""
    bound, ticks = 4 * 1024 * 1024, Ticks()
    levels = []
    with closing(
        Journal.open(tmp_path, max_bytes=bound, min_free_bytes=0, ticks=ticks.now)
    ) as journal:
        assert journal.status().hours_left is None
        with suppress(JournalFull):
            for number in range(10_000):
                ticks.at += 360.0
                journal.append([message(number, payload=bytes(20_000))])
                levels.append((journal.status().level, journal.status().hours_left))
    order = ["", "half", "high", "full"]
    assert [level for level, _ in levels] == sorted([level for level, _ in levels], key=order.index)
    assert {"", "half", "high"} <= {level for level, _ in levels}
    half = next(hours for level, hours in levels if level == "half")
    spent = [level for level, _ in levels].index("half") / 10
    assert half == pytest.approx(spent, rel=0.3), "half the room lasts as long as the first half"
    assert levels[-1][1] < half


def test_the_hours_left_are_those_of_the_present_rate(tmp_path: Path) -> None:
    """A quiet night before a busy hour, and time in which nothing came, do not flatter it."""
    ticks = Ticks()
    with closing(
        Journal.open(tmp_path, max_bytes=GIB, min_free_bytes=0, ticks=ticks.now)
    ) as journal:
        for _ in range(10):
            ticks.at += 3_600.0
            journal.append(messages([1]))
        for _ in range(70):
            ticks.at += 60.0
            journal.append([message(1, payload=bytes(200_000))])
        assert journal.status().hours_left == pytest.approx(GIB / 12_000_000, rel=0.2)
        ticks.at += 2 * 3_600.0
        assert journal.status().hours_left is None, "nothing has come for an hour"


def test_read_history_is_kept_while_there_is_room(tmp_path: Path) -> None:
    """Whole files go only when everybody has read them and they are older than the age to keep."""
    ticks = Ticks()
    with closing(
        Journal.open(tmp_path, keep_ms=HOUR, file_bytes=100_000, ticks=ticks.now)
    ) as journal:
        for number in range(30):
            ticks.at += 360.0
            journal.append([message(number, payload=bytes(30_000))])
        journal.trim(0)
        assert journal.base == 1, "unread is never trimmed"
        journal.trim(journal.head)
        assert 10 <= journal.head - journal.base < 20, "an hour of it is kept, in whole files"


def test_little_is_not_kept_for_ever(tmp_path: Path) -> None:
    """A file that never fills is ended at the age to keep, and goes when it is as old again."""
    ticks = Ticks()
    with closing(Journal.open(tmp_path, keep_ms=HOUR, ticks=ticks.now)) as journal:
        journal.append(messages([1]))
        ticks.at += 3_000.0
        journal.trim(1)
        ticks.at += 1_000.0
        journal.append(messages([2]))
        journal.trim(2)
        assert read_numbers(journal) == [1, 2], "less than an hour ago"
        ticks.at += 3_700.0
        journal.trim(2)
        assert (journal.base, read_numbers(journal)) == (3, [])
        assert journal.append(messages([3])).base == 3


@pytest.mark.parametrize("step", [-40 * DAY, 40 * DAY], ids=["back", "forward"])
def test_a_step_of_the_system_clock_trims_nothing(tmp_path: Path, step: int) -> None:
    """Age is what has passed, whatever date the messages were given; positions go on."""
    ticks = Ticks()
    with closing(
        Journal.open(tmp_path, keep_ms=HOUR, file_bytes=100_000, ticks=ticks.now)
    ) as journal:
        for number in range(30):
            ticks.at += 360.0
            stepped = number if number < 25 else number + step
            journal.append([message(stepped, payload=b'{"n":%d}' % number + bytes(30_000))])
            journal.trim(journal.head)
        assert 10 <= journal.head - journal.base < 20
        assert journal.head == 30


class Ticks:
    """A clock that only goes forward, when it is told."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def now(self) -> float:
        return self.at
