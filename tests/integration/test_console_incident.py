"""Incidents over HTTP: listed, acted on, kept fresh."""

import html
import re

import pytest

from alerts import incident as incidents
from alerts.finding import IncidentKind, Severity
from alerts.timeline import EventKind, add_event
from dashboards import audit
from dashboards.console.live import Mark
from dashboards.console.pages import incidents as pages
from dashboards.console.pages.incidents import LISTED
from devices.clock import DAY, HOUR
from tests.console import NOW, World
from tests.console_http import Open, submit


def cases(text: str) -> list[str]:
    """The ids of the cases that a list links to, in its order."""
    return re.findall(r'href="/incidents/(\w+)"', text)


def link_to_older(text: str) -> str:
    """Where a list goes on."""
    [older] = re.findall(r'href="(/\?[^"]*before=\w+)"', text)
    return html.unescape(older)


async def test_a_case_is_acknowledged_noted_observed_and_closed(
    world: World, browser: Open
) -> None:
    """Each act is in the timeline under the person's name, and in the audit under the account."""
    incident = world.find()
    where = f"/incidents/{incident}"
    async with browser("worker") as client:
        await submit(client, f"{where}/acknowledge")
        await submit(client, f"{where}/note", note="measured again: 38.4")
        await submit(client, f"{where}/observe")
        asked = await submit(client, f"{where}/close", disposition="hospital", note="car at 20:30")
        assert asked.status_code == 200
        assert "car at 20:30" in asked.text
        with world.engine.connect() as connection:
            assert incidents.show(connection, incident).is_open
        await submit(
            client, f"{where}/close", disposition="hospital", note="car at 20:30", confirmed="yes"
        )
        again = await submit(client, f"{where}/acknowledge")
        assert again.status_code == 409
    with world.engine.connect() as connection:
        closed = incidents.show(connection, incident)
        events = incidents.timeline(connection, incident)
        entries = audit.find(connection, about=f"incident:{incident}")
    assert (closed.closed_by, closed.disposition) == ("worker-1", "hospital")
    acts = [event.kind for event in events if event.actor == "worker-1"]
    assert acts == ["acknowledged", "note", "observing", "closed"]
    assert [entry.action for entry in reversed(entries)] == [
        audit.Action.ACKNOWLEDGED,
        audit.Action.NOTED,
        audit.Action.OBSERVED,
        audit.Action.CLOSED,
    ]
    assert {entry.account for entry in entries} == {"worker"}


async def test_what_is_not_done_says_why(world: World, browser: Open) -> None:
    """Each refusal has its own sentence; that the case has changed is said only where it has."""
    where = f"/incidents/{world.find()}"
    async with browser("worker") as client:

        async def refused(act: str, **fields: str) -> str:
            response = await submit(client, f"{where}/{act}", **fields)
            assert response.status_code == 409
            return re.findall(r'role="alert">([^<]+)', response.text)[0]

        assert "the note was empty" in await refused("note", note="  ")
        assert "first say that you are on it" in await refused("observe")
        await submit(client, f"{where}/acknowledge")
        assert "somebody is on it already" in await refused("acknowledge")
        await submit(client, f"{where}/observe")
        assert "has changed meanwhile" in await refused("acknowledge")
        await submit(client, f"{where}/close", disposition="no_fever", confirmed="yes")
        for act in ("acknowledge", "observe"):
            assert "closed already" in await refused(act)
        client.cookies.set("language", "zh")
        assert "备注是空的" in await refused("note", note="")


async def test_a_case_shows_what_it_rests_on(world: World, browser: Open) -> None:
    """Reading, journal position and who is paged stand on the page, with times of the site."""
    incident = world.find(position=987_654)
    async with browser("worker") as client:
        text = (await client.get(f"/incidents/{incident}")).text
    for part in ("38.2 °C", "987654", "worker-1", "20:05", "Building 3"):
        assert part in text, part


async def test_a_ladder_that_waits_for_the_morning_says_so(world: World, browser: Open) -> None:
    """At night nobody is paged about an empty flat, and the page does not claim it."""
    world.clock.set(NOW + 3 * HOUR)
    flat = world.find(key="h", kind=IncidentKind.EMPTY_FLAT, severity=Severity.MINOR)
    async with browser("worker") as client:
        text = (await client.get(f"/incidents/{flat}")).text
        assert re.search(r"Paging waits until <time[^>]*>15 Feb 08:00", text)
        assert "Paging begins" not in text
        client.cookies.set("language", "zh")
        assert "等候呼叫，直到" in (await client.get(f"/incidents/{flat}")).text
        fever = (await client.get(f"/incidents/{world.find()}")).text
        assert "开始呼叫" in fever
        assert "等候呼叫" not in fever


async def test_a_chinese_page_shows_no_codes(world: World, browser: Open) -> None:
    """Body sites, reasons and failures are words in the timeline too."""
    case = world.find(
        evidence={"celsius": 38.2, "body_site": "forehead", "adjusted_to": "axillary"}
    )
    with world.engine.begin() as connection:
        let_go = {"worker": "worker-1", "reason": "superseded"}
        add_event(connection, case, EventKind.PAGE_NOT_SENT, now=NOW, **let_go)
        failed = {"worker": "worker-1", "channel": "mailto", "error": "no answer within 10 s"}
        add_event(connection, case, EventKind.PAGE_ATTEMPT_FAILED, now=NOW, **failed)
    async with browser("worker") as client:
        client.cookies.set("language", "zh")
        text = (await client.get(f"/incidents/{case}")).text
    for part in ("换算为: 腋下", "已被更新的呼叫取代", "无应答，已等候 10 s"):
        assert part in text, part
    for code in ("adjusted_to", "axillary", "superseded", "no answer"):
        assert code not in text, code


async def test_list_is_sorted_and_filtered(world: World, browser: Open) -> None:
    """Unanswered and severe come first; a kind can be picked; a watch comes last."""
    watch = world.find(key="subject:w", watch=True, severity=Severity.CRITICAL)
    minor = world.find(key="subject:m", severity=Severity.MINOR)
    answered = world.find(key="subject:a", severity=Severity.CRITICAL)
    major = world.find(key="subject:b")
    flat = world.find(key="h", kind=IncidentKind.EMPTY_FLAT, severity=Severity.MINOR)
    with world.engine.begin() as connection:
        incidents.acknowledge(connection, answered, actor="x", now=NOW)
    async with browser("worker") as client:
        text = (await client.get("/")).text
        shown = cases(text)
        assert shown[0] == major
        assert set(shown[1:3]) == {minor, flat}
        assert shown[3:] == [answered, watch]
        only = (await client.get("/?kind=empty_flat")).text
        assert cases(only) == [flat]
        assert (await client.get("/?which=everything")).status_code == 422
        closed = await client.get("/?which=closed")
        assert cases(closed.text) == []


async def test_an_unanswered_fever_is_before_any_number_of_watches(
    world: World, browser: Open
) -> None:
    """However much else is newer, it is on the first page, and every page says that it waits."""
    world.clock.set(NOW - HOUR)
    fever = world.find()
    for number in range(LISTED + 10):
        world.clock.set(NOW - HOUR + number + 1)
        silent = {"kind": IncidentKind.DEVICE, "watch": True, "subject": None, "household": None}
        world.find(rule="device_silent", key=f"device:{number}", **silent)
    async with browser("worker") as client:
        text = (await client.get("/")).text
        shown = cases(text)
        older = await client.get(link_to_older(text))
    assert shown[0] == fever
    assert len(shown) == len(set(shown) | set(cases(older.text))) - 11 == LISTED
    assert "1 waits for an answer" in text
    assert "1 waits for an answer" in older.text


async def test_what_others_look_after_hides_nothing(
    world: World, browser: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guard finds the one case at the gate behind more of others' than one look goes through."""
    monkeypatch.setattr(pages, "SCANNED", 5)
    at_gate = {"kind": IncidentKind.STRANGERS, "grid": None, "building": None, "gate": "north"}
    gate = world.find(rule="strangers", key="gate", severity=Severity.MINOR, **at_gate)
    for number in range(12):
        world.find(key=f"subject:{number}")
    async with browser("guard") as client:
        text = (await client.get("/")).text
        other = (await client.get("/?kind=device")).text
    assert cases(text) == [gate]
    assert "1 waits for an answer" in text
    assert "1 waits for an answer" in other
    assert "All quiet" not in other


async def test_parts_of_pages_come_alone(world: World, browser: Open) -> None:
    """A part that fetches itself again gets no second frame, and nothing once signed out."""
    incident = world.find()
    async with browser("command") as client:
        for path in ("/", f"/incidents/{incident}", "/ingest", "/phone"):
            response = await client.get(path, headers={"HX-Request": "true"})
            assert response.status_code == 200
            assert "<html" not in response.text, path
    async with browser() as client:
        response = await client.get("/", headers={"HX-Request": "true"})
        assert (response.status_code, response.headers["hx-refresh"]) == (401, "true")


async def test_a_case_that_is_as_it_was_is_not_replaced(world: World, browser: Open) -> None:
    """A button must not be exchanged under a finger without need."""
    incident = world.find()
    async with browser("worker") as client:
        page = (await client.get(f"/incidents/{incident}")).text
        again = re.findall(r'hx-get="([^"]+seen=[^"]+)"', page)[0]
        part = {"HX-Request": "true"}
        assert (await client.get(again, headers=part)).status_code == 204
        with world.engine.begin() as connection:
            incidents.acknowledge(connection, incident, actor="x", now=NOW)
        changed = await client.get(again, headers=part)
        assert changed.status_code == 200
        assert "x is on it" in changed.text


@pytest.mark.parametrize("sent", ["", "x", "1", "1-", "-1", "1-x", "²-1", "1-2-3", "9" * 50])
def test_a_strange_mark_is_the_beginning(sent: str) -> None:
    """Whatever a browser sends, it is told again rather than not at all."""
    assert Mark.parse(sent) == Mark()
    assert Mark.parse(str(Mark(7, 3))) == Mark(7, 3)


async def test_older_incidents_are_a_page_away(world: World, browser: Open) -> None:
    """A long list is cut; what is cut is one tap further, once each, and stays when refreshed."""
    made = set()
    for number in range(105):
        world.clock.set(NOW - DAY + number)
        made.add(world.find(key=f"subject:{number}"))
    world.clock.set(NOW + HOUR)
    async with browser("worker") as client:
        text = (await client.get("/?which=all")).text
        first = cases(text)
        rest = (await client.get(link_to_older(text))).text
        second = cases(rest)
        again = html.unescape(re.findall(r'hx-get="(/\?[^"]+)"', rest)[0])
        refreshed = await client.get(again, headers={"HX-Request": "true"})
    assert len(first) == 100
    assert cases(refreshed.text) == second
    assert set(first) | set(second) == made
    assert not set(first) & set(second)
