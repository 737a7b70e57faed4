"""Every query of the dashboards answers on a real InfluxDB; pushing does what Grafana documents."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from alerts.thresholds import Thresholds
from dashboards.grafana.catalogue import dashboards
from dashboards.grafana.push import PushRefused, push
from devices.clock import DAY, HOUR, MINUTE
from devices.history import History
from devices.observation import (
    BodySite,
    Crossing,
    CrossingOutcome,
    DeviceStatus,
    Direction,
    Electricity,
    LitWindow,
    Observation,
    Temperature,
)
from devices.registry import Place, PlaceKind, Registry
from gatehouse.cli import dashboards as commands
from gatehouse.failure import Failure
from ingest.message import Message
from ingest.point import PointEncoder
from ingest.rollup import ROLLUPS, Span
from ingest.rollup_influxql import roll_up
from ingest.series import open_store
from tests.servers import InfluxDB

NOW = 1_581_681_600_000
PLACES = {
    "gun": Place(kind=PlaceKind.CHECKPOINT, site="east", grid="east-1"),
    "home": Place(kind=PlaceKind.HOUSEHOLD, site="east", grid="east-2"),
    "room": Place(kind=PlaceKind.HOUSEHOLD, site="east", grid="east-2"),
    "meter": Place(kind=PlaceKind.HOUSEHOLD, site="east", grid="east-2"),
    "gate": Place(kind=PlaceKind.GATE, site="east"),
    "worker": Place(kind=PlaceKind.WORKER, site="east", grid="east-1"),
}
REGISTRY = Registry(bindings=History((id_, (0, None, place)) for id_, place in PLACES.items()))


def week() -> Iterator[Observation]:
    """Eight days of a small community, newest a minute ago."""
    for step in range(8 * 48):
        at = NOW - MINUTE - step * 30 * MINUTE
        when = {"observed_at": at, "received_at": at}
        yield Electricity(
            device_id="meter", power_w=50.0 + step % 7 * 40, energy_wh=1e6 - step * 60, **when
        )
        yield Temperature(device_id="room", celsius=19.0, body_site=BodySite.AMBIENT, **when)
        fever = step % 9 == 0
        yield Temperature(
            device_id="gun", celsius=37.9 if fever else 36.4, body_site=BodySite.FOREHEAD, **when
        )
        yield Temperature(device_id="home", celsius=36.9, body_site=BodySite.AXILLARY, **when)
        yield Crossing(
            device_id="gate",
            direction=list(Direction)[step % 3],
            outcome=CrossingOutcome.ADMITTED,
            stranger=step % 5 == 0,
            **when,
        )
        yield LitWindow(device_id="worker", lit=step % 2 == 0, **when)
        yield DeviceStatus(device_id="home", online=True, battery=4.0, **when)


@pytest.fixture(scope="module")
def database(influxdb_server: InfluxDB, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database filled through our own encoder."""
    folder = tmp_path_factory.mktemp("data")
    store = open_store(influxdb_server.database("grafana"), token=None, data_dir=folder)
    encoder = PointEncoder()
    points = [
        point
        for position, observation in enumerate(week(), 1)
        for point in encoder.encode([observation], Message("t", b"", 0), position, REGISTRY)
    ]
    assert not store.write(points)
    store.close()
    for span in Span:  # For ever: InfluxDB's clock is years ahead of these points.
        policy = f'"{span.policy}" ON "grafana" DURATION INF REPLICATION 1'
        influxdb_server.query(f"CREATE RETENTION POLICY {policy}")
        for rollup in ROLLUPS:
            bounds = {"since": NOW - 9 * DAY, "until": NOW + DAY}
            influxdb_server.query(roll_up(rollup, span, "grafana", "autogen", offset=0, **bounds))
    return "grafana"


def expand(query: str, *, span: int, variables: dict[str, str]) -> str:
    """Put in what Grafana would, for all places chosen."""
    query = query.replace("$timeFilter", f"time >= {NOW - span}ms and time <= {NOW}ms")
    query = query.replace("$__interval", "30m")
    for name, value in variables.items():
        query = query.replace(f"${name}", value)
    assert "$" not in query.replace("$/", "")
    return query


SPANS = {"1h": HOUR, "24h": DAY, "7d": 7 * DAY, "1y": 366 * DAY}
QUERIES = [
    pytest.param(
        target["query"],
        SPANS[panel.get("timeFrom") or dashboard.since],
        {
            variable["name"]: variable.get("allValue") or variable["query"]
            for variable in dashboard.render()["templating"]["list"]
        },
        id=f"{dashboard.uid}-{panel['title']}-{target['refId']}",
    )
    for dashboard in dashboards(Thresholds())
    for panel in dashboard.render()["panels"]
    for target in panel.get("targets", ())
]


@pytest.mark.parametrize(("query", "span", "variables"), QUERIES)
def test_every_panel_query_returns_rows(
    query: str, span: int, variables: dict[str, str], influxdb_server: InfluxDB, database: str
) -> None:
    """On data written by our own encoder no panel is empty, over its own span of time."""
    expanded = expand(query, span=span, variables=variables)
    series = influxdb_server.query(expanded, database=database)
    rows = [row for each in series for row in each["values"]]
    assert any(value is not None for row in rows for value in row[1:]), expanded


@pytest.mark.parametrize("dashboard", dashboards(Thresholds()), ids=lambda each: each.uid)
def test_every_variable_offers_values(
    dashboard: Any, influxdb_server: InfluxDB, database: str
) -> None:
    """Sites and grids can be chosen, the grids by their site."""
    for variable in dashboard.variables:
        if variable.influxql:
            asked = variable.influxql.replace("$site", "east")
            offered = influxdb_server.query(asked, database=database)
            values = {row[1] for each in offered for row in each["values"]}
            assert values == ({"east"} if variable.name == "site" else {"east-1", "east-2"})


def panel_rows(title: str, server: InfluxDB, database: str, **chosen: str) -> list[list[Any]]:
    [(query, span, variables)] = [
        case.values for case in QUERIES if case.id and f"-{title}-A" in case.id
    ]
    expanded = expand(query, span=span, variables={**variables, **chosen})
    return [row[1:] for each in server.query(expanded, database=database) for row in each["values"]]


def test_rooms_are_never_fevers(influxdb_server: InfluxDB, database: str) -> None:
    """Fever-level readings are the gun's, each at 37.9, and never a room's or a cool one."""
    rows = panel_rows("Fever-level readings", influxdb_server, database)
    assert {(row[0], row[1], row[3]) for row in rows} == {(37.9, "forehead", "gun")}


def test_chosen_place_is_kept_to(influxdb_server: InfluxDB, database: str) -> None:
    """With another grid chosen, its panels are empty and say so."""
    assert panel_rows("Fever-level readings", influxdb_server, database, grid="east-1")
    assert not panel_rows("Fever-level readings", influxdb_server, database, grid="east-2")


def test_energy_is_what_the_counters_rose_by(influxdb_server: InfluxDB, database: str) -> None:
    """Nothing between two readings is lost, from raw points and from days, whatever the day."""
    rise = (8 * 48 - 1) * 60
    for title in ("Energy used a day", "Energy used a day, by grid"):
        [(query, _, variables)] = [
            case.values for case in QUERIES if case.id and case.id.endswith(f"-{title}-A")
        ]
        asked = expand(query, span=9 * DAY, variables=variables)
        [series] = influxdb_server.query(asked, database=database)
        total = sum(row[1] for row in series["values"])
        assert total == pytest.approx(rise, abs=48 * 60)  # Of the first day only its end is known.
        assert (total == rise) == (title == "Energy used a day")


class Grafana:
    """An HTTP server that records requests and answers as Grafana's API documents.

    Stands in for Grafana, which is packaged neither by Debian nor by any registry that the tests
    install from.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, Any]] = []
        self.folders: set[str] = set()
        self.stored: dict[str, Any] = {}
        self.status: int | None = None
        grafana = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(None)

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                self.answer(json.loads(self.rfile.read(length)))

            def answer(self, body: Any) -> None:
                token = self.headers["Authorization"]
                grafana.asked.append((self.command, self.path, token, body))
                status, said = grafana.respond(self.command, self.path, body)
                text = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args: object) -> None:
                """Keep the test's output quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def respond(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if self.status:
            return self.status, {"message": "no"}
        if method == "GET":
            found = path.rpartition("/")[2] in self.folders
            return (200, {}) if found else (404, {"message": "folder not found"})
        if path.endswith("/api/folders"):
            self.folders.add(body["uid"])
            return 200, {}
        uid = body["dashboard"]["uid"]
        if uid in self.stored and not body["overwrite"]:
            return 412, {"message": "exists"}
        self.stored[uid] = body
        return 200, {"uid": uid, "url": f"/d/{uid}/x"}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    server = Grafana()
    yield server
    server.close()


def test_push_is_idempotent(grafana: Grafana) -> None:
    """Pushed twice, there is one folder and each dashboard once, by its uid."""
    wanted = dashboards(Thresholds())
    first = push(grafana.url, "t0k", wanted)
    once = dict(grafana.stored)
    assert push(grafana.url, "t0k", wanted) == first
    assert grafana.stored == once
    assert list(once) == [dashboard.uid for dashboard in wanted]
    assert first == [f"{grafana.url}/d/{dashboard.uid}/x" for dashboard in wanted]
    created = [path for method, path, _, _ in grafana.asked if method == "POST"]
    assert created.count("/api/folders") == 1
    assert all(body["folderUid"] == "gatehouse" for body in once.values())
    assert all(body["dashboard"]["id"] is None for body in once.values())
    assert {token for _, _, token, _ in grafana.asked} == {"Bearer t0k"}


def test_push_behind_a_path(grafana: Grafana) -> None:
    """A Grafana that is served below a path is asked there."""
    push(f"{grafana.url}/grafana/", "t0k", dashboards(Thresholds())[:1])
    assert grafana.asked[0][1] == "/grafana/api/folders/gatehouse"


@pytest.mark.parametrize("status", [401, 403, 412, 500])
def test_refused_push_says_so_without_the_token(grafana: Grafana, status: int) -> None:
    """Any refusal ends in one sentence, whatever its status."""
    grafana.status = status
    with pytest.raises(PushRefused, match="Grafana at 127") as refused:
        push(grafana.url, "t0k", dashboards(Thresholds()))
    assert "t0k" not in str(refused.value)


def run(*arguments: str) -> list[str]:
    """Run ``gatehouse dashboards …`` and return the lines it prints."""
    app = typer.Typer()
    commands.register(app)
    result = CliRunner().invoke(app, ["dashboards", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_commands_build_check_and_push(
    grafana: Grafana, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From nothing to a Grafana with all dashboards, in three commands."""
    monkeypatch.chdir(tmp_path)
    token = tmp_path / "token"
    token.write_text("t0k\n")
    assert len(run("build", "--folder", str(tmp_path / "files"))) == 3
    assert run("check", "--folder", str(tmp_path / "files")) == ["the dashboards are right"]
    assert len(run("push", grafana.url, "--token-file", str(token))) == 3
    assert grafana.asked[-1][2] == "Bearer t0k"


def test_commands_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without token, file or the optional package each command ends in one sentence."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRAFANA_TOKEN", raising=False)
    with pytest.raises(Failure, match="--token-file or set GRAFANA_TOKEN"):
        run("push", "http://127.0.0.1:1")
    with pytest.raises(Failure, match="cannot be read"):
        run("push", "http://127.0.0.1:1", "--token-file", str(tmp_path / "none"))
    with pytest.raises(Failure, match="dashboards build"):
        run("check", "--folder", str(tmp_path))
    monkeypatch.setitem(sys.modules, "grafana_api", None)
    monkeypatch.delitem(sys.modules, "grafana_api.grafana_api", raising=False)
    monkeypatch.delitem(sys.modules, "dashboards.grafana.push", raising=False)
    with pytest.raises(Failure, match="pip install"):
        run("push", "http://127.0.0.1:1", "--token", "t0k")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [("grafana:3000", "like https://"), ("http://127.0.0.1:1", "does not answer")],
)
def test_push_to_nowhere(url: str, sentence: str) -> None:
    """A wrong or dead address is one sentence that says what to do."""
    with pytest.raises(PushRefused, match=sentence):
        push(url, "t0k", dashboards(Thresholds()))
