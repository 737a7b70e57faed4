"""What is kept may be read by its owner only, also where the umask would let others."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest.journal import Journal
from ingest.ledger import Ledger
from ingest.point import Point, make_series
from ingest.rebuild import Progress, write_progress
from ingest.series import open_store
from ingest.series_merge import adopt
from ingest.session_memory import SessionMemory
from tests.messages import NOON, messages
from tests.observed import metered

SERIES = make_series("electricity", device="meter")


@pytest.fixture(autouse=True)
def careless() -> Iterator[None]:
    """Let everybody read what is made; who makes it must see to it."""
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """Return the files that somebody else may look into."""
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name.endswith(".db-wal") for path in kept)
    return [path.name for path in kept if path.stat().st_mode & 0o077]


def test_journal_ledger_and_letters_are_their_owners_only(tmp_path: Path) -> None:
    """Payloads and devices are in them; the log beside each file is as private as the file."""
    with (
        closing(Journal.open(tmp_path / "journal")) as journal,
        closing(Ledger.open(tmp_path / "ledger.db")) as ledger,
    ):
        journal.append(messages(range(3)))
        SessionMemory(tmp_path / "sessions.json").keep("mqtt", ["a/#"])
        write_progress(tmp_path / "rebuild.json", Progress("journal", "profiles", "target"))
        ledger.commit(journal=journal.id, position=3, counts={"stored": 3})
        assert open_to_others(tmp_path) == []


def test_the_embedded_store_is_its_owner_s_only(tmp_path: Path) -> None:
    """The writer makes a private file, and so does a rebuild."""
    with closing(open_store(None, token=None, data_dir=tmp_path)) as store:
        assert not store.write([Point(SERIES, metered(power_w=1.0), NOON * 1_000_000)])
        for _ in adopt(tmp_path / "series.db", tmp_path / "rebuilt.db", before=NOON):
            pass
        assert (tmp_path / "rebuilt.db").exists()
        assert open_to_others(tmp_path) == []


def test_rights_that_somebody_gave_stay(tmp_path: Path) -> None:
    """A file that another user was let into goes on being shared."""
    shared = tmp_path / "ledger.db"
    shared.touch(mode=0o640)
    with closing(Ledger.open(shared)):
        assert shared.stat().st_mode & 0o777 == 0o640
