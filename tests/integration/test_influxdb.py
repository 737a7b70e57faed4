"""InfluxDB in trouble: what is held, what is rejected, and what both say."""

import json
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ingest.influxdb import LINES_A_REQUEST
from ingest.point import Point, make_series
from ingest.series import Rejected, SeriesStore, StoreHeld, open_store
from tests.observed import metered
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
    with (influxdb.folder / "influxdb.conf").open("a") as config:
        config.write("  auth-enabled = true\n")
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


class Answering:
    """An HTTP server with one recorded answer.

    Stands in for InfluxDB 2 and 3 and for what is not InfluxDB at all: the only InfluxDB that can
    be installed for tests is 1.6.7, which never gives these answers.
    """

    def __init__(self, status: int, body: str, **headers: str) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                requests.append((self.path, dict(self.headers), sent))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def do_GET(self) -> None:
                nothing = b'{"results": [{"statement_id": 0}]}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(nothing)))
                self.end_headers()
                self.wfile.write(nothing)

            def log_message(self, *args: object) -> None:
                """Keep the test's output quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def write_to(answering: Answering, path: Path, url: str) -> Sequence[Rejected]:
    store = open_store(url.format(port=answering.port), token="t0k", data_dir=path)
    try:
        return store.write(points(4))
    finally:
        store.close()
        answering.close()


@pytest.mark.parametrize(
    ("status", "body", "headers", "sentence"),
    [
        pytest.param(200, "<html>Welcome", {}, "something else", id="not-influxdb"),
        pytest.param(302, "", {"Location": "http://127.0.0.1:1/"}, "answered 302", id="redirect"),
        pytest.param(400, "<html>Bad Request", {}, "answered 400", id="proxy-refuses"),
        pytest.param(401, '{"code":"unauthorized"}', {}, "refuses our credentials", id="401"),
        pytest.param(403, '{"message":"no write"}', {}, "no write", id="403"),
        pytest.param(404, '{"message":"bucket \\"b\\" not found"}', {}, "has no b", id="404"),
        pytest.param(429, '{"message":"slow down"}', {}, "overloaded", id="429"),
        pytest.param(503, "", {}, "failing or overloaded", id="503"),
        pytest.param(204, "", {"Content-Length": "9"}, "", id="accepted"),
        pytest.param(
            500, "half", {"Content-Length": "900"}, "does not answer", id="half-an-answer"
        ),
    ],
)
def test_only_204_is_accepted_and_only_influxdb_may_refuse(
    status: int, body: str, headers: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    """Every answer that is about the server holds all points, whatever it says."""
    answering = Answering(status, body, **headers)
    if not sentence:
        assert write_to(answering, tmp_path, "influxdb2://127.0.0.1:{port}/o/b") == []
        return
    with pytest.raises(StoreHeld, match=sentence) as held:
        write_to(answering, tmp_path, "influxdb2://127.0.0.1:{port}/o/b")
    assert "t0k" not in str(held.value)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_refused_by_influxdb_2_is_halved_to_the_points(status: int, tmp_path: Path) -> None:
    """2.x and 3 refuse whole bodies: each point is tried alone before it is rejected."""
    answering = Answering(status, json.dumps({"code": "invalid", "message": "unable to parse"}))
    rejected = write_to(answering, tmp_path, "influxdb2://127.0.0.1:{port}/o/b")
    assert [refusal.index for refusal in rejected] == [0, 1, 2, 3]
    assert len(answering.requests) == 7


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("influxdb2://127.0.0.1:{port}/o/b", "/api/v2/write?org=o&bucket=b&precision=ns"),
        ("influxdb3://127.0.0.1:{port}/b", "/api/v2/write?bucket=b&precision=ns"),
    ],
)
def test_a_write_to_2_and_3_is_what_they_document(url: str, path: str, tmp_path: Path) -> None:
    """Path, parameters, token and gzip as the API reference of both says."""
    answering = Answering(204, "")
    assert write_to(answering, tmp_path, url) == []
    [(asked, headers, body)] = answering.requests
    assert asked == path
    assert headers["Authorization"] == "Token t0k"
    assert headers["Content-Encoding"] == "gzip"
    assert body.startswith(b"\x1f\x8b")


def test_a_server_that_lies_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """204 is not enough for check: what was written must be read back."""
    monkeypatch.setattr("ingest.influxdb._CANARY_SECONDS", 0.2)
    answering = Answering(204, "")
    store = open_store(f"influxdb2://127.0.0.1:{answering.port}/o/b", token=None, data_dir=tmp_path)
    with pytest.raises(StoreHeld, match="does not give it back"):
        store.check()
    store.close()
    answering.close()
