"""The people's side on the command line, for scripts."""

import getpass
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import insert
from typer.testing import CliRunner

from alerts import incident as incidents
from dashboards import audit
from dashboards.audit import Action, Entry
from devices import tables as registry_tables
from devices.clock import MINUTE, ScaledClock
from gatehouse.cli import incidents as commands
from gatehouse.database import open_database
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.settings import DEMO_CLOCK, load
from tests.office import NOW, fever, make_registry

FRIDAY_NIGHT = "2020-02-14T23:00:00+08:00"


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the command at a state database with one worker and one fever."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEHOUSE_DATA_DIR", str(tmp_path / "data"))
    database = open_database(load())
    with database.begin() as connection:
        _register_a_guard(connection)
        incidents.apply(connection, fever(observed_at=NOW), now=NOW, registry=make_registry())
    database.dispose()


def _register_a_guard(connection: Any) -> None:
    rows = {
        registry_tables.site: {"id": "east", "name": "East", "zone": "Asia/Shanghai"},
        registry_tables.worker: {"id": "li", "name": "Li Hua"},
        registry_tables.worker_channel: {"worker": "li", "rank": 1, "url": "demo://phone"},
        registry_tables.rota: {
            "worker": "li",
            "role": "guard",
            "site": "east",
            "weekdays": "4",
            "begins": 22 * 60,
            "ends": 6 * 60,
        },
    }
    for table, row in rows.items():
        connection.execute(insert(table).values(**row))


def run(*arguments: str) -> str:
    """Run a command and return its output; what it raises is raised."""
    app = typer.Typer()
    commands.register(app)
    return CliRunner().invoke(app, arguments, catch_exceptions=False).output


def read(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_a_case_is_listed_acknowledged_and_closed() -> None:
    """A script sees the open case, takes it, ends it, and it is no longer listed as open."""
    (case,) = read("incidents", "list", "--state", "triggered")
    assert (case["kind"], case["opened_at"]) == ("fever", "2020-02-14T12:00:00Z")
    run("incidents", "acknowledge", case["id"].lower(), "--by", "li")
    assert read("incidents", "show", case["id"])["acknowledged_by"] == "li"
    run("incidents", "close", case["id"], "--disposition", "hospital", "--by", "li")
    assert read("incidents", "list") == []
    (closed,) = read("incidents", "list", "--all")
    assert (closed["state"], closed["disposition"]) == ("closed", "hospital")


def test_a_case_of_a_demo_is_acknowledged_at_the_demos_time() -> None:
    """In a demo's folder the command tells the time of its community, not the machine's."""
    (case,) = read("incidents", "list")
    ScaledClock(load().data_dir / DEMO_CLOCK).set(NOW + MINUTE, speed=0)
    run("incidents", "acknowledge", case["id"])
    assert read("incidents", "show", case["id"])["acknowledged_at"] == "2020-02-14T12:01:00Z"


def test_what_is_done_is_in_the_audit() -> None:
    """Both acts are recorded with the system's user, whoever they are for; a refused one is not."""
    (case,) = read("incidents", "list")
    ScaledClock(load().data_dir / DEMO_CLOCK).set(NOW + MINUTE, speed=0)
    run("incidents", "acknowledge", case["id"].lower(), "--by", "li")
    run("incidents", "close", case["id"], "--disposition", "hospital", "--by", "li")
    with pytest.raises(Failure):
        run("incidents", "close", case["id"], "--disposition", "hospital", "--by", "li")
    about, account = f"incident:{case['id']}", f"cli:{getpass.getuser()}"
    assert recorded() == [
        Entry(NOW + MINUTE, account, Action.CLOSED, about, ""),
        Entry(NOW + MINUTE, account, Action.ACKNOWLEDGED, about, ""),
    ]


def test_what_cannot_be_recorded_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Act and record are one transaction: without the record the case stays as it was."""
    (case,) = read("incidents", "list")

    def fail(*_: object, **__: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(audit, "record", fail)
    for act in (("acknowledge",), ("close", "--disposition", "hospital")):
        with pytest.raises(OSError, match="no room"):
            run("incidents", act[0], case["id"], *act[1:])
    assert read("incidents", "list") == [case]


def recorded() -> list[Entry]:
    """Return the audit, newest first."""
    database = open_database(load())
    with database.connect() as connection:
        entries = audit.find(connection)
    database.dispose()
    return entries


def test_an_actor_no_database_takes_is_refused() -> None:
    """A name longer than its column is wrong use, and the case stays as it was."""
    (case,) = read("incidents", "list")
    with pytest.raises(Failure, match="--by"):
        run("incidents", "acknowledge", case["id"], "--by", "l" * 65)
    assert read("incidents", "list") == [case]


def test_a_case_shown_leads_to_no_person() -> None:
    """Neither list nor case says who it is about or in which flat; the timeline is complete."""
    (case,) = read("incidents", "list")
    shown = read("incidents", "show", case["id"])
    assert not {"key", "subject", "household"} & set(shown)
    kinds = [event["kind"] for event in shown["timeline"]]
    assert kinds == ["opened", "evidence", "round_begun", "step_begun"]
    said = run("incidents", "show", case["id"])
    assert case["id"] in said
    evidence = shown["timeline"][1]["detail"]
    assert evidence["observed_at"] == case["began_at"]
    assert f"observed_at={case['began_at']}" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("incidents", "show", "ZZZZZ"),
        ("incidents", "acknowledge", "ZZZZZ"),
        ("incidents", "close", "ZZZZZ", "--disposition", "other"),
        ("incidents", "list", "--before", "ZZZZZ"),
    ],
)
def test_an_unknown_case_is_one_sentence(arguments: tuple[str, ...]) -> None:
    """Whatever is asked of a case that does not exist fails with its id."""
    with pytest.raises(Failure, match="there is no incident ZZZZZ"):
        run(*arguments)


def test_who_is_on_call_is_shown_by_site_and_role() -> None:
    """Friday night's guard is on call at 23:00 and not at noon; an empty role says so."""
    rows = read("oncall", "show", "--at", FRIDAY_NIGHT)["on_call"]
    assert {row["role"]: row["workers"] for row in rows}["guard"] == ["li"]
    noon = read("oncall", "show", "--site", "east", "--at", "2020-02-14T12:00:00+08:00")
    assert all(row["workers"] == [] for row in noon["on_call"])
    assert "nobody" in run("oncall", "show", "--at", FRIDAY_NIGHT)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--at", "yesterday"), "--at: 'yesterday' is no time"),
        (("--at", "2020-02-14T12:00:00"), "--at: .* is no time with a zone"),
        (("--site", "west"), "--site: there is no site west"),
    ],
)
def test_a_wrong_option_is_wrong_use(arguments: tuple[str, ...], words: str) -> None:
    """The sentence names the option, and the exit code says that the use was wrong."""
    with pytest.raises(Failure, match=words) as failed:
        run("oncall", "show", *arguments)
    assert failed.value.code == WRONG_USE


def test_a_channel_is_tried() -> None:
    """A test page goes over each channel of the worker; one that fails, fails the command."""
    (tried,) = read("channels", "test", "li")
    assert tried == {"rank": 1, "channel": "demo", "result": "sent"}
    with pytest.raises(Failure, match="worker nobody has no channel"):
        run("channels", "test", "nobody")
