"""Incidents over HTTP: listed, acted on, kept fresh."""

import re

import pytest

from alerts import incident as incidents
from alerts.finding import IncidentKind, Severity
from dashboards import audit
from dashboards.console.live import Mark
from devices.clock import DAY, HOUR
from tests.console import NOW, World
from tests.console_http import Open, submit


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


async def test_a_case_shows_what_it_rests_on(world: World, browser: Open) -> None:
    """Reading, journal position and who is paged stand on the page, with times of the site."""
    incident = world.find(position=987_654)
    async with browser("worker") as client:
        text = (await client.get(f"/incidents/{incident}")).text
    for part in ("38.2 °C", "987654", "worker-1", "20:05", "Building 3"):
        assert part in text, part


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
        shown = re.findall(r'href="/incidents/(\w+)"', text)
        assert shown[0] == major
        assert set(shown[1:3]) == {minor, flat}
        assert shown[3:] == [answered, watch]
        only = (await client.get("/?kind=empty_flat")).text
        assert re.findall(r'href="/incidents/(\w+)"', only) == [flat]
        assert (await client.get("/?which=everything")).status_code == 422
        closed = await client.get("/?which=closed")
        assert re.findall(r'href="/incidents/(\w+)"', closed.text) == []


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
    """A long list is cut, and what is cut is one tap further, once each."""
    made = set()
    for number in range(105):
        world.clock.set(NOW - DAY + number)
        made.add(world.find(key=f"subject:{number}"))
    world.clock.set(NOW + HOUR)
    async with browser("worker") as client:
        text = (await client.get("/?which=all")).text
        first = re.findall(r'href="/incidents/(\w+)"', text)
        older = re.findall(r'href="(/\?which=all[^"]*before=\w+)"', text)
        rest = await client.get(older[0].replace("&amp;", "&"))
        second = re.findall(r'href="/incidents/(\w+)"', rest.text)
    assert len(first) == 100
    assert set(first) | set(second) == made
    assert not set(first) & set(second)
