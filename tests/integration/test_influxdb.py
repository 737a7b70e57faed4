"""InfluxDB in trouble: what is held, what is rejected, and what both say."""

import gzip
import json
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ingest.influxdb import LINES_A_REQUEST
from ingest.point import Point, make_series
from ingest.refusal import StoreLies
from ingest.series import Rejected, SeriesStore, StoreHeld, open_store
from tests.observed import metered
from tests.recorded_server import Answer, RecordedServer, Request
from tests.servers import InfluxDB, wait_until

SERIES = make_series("electricity", device="meter", site="east")
T0 = 1_581_681_600_000_000_000


def points(count: int) -> list[Point]:
    return [Point(SERIES, metered(power_w=float(number)), T0 + number) for number in range(count)]


def stored(server: InfluxDB, database: str) -> int:
    found = server.query("SELECT count(power_w) FROM electricity", database=database)
    return int(found[0]["values"][0][1]) if found else 0


@pytest.fixture
def store(influxdb: InfluxDB, tmp_path: Path) -> Iterator[SeriesStore]:
    opened = open_store(influxdb.database("iot"), token=None, data_dir=tmp_path)
    yield opened
    opened.close()


def test_outage_holds_and_the_same_batch_is_taken_afterwards(
    influxdb: InfluxDB, store: SeriesStore
) -> None:
    """While the server is gone nothing is accepted or rejected; when it is back everything is."""
    batch = points(2 * LINES_A_REQUEST + 1)
    assert not store.write(batch[:10])
    influxdb.stop()
    with pytest.raises(StoreHeld, match="does not answer"):
        store.write(batch)
    with pytest.raises(StoreHeld, match="does not answer"):
        store.check()
    with pytest.raises(StoreHeld, match="does not answer"):
        store.last("electricity")
    influxdb.start()
    assert not store.write(batch)
    assert stored(influxdb, "iot") == len(batch)


def test_kill_between_writes_loses_nothing_acknowledged(
    influxdb: InfluxDB, store: SeriesStore
) -> None:
    """What was accepted is there after the server was killed and started again."""
    store.write(points(1000))
    influxdb.kill()
    influxdb.start()
    assert wait_until(lambda: stored(influxdb, "iot")) == 1000


def test_database_dropped_under_us_holds(influxdb: InfluxDB, store: SeriesStore) -> None:
    """A missing database is a setting to mend: nothing is rejected, and it says what to do."""
    influxdb.query("DROP DATABASE iot")
    for act in (lambda: store.write(points(1)), store.check, lambda: store.last("electricity")):
        with pytest.raises(StoreHeld, match=r"has no iot .*create it"):
            act()
    influxdb.database("iot")
    assert not store.write(points(1))
    store.check()


def test_type_conflict_rejects_only_its_points(influxdb: InfluxDB, store: SeriesStore) -> None:
    """Points that another writer's types shut out come back alone, with the server's words."""
    foreign = f'electricity,device=other energy_wh="much" {T0}'.encode()
    urllib.request.urlopen(f"{influxdb.url}/write?db=iot", foreign, timeout=10).close()
    batch = points(100)
    conflict = Point(SERIES, metered(power_w=1.0, energy_wh=2.0), T0 + 200)
    rejected = store.write([*batch[:40], conflict, *batch[40:]])
    assert [refusal.index for refusal in rejected] == [40]
    assert "type conflict" in rejected[0].words
    assert stored(influxdb, "iot") == 100


def test_point_older_than_the_retention_is_rejected(influxdb: InfluxDB, tmp_path: Path) -> None:
    """What the server would throw away at once is a rejected point, not a lost one."""
    influxdb.query('CREATE DATABASE "short" WITH DURATION 1h')
    url = f"influxdb1://127.0.0.1:{influxdb.port}/short"
    store = open_store(url, token=None, data_dir=tmp_path)
    [rejected] = store.write(points(1))
    assert "retention policy" in rejected.words
    store.close()


def test_series_limit_of_the_server_holds(influxdb: InfluxDB, store: SeriesStore) -> None:
    """A limit in the server's configuration is mended there; points are not thrown away for it."""
    influxdb.stop()
    config = influxdb.folder / "influxdb.conf"
    config.write_text(
        config.read_text()
        .replace('index-version = "tsi1"', 'index-version = "inmem"')
        .replace("[data]\n", "[data]\n  max-series-per-database = 2\n")
    )
    influxdb.start()
    many = [
        Point(make_series("electricity", device=f"meter-{number}"), metered(power_w=1.0), T0)
        for number in range(5)
    ]
    with pytest.raises(StoreHeld, match="limit of its configuration"):
        store.write(many)


def test_wrong_credentials_hold(influxdb: InfluxDB, tmp_path: Path) -> None:
    """A refused password holds, names the settings to look at, and stays out of the sentence."""
    influxdb.database("iot")
    influxdb.query("CREATE USER gate WITH PASSWORD 'right' WITH ALL PRIVILEGES")
    influxdb.stop()
    config = influxdb.folder / "influxdb.conf"
    config.write_text(config.read_text().replace("auth-enabled = false", "auth-enabled = true"))
    influxdb.start()
    address = f"influxdb1://gate@127.0.0.1:{influxdb.port}/iot"
    wrong = open_store(address, token="wr0ng", data_dir=tmp_path)
    for act in (lambda: wrong.write(points(1)), wrong.check, lambda: wrong.last("electricity")):
        with pytest.raises(StoreHeld, match="GATEHOUSE_SERIES_TOKEN") as held:
            act()
        assert "wr0ng" not in str(held.value)
    right = open_store(address, token="right", data_dir=tmp_path)
    assert not right.write(points(1))
    right.check()
    wrong.close()
    right.close()


def write_to(recorded: RecordedServer, path: Path, url: str, count: int = 4) -> Sequence[Rejected]:
    store = open_store(url.format(port=recorded.port), token="t0k", data_dir=path)
    try:
        return store.write(points(count))
    finally:
        store.close()


INFLUXDB_2 = "influxdb2://127.0.0.1:{port}/o/b"
REDIRECT = (("Location", "http://127.0.0.1:1/"),)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        pytest.param(Answer(200, "<html>Welcome"), "something else", id="not-influxdb"),
        pytest.param(Answer(302, "", REDIRECT), "answered 302", id="redirect"),
        pytest.param(Answer(400, "<html>Bad Request"), "answered 400", id="proxy-refuses"),
        pytest.param(Answer(401, '{"code":"unauthorized"}'), "refuses our credentials", id="401"),
        pytest.param(Answer(403, '{"message":"no write"}'), "no write", id="403"),
        pytest.param(Answer(404, '{"message":"bucket \\"b\\" not found"}'), "has no b", id="404"),
        pytest.param(Answer(413, "<html>nginx"), "refuses a plain point: 413", id="413"),
        pytest.param(Answer(429, '{"message":"slow down"}'), "overloaded", id="429"),
        pytest.param(Answer(503), "failing or overloaded", id="503"),
        pytest.param(
            Answer(500, '{"error":"write /wal: no space left on device"}'), "no room", id="disk"
        ),
        pytest.param(
            Answer(500, '{"error":"retention policy not found: raw"}'), "has no b", id="policy"
        ),
        pytest.param(Answer(500, "half", length=900), "does not answer", id="half-an-answer"),
        pytest.param(Answer(204, resets=True), "does not answer", id="reset"),
        pytest.param(Answer(204), "", id="accepted"),
    ],
)
def test_only_204_is_accepted_and_only_influxdb_may_refuse(
    answer: Answer, sentence: str, tmp_path: Path
) -> None:
    """Every answer that is about the server holds all points, whatever it says."""
    with RecordedServer(answer) as recorded:
        if not sentence:
            assert write_to(recorded, tmp_path, INFLUXDB_2) == []
            return
        with pytest.raises(StoreHeld, match=sentence) as held:
            write_to(recorded, tmp_path, INFLUXDB_2)
    assert "t0k" not in str(held.value)


@pytest.mark.parametrize(
    ("said", "now", "seconds"),
    [
        ("7", None, 7.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:58:29 GMT", 90.0),
        ("Friday, 31-Dec-99 23:59:59 GMT", "Fri Dec 31 23:58:29 1999", 90.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None, 0.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "some day", 0.0),
        ("soon", None, 0.0),
        ("-7", None, 0.0),
        ("", None, 0.0),
    ],
)
def test_a_server_says_how_long_to_leave_it_alone(
    said: str, now: str | None, seconds: float, tmp_path: Path
) -> None:
    """The seconds of Retry-After come with what is held, or until its date by the server's clock.

    A date that is over, or no date at all, asks for nothing.
    """
    headers = (("Retry-After", said), *([("Date", now)] if now else []))
    busy = Answer(429, '{"message":"slow down"}', headers)
    with RecordedServer(busy) as recorded, pytest.raises(StoreHeld) as held:
        write_to(recorded, tmp_path, INFLUXDB_2)
    assert held.value.retry_after == seconds


@pytest.mark.parametrize(
    "dripping",
    [
        pytest.param(Answer(500, "x" * 100, drips=0.05), id="body"),
        pytest.param(Answer(204, head_drips=0.05), id="head"),
    ],
)
def test_an_answer_that_drips_is_not_waited_for(
    dripping: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer may take so long as a whole, not only from one byte to the next."""
    monkeypatch.setattr("ingest.influxdb_connection._ANSWER_S", 0.2)
    with (
        RecordedServer(dripping) as recorded,
        pytest.raises(StoreHeld, match=r"not come to an end within 0\.2 s"),
    ):
        write_to(recorded, tmp_path, INFLUXDB_2)


def test_an_endless_answer_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server answers is bounded in bytes."""
    monkeypatch.setattr("ingest.influxdb_connection._ANSWER_MAX", 1_000)
    with (
        RecordedServer(Answer(500, "x" * 10_000)) as recorded,
        pytest.raises(StoreHeld, match="longer than 1000 bytes"),
    ):
        write_to(recorded, tmp_path, INFLUXDB_2)


def lines_of(request: Request) -> list[str]:
    return gzip.decompress(request.body).decode().split("\n")


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_server_that_refuses_bodies_without_telling_lines_is_asked_for_halves(
    status: int, tmp_path: Path
) -> None:
    """Where the words name no line, the poison is found by halves, and only it is rejected."""

    def refuse(request: Request) -> Answer:
        poisoned = any(f"{T0 + 5}" in line for line in lines_of(request))
        return Answer(status, '{"message":"something is wrong"}') if poisoned else Answer(204)

    with RecordedServer(refuse) as recorded:
        [rejected] = write_to(recorded, tmp_path, INFLUXDB_2, count=64)
        assert (rejected.index, rejected.words) == (5, "something is wrong")
        assert len(recorded.requests) == 14


def test_influxdb_3_numbers_the_lines_it_refuses(tmp_path: Path) -> None:
    """The first bad line is named by its number, and the whole body refused, as it documents."""

    def refuse(request: Request) -> Answer:
        for number, line in enumerate(lines_of(request), 1):
            if "power_w=13.0" in line:
                said = {"original_line": line, "line_number": number, "error_message": "bad type"}
                told = {"error": "parsing failed for write_lp endpoint", "data": said}
                return Answer(400, json.dumps(told))
        return Answer(204)

    with RecordedServer(refuse) as recorded:
        [rejected] = write_to(recorded, tmp_path, "influxdb3://127.0.0.1:{port}/b", count=64)
        assert (rejected.index, rejected.words) == (13, "bad type")
        assert len(recorded.requests) == 3


def test_a_body_too_large_for_a_proxy_is_sent_in_pieces(tmp_path: Path) -> None:
    """413 is about the size: halves are sent, and nothing is rejected."""

    def bounded(request: Request) -> Answer:
        return Answer(413, "<html>nginx") if len(lines_of(request)) > 10 else Answer(204)

    with RecordedServer(bounded) as recorded:
        assert write_to(recorded, tmp_path, INFLUXDB_2, count=64) == []


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (INFLUXDB_2, "/api/v2/write?org=o&bucket=b&precision=ns"),
        ("influxdb3://127.0.0.1:{port}/b", "/api/v2/write?bucket=b&precision=ns"),
    ],
)
def test_a_write_to_2_and_3_is_what_they_document(url: str, path: str, tmp_path: Path) -> None:
    """Path, parameters, token and gzip as the API reference of both says."""
    with RecordedServer(Answer(204)) as recorded:
        assert write_to(recorded, tmp_path, url) == []
        [request] = recorded.requests
    assert request.path == path
    assert request.headers["Authorization"] == "Token t0k"
    assert request.headers["Content-Encoding"] == "gzip"
    assert request.body.startswith(b"\x1f\x8b")


def test_two_requests_are_in_flight_over_connections_that_are_kept(tmp_path: Path) -> None:
    """A large write goes over two connections at once, and so does the next one."""
    both = threading.Barrier(2)

    def together(request: Request) -> Answer:
        both.wait(timeout=10)
        return Answer(204)

    with RecordedServer(together) as recorded:
        url = f"influxdb1://127.0.0.1:{recorded.port}/iot"
        store = open_store(url, token=None, data_dir=tmp_path)
        batch = points(2 * LINES_A_REQUEST)
        for _ in range(2):
            assert store.write(batch) == []
        assert len(recorded.requests) == 4
        assert len(recorded.clients) == 2
        store.close()


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (LINES_A_REQUEST, [LINES_A_REQUEST]),
        (LINES_A_REQUEST + 1, [LINES_A_REQUEST // 2, LINES_A_REQUEST // 2 + 1]),
        (2 * LINES_A_REQUEST + 2, [3_334, 3_334, 3_334]),
    ],
)
def test_a_large_write_goes_in_equal_requests(count: int, sizes: list[int], tmp_path: Path) -> None:
    """Of two in flight none carries a small rest alone, and every point goes once."""
    with RecordedServer(Answer(204)) as recorded:
        url = f"influxdb1://127.0.0.1:{recorded.port}/iot"
        store = open_store(url, token=None, data_dir=tmp_path)
        assert store.write(points(count)) == []
        store.close()
    bodies = [lines_of(request) for request in recorded.requests]
    assert sorted(len(lines) for lines in bodies) == sizes
    sent = [line for lines in bodies for line in lines]
    assert sorted(int(line.rsplit(" ")[-1]) for line in sent) == list(range(T0, T0 + count))


def test_a_server_that_lies_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """204 is not enough for check: what was written must be read back."""
    monkeypatch.setattr("ingest.influxdb._CANARY_SECONDS", 0.2)
    nothing = Answer(200, '{"results": [{"statement_id": 0}]}')

    def lie(request: Request) -> Answer:
        return Answer(204) if request.method == "POST" else nothing

    with RecordedServer(lie) as recorded:
        url = f"influxdb2://127.0.0.1:{recorded.port}/o/b"
        store = open_store(url, token=None, data_dir=tmp_path)
        with pytest.raises(StoreLies, match="does not give it back"):
            store.check()
        store.close()
