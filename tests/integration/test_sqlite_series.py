"""The embedded store on a real disk: other readers, older files, kills and full disks."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.point import Point, make_series
from ingest.series import Function, StoreHeld, open_store
from tests.observed import metered

SERIES = make_series("electricity", device="meter")
T0 = 1_581_681_600_000_000_000
ROOT = Path(__file__).parents[2]


def points(count: int) -> list[Point]:
    return [Point(SERIES, metered(power_w=float(number)), T0 + number) for number in range(count)]


def python(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


WRITER = """
    import sys
    from pathlib import Path
    from ingest.point import Point, make_series
    from tests.observed import metered
    from ingest.series import open_store
    store = open_store(None, token=None, data_dir=Path(sys.argv[1]))
    series, batch = make_series("electricity", device="meter"), 500
    for start in range(0, 10**9, batch):
        points = [Point(series, metered(power_w=1.0), time) for time in range(start, start + batch)]
        assert not store.write(points)
        print(start + batch, flush=True)
"""


def test_another_process_reads_while_we_write(tmp_path: Path) -> None:
    """The console's process sees what is committed and never holds the writer up."""
    with python(WRITER, str(tmp_path)) as writer:
        assert writer.stdout
        reader = open_store(None, token=None, data_dir=tmp_path, read_only=True)
        seen = []
        for _ in range(50):
            acknowledged = int(writer.stdout.readline())
            [newest] = reader.last("electricity")
            assert newest.fields == {"power_w": 1.0}
            [counted] = reader.aggregate(
                "electricity", "power_w", Function.COUNT, window=10**9, since=0, until=10**9
            )
            assert counted.value >= acknowledged
            seen.append(acknowledged)
        writer.kill()
        reader.close()
    assert seen == sorted(set(seen))


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """After SIGKILL at any moment every acknowledged point is there, and the file works on."""
    with python(WRITER, str(tmp_path)) as writer:
        assert writer.stdout
        for _ in range(20):
            line = writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        acknowledged = int((writer.stdout.read().split() or [line])[-1])
    store = open_store(None, token=None, data_dir=tmp_path)
    found = store.range("electricity", "meter", since=0, until=10**9, limit=50_000)
    assert len(found) >= min(acknowledged, 50_000)
    assert len(found) % 500 == 0
    store.check()
    store.close()


def test_commits_are_synchronous(tmp_path: Path) -> None:
    """The cursor that follows a write must not outlive the points in a power cut."""
    store = open_store(None, token=None, data_dir=tmp_path)
    store.check()
    connection = store._connection()  # type: ignore[attr-defined]
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_reader_before_the_first_writer_sees_nothing(tmp_path: Path) -> None:
    """A console that is up before the service shows an empty store, makes no file, and recovers."""
    reader = open_store(None, token=None, data_dir=tmp_path, read_only=True)
    assert reader.last("electricity") == []
    assert not list(tmp_path.iterdir())
    writer = open_store(None, token=None, data_dir=tmp_path)
    writer.write(points(1))
    assert len(reader.last("electricity")) == 1
    reader.close()
    writer.close()


def test_reader_does_not_write(tmp_path: Path) -> None:
    """Two writers would break the books: a store opened for reading refuses."""
    writer = open_store(None, token=None, data_dir=tmp_path)
    writer.check()
    reader = open_store(None, token=None, data_dir=tmp_path, read_only=True)
    with pytest.raises(StoreHeld, match="readonly"):
        reader.write(points(1))
    reader.close()
    writer.close()


def test_a_file_of_an_older_version_gets_its_new_fields(tmp_path: Path) -> None:
    """A field added to a measurement later appears in a file made before, beside its points."""
    with sqlite3.connect(tmp_path / "series.db") as old:
        old.execute(
            "CREATE TABLE electricity (series INTEGER NOT NULL, time INTEGER NOT NULL, "
            "power_w REAL, PRIMARY KEY (series, time)) WITHOUT ROWID"
        )
    old.close()
    store = open_store(None, token=None, data_dir=tmp_path)
    store.write([Point(SERIES, metered(power_w=1.0, energy_wh=2.0), T0)])
    assert store.last("electricity")[0].fields == {"power_w": 1.0, "energy_wh": 2.0}
    store.close()


def test_full_disk_holds_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """A batch that does not fit is held whole, and accepted once there is room again."""
    store = open_store(None, token=None, data_dir=tmp_path)
    assert not store.write(points(10))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(StoreHeld, match="disk"):
            store.write(points(50_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert len(store.range("electricity", "meter", since=0, until=2**41)) == 10
    assert not store.write(points(50_000))
    store.close()


def test_a_file_that_is_no_database_holds(tmp_path: Path) -> None:
    """Garbage in the file's place is for a person to look at, not for points to be lost over."""
    (tmp_path / "series.db").write_bytes(os.urandom(8192))
    store = open_store(None, token=None, data_dir=tmp_path)
    with pytest.raises(StoreHeld, match=r"series\.db"):
        store.write(points(1))
    store.close()


def test_readers_in_many_threads(tmp_path: Path) -> None:
    """A console answers several browsers at once from one open store."""
    store = open_store(None, token=None, data_dir=tmp_path)
    store.write(points(100))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: len(store.last("electricity")), range(200)))
    assert set(answers) == {1}
    store.close()
