"""Whose a shared thermometer's reading is: asked on the case, answered, judged anew."""

import re
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from alerts import attribution
from alerts import incident as incidents
from alerts.disposition import Disposition
from alerts.incident import EventKind, Incident
from alerts.tables import attribution as answers
from dashboards import account, audit
from dashboards.household import household_path
from devices.clock import MINUTE, wall_now
from devices.registry import Role
from gatehouse.console_process import ask_console
from gatehouse.database import open_database
from tests.console import NAME, NOW, SUBJECT, World
from tests.console_http import TOKEN, Open, submit
from tests.family import FLATMATE, OTHER, Family
from tests.intake import publish
from tests.servers import Mosquitto, wait_until
from tests.service import RunningService

SAMPLE = Path("devices/sample_community")


@pytest.fixture
def family(world: World) -> Family:
    return Family(world)


def entries(page: httpx.Response) -> dict[str, list[str]]:
    """What the form of a page would send, as it stands."""
    chosen = re.findall(r"<select.*?</select>", page.text, re.DOTALL)
    return {
        "reading": re.findall(r'name="reading" value="(\w+)"', page.text),
        "seen": re.findall(r'name="seen" value="(\d+)"', page.text),
        "whose": [
            (re.findall(r'value="([^"]+)" selected', one) or ["household"])[0] for one in chosen
        ],
    }


async def answer(
    client: httpx.AsyncClient, case: str, form: dict[str, list[str]]
) -> httpx.Response:
    token = TOKEN.search((await client.get("/")).text)
    assert token
    return await client.post(f"/incidents/{case}/attribute", data={"csrf": token[1], **form})


async def test_a_workers_answer_makes_a_watch_of_the_person(family: Family, browser: Open) -> None:
    """Both readings are hers: her watch opens, the household's case says that nothing is left."""
    case = family.case.id
    async with browser("worker") as client:
        before = await client.get(f"/incidents/{case}")
        assert NAME.split()[0] not in before.text
        page = await submit(client, f"/incidents/{case}/readings")
        assert OTHER in page.text
        form = entries(page)
        form["whose"] = [f"resident:{SUBJECT}"] * 2
        assert (await answer(client, case, form)).status_code == 303
        cases = family.cases()
        after = await client.get(f"/incidents/{case}")
    hers = cases[f"subject:{SUBJECT}"]
    assert (hers.watch, hers.began_at) == (True, NOW - 40 * MINUTE)
    assert EventKind.STEP_BEGUN not in family.kinds(hers.id)
    assert cases["household:h-502"].is_open
    assert family.kinds(case).count(EventKind.EVIDENCE_MOVED) == 2
    assert "No reading of a fever is left in this case" in after.text
    assert SUBJECT not in after.text
    with family.world.engine.connect() as connection:
        done = [entry.action for entry in audit.find(connection, about=f"incident:{case}")]
        kept = list(connection.execute(select(answers.c.by, answers.c.whose)))
    assert done == [audit.Action.ATTRIBUTED, audit.Action.OPENED_PERSON]
    assert kept == [("worker-1", "resident")] * 2


async def test_an_answer_is_changed_and_undone_from_either_case(
    family: Family, browser: Open
) -> None:
    """The form shows the last answer; undone, the reading is the household's evidence again."""
    case = family.case.id
    async with browser("worker") as client:
        form = entries(await submit(client, f"/incidents/{case}/readings"))
        form["whose"] = ["visitor", f"resident:{SUBJECT}"]
        await answer(client, case, form)
        hers = family.cases()[f"subject:{SUBJECT}"].id
        form = entries(await submit(client, f"/incidents/{hers}/readings"))
        assert sorted(form["whose"]) == [f"resident:{SUBJECT}", "visitor"]
        form["whose"] = ["household", f"resident:{FLATMATE}"]
        await answer(client, hers, form)
    assert f"subject:{FLATMATE}" in family.cases()
    assert family.kinds(hers)[-1] is EventKind.EVIDENCE_MOVED
    with family.world.engine.connect() as connection:
        assert len(list(connection.execute(select(answers)))) == 4
        registry = family.world.context.registry()
        shared = attribution.find_readings(connection, registry, "h-502")
    assert sorted(one.whose for one in shared) == ["household", "resident"]


async def test_the_household_leads_to_its_readings_after_the_case_was_closed(
    family: Family, browser: Open
) -> None:
    """Whoever looks at the flat can still say whose they were."""
    case = family.case.id
    with family.world.engine.begin() as connection:
        incidents.close(
            connection,
            case,
            actor="worker-1",
            disposition=Disposition.FALSE_ALARM,
            note="",
            now=NOW,
        )
    button = f'action="/incidents/{case}/readings"'
    async with browser("worker") as client:
        page = await client.get(household_path("b3", "h-502"))
        assert "/incidents/" + case not in page.text.replace(button, "")
        assert button in page.text
        readings = await submit(client, f"/incidents/{case}/readings")
    assert entries(readings)["whose"] == ["household"] * 2


async def test_somebody_elses_answer_is_not_overwritten(family: Family, browser: Open) -> None:
    """Of two forms opened at once the second is refused, whole, and shown as it is now."""
    case = family.case.id
    async with browser("worker") as client:
        form = entries(await submit(client, f"/incidents/{case}/readings"))
        mine = form | {"whose": [f"resident:{SUBJECT}", "household"]}
        late = form | {"whose": ["visitor", "visitor"]}
        assert (await answer(client, case, mine)).status_code == 303
        refused = await answer(client, case, late)
    assert refused.status_code == 409
    assert "the case has changed meanwhile" in refused.text
    with family.world.engine.connect() as connection:
        assert len(list(connection.execute(select(answers)))) == 1


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"whose": ["resident:s-elsewhere", "household"]}, 409),
        ({"reading": ["00000000", "11111111"]}, 409),
        ({"whose": ["everybody", "household"]}, 422),
        ({"whose": ["visitor"]}, 422),
        ({"reading": ["../../etc", "1"]}, 422),
        ({"seen": ["many", "0"]}, 422),
    ],
    ids=str,
)
async def test_what_no_form_says_changes_nothing(
    family: Family, browser: Open, wrong: dict[str, list[str]], status: int
) -> None:
    """Strangers to the flat, readings that are none, and nonsense are refused."""
    async with browser("worker") as client:
        form = entries(await submit(client, f"/incidents/{family.case.id}/readings"))
        response = await answer(client, family.case.id, form | wrong)
    assert response.status_code == status
    with family.world.engine.connect() as connection:
        assert not list(connection.execute(select(answers)))


@pytest.mark.parametrize(
    ("who", "status"),
    [("neighbour", 404), ("guard", 404), ("operator", 404), ("elsewhere", 404), ("secretary", 200)],
)
async def test_only_who_looks_after_the_flat_is_asked(
    family: Family, browser: Open, who: str, status: int
) -> None:
    """A case is missing to others; names are nowhere in what they get."""
    async with browser(who) as client:
        page = await submit(client, f"/incidents/{family.case.id}/readings")
    assert page.status_code == status
    assert (OTHER in page.text) is (status == 200)


async def test_through_the_service_a_tap_becomes_a_watch(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Published readings, a worker's answer on the console, and the person's watch, for real."""
    service = RunningService(tmp_path, mqtt_url=mosquitto.url)
    service.import_registry(SAMPLE, now=wall_now())
    database = open_database(service.settings)
    worker = account.Account(
        name="zhou",
        role=Role.GRID_WORKER,
        site="lakeside",
        grids=("lakeside-1",),
        worker="worker-1",
    )
    with database.begin() as connection:
        account.create(connection, worker, password=None, now=wall_now())
        link = account.issue_link(connection, "zhou", now=wall_now())

    def find(key: str) -> Incident | None:
        with database.connect() as connection:
            return next((one for one in incidents.find(connection) if one.key == key), None)

    service.start()
    try:
        topic = "a0:e6:f8:50:72:54/HealthThermometer/TemperatureMeasurement"
        await publish(mosquitto, [b"4,37.6,1"], topic=topic)
        wait_until(lambda: find("household:h-1-102"), seconds=20, what="the household's watch")
        case = find("household:h-1-102")
        assert case is not None
        address = f"http://127.0.0.1:{service.console_port}"
        wait_until(lambda: not ask_console(address, seconds=1), seconds=20, what="the console")
        async with httpx.AsyncClient(base_url=address) as client:
            await submit(client, "/sign-in/link", link=link)
            page = await submit(client, f"/incidents/{case.id}/readings")
            form = entries(page)
            (subject,) = re.findall(r'value="resident:([^"]+)">\d · 王芳', page.text)
            form["whose"] = [f"resident:{subject}"]
            assert (await answer(client, case.id, form)).status_code == 303
        wait_until(lambda: find(f"subject:{subject}"), seconds=20, what="the person's watch")
        hers = find(f"subject:{subject}")
        assert hers is not None
        assert hers.watch
    finally:
        database.dispose()
        service.stop()
