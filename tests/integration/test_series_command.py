"""``gatehouse series export``: out of any store as text, and into InfluxDB unchanged."""

import csv
import gzip
import io
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import text

from devices.clock import DAY
from devices.observation import BodySite, DeviceStatus, Electricity, Observation, Temperature
from gatehouse.database import newest_revision
from ingest.measurement import MEASUREMENTS
from ingest.point import NANOSECONDS, Point, make_series
from ingest.reading import END_OF_TIME, Reading
from ingest.series import SeriesReader, SeriesStore, open_store
from ingest.series_export import Format, Found, Selection, select, written
from ingest.sqlite_series import SqliteStore
from tests.command import Run
from tests.console import NOW, World, make_world
from tests.property.test_line_protocol import points
from tests.servers import InfluxDB

METER, GUN = "shellyem-1", "a0:e6:f8:50:72:53"
"""Of households h-101 (grid g2) and h-502 (grid g1) of the small community."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A small community with two readings of two devices in two flats."""
    (tmp_path / "data").mkdir()
    made = make_world(tmp_path / "data")
    with made.engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        connection.execute(text(f"INSERT INTO alembic_version VALUES ('{newest_revision()}')"))
    observed: list[Observation] = [
        Temperature(
            device_id=GUN,
            observed_at=NOW,
            received_at=NOW,
            celsius=37.5,
            body_site=BodySite.FOREHEAD,
            event_id="1",
        ),
        DeviceStatus(device_id=GUN, observed_at=NOW, received_at=NOW, online=True, sequence=7),
    ]
    observed += [
        Electricity(device_id=METER, observed_at=at, received_at=at, power_w=60.0, channel="a")
        for at in (NOW - DAY, NOW)
    ]
    made.observe(observed)
    return made


@pytest.fixture
def environment(world: World) -> dict[str, str]:
    """What tells a command of that community."""
    return {"GATEHOUSE_DATA_DIR": str(world.data_dir)}


def everything(store: SeriesReader) -> list[tuple[str, Reading]]:
    """Return all that a store holds, in an order of its own making."""
    found = [
        (name, one) for name in MEASUREMENTS for one in store.scan(name, since=0, until=END_OF_TIME)
    ]
    return sorted(found, key=repr)


def test_lines_are_those_that_a_store_takes(run: Run, environment: dict[str, str]) -> None:
    """A reading is one line of line protocol, to the nanosecond; progress stands beside."""
    done = run("series", "export", "--device", GUN, environment=environment)
    assert (done.code, done.err) == (0, "2 points exported\n")
    [celsius, status] = done.out.splitlines()
    start = f'temperature,device={GUN},site=xhk,grid=g1 celsius=37.5,body_site="forehead" {NOW}'
    assert celsius.startswith(start)
    assert len(celsius) == len(start) + 6
    assert " online=True,sequence=7i " in status


def test_csv_is_one_table(run: Run, environment: dict[str, str]) -> None:
    """A heading, then a row a reading; fields that are not said are empty."""
    done = run(
        *("series", "export", "--format", "csv", "--measurement", "temperature"),
        *("--measurement", "electricity"),
        environment=environment,
    )
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["measurement"] for row in rows] == ["temperature", "electricity", "electricity"]
    assert (rows[0]["celsius"], rows[0]["power_w"]) == ("37.5", "")
    assert (rows[2]["time"], rows[2]["channel"]) == ("2020-02-14T12:05:00Z", "a")


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ((), 4),
        (("--household", "h-101"), 2),
        (("--household", "h-502"), 2),
        (("--grid", "g1"), 2),
        (("--grid", "nowhere"), 0),
        (("--measurement", "electricity", "--since", "2020-02-14T00:00:00Z"), 1),
        (("--until", "2020-02-14T20:05:00+08:00"), 1),
    ],
)
def test_only_what_is_asked_for(
    run: Run, environment: dict[str, str], options: tuple[str, ...], count: int
) -> None:
    """By measurement, household, grid and time."""
    done = run("series", "export", *options, environment=environment)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == count


def test_a_file_has_its_name_when_it_is_complete(
    run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    """Compressed by its name, for its owner alone, and never half of it."""
    out = tmp_path / "series.lp.gz"
    assert run("series", "export", "--out", str(out), environment=environment).code == 0
    plain = run("series", "export", environment=environment).out
    assert gzip.decompress(out.read_bytes()).decode() == plain
    assert out.stat().st_mode & 0o777 == 0o600
    away = environment | {"GATEHOUSE_SERIES_URL": "influxdb1://127.0.0.1:1/gone"}
    done = run("series", "export", "--out", str(tmp_path / "no.lp"), environment=away)
    assert done.code == 1
    assert "does not answer" in done.err
    assert {path.name for path in tmp_path.iterdir()} == {"data", "series.lp.gz"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--measurement", "weather"), "there is no 'weather'; there are temperature"),
        (("--household", "h-0"), "there is no household 'h-0'"),
        (("--household", "h-101", "--device", METER), "leave --device and --grid"),
        (("--since", "yesterday"), "--since: 'yesterday' is no time with a zone"),
        (("--from", "mysql://x/y"), "--from: mysql:// is no series store"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    run: Run, environment: dict[str, str], options: tuple[str, ...], sentence: str
) -> None:
    """What does not exist is named, and nothing is written."""
    done = run("series", "export", *options, environment=environment)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert done.err.count("\n") == 1


def test_a_folder_without_a_store_is_told(run: Run, tmp_path: Path) -> None:
    """An empty export from the wrong folder would be taken for the truth."""
    done = run("series", "export", environment={"GATEHOUSE_DATA_DIR": str(tmp_path / "other")})
    assert done.code == 1
    assert "series.db is not there" in done.err


@pytest.fixture
def stores(tmp_path: Path, influxdb_server: InfluxDB) -> Iterator[tuple[SeriesStore, SeriesStore]]:
    """An embedded store and an empty InfluxDB."""
    embedded = open_store(None, token=None, data_dir=tmp_path)
    influxdb = open_store(influxdb_server.database("moved"), token=None, data_dir=tmp_path)
    yield embedded, influxdb
    embedded.close()
    influxdb.close()


@given(point=points())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_load_into_influxdb_unchanged(
    point: Point, influxdb_server: InfluxDB, stores: tuple[SeriesStore, SeriesStore]
) -> None:
    """What the embedded store holds, whatever stands in it, reads back equal bit for bit."""
    embedded, influxdb = stores
    assert not embedded.write([point])
    at = point.time // NANOSECONDS
    wanted = Selection(measurements=[point.series.measurement], since=at, until=at + 1)

    def lines(found: Sequence[Found]) -> list[str]:
        return sorted(written(found, wanted.measurements, Format.LINE))

    kept = sorted(select(embedded, wanted), key=repr)
    write = f"{influxdb_server.url}/write?db=moved"
    urllib.request.urlopen(write, "".join(lines(kept)).encode(), timeout=30).close()
    moved = sorted(select(influxdb, wanted), key=repr)
    assert moved == kept
    assert lines(moved) == lines(kept)


def test_moving_on_as_the_readme_says(
    world: World, environment: dict[str, str], influxdb_server: InfluxDB
) -> None:
    """A service that writes into InfluxDB already gets the embedded store's history beside it."""
    url = influxdb_server.database("moving_on")
    with_influxdb = environment | {"GATEHOUSE_SERIES_URL": url}
    child = subprocess.run(
        [sys.executable, "-m", "gatehouse", "series", "export", "--from", "embedded"],
        env={"PATH": "/usr/bin:/bin", **with_influxdb},
        cwd=world.data_dir,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    _load(influxdb_server, "moving_on", child.stdout, lines_a_request=3)
    embedded = SqliteStore(world.data_dir / "series.db", read_only=True)
    influxdb: SeriesStore = open_store(url, token=None, data_dir=world.data_dir)
    assert everything(influxdb) == everything(embedded)
    assert len(everything(embedded)) == 4
    embedded.close()
    influxdb.close()


def _load(server: InfluxDB, database: str, lines: str, *, lines_a_request: int) -> None:
    """Load lines with the README's own tools."""
    to = f"curl -fsS --data-binary @- '{server.url}/write?db={database}'"
    done = subprocess.run(
        ["split", "-l", str(lines_a_request), "--filter", to],
        input=lines.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_memory_stays_flat(tmp_path: Path) -> None:
    """Ten times as many points take no more memory to export."""
    store = open_store(None, token=None, data_dir=tmp_path)
    series = make_series("electricity", device="meter")
    reading = Electricity(device_id="meter", observed_at=0, received_at=0, power_w=1.0)
    for start in range(0, 100_000, 50_000):
        store.write([Point(series, reading, time) for time in range(start, start + 50_000)])
    store.close()
    most = [_peak_kib(tmp_path, until) for until in ("10000", "100000")]
    assert most[1] - most[0] < 8 * 1024


def _peak_kib(folder: Path, until: str) -> int:
    """Return the most memory of a process that exports the points before so many nanoseconds."""
    script = """
        import resource, sys
        from pathlib import Path
        from ingest.series import open_store
        store = open_store(None, token=None, data_dir=Path(sys.argv[1]), read_only=True)
        from ingest.series_export import Format, written
        from itertools import islice
        found = store.scan("electricity", since=0, until=1)
        named = (("electricity", one) for one in islice(found, int(sys.argv[2])))
        assert sum(1 for _ in written(named, ["electricity"], Format.LINE)) == int(sys.argv[2])
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
    lines = "\n".join(line.strip() for line in script.splitlines())
    done = subprocess.run(
        [sys.executable, "-c", lines, str(folder), until],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return int(done.stdout)
