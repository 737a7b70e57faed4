"""The dead letters' file: its bounds, and what a start finds in it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import pytest

from devices.clock import DAY, MINUTE
from ingest import dead_letter, letter_sample
from ingest.books import balance
from ingest.dead_letter import Selection
from ingest.follower import Held
from ingest.ledger import Ledger
from ingest.ledger_file import LETTERS, Account, LedgerRefused, account_of
from ingest.letter_draft import LETTER_BYTES
from ingest.letters import Letters
from ingest.message import Message
from tests.desk import Desk
from tests.messages import NOON
from tests.shelf import decode

LEDGER_1 = """
CREATE TABLE cursor (
    one INTEGER PRIMARY KEY CHECK (one = 1), journal TEXT NOT NULL, position INTEGER NOT NULL);
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT, position INTEGER NOT NULL, arrived_at INTEGER NOT NULL,
    source TEXT NOT NULL, topic TEXT NOT NULL, flags INTEGER NOT NULL, device TEXT NOT NULL,
    payload BLOB NOT NULL, size INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    stored_points INTEGER NOT NULL, state TEXT NOT NULL, replay INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT '', kept INTEGER NOT NULL);
CREATE INDEX dead_letter_state ON dead_letter (state, id);
PRAGMA user_version = 1;
INSERT INTO cursor VALUES (1, 'j', 10);
INSERT INTO counter VALUES ('stored', 7), ('dead:empty', 3), ('dead_discarded', 1),
    ('dead_bytes', 903);
INSERT INTO dead_letter VALUES (1, 4, 1000, 'mqtt', 't', 2, 'd', x'6162', 2, 'empty', 'x', 0,
    'open', 1, 3, '', 302), (2, 6, 2000, 'mqtt', 't', 0, '', x'', 9, 'empty', '', 0, 'discarded',
    0, 0, 'a test', 300), (3, 9, 3000, 'mqtt', 'u', 0, '', x'63', 1, 'empty', '', 0, 'open', 0, 0,
    '', 301);
"""
"""A ledger as the program wrote it before dead letters had a file of their own."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def small_desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk whose letters may take 160,000 bytes; of a group 10,000 a minute."""
    made = Desk(tmp_path, max_bytes=160_000)
    yield made
    made.close()


def open_positions(desk: Desk, **narrowed: str) -> list[int]:
    """Return where the open letters are, the oldest first."""
    selection = Selection(state="open", **narrowed)
    return [one.position for one in reversed(dead_letter.letters(desk.path, selection, limit=9999))]


def taken(desk: Desk) -> int:
    """Return what the letters take, as the file itself says."""
    with closing(sqlite3.connect(desk.path.with_name(LETTERS))) as connection:
        (kept,) = connection.execute("SELECT sum(kept) FROM letter").fetchone()
    assert kept == account_of(desk.path).counters["dead_bytes"]
    return int(kept)


def test_letters_are_bounded_in_bytes(small_desk: Desk) -> None:
    """Beyond the bound the oldest expire, and are counted."""
    for _ in range(40):
        small_desk.clock.advance(MINUTE)
        small_desk.handle(*[b"x" * 700] * 5)
        assert taken(small_desk) <= 160_000
    kept = open_positions(small_desk)
    assert 100 < len(kept) < 160
    assert kept == list(range(201 - len(kept), 201))
    assert small_desk.books.expired == 200 - len(kept)
    assert small_desk.books.balanced


def test_what_is_settled_is_let_go_of_first(small_desk: Desk) -> None:
    """An open letter outlives those of which somebody has disposed, however young they are."""
    small_desk.handle(b"the oldest")
    for _ in range(8):
        small_desk.clock.advance(MINUTE)
        small_desk.handle(b"y" * 9_000, b"z" * 9_000)
    dead_letter.discard(small_desk.path, Selection(topic="d1"), note="a test")
    small_desk.clock.advance(MINUTE)
    small_desk.handle(*[b"x" * 7_000] * 5)
    assert 1 in open_positions(small_desk)
    assert (small_desk.books.expired, small_desk.books.dead_discarded) == (0, 8)
    assert taken(small_desk) <= 160_000


def test_one_group_does_not_push_out_the_others(small_desk: Desk) -> None:
    """A device that floods for an hour makes room for itself; what others sent before stays."""
    small_desk.handle(b"i", *[b"quiet" * 20] * 9)
    for _ in range(60):
        small_desk.clock.advance(MINUTE)
        small_desk.handle(b"x" * 9_000)
    assert open_positions(small_desk)[:9] == [*range(2, 11)]
    assert small_desk.books.expired > 40
    assert small_desk.books.balanced
    assert taken(small_desk) <= 160_000


def test_of_a_flood_the_first_of_a_minute_are_kept_and_all_are_counted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is one entry with its number and span, counted as expired; the next minute begins
    anew."""
    monkeypatch.setattr(letter_sample, "GROUP_LETTERS", 10)
    desk.close()
    desk.open()
    for _ in range(8):
        desk.handle(b"garbage", b"garbage")
    desk.clock.advance(1_000)
    for _ in range(8):
        desk.handle(b"garbage", b"i")
    (counted,) = dead_letter.groups(desk.path, Selection(topic="d0", state="expired"))
    assert (counted.count, counted.first_at, counted.last_at) == (6, NOON + 1_000, NOON + 1_000)
    assert len(open_positions(desk, topic="d0")) == 10
    assert len(open_positions(desk, topic="d1")) == 8
    assert (desk.books.expired, desk.books.dead_open, desk.books.balanced) == (6, 18, True)
    desk.clock.advance(MINUTE)
    desk.handle(b"garbage")
    assert len(open_positions(desk, topic="d0")) == 11


def test_a_flood_of_topics_is_one_entry_for_each_reason(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a minute's budget is spent, topics nobody has heard of cost no row each."""
    monkeypatch.setattr(letter_sample, "ALL_LETTERS", 10)
    desk.close()
    desk.open()
    desk.handle(*[b"garbage"] * 1_000)
    assert len(open_positions(desk)) == 10
    (counted,) = dead_letter.groups(desk.path, Selection(state="expired"))
    assert (counted.topic, counted.count) == ("", 990)
    assert (desk.books.expired, desk.books.balanced) == (990, True)


@pytest.mark.parametrize("recent", [1, 9, 1_000])
def test_the_newest_groups_are_the_same_however_they_are_found(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, recent: int
) -> None:
    """Among the newest letters or not, each has the count and span of all of it."""
    for count in (3, 5, 2, 1):
        desk.handle(*[b"garbage"] * count)
        desk.clock.advance(1_000)
    monkeypatch.setattr(dead_letter, "_RECENT", recent)
    for limit in (1, 2, 4, 9):
        groups = dead_letter.groups(desk.path, Selection(state="open"), limit=limit)
        found = [(one.topic, one.count, one.newest, one.last_at - one.first_at) for one in groups]
        assert (
            found
            == [
                ("d0", 4, 11, 3_000),
                ("d1", 3, 10, 2_000),
                ("d4", 1, 8, 0),
                ("d3", 1, 7, 0),
                ("d2", 2, 6, 1_000),
            ][:limit]
        )


def test_letters_are_bounded_in_age(desk: Desk) -> None:
    """A letter older than the age to keep expires."""
    desk.handle(b"garbage", b"garbage")
    dead_letter.discard(desk.path, Selection(topic="d1"), note="x")
    desk.ledger.expire(NOON + 30 * DAY)
    assert desk.books.expired == 0
    desk.ledger.expire(NOON + 31 * DAY)
    assert (desk.books.expired, desk.books.dead_discarded) == (1, 1)
    assert dead_letter.letters(desk.path, Selection()) == []
    assert desk.books.balanced


def test_a_huge_payload_is_described_and_not_kept(desk: Desk) -> None:
    """Twenty megabytes of garbage give a letter without its payload."""
    desk.handle(b"g" * (LETTER_BYTES + 1))
    (letter,) = dead_letter.letters(desk.path, Selection())
    assert (letter.state, letter.size, letter.payload) == ("expired", LETTER_BYTES + 1, b"")
    assert (desk.books.expired, desk.books.dead_open) == (1, 0)
    assert desk.books.balanced


def test_letters_of_a_batch_that_is_not_accounted_for_are_nobodys(desk: Desk) -> None:
    """While the ledger cannot be written they are not shown, not given up, and not kept twice."""
    desk.handle(b"garbage")
    with closing(sqlite3.connect(desk.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        desk.ledger._connection.execute("PRAGMA busy_timeout = 1")
        with pytest.raises(Held):
            desk.handle(b"garbage", b"garbage")
        assert open_positions(desk) == [1]
        assert dead_letter.discard(desk.path, Selection(topic="d1"), note="x") == 0
        assert dead_letter.request_replay(desk.path, Selection()) == [1]
    desk.handle(b"t 36.5", b"garbage")
    assert open_positions(desk) == [1, 3]
    assert (desk.books.stored, desk.books.dead_open) == (1, 2)


def test_a_start_takes_back_what_no_commit_has_passed(desk: Desk) -> None:
    """Killed between letters and ledger, a batch whose messages are understood now leaves none."""
    desk.handle(b"garbage")
    commit = sqlite3.connect(desk.path)
    with closing(commit):
        commit.execute("BEGIN IMMEDIATE")
        desk.ledger._connection.execute("PRAGMA busy_timeout = 1")
        with pytest.raises(Held):
            desk.handle(b"garbage", b"garbage")
    desk.close()
    desk.open()
    desk.handle(b"t 36.5", b"t 36.5")
    assert open_positions(desk) == [1]
    assert desk.books.balanced


def test_letters_of_an_older_ledger_are_moved(tmp_path: Path) -> None:
    """What an earlier program left in the ledger is found again, with all that is known of it."""
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as older:
        older.executescript(LEDGER_1)
    desk = Desk(tmp_path)
    first, second, third = reversed(dead_letter.letters(desk.path, Selection()))
    assert (first.position, first.payload, first.flags, first.device) == (4, b"ab", 2, "d")
    assert (first.replay, first.attempts, first.count) == (True, 3, 1)
    assert (second.state, second.note, second.size) == ("discarded", "a test", 9)
    assert (third.topic, third.first_at, third.arrived_at) == ("u", 3000, 3000)
    desk.head = 10
    books = desk.books
    assert (books.stored, books.dead_open, books.dead_discarded, books.balanced) == (7, 2, 1, True)
    assert taken(desk) == 903
    with closing(sqlite3.connect(desk.path)) as ledger:
        assert ledger.execute("PRAGMA user_version").fetchone() == (2,)
        assert not ledger.execute("SELECT 1 FROM sqlite_master WHERE name LIKE 'dead%'").fetchall()
    desk.close()


def test_a_crash_while_letters_are_moved_is_made_up_for(tmp_path: Path) -> None:
    """In both files at once, they are one each after the next start."""
    for _ in range(2):
        with closing(sqlite3.connect(tmp_path / "ledger.db")) as older:
            older.executescript("DROP TABLE IF EXISTS cursor; DROP TABLE IF EXISTS counter")
            older.executescript(LEDGER_1)
        desk = Desk(tmp_path)
        desk.head = 10
        assert (desk.books.dead_open, desk.books.balanced, taken(desk)) == (2, True, 903)
        desk.close()


def test_letters_that_were_deleted_are_counted_as_expired(desk: Desk) -> None:
    """Somebody removed the file: the service starts, the log says it, and the books say where."""
    desk.handle(b"garbage", b"garbage", b"t 36.5")
    desk.close()
    for path in desk.path.parent.glob(f"{LETTERS}*"):
        path.unlink()
    desk.open()
    desk.handle(b"garbage")
    assert (desk.books.expired, desk.books.dead_open, desk.books.balanced) == (2, 1, True)


def test_a_damaged_file_is_set_aside_at_the_start(desk: Desk) -> None:
    """Letters nobody can read keep nothing from going on, and are kept for a person to look at."""
    desk.handle(b"garbage", b"i")
    desk.close()
    desk.path.with_name(LETTERS).write_bytes(b"no database at all" * 1_000)
    desk.open()
    desk.handle(b"garbage")
    assert (desk.books.expired, desk.books.dead_open, desk.books.balanced) == (1, 1, True)
    assert desk.path.with_name(f"{LETTERS}.damaged").read_bytes().startswith(b"no database")


def test_what_was_set_aside_before_stays(desk: Desk) -> None:
    """Each damaged file is kept under a number of its own."""
    for number in range(3):
        desk.close()
        for path in desk.path.parent.glob(f"{LETTERS}-*"):
            path.unlink()
        desk.path.with_name(LETTERS).write_bytes(b"%d is no database" % number * 1_000)
        desk.open()
    kept = [desk.path.with_name(LETTERS + ".damaged" + end) for end in ("", "-2", "-3")]
    assert [path.read_bytes()[:1] for path in kept] == [b"0", b"1", b"2"]


def test_a_file_damaged_under_the_service_is_set_aside(desk: Desk) -> None:
    """The batch that meets the damage is held once, and then accounted for."""
    desk.handle(*[b"garbage" * 100] * 100)
    letters = desk.path.with_name(LETTERS)
    with closing(sqlite3.connect(letters)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    letters.write_bytes(letters.read_bytes()[:4096] + b"\xff" * (letters.stat().st_size - 4096))
    desk.ledger._letters._connection.execute("PRAGMA cache_size = 0")
    with pytest.raises(Held, match="damaged"):
        desk.handle(b"garbage")
    desk.handle(b"garbage")
    assert (desk.books.expired, desk.books.dead_open, desk.books.balanced) == (100, 1, True)


def test_a_file_that_others_find_damaged_is_set_aside(desk: Desk) -> None:
    """What the writer has in memory does not hide from it what everybody else sees."""
    desk.handle(*[b"garbage" * 100] * 100)
    letters = desk.path.with_name(LETTERS)
    letters.with_name(f"{LETTERS}-wal").write_bytes(b"")
    letters.write_bytes(b"no database at all" * 1_000)
    with pytest.raises(sqlite3.OperationalError), desk.ledger.seen_from_beside():
        account_of(desk.path)
    desk.consumer.idle(NOON)
    desk.handle(b"garbage")
    assert (desk.books.expired, desk.books.dead_open, desk.books.balanced) == (100, 1, True)


def test_a_file_deleted_under_the_service_is_made_anew(desk: Desk) -> None:
    """Nothing more goes into a file that nobody finds, and what was in it is counted."""
    desk.handle(b"garbage", b"garbage")
    for path in desk.path.parent.glob(f"{LETTERS}*"):
        path.unlink()
    desk.handle(b"garbage")
    assert open_positions(desk) == [3]
    assert (desk.books.expired, desk.books.dead_open, desk.books.balanced) == (2, 1, True)


def test_letters_that_cannot_be_made_anew_are_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full just then holds the follower; it does not end it."""
    desk.handle(b"garbage")
    for path in desk.path.parent.glob(f"{LETTERS}*"):
        path.unlink()
    with monkeypatch.context() as patched:
        full = sqlite3.OperationalError("database or disk is full")
        patched.setattr(Letters, "open", Mock(side_effect=full))
        for _ in range(2):
            with pytest.raises(Held, match="full"):
                desk.handle(b"garbage")
    desk.handle(b"garbage")
    assert (desk.books.expired, desk.books.dead_open, desk.books.balanced) == (1, 1, True)


def test_a_ledger_of_a_newer_program_is_refused(desk: Desk) -> None:
    """An older program does not touch what a newer one wrote, in either file."""
    for name in ("ledger.db", LETTERS):
        path = desk.path.with_name(name)
        with closing(sqlite3.connect(path)) as connection:
            (form,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute("PRAGMA user_version = 99")
            with pytest.raises(LedgerRefused, match="newer Gatehouse"):
                Ledger.open(desk.path)
            connection.execute(f"PRAGMA user_version = {form}")


def test_a_damaged_ledger_is_accounted_for_anew(desk: Desk) -> None:
    """Letters of positions that the journal no longer holds stay; the rest comes from the journal.

    Position 4 is the first that the journal holds: what is of it and later is decoded again.
    """
    desk.handle(b"garbage", b"garbage", b"t 36.5")
    dead_letter.discard(desk.path, Selection(topic="d1"), note="a test device")
    desk.handle(b"garbage", b"t 36.6")
    dead_letter.discard(desk.path, Selection(topic="d0"), note="a test device")
    desk.handle(b"garbage")
    desk.close()
    desk.path.write_bytes(b"no database at all" * 1_000)
    for beside in desk.path.parent.glob("ledger.db-*"):
        beside.unlink()
    for _ in range(2):
        with closing(Ledger.open(desk.path, begins=("j", 3))) as ledger:
            assert ledger.cursor() == ("j", 3)
    assert desk.path.with_name("ledger.db.damaged").exists()
    assert not desk.path.with_name("ledger.db.damaged-2").exists()
    desk.head = 3
    books = desk.books
    assert (books.received, books.dead, books.dead_discarded) == (2, {"missing_field": 2}, 2)
    assert books.balanced
    desk.open()
    desk.handle(b"garbage", b"t 36.6", b"garbage")
    books = desk.books
    assert (books.received, books.stored, books.dead_open, books.dead_discarded) == (5, 1, 2, 2)
    assert (books.lost, books.balanced) == (0, True)
    assert open_positions(desk) == [4, 6]


def test_a_damaged_ledger_of_a_whole_journal_begins_with_nothing(desk: Desk) -> None:
    """What was replayed, discarded or let go of before is not counted beside what comes again."""
    payloads = (b"garbage", b"garbage", b"g" * (LETTER_BYTES + 1), b"i")
    desk.handle(*payloads)
    desk.decode = lambda position, one: decode(position, Message(one.topic, b"t 36.0", NOON))
    dead_letter.request_replay(desk.path, Selection(topic="d0"))
    desk.consumer.idle(NOON)
    dead_letter.discard(desk.path, Selection(topic="d1"), note="a test device")
    assert (desk.books.stored, desk.books.dead_discarded, desk.books.expired) == (1, 1, 1)
    desk.close()
    desk.path.write_bytes(b"no database at all" * 1_000)
    for beside in desk.path.parent.glob("ledger.db-*"):
        beside.unlink()
    for _ in range(2):
        Ledger.open(desk.path, begins=("j", 0)).close()
        assert balance(account_of(desk.path), head=0) == balance(Account(None, 0, {}), head=0)
    desk.open()
    desk.head = 0
    desk.handle(*payloads)
    books = desk.books
    assert (books.received, books.stored, books.dead_open, books.expired) == (4, 0, 2, 1)
    assert (books.dead_discarded, books.dead_replayed, books.balanced) == (0, 0, True)


def test_a_ledger_damaged_under_the_service_ends_it_with_a_sentence(desk: Desk) -> None:
    """Who writes and who looks from beside say the same; nothing is accounted for meanwhile."""
    for number in range(300):
        desk.handle(b"i")
        counters = [(f"numbering {number} {n}", n) for n in range(20)]
        desk.ledger._connection.executemany("INSERT INTO counter VALUES (?, ?)", counters)
    with closing(sqlite3.connect(desk.path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = desk.path.read_bytes()
    desk.path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    desk.ledger._connection.execute("PRAGMA cache_size = 0")
    with pytest.raises(LedgerRefused, match=r"ledger\.db is damaged.*start Gatehouse again"):
        desk.handle(b"i")
    with (
        pytest.raises(LedgerRefused, match=r"ledger\.db is damaged.*start Gatehouse again"),
        desk.ledger.seen_from_beside(),
    ):
        account_of(desk.path)
