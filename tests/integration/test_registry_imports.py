"""Imports beside each other and beside other changes of the registry, and one that is killed."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from devices import csv_import, registry_lock, registry_store, tables
from devices.csv_import import Files, ImportRefused, import_files, import_folder, read_files
from devices.csv_rows import DeviceRow
from devices.enrolment import enrol
from devices.registry import PlaceKind
from devices.registry_draft import Difference
from tests.servers import PATIENCE

SAMPLE = Path(tables.__file__).parent / "sample_community"
NOW = 1_581_674_400_000


@pytest.fixture
def community(state_database: Engine) -> Engine:
    """The sample community, on SQLite and on PostgreSQL."""
    import_folder(state_database, SAMPLE, now=NOW)
    return state_database


def households(tmp_path: Path, name: str, *lines: str) -> Files:
    folder = tmp_path / name
    folder.mkdir()
    text = "\n".join(["id,building,flat,state,since", *lines])
    (folder / "households.csv").write_text(text + "\n")
    return read_files(folder)


class Gate:
    """Holds whoever comes through until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, *_: object) -> None:
        self.reached.set()
        assert self.opened.wait(PATIENCE)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as made:
        yield made


def test_the_second_import_waits_and_plans_on_what_the_first_wrote(
    community: Engine, pool: ThreadPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two imports at once make one history: the second is told that it waits."""
    gate = Gate()
    first = households(tmp_path, "first", "h-1-201,b1,1-201,occupied,2020-02-01")
    second = households(tmp_path, "second", "h-1-201,b1,1-201,away,2020-02-10")
    waits = threading.Event()

    def stop_before_the_end(sentence: str) -> None:
        if sentence.startswith("writing"):
            gate()

    one = pool.submit(import_files, community, first, now=NOW, progress=stop_before_the_end)
    assert gate.reached.wait(PATIENCE)
    two = pool.submit(import_files, community, second, now=NOW, waits=waits.set)
    assert waits.wait(PATIENCE)
    gate.opened.set()
    one.result(PATIENCE)
    two.result(PATIENCE)
    with community.connect() as connection:
        states = tables.household_state
        told = connection.execute(
            select(states.c.state, states.c.until)
            .where(states.c.household == "h-1-201")
            .order_by(states.c.since)
        ).all()
    assert [state for state, _ in told] == ["empty", "occupied", "away"]
    assert [until is None for _, until in told] == [False, False, True]


def test_what_the_first_import_took_away_refuses_the_second(
    community: Engine, pool: ThreadPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was right when it was read and is not when its turn comes is refused whole."""
    gate = Gate()
    second = households(tmp_path, "second", "h-new,b1,9-901,empty,2020-02-10")
    plan = csv_import.plan

    def plan_and_stop(*args: object, **named: object) -> Difference:
        difference = plan(*args, **named)  # type: ignore[arg-type]
        gate()
        return difference

    monkeypatch.setattr(csv_import, "plan", plan_and_stop)
    two = pool.submit(import_files, community, second, now=NOW)
    assert gate.reached.wait(PATIENCE)
    monkeypatch.setattr(csv_import, "plan", plan)
    import_files(
        community, households(tmp_path, "first", "h-old,b1,9-901,empty,2020-02-01"), now=NOW
    )
    gate.opened.set()
    with pytest.raises(ImportRefused, match="one flat"):
        two.result(PATIENCE)


def test_an_import_and_an_enrolment_follow_one_another(
    community: Engine, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    """A device is registered while an import is being written: both are there, in turn."""
    gate = Gate()
    files = households(tmp_path, "files", "h-1-201,b1,1-201,occupied,2020-02-01")
    before = registry_store.version(community)
    device = DeviceRow(id="new", profile="gatehouse", place=PlaceKind.SITE, site="lakeside")

    def stop_before_the_end(sentence: str) -> None:
        if sentence.startswith("writing"):
            gate()

    def register() -> None:
        with registry_lock.changing(community, lambda: None) as (connection, _):
            enrol(connection, device, since=NOW)

    one = pool.submit(import_files, community, files, now=NOW, progress=stop_before_the_end)
    assert gate.reached.wait(PATIENCE)
    two = pool.submit(register)
    gate.opened.set()
    one.result(PATIENCE)
    two.result(PATIENCE)
    assert registry_store.version(community) == before + 2
    assert "new" in registry_store.load(community).devices


KILLED = """
import os, signal, sys
from pathlib import Path
from devices import csv_import, registry_draft
from devices.csv_import import import_files, read_files
from gatehouse.database import create
from sqlalchemy import event

engine = create(sys.argv[1])
left = int(sys.argv[3])

@event.listens_for(engine, "before_cursor_execute")
def count(connection, cursor, statement, *_):
    global left
    if statement.startswith(("INSERT", "UPDATE", "DELETE")):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

@event.listens_for(engine, "commit")
def stop(connection):
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

import_files(engine, read_files(Path(sys.argv[2])), now=1_581_674_400_000)
"""


@pytest.mark.parametrize("statements", [1, 12])
def test_an_import_that_is_killed_leaves_nothing_and_can_be_begun_again(
    state_database: Engine, statements: int
) -> None:
    """SIGKILL in the middle of the writing: the registry is as it was, and free to be changed."""
    url = state_database.url.render_as_string(hide_password=False).replace("+psycopg", "")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, url, str(SAMPLE), str(statements)],
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == -signal.SIGKILL
    assert registry_store.version(state_database) == 0
    assert registry_store.load(state_database).devices == {}
    assert import_folder(state_database, SAMPLE, now=NOW)
    assert registry_store.load(state_database).devices
