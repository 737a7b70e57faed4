"""The register at the console: who sees it, looking before it is kept, and two people at once."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from alerts.finding import IncidentKind
from dashboards import audit
from dashboards.household import digest, household_path
from devices.clock import DAY, HOUR, rfc3339
from devices.registry import HouseholdState, Registry, ResidentClass
from devices.registry_lock import changing
from devices.registry_store import load
from devices.tables import resident, trip
from gatehouse import database
from tests.console import FLAT, NAME, NOW, PHONE, SUBJECT, World, make_world
from tests.console_http import TOKEN, Open, visit
from tests.servers import PostgreSQL

HOME, OTHER = household_path("b3", "h-502"), household_path("b7", "h-101")
SUN = digest(SUBJECT)
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
TODAY = NOW - 20 * HOUR - 5 * 60_000
"""Midnight, in the zone of the site."""


@pytest.fixture(params=["sqlite", "postgresql"])
def either_world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """The community on both kinds of database, where nobody waits long for a lock."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.5)
    url = ""
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        url = server.database()
    made = make_world(tmp_path, database_url=url)
    made.tell()
    yield made
    made.engine.dispose()


def registry(world: World) -> Registry:
    return load(world.engine)


async def send(
    client: httpx.AsyncClient, path: str = HOME, act: str = "change", **fields: str
) -> httpx.Response:
    """Send a form of the household's page, as it stands now."""
    page = await client.get(path)
    hidden = dict(HIDDEN.findall(page.text))
    return await client.post(
        f"{path}/{act}", data={"csrf": hidden["csrf"], "seen": hidden.get("seen", "")} | fields
    )


async def confirm(client: httpx.AsyncClient, preview: httpx.Response) -> httpx.Response:
    """Press the button of a preview that keeps it."""
    fields = dict(HIDDEN.findall(preview.text.replace("&lt;", "<").replace("&gt;", ">")))
    return await client.post(str(preview.url), data=fields | {"confirmed": "true"})


async def keep(client: httpx.AsyncClient, path: str = HOME, **fields: str) -> httpx.Response:
    """State something and confirm what is shown."""
    preview = await send(client, path, **fields)
    assert preview.status_code == 200, preview.text
    return await confirm(client, preview)


@pytest.mark.parametrize(
    ("name", "overview", "home", "other"),
    [
        ("worker", 200, 200, 404),
        ("neighbour", 200, 404, 200),
        ("secretary", 200, 200, 200),
        ("command", 200, 200, 200),
        ("elsewhere", 200, 404, 404),
        ("guard", 403, 403, 403),
        ("operator", 403, 403, 403),
    ],
)
async def test_households_are_for_those_who_look_after_them(
    world: World, browser: Open, name: str, overview: int, home: int, other: int
) -> None:
    """A worker has their grid, a secretary their community; others see and change nothing."""
    async with browser(name) as client:
        assert (await client.get("/households")).status_code == overview
        for building, path, status in (("b3", HOME, home), ("b7", OTHER, other)):
            assert (await client.get(f"/households/{building}")).status_code == status
            assert (await client.get(path)).status_code == status
            token = TOKEN.search((await client.get("/")).text)
            assert token
            fields = {"csrf": token[1], "what": "state", "state": "empty", "confirmed": "true"}
            for act in ("person", "change"):
                response = await client.post(f"{path}/{act}", data=fields | {"reason": "curious"})
                if status != 200:
                    assert response.status_code == status
                    assert NAME.split()[0] not in response.text
    with world.engine.connect() as connection:
        seen = {entry.object for entry in audit.find(connection) if entry.reason == "curious"}
    allowed = {("household:h-502", home), ("household:h-101", other)}
    assert seen == {about for about, status in allowed if status == 200}


async def test_no_list_page_or_address_says_a_name_or_flat(world: World, browser: Open) -> None:
    """Names, phones, flats and subjects are only shown for a reason, which is recorded."""
    async with browser("worker") as client:
        for path in ("/households", "/households/b3", HOME):
            text = (await client.get(path)).text
            for secret in ("孙美丽", PHONE, FLAT, SUBJECT):
                assert secret not in text, (path, secret)
        assert "h-502" not in HOME
        found = await client.post(
            "/households/find", data={"csrf": await _token(client), "building": "b3", "flat": FLAT}
        )
        assert found.headers["location"] == HOME
        refused = await send(client, act="person", reason=" ")
        assert "孙美丽" not in refused.text
        shown = await send(client, act="person", reason="to correct the register")
    for secret in ("孙美丽 &lt;Sun&gt;", PHONE, FLAT):
        assert secret in shown.text
    assert SUBJECT not in shown.text
    with world.engine.connect() as connection:
        (entry,) = audit.find(connection, about="household:h-502")
    assert (entry.account, entry.action) == ("worker", audit.Action.OPENED_PERSON)
    assert entry.reason == "to correct the register"


async def test_a_flat_is_found_by_building_number_or_id(browser: Open) -> None:
    """One form for all; what is not theirs is not found, like what is not there."""
    async with browser("worker") as client:
        for typed, location in (
            ({"building": "b3", "flat": ""}, "/households/b3"),
            ({"building": "b3", "flat": f" {FLAT} "}, HOME),
            ({"building": "", "flat": "h-502"}, HOME),
            ({"building": "b3", "flat": "h-101"}, ""),
            ({"building": "", "flat": "h-101"}, ""),
            ({"building": "b7", "flat": "0101"}, ""),
            ({"building": "", "flat": ""}, ""),
        ):
            answer = await client.post(
                "/households/find", data={"csrf": await _token(client), **typed}
            )
            assert answer.status_code == (303 if location else 404), typed
            assert answer.headers.get("location", "") == location


async def test_lists_say_states_people_devices_and_cases(world: World, browser: Open) -> None:
    """A building in numbers, and each household with what is known of it."""
    incident = world.find()
    async with browser("secretary") as client:
        await keep(client, what="state", state="occupied", since="2020-01-03")
        await keep(client, what="class", resident=SUN, resident_class="home_isolation")
        buildings = _table((await client.get("/households")).text)
        households = await client.get("/households/b3")
        empty = await client.get("/households/b3?state=empty")
    assert buildings["Building 3"] == ["1", "1", "–", "–", "1"]
    assert buildings["Building 7"] == ["1", "–", "–", "–", "0"]
    (line,) = _table(households.text).values()
    assert line == ["Occupied, since 3 Jan", "1 Home isolation", "1", "Fever"]
    assert incident in households.text
    assert "0 households" in empty.text


async def test_a_change_is_looked_at_before_it_is_kept(either_world: World) -> None:
    """The preview says what would be so; only the confirmation writes, and it is recorded."""
    world = either_world
    async with visit(world, "worker") as client:
        preview = await send(client, what="state", state="empty", since="2020-01-03")
        assert "Stands empty, since 3 Jan" in preview.text
        assert f'name="then" value="{HOME}"' in preview.text  # Where another language leads to.
        assert registry(world).household_state("h-502", NOW) is None
        kept = await confirm(client, preview)
        assert kept.headers["location"] == f"{HOME}?done=state"
        page = await client.get(kept.headers["location"])
        assert "Kept: State of the flat" in page.text
        again = await send(client, what="state", state="empty", since="2020-01-03")
        assert "nothing would change" in again.text
        await keep(client, what="state", state="occupied", since="2020-02-10")
        page = await client.get(HOME)
    assert "Stands empty, 3 Jan – 10 Feb" in page.text
    assert "Occupied, since 10 Feb" in page.text
    assert registry(world).household_state("h-502", NOW) is HouseholdState.OCCUPIED
    with world.engine.connect() as connection:
        done = audit.find(connection, about="household:h-502")
    assert [(one.action, one.account, one.reason) for one in done] == [
        (audit.Action.CHANGED_REGISTER, "worker", "state")
    ] * 2


async def test_a_resident_is_registered_classed_moved_and_comes_back(either_world: World) -> None:
    """Each goes through the rules of the import; the subject stays one person."""
    world = either_world
    async with visit(world, "secretary") as client:
        preview = await send(
            client, what="register", name="王 <Wang>", phone="1380", since="2020-02-12",
            state="occupied", resident_class="close_contact",
        )  # fmt: skip
        assert "王 &lt;Wang&gt;, 1380" in preview.text
        await confirm(client, preview)
        now = registry(world)
        wang = next(one for one in now.residents("h-502", NOW) if one != SUBJECT)
        assert now.resident_class(wang, NOW) is ResidentClass.CLOSE_CONTACT
        assert now.household_state("h-502", NOW) is HouseholdState.OCCUPIED
        assert now.residents("h-502", TODAY - 3 * DAY) == (SUBJECT,)
        await keep(client, what="class", resident=digest(wang), resident_class="home_isolation",
                   since="2020-02-13", until="2020-02-27")  # fmt: skip
        await keep(client, what="leave", resident=digest(wang), since="2020-02-14",
                   building="b7", flat="0101")  # fmt: skip
        moved = registry(world)
        assert moved.residents("h-101", NOW) == (wang,)
        assert moved.resident_class(wang, NOW) is ResidentClass.HOME_ISOLATION
        assert moved.resident_class(wang, NOW + 20 * DAY) is ResidentClass.CLOSE_CONTACT
        await keep(client, what="return", resident=digest(wang), since="2020-02-14")
        await keep(client, what="leave", resident=SUN, state="away")
        end = registry(world)
    assert end.residents("h-502", NOW) == (wang,)
    assert end.residents("h-101", NOW) == ()
    assert end.household_state("h-502", NOW) is HouseholdState.AWAY
    assert end.residences.at(SUBJECT, NOW - 1) == "h-502"


async def test_a_trip_is_approved_shortened_and_its_reason_hidden(
    world: World, browser: Open
) -> None:
    """Stated again with the same beginning it ends earlier; why is shown on no page."""
    async with browser("worker") as client:
        trip_of = {"what": "trip", "resident": SUN, "reason": "dialysis"}
        await keep(client, since="2020-02-14T21:00", until="2020-02-14T23:00", **trip_of)
        await keep(client, since="2020-02-14T21:00", until="2020-02-14T22:00", **trip_of)
        page = await client.get(HOME)
    assert "14 Feb 21:00 – 14 Feb 22:00" in page.text
    assert "dialysis" not in page.text
    with world.engine.connect() as connection:
        (kept,) = connection.execute(select(trip.c.since, trip.c.until, trip.c.reason))
    assert (rfc3339(kept.since), kept.until - kept.since) == ("2020-02-14T13:00:00Z", HOUR)
    assert kept.reason == "dialysis"


async def test_a_name_is_corrected_without_being_shown(world: World, browser: Open) -> None:
    """What is left empty stays as it is."""
    async with browser("worker") as client:
        preview = await send(client, what="person", resident=SUN, phone="1390000")
        assert "1390000" in preview.text
        assert "孙美丽" not in preview.text
        await confirm(client, preview)
    with world.engine.connect() as connection:
        (kept,) = connection.execute(select(resident.c.name, resident.c.phone))
    assert kept == (NAME, "1390000")


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"what": "state"}, "state", "Choose the state."),
        ({"what": "state", "state": "haunted"}, "state", "Choose the state."),
        ({"what": "state", "state": "empty", "since": "soon"}, "since", "Give a day"),
        ({"what": "state", "state": "empty", "since": "0001-01-01"}, "since", "Give a day"),
        ({"what": "state", "state": "empty", "since": "2020-02-30"}, "since", "Give a day"),
        (
            {"what": "state", "state": "empty", "since": "2020-02-10", "until": "2020-02-09"},
            "until",
            "later than the beginning",
        ),
        ({"what": "register", "name": " "}, "name", "Write the name"),
        ({"what": "register", "name": "a\nb"}, "name", "Write the name"),
        ({"what": "register", "name": NAME}, "name", "Somebody of this name"),
        ({"what": "register", "name": "x", "phone": "9" * 65}, "phone", "at most 64"),
        ({"what": "class", "resident": SUN}, "resident_class", "Choose the class."),
        ({"what": "class", "resident": "0" * 16, "resident_class": "fever"}, "resident", "Choose"),
        (
            {"what": "trip", "resident": SUN, "reason": "r", "until": "2020-02-14T20:00"},
            "since",
            "hour",
        ),
        (
            {"what": "trip", "resident": SUN, "since": "2020-02-14", "until": "2020-02-15"},
            "reason",
            "Say why",
        ),
        ({"what": "leave", "resident": SUN, "since": "1970-01-01"}, "since", "later than the one"),
        ({"what": "leave", "resident": SUN, "flat": FLAT, "building": "b3"}, "flat", "this flat"),
        ({"what": "leave", "resident": SUN, "flat": "0101", "building": "b7"}, "flat", "no such"),
        ({"what": "person", "resident": SUN}, "name", "Write the right name"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value.values())[:40],
)
async def test_what_is_wrong_is_said_at_its_field(
    world: World, browser: Open, fields: dict[str, str], field: str, words: str
) -> None:
    """In a sentence, with what was typed still there; nothing is kept."""
    async with browser("worker") as client:
        answer = await send(client, **fields)
    assert answer.status_code == 422
    wrong = re.search(rf'id="{fields["what"]}-{field}-wrong" role="alert">([^<]+)<', answer.text)
    assert wrong, re.findall(r'id="[\w-]+-wrong"[^<]*<', answer.text)
    assert words in wrong[1]
    assert f'<details class="panel" open id="{fields["what"]}"' in answer.text
    assert registry(world).version == 0


async def test_of_two_changes_at_once_the_second_is_asked_again(either_world: World) -> None:
    """What somebody else kept meanwhile is shown, never overwritten; then it can be confirmed."""
    world = either_world
    async with visit(world, "worker") as one, visit(world, "secretary") as two:
        mine = await send(one, what="state", state="away")
        theirs = await send(two, what="state", state="empty", since="2020-02-01")
        assert (await confirm(two, theirs)).status_code == 303
        refused = await confirm(one, mine)
        assert refused.status_code == 409
        assert "has changed since you opened it" in refused.text
        assert "Stands empty, since 1 Feb" in refused.text
        assert registry(world).household_state("h-502", NOW) is HouseholdState.EMPTY
        assert (await confirm(one, refused)).status_code == 303
    end = registry(world)
    assert end.household_state("h-502", NOW) is HouseholdState.AWAY
    assert end.household_state("h-502", NOW - 1) is HouseholdState.EMPTY


async def test_of_two_confirmations_at_one_instant_one_is_kept(either_world: World) -> None:
    """Whoever comes second is told; both can be in the middle of it."""
    world = either_world
    async with visit(world, "worker") as one, visit(world, "secretary") as two:
        away = await send(one, what="state", state="away")
        empty = await send(two, what="state", state="empty")
        answers = await asyncio.gather(confirm(one, away), confirm(two, empty))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 303
    assert statuses[1] in {409, 503}
    assert len(registry(world).household_states.spans("h-502")) == 1


async def test_two_taps_register_one_person(either_world: World) -> None:
    """The second confirmation of one form finds the first one's person, and keeps nothing."""
    world = either_world
    async with visit(world, "worker") as client:
        preview = await send(client, what="register", name="王")
        assert (await confirm(client, preview)).status_code == 303
        second = await confirm(client, preview)
        assert second.status_code == 422
        assert "Somebody of this name" in second.text
    assert len(registry(world).residents("h-502", NOW)) == 2


async def test_what_changes_elsewhere_disturbs_nobody(world: World, browser: Open) -> None:
    """Only what is registered of this household and its people makes a form too old."""
    async with browser("worker") as client, browser("neighbour") as other:
        mine = await send(client, what="state", state="away")
        await keep(other, OTHER, what="register", name="王")
        assert (await confirm(client, mine)).status_code == 303


async def test_now_is_when_it_was_looked_at(world: World, browser: Open) -> None:
    """What is confirmed is what was shown, however long somebody thought about it."""
    async with browser("worker") as client:
        preview = await send(client, what="state", state="away")
        world.clock.advance(HOUR)
        await confirm(client, preview)
    assert registry(world).household_states.spans("h-502") == ((NOW, None, HouseholdState.AWAY),)


async def test_while_an_import_runs_nothing_is_lost_or_held_up(either_world: World) -> None:
    """The person is told at once that somebody else is at it, and confirms again afterwards."""
    world = either_world
    async with visit(world, "worker") as client:
        preview = await send(client, what="state", state="away")
        with changing(world.engine, lambda: None):
            busy = await confirm(client, preview)
        assert busy.status_code == 503
        assert "perhaps with an import" in busy.text
        assert (await confirm(client, busy)).status_code == 303
    assert registry(world).household_state("h-502", NOW) is HouseholdState.AWAY


async def test_a_form_about_somebody_who_left_meanwhile_says_so(
    world: World, browser: Open
) -> None:
    """Also where the page has no such form any more."""
    async with browser("worker") as client:
        late = await send(client, what="class", resident=SUN, resident_class="fever")
        await keep(client, what="leave", resident=SUN)
        refused = await confirm(client, late)
    assert refused.status_code == 422
    assert "Class of a resident: Choose whom it is about." in refused.text


async def test_nobody_is_taken_from_where_one_does_not_look(world: World, browser: Open) -> None:
    """An earlier resident who lives in another grid now is not moved by the worker of this one."""
    async with browser("secretary") as client:
        await keep(client, what="leave", resident=SUN, building="b7", flat="0101")
    async with browser("worker") as client:
        page = await client.get(HOME)
        assert "h-101" not in page.text
        refused = await send(client, what="return", resident=SUN)
        assert refused.status_code == 422
        assert "Call the secretary" in refused.text
    assert registry(world).household_of(SUBJECT, NOW) == "h-101"


async def test_from_an_empty_flats_case_its_people_are_registered(
    world: World, browser: Open
) -> None:
    """The case leads to the form, which leads back to the case; the link says no flat."""
    case = world.find(kind=IncidentKind.EMPTY_FLAT, rule="occupancy", key="household:h-502",
                      subject=None)  # fmt: skip
    async with browser("worker") as client:
        page = await client.get(f"/incidents/{case}")
        assert f'href="{HOME}?case={case}#register"' in page.text
        assert "h-502" not in page.text
        form = await client.get(f"{HOME}?case={case}")
        assert '<details class="panel" open id="register"' in form.text
        done = await keep(client, what="register", name="王", case=case, state="occupied")
        assert done.headers["location"] == f"{HOME}?done=register&case={case}"
        after = await client.get(done.headers["location"])
        assert f"/incidents/{case}?done=changed_register" in after.text
        back = await client.get(f"/incidents/{case}?done=changed_register")
    assert "The register is up to date" in back.text


async def test_what_was_typed_comes_back_to_be_changed(browser: Open) -> None:
    """From the preview back to the form, filled in."""
    async with browser("worker") as client:
        preview = await send(client, what="register", name="王 <b>", since="2020-02-01")
        fields = dict(HIDDEN.findall(preview.text)) | {"again": "true"}
        form = await client.post(str(preview.url), data=fields)
    assert form.status_code == 200
    assert 'value="2020-02-01"' in form.text
    assert "<b>" not in form.text


async def _token(client: httpx.AsyncClient) -> str:
    found = TOKEN.search((await client.get("/")).text)
    assert found
    return found[1]


def _table(text: str) -> dict[str, list[str]]:
    """The cells of a page's table by the head of their row."""
    rows = re.findall(r"<tr>\s*<th scope=\"row\">(.*?)</th>(.*?)</tr>", text, re.DOTALL)
    return {
        _plain(head): [
            _plain(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", cells, re.DOTALL)
        ]
        for head, cells in rows
    }


def _plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", html).split())
