"""A flood of garbage: counted to the last message, and bounded on disk."""

from pathlib import Path

from devices.clock import MINUTE
from ingest import dead_letter
from ingest.dead_letter import Selection
from ingest.journal_room import MIB
from ingest.ledger_file import LETTERS
from tests.desk import Desk

FLOOD = 100_000
AT_ONCE = 2_000
BOUND = 4 * MIB
WAL = 6 * MIB
"""What SQLite's log takes beside: a thousand pages, and the batch that passes them."""


def test_a_flood_fills_neither_the_disk_nor_the_list(tmp_path: Path) -> None:
    """A hundred thousand messages of one broken device, and a few of others, over an hour."""
    desk = Desk(tmp_path, max_bytes=BOUND)
    desk.handle(b"i", b"quiet one", b"quiet two")
    for _ in range(FLOOD // AT_ONCE):
        desk.clock.advance(3 * MINUTE)
        desk.flood(b"x" * 400, AT_ONCE)
        assert size_on_disk(tmp_path) <= BOUND * 1.1 + WAL
    assert [letter.position for letter in dead_letter.letters(desk.path, Selection(topic="d1"))]
    assert [letter.position for letter in dead_letter.letters(desk.path, Selection(topic="d2"))]
    books = desk.books
    assert books.balanced
    assert books.dead == {"missing_field": FLOOD + 2}
    assert books.dead_open + books.expired == FLOOD + 2
    assert 4_000 < books.dead_open < FLOOD / 4
    told = dead_letter.groups(desk.path, Selection(topic="flood"))
    assert {group.state for group in told} == {"open", "expired"}
    desk.close()


def size_on_disk(folder: Path) -> int:
    """Return the bytes of the dead letters' file and its log."""
    return sum(path.stat().st_size for path in folder.glob(f"{LETTERS}*"))
