"""The file of what devices have said of themselves: as of when, how long, how much."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from devices.description import MAX_BODY, MAX_KEYS, DescriptionsAway, Said
from devices.outcome import DecodeError
from ingest.batch_descriptions import BatchDescriptions
from ingest.description_store import NAME, DescriptionStore


def say(store: DescriptionStore, position: int, key: str, body: object, device: str = "d") -> None:
    batch = BatchDescriptions(store, [position])
    batch.describe("f", "owner", key, device=device, body=body)
    batch.keep({"d"})


def bodies(store: DescriptionStore, key: str, *positions: int) -> list[object]:
    found = [store.find("f", "owner", key, until=one) for one in positions]
    return [None if one is None else one.body for one in found]


def test_what_is_found_is_the_newest_at_or_before_a_position(tmp_path: Path) -> None:
    """Whatever was said later, and after a new start."""
    with closing(DescriptionStore.open(tmp_path / NAME)) as store:
        say(store, 10, "k", "first")
        say(store, 30, "k", "third")
        say(store, 20, "k", "second")
        wanted = [None, "first", "first", "second", "second", "third", "third"]
        assert bodies(store, "k", 9, 10, 19, 20, 29, 30, 99) == wanted
    with closing(DescriptionStore.open(tmp_path / NAME)) as store:
        assert bodies(store, "k", 9, 10, 19, 20, 29, 30, 99) == wanted
        assert store.members("f", "owner", until=25) == {"k": Said(20, "second")}
        newest = BatchDescriptions(store, [5], newest=True)
        assert newest.find("f", "owner", "k") == Said(30, "third")


def test_a_message_sees_what_was_said_before_it_in_its_batch() -> None:
    """And nothing is on disk before the batch is kept; then all of it is."""
    store = DescriptionStore.copy(Path("/nonexistent"))
    batch = BatchDescriptions(store, [5, 6, 7])
    outcomes: list[object] = []
    batch.follow(outcomes)
    assert batch.find("f", "owner") is None
    batch.describe("f", "owner", device="d", body={"a": 1})
    outcomes.append("read")
    assert batch.find("f", "owner") == Said(5, {"a": 1})
    batch.describe("f", "owner", device="d", body=None)
    outcomes.append("read")
    assert batch.find("f", "owner") is None
    assert batch.members("f", "owner") == {}
    assert store.find("f", "owner", "", until=7) is None
    batch.keep(())
    assert bodies(store, "", 4, 5, 6) == [None, {"a": 1}, None]


def test_what_no_message_of_the_journal_was_read_by_is_let_go(tmp_path: Path) -> None:
    """A row goes when a newer one stands at or before the journal's first position."""
    base = 0
    with closing(DescriptionStore.open(tmp_path / NAME, base=lambda: base)) as store:
        for position in (10, 20, 30):
            say(store, position, "k", position)
        base = 25
        say(store, 40, "k", 40)
        assert bodies(store, "k", 19, 24, 25, 35, 40) == [None, 20, 20, 30, 40]
        base = 30
        say(store, 50, "k", 50)
        assert bodies(store, "k", 29, 30, 40, 50) == [None, 30, 40, 50]


def test_strangers_push_out_nobody() -> None:
    """When there is no room, what unregistered devices said goes first, then what is superseded."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(
        """CREATE TABLE description (family TEXT, owner TEXT, key TEXT, position INTEGER,
        device TEXT, size INTEGER, body BLOB, PRIMARY KEY (family, owner, key, position))"""
    )
    store = DescriptionStore(connection, max_rows=32)
    for position in range(1, 21):
        say(store, position, f"own {position % 10}", position)
    for position in range(21, 200):
        say(store, position, f"stranger {position}", position, device="nobody")
    newest = [store.find("f", "owner", f"own {n}", until=None) for n in range(10)]
    assert [said and said.body for said in newest] == [20, *range(11, 20)]
    assert len(store.members("f", "owner", until=None)) <= 32
    for position in range(200, 300):
        say(store, position, "own 1", position)
    assert bodies(store, "own 2", 999) == [12]
    assert bodies(store, "own 1", 999) == [299]


def test_one_message_and_one_owner_are_bounded() -> None:
    """A body of more than a quarter of a megabyte, and more than a thousand keys, are refused."""
    store = DescriptionStore.copy(Path("/nonexistent"))
    batch = BatchDescriptions(store, [1])
    with pytest.raises(DecodeError):
        batch.describe("f", "owner", device="d", body="x" * MAX_BODY)
    for number in range(MAX_KEYS):
        batch.describe("f", "owner", f"k{number}", device="d", body=1)
    with pytest.raises(DecodeError):
        batch.describe("f", "owner", "one more", device="d", body=1)
    batch.describe("f", "owner", "k0", device="d", body=2)


def test_a_damaged_file_keeps_nobody_from_starting(tmp_path: Path) -> None:
    """It is set aside; the devices say again what they are."""
    (tmp_path / NAME).write_bytes(b"no database at all" * 1000)
    with closing(DescriptionStore.open(tmp_path / NAME)) as store:
        say(store, 1, "k", "said")
        assert bodies(store, "k", 1) == ["said"]
    assert (tmp_path / f"{NAME}.damaged").exists()


def test_a_file_damaged_under_the_service_is_begun_anew(tmp_path: Path) -> None:
    """The batch that meets the damage comes again, and what it says is kept in the new file."""
    path = tmp_path / NAME
    with closing(DescriptionStore.open(path)) as store:
        for number in range(200):
            say(store, 1 + number, f"k{number}", "said " * 100)
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))
        store._connection.execute("PRAGMA cache_size = 0")
        with pytest.raises(DescriptionsAway, match="malformed"):
            say(store, 300, "k", "said again")
        say(store, 300, "k", "said again")
        assert bodies(store, "k", 300) == ["said again"]
    assert path.with_name(f"{NAME}.damaged").exists()


def test_a_disk_that_refuses_is_waited_for(tmp_path: Path) -> None:
    """Nothing is half kept, and the same may be tried again."""
    with (
        closing(DescriptionStore.open(tmp_path / NAME)) as store,
        closing(sqlite3.connect(tmp_path / NAME, isolation_level=None)) as other,
    ):
        say(store, 1, "k", "first")
        store._connection.execute("PRAGMA busy_timeout = 1")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DescriptionsAway):
            say(store, 2, "k", "second")
        assert bodies(store, "k", 2) == ["first"]
        other.execute("ROLLBACK")
        say(store, 2, "k", "second")
        assert bodies(store, "k", 1, 2) == ["first", "second"]
