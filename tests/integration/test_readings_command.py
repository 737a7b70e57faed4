"""``gatehouse readings``, as a script runs it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine as Database
from sqlalchemy import select

from alerts import incident as incidents
from alerts.engine import Engine
from alerts.tables import attribution
from alerts.thresholds import Thresholds
from dashboards import audit
from devices.clock import MINUTE, ManualClock, wall_now
from devices.csv_import import import_folder
from devices.observation import BodySite, Temperature
from devices.registry_store import load
from gatehouse.database import open_database
from gatehouse.settings import load as load_settings
from tests.command import Run

SAMPLE = Path(__file__).parents[2] / "devices/sample_community"
DEVICE = "a0:e6:f8:50:72:54"
"""Shared by two people in flat h-1-102."""


@pytest.fixture
def database(run: Run) -> Iterator[Database]:
    opened = open_database(load_settings({}))
    import_folder(opened, SAMPLE, now=wall_now())
    yield opened
    opened.dispose()


def judge(database: Database) -> str:
    """Let the flat's thermometer measure 37.6 °C; return the case."""
    registry, at = load(database), wall_now() - 10 * MINUTE
    engine = Engine(
        database=database,
        journal="j",
        registry=lambda: registry,
        thresholds=Thresholds(),
        silent_after=lambda _: None,
        clock=ManualClock(at),
    )
    hot = Temperature(
        device_id=DEVICE,
        observed_at=at,
        received_at=at,
        celsius=37.6,
        body_site=BodySite.AXILLARY,
    )
    engine.handle(engine.counters()["judged"] + 1, [(hot,)])
    engine.tick(at)
    with database.connect() as connection:
        return incidents.find(connection)[-1].id


def the_reading(run: Run, case: str) -> dict[str, Any]:
    """What is listed of the case's only reading; before it stands what the engine logged."""
    (listed,) = json.loads(run("readings", "list", case, "--json").out.splitlines()[-1])
    return dict(listed)


def test_a_script_answers_changes_and_undoes(database: Database, run: Run) -> None:
    """By the office's id or the random one; each answer is kept and recorded, a repeat is none."""
    case = judge(database)
    listed = the_reading(run, case)
    wang = load(database).subject_of("r-003")
    (li,) = set(listed["residents"]) - {wang}
    assert (listed["celsius"], listed["whose"]) == (37.6, "household")
    for answer in (
        ("--resident", "r-003", "--by", "worker-1"),
        ("--resident", li),
        ("--resident", li),
        ("--visitor",),
        ("--undo",),
    ):
        done = run("readings", "attribute", case.lower(), listed["reading"], *answer)
        assert done.code == 0, done.err
    with database.connect() as connection:
        kept = list(connection.execute(select(attribution).order_by(attribution.c.number)))
        recorded = audit.find(connection, about=f"incident:{case}")
    assert [(one.whose, one.subject) for one in kept] == [
        ("resident", wang),
        ("resident", li),
        ("visitor", None),
        ("household", None),
    ]
    assert kept[0].by == "worker-1"
    assert [one.action for one in recorded] == [audit.Action.ATTRIBUTED] * 4
    assert the_reading(run, case)["whose"] == "household"
    assert "axillary" in run("readings", "list", case).out


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        ((), 2, "one of --resident"),
        (("--visitor", "--undo"), 2, "one of --resident"),
        (("--resident", "r-999"), 2, "no resident r-999"),
        (("--resident", "r-001"), 1, "nobody of that id lived in this flat then"),
    ],
    ids=str,
)
def test_a_wrong_answer_says_what_is_wrong(
    database: Database, run: Run, answer: tuple[str, ...], code: int, says: str
) -> None:
    """In one line, and nothing is kept."""
    case = judge(database)
    name = the_reading(run, case)["reading"]
    done = run("readings", "attribute", case, name, *answer)
    assert (done.code, says in done.err) == (code, True), done.err
    gone = run("readings", "attribute", case, "00000000", "--visitor")
    assert (gone.code, "no reading 00000000" in gone.err) == (1, True)
    assert run("readings", "list", "ZZZZZ").code == 1
    with database.connect() as connection:
        assert not list(connection.execute(select(attribution)))
