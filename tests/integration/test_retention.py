"""``gatehouse migrate`` on an InfluxDB: what it sets up, what it leaves alone, what it says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from devices.clock import DAY, HOUR, SECOND, wall_now
from ingest.influxdb1_schema import InfluxSchema1
from ingest.influxdb2_schema import InfluxSchema2
from ingest.influxdb_address import parse_address
from ingest.influxdb_connection import Connection
from ingest.point import NANOSECONDS
from ingest.refusal import StoreHeld
from ingest.retention import Retention, SeriesSchema
from ingest.rollup import ROLLUPS
from ingest.rollup_flux import LATE_TASK, SOON_TASK
from ingest.rollup_influxql import continuous_queries
from tests.command import Run
from tests.recorded_server import Answer, RecordedServer, Request
from tests.servers import InfluxDB

NOW = wall_now()
CHINA = -8 * HOUR


def schema(url: str, token: str | None = None, **days: int) -> SeriesSchema:
    """Open what an address names."""
    kind = InfluxSchema1 if url.startswith("influxdb1") else InfluxSchema2
    return kind(parse_address(url, token), Retention(**days), offset=CHINA, now=NOW)


def planned(url: str, token: str | None = None, *, acts: bool = True, **days: int) -> list[str]:
    """Return what is to be done, and do it."""
    opened = schema(url, token, **days)
    try:
        steps = opened.plan()
        for step in steps if acts else ():
            step.act()
        return [step.says for step in steps]
    finally:
        opened.close()


def policies(server: InfluxDB, database: str) -> dict[str, str]:
    [found] = server.query(f'SHOW RETENTION POLICIES ON "{database}"')
    return {row[0]: row[1] for row in found["values"]}


def queries(server: InfluxDB, database: str) -> dict[str, str]:
    found = server.query("SHOW CONTINUOUS QUERIES")
    return {
        name: text
        for each in found
        if each["name"] == database
        for name, text in each.get("values", [])
    }


def test_the_server_lists_what_was_wanted(influxdb_server: InfluxDB) -> None:
    """From nothing: the database, its three policies, and each query as it was written."""
    url = f"influxdb1://127.0.0.1:{influxdb_server.port}/made%20new"
    said = planned(url)
    assert said[:2] == ["make database made new", "keep raw points 45 days instead of for ever"]
    assert policies(influxdb_server, "made new") == {
        "autogen": "1080h0m0s",
        "gatehouse_hourly": "9600h0m0s",
        "gatehouse_daily": "26400h0m0s",
    }
    wanted = continuous_queries("made new", "autogen", CHINA)
    assert len(wanted) == 3 * len(ROLLUPS)
    listed = queries(influxdb_server, "made new")
    assert listed.keys() == wanted.keys()
    assert all(listed[name].endswith(" END") for name in wanted)
    assert "RESAMPLE EVERY 1d FOR 10d" in listed["gatehouse_crossings_daily"]
    assert "GROUP BY time(1d, -8h), device" in listed["gatehouse_crossings_daily"]
    assert "RESAMPLE EVERY 1h FOR 3h" in listed["gatehouse_crossings_hourly"]


def test_a_second_time_there_is_nothing_to_do(influxdb_server: InfluxDB) -> None:
    """Planning again after everything was done finds nothing, also with a policy of its own."""
    influxdb_server.query('CREATE DATABASE "twice" WITH DURATION 50d NAME "other"')
    url = f"influxdb1://127.0.0.1:{influxdb_server.port}/twice?rp=kept"
    assert "keep raw points 45 days" in planned(url)
    assert planned(url) == []
    assert policies(influxdb_server, "twice")["other"] == "1200h0m0s"


def test_what_differs_is_changed_and_what_is_of_others_stays(influxdb_server: InfluxDB) -> None:
    """A query of ours that somebody edited is put right; theirs, and their policies, are not."""
    url = influxdb_server.database("shared")
    planned(url)
    name = "gatehouse_exits_daily"
    influxdb_server.query(f'DROP CONTINUOUS QUERY "{name}" ON "shared"')
    theirs = (
        "BEGIN SELECT mean(v) INTO shared.autogen.z FROM shared.autogen.y GROUP BY time(1h) END"
    )
    for mine in (name, "theirs", "gatehouse_no_longer_wanted"):
        influxdb_server.query(f'CREATE CONTINUOUS QUERY "{mine}" ON "shared" {theirs}')
    influxdb_server.query('CREATE RETENTION POLICY "hourly" ON "shared" DURATION 1d REPLICATION 1')
    assert planned(url, hourly_days=500) == [
        "keep hourly rows 500 days instead of 400 days",
        f"change continuous query {name}",
        "drop continuous query gatehouse_no_longer_wanted",
    ]
    assert planned(url, hourly_days=500) == []
    assert policies(influxdb_server, "shared")["hourly"] == "24h0m0s"
    assert "theirs" in queries(influxdb_server, "shared")


@pytest.mark.parametrize(("age", "deletes"), [(60, True), (40, False)])
def test_a_shorter_time_is_said_to_delete_where_there_is_something_to(
    age: int, deletes: bool, influxdb_server: InfluxDB
) -> None:
    """Points of anybody that would go need somebody's word; an empty past does not."""
    name = f"older_{age}"
    url = influxdb_server.database(name)
    write(influxdb_server, name, f"theirs v=1 {(NOW - age * DAY) * NANOSECONDS}")
    steps = schema(url).plan()
    assert [step.deletes for step in steps if "instead of" in step.says] == [deletes]
    assert {step.deletes for step in steps if "instead of" not in step.says} == {False}


def write(server: InfluxDB, database: str, line: str) -> None:
    address = parse_address(f"influxdb1://127.0.0.1:{server.port}/{database}", None)
    connection = Connection(address)
    assert connection.send(line) is None
    connection.close()


def test_the_command_deletes_nothing_unasked(run: Run, influxdb_server: InfluxDB) -> None:
    """Without the option what would delete is left, the rest is done, and both are said."""
    here = {"GATEHOUSE_SERIES_URL": influxdb_server.database("unasked")}
    write(
        influxdb_server, "unasked", f'crossing outcome="admitted" {(NOW - 60 * DAY) * NANOSECONDS}'
    )
    dry = run("migrate", "--dry-run", environment=here)
    assert dry.code == 0
    assert "would series store: keep raw points 45 days instead of for ever (deletes" in dry.out
    assert policies(influxdb_server, "unasked") == {"autogen": "0s"}
    assert not Path("data").exists()
    left = run("migrate", environment=here)
    assert left.code == 1
    assert "--delete-older: keep raw points 45 days instead of for ever" in left.err
    assert policies(influxdb_server, "unasked")["autogen"] == "0s"
    assert "gatehouse_hourly" in policies(influxdb_server, "unasked")
    question = 'SELECT "count" FROM "gatehouse_daily"."crossings"'
    assert len(influxdb_server.query(question, database="unasked")) == 1
    done = run("migrate", "--delete-older", "--json", environment=here)
    assert done.code == 0
    assert [one["deletes"] for one in json.loads(done.out)] == [False, True]
    assert policies(influxdb_server, "unasked")["autogen"] == "1080h0m0s"
    assert run("migrate", "--roll-up-since", "yesterday", environment=here).code == 2


def test_doctor_compares_with_the_settings(run: Run, influxdb_server: InfluxDB) -> None:
    """Before `migrate` a warning says what it would do, after it that all is as it should be."""
    here = {"GATEHOUSE_SERIES_URL": influxdb_server.database("examined")}

    def line() -> str:
        lines = run("doctor", environment=here).out.splitlines()
        return next(one for one in lines if " retention: " in one)

    assert line().startswith("warn  retention: `gatehouse migrate` would keep raw points 45 days")
    assert run("migrate", environment=here).code == 0
    assert line() == "ok    retention: as the settings say, with rollups by hour and day"


def test_what_goes_is_rolled_up_before(influxdb_server: InfluxDB) -> None:
    """Told to delete at once, `migrate` computes the rollups first: they outlive the points."""
    url = influxdb_server.database("before")
    old = (NOW - 60 * DAY) * NANOSECONDS
    write(influxdb_server, "before", f'crossing,device=d outcome="admitted" {old}')
    assert planned(url)[-1] == "keep raw points 45 days instead of for ever"
    [rows] = influxdb_server.query(
        'SELECT "count" FROM "gatehouse_daily"."crossings"', database="before"
    )
    assert [row[1] for row in rows["values"]] == [1]


def test_missing_rights_are_said(tmp_path: Path, program: Any) -> None:
    """A user that may only write hears whom `migrate` needs; nothing is half done."""
    program("influxd")
    server = InfluxDB(tmp_path, asks_who=True).start()
    server.query("CREATE USER boss WITH PASSWORD 'p' WITH ALL PRIVILEGES")
    admin, writer = (f"influxdb1://{user}@127.0.0.1:{server.port}/d" for user in ("boss", "hand"))
    boss = Connection(parse_address(admin, "p"))
    for words in ("DATABASE d", "USER hand WITH PASSWORD 'p'"):
        assert boss.request("POST", "/query", (("q", f"CREATE {words}"),))[0] == 200
    assert boss.request("POST", "/query", (("q", "GRANT ALL ON d TO hand"),))[0] == 200
    boss.close()
    with pytest.raises(StoreHeld, match="needs to be an admin for `gatehouse migrate`"):
        planned(writer, "p")
    assert planned(admin, "p")
    assert planned(writer, "p") == []
    server.stop()


class Influx2:
    """Answers as the API reference of InfluxDB OSS 2.7 says, and keeps what it was told.

    Stands in for InfluxDB 2.x, which neither Debian nor a registry packages.
    """

    def __init__(self) -> None:
        self.kept: dict[str, list[dict[str, Any]]] = {"buckets": [], "tasks": []}
        self.runs: list[str] = []
        self.oldest: int | None = None
        self.status = 200

    def __call__(self, request: Request) -> Answer:
        path, query = urlsplit(request.path).path, parse_qs(urlsplit(request.path).query)
        assert request.headers["Authorization"] == "Token t0k"
        if self.status != 200:
            return Answer(self.status, json.dumps({"code": "x", "message": "no, and why"}))
        if path == "/query":
            return self._points(query["q"][0])
        if path == "/api/v2/orgs":
            found = [{"id": "0e", "name": "home"}] if query["org"] == ["home"] else []
            return Answer(200, json.dumps({"orgs": found}))
        _, _, _, kind, *rest = path.split("/")
        if rest[1:] == ["runs"]:
            self.runs.append(json.loads(request.body)["scheduledFor"])
            return Answer(201, "{}")
        return self._keep(request.method, kind, rest, query, json.loads(request.body or b"{}"))

    def _keep(
        self, method: str, kind: str, rest: list[str], query: dict[str, Any], told: dict[str, Any]
    ) -> Answer:
        kept = self.kept[kind]
        if method == "GET":
            assert query["org"] == ["home"]
            return Answer(
                200, json.dumps({kind: [o for o in kept if [o["name"]] == query["name"]]})
            )
        if method == "POST":
            assert told["orgID"] == "0e"
            if kind == "tasks":
                told["name"] = told["flux"].partition('name: "')[2].partition('"')[0]
            kept.append(told | {"id": f"{len(kept)}f"})
            return Answer(201, json.dumps(kept[-1]))
        [found] = [one for one in kept if one["id"] == rest[0]]
        found |= told
        return Answer(200, json.dumps(found))

    def _points(self, question: str) -> Answer:
        series = []
        if self.oldest is not None and ("ORDER BY time" in question or "time <" in question):
            series = [{"columns": ["time"], "values": [[self.oldest * NANOSECONDS]]}]
        return Answer(200, json.dumps({"results": [{"series": series}]}))


@pytest.fixture
def influx2() -> Iterator[tuple[Influx2, str]]:
    """A stand-in and its address."""
    script = Influx2()
    with RecordedServer(script) as server:
        yield script, f"influxdb2://127.0.0.1:{server.port}/home/iot"


def test_buckets_and_tasks_are_made_once(influx2: tuple[Influx2, str]) -> None:
    """Three buckets with their days and two tasks; a second time nothing is left to do."""
    server, url = influx2
    assert len(planned(url, "t0k")) == 5
    assert {
        one["name"]: one["retentionRules"][0]["everySeconds"] * SECOND // DAY
        for one in server.kept["buckets"]
    } == {"iot": 45, "iot/gatehouse_hourly": 400, "iot/gatehouse_daily": 1_100}
    assert [one["name"] for one in server.kept["tasks"]] == [SOON_TASK, LATE_TASK]
    assert planned(url, "t0k") == []


def test_a_bucket_and_a_task_that_differ_are_put_right(influx2: tuple[Influx2, str]) -> None:
    """A bucket that keeps for ever, an edited and a stopped task; deleting is said."""
    server, url = influx2
    planned(url, "t0k")
    raw, hourly, _ = server.kept["buckets"]
    raw["retentionRules"] = []
    hourly["retentionRules"] = [{"type": "expire", "everySeconds": 2 * DAY // SECOND}]
    server.kept["tasks"][0]["flux"] += "// by hand"
    server.kept["tasks"][1]["status"] = "inactive"
    server.oldest = NOW - 60 * DAY
    opened = schema(url, "t0k")
    steps = opened.plan()
    assert [(step.says, step.deletes) for step in steps] == [
        ("keep hourly rows 400 days instead of 2 days", False),
        (f"change task {SOON_TASK}", False),
        (f"change task {LATE_TASK}", False),
        ("keep raw points 45 days instead of for ever", True),
    ]
    for step in steps:
        step.act()
    opened.close()
    assert planned(url, "t0k") == []


def test_what_is_there_is_rolled_up_by_runs_of_the_task(influx2: tuple[Influx2, str]) -> None:
    """Each run looks back ten days, so that together they cover all that is kept."""
    server, url = influx2
    server.kept["buckets"].append(
        {
            "id": "r",
            "name": "iot",
            "retentionRules": [{"type": "expire", "everySeconds": 3_888_000}],
        }
    )
    server.oldest = NOW - 25 * DAY
    assert planned(url, "t0k")[-1].endswith(f"3 runs of task {LATE_TASK}")
    assert len(server.runs) == 3
    assert server.runs == sorted(server.runs, reverse=True)


def test_nothing_is_deleted_before_its_runs_are_over(influx2: tuple[Influx2, str]) -> None:
    """Runs go on after the command, so what would delete waits for its next time."""
    server, url = influx2
    server.kept["buckets"].append({"id": "r", "name": "iot", "retentionRules": []})
    server.oldest = NOW - 60 * DAY
    with pytest.raises(StoreHeld, match="rolling up what is there"):
        planned(url, "t0k")
    assert len(server.runs) == 6
    assert server.kept["buckets"][0]["retentionRules"] == []
    assert planned(url, "t0k") == ["keep raw points 45 days instead of for ever"]


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_refusal_is_said_without_the_token(status: int, influx2: tuple[Influx2, str]) -> None:
    """What the server says, and which rights the token needs."""
    server, url = influx2
    server.status = status
    with pytest.raises(StoreHeld, match="no, and why") as refused:
        planned(url, "t0k")
    assert "t0k" not in str(refused.value)
    assert ("token needs" in str(refused.value)) == (status != 500)


def test_an_unknown_organisation_is_said(influx2: tuple[Influx2, str]) -> None:
    """A slip in the address is named, and nothing is made."""
    server, url = influx2
    with pytest.raises(StoreHeld, match="shows no organisation work"):
        planned(url.replace("/home/", "/work/"), "t0k")
    assert not server.kept["buckets"]
