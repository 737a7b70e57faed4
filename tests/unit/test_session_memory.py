"""What is remembered of sessions over a restart of ours."""

import os
from pathlib import Path

import pytest

from ingest.session_memory import SessionMemory


def test_it_is_kept_over_a_restart(tmp_path: Path) -> None:
    """Each session has its own filters, the next process knows them, and nobody else may read."""
    file = tmp_path / "sessions.json"
    memory = SessionMemory(file)
    memory.keep("a@one:1883", ["gate/#", "door/1"])
    memory.keep("a@two:1883", ["yard/#"])
    again = SessionMemory(file)
    assert again.topics("a@one:1883") == {"gate/#", "door/1"}
    assert again.topics("a@two:1883") == {"yard/#"}
    assert again.topics("b@one:1883") == frozenset()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a":1}', b"\xff"])
def test_a_damaged_file_is_a_lost_one(tmp_path: Path, content: bytes) -> None:
    """It keeps no start from succeeding, and is written anew."""
    file = tmp_path / "sessions.json"
    file.write_bytes(content)
    memory = SessionMemory(file)
    assert memory.topics("a@one:1883") == frozenset()
    memory.keep("a@one:1883", ["gate/#"])
    assert SessionMemory(file).topics("a@one:1883") == {"gate/#"}


def test_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    """Without the file it is remembered for as long as the process lives."""
    memory = SessionMemory(tmp_path / "missing" / "sessions.json")
    memory.keep("a@one:1883", ["gate/#"])
    assert memory.topics("a@one:1883") == {"gate/#"}


def test_what_a_full_disk_did_not_take_is_written_at_the_next_call(tmp_path: Path) -> None:
    """Also where nothing has changed since: a reconnect of the same filters mends the file."""
    file = tmp_path / "missing" / "sessions.json"
    memory = SessionMemory(file)
    memory.keep("a@one:1883", ["gate/#"])
    file.parent.mkdir()
    memory.keep("a@one:1883", ["gate/#"])
    assert SessionMemory(file).topics("a@one:1883") == {"gate/#"}


def test_it_is_on_disk_before_it_takes_the_place_of_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The draft is synced, then renamed, then the folder: a power cut leaves one of both whole."""
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        steps.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    def replaced(draft: Path, file: Path) -> Path:
        steps.append("replace")
        return replace(draft, file)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    SessionMemory(tmp_path / "sessions.json").keep("a@one:1883", ["gate/#"])
    assert steps == ["sessions.json.new", "replace", tmp_path.name]
