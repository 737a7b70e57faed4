"""Who sees what over HTTP: roles, places, names for a reason, hostile text."""

import json
from typing import Any

import pytest

from alerts import incident as incidents
from alerts.finding import IncidentKind
from dashboards import audit
from tests.console import (
    FLAT,
    NAME,
    NOW,
    PHONE,
    SUBJECT,
    World,
)
from tests.console_http import Open, submit

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


async def test_hostile_text_is_only_text(world: World, browser: Open) -> None:
    """What devices, brokers and people write comes out escaped on every page."""
    incident = world.find(
        gate=HOSTILE, device_id=HOSTILE, evidence={"celsius": 38.0, HOSTILE: HOSTILE}
    )
    with world.engine.begin() as connection:
        incidents.acknowledge(connection, incident, actor=HOSTILE[:64], now=NOW)
        incidents.note(connection, incident, actor="x", note=HOSTILE, now=NOW)
    world.bury([(HOSTILE, json.dumps({HOSTILE[:20]: HOSTILE}).encode(), "bad_json", HOSTILE)])
    world.tell(source={"broker": HOSTILE, "problem": HOSTILE, "granted": {HOSTILE: 0}})
    async with browser("command") as client:
        for path in (
            "/",
            f"/incidents/{incident}",
            "/dead-letters",
            "/dead-letters/1",
            f"/devices?search={HOSTILE}",
            "/ingest",
        ):
            response = await client.get(path)
            assert response.status_code == 200, path
            assert "<script>alert" not in response.text, path
            assert "<img src=x" not in response.text, path
            assert ">49<" not in response.text, path
        refused = await submit(client, "/sign-in", name=HOSTILE, password="x")
        assert "<script>alert" not in refused.text


async def test_names_are_on_no_page_without_a_reason(world: World, browser: Open) -> None:
    """Name, phone and flat stay hidden, also from those who may open them."""
    incident = world.find()
    async with browser("secretary") as client:
        for path in (
            "/",
            f"/incidents/{incident}",
            "/devices",
            "/reading",
            "/households",
            "/ingest",
        ):
            text = (await client.get(path)).text
            for secret in (NAME, "孙美丽", PHONE, FLAT, "h-502", SUBJECT):
                assert secret not in text, (path, secret)
        refused = await submit(client, f"/incidents/{incident}/person", reason=" ")
        assert "孙美丽" not in refused.text


async def test_opening_a_name_needs_a_reason_and_is_recorded(world: World, browser: Open) -> None:
    """With a reason they are shown, escaped, and the audit says who looked and why."""
    incident = world.find()
    async with browser("worker") as client:
        response = await submit(
            client, f"/incidents/{incident}/person", reason="to phone the household"
        )
    assert "孙美丽 &lt;Sun&gt;" in response.text
    assert PHONE in response.text
    assert FLAT in response.text
    with world.engine.connect() as connection:
        entry = audit.find(connection, about=f"incident:{incident}")[0]
    assert (entry.account, entry.action, entry.reason) == (
        "worker",
        audit.Action.OPENED_PERSON,
        "to phone the household",
    )


@pytest.mark.parametrize(
    ("name", "sees", "opens"),
    [
        ("worker", 200, 200),
        ("secretary", 200, 200),
        ("command", 200, 200),
        ("neighbour", 404, 404),
        ("elsewhere", 404, 404),
        ("guard", 404, 404),
        ("operator", 404, 404),
    ],
)
async def test_access_is_by_role_and_place(
    world: World, browser: Open, name: str, sees: int, opens: int
) -> None:
    """A case is for those who look after the place; to others it does not exist."""
    incident = world.find()
    async with browser(name) as client:
        assert (await client.get(f"/incidents/{incident}")).status_code == sees
        assert (incident in (await client.get("/")).text) is (sees == 200)
        response = await submit(client, f"/incidents/{incident}/person", reason="curious")
        assert response.status_code == opens
        acknowledged = await submit(client, f"/incidents/{incident}/acknowledge")
        assert acknowledged.status_code == (303 if sees == 200 else 404)


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("guard", {"gate": "north", "kind": IncidentKind.FEVER_AT_CHECKPOINT}),
        ("operator", {"kind": IncidentKind.DEVICE}),
    ],
)
async def test_who_sees_a_case_need_not_see_the_person(
    world: World, browser: Open, name: str, case: dict[str, Any]
) -> None:
    """A guard acts at the gate and the operator on the device, both without a name."""
    incident = world.find(**case)
    async with browser(name) as client:
        assert (await client.get(f"/incidents/{incident}")).status_code == 200
        refused = await submit(client, f"/incidents/{incident}/person", reason="curious")
        assert refused.status_code == 403
        assert "孙美丽" not in refused.text
    with world.engine.connect() as connection:
        assert audit.find(connection, about=f"incident:{incident}") == []


async def test_a_gate_opens_nobody_of_another_grid(world: World, browser: Open) -> None:
    """A case at a gate is everybody's, the person in it only theirs who look after the flat."""
    incident = world.find(
        kind=IncidentKind.FEVER_AT_CHECKPOINT, gate="north", grid=None, household=None
    )
    for name, opens in (("worker", True), ("neighbour", False), ("secretary", True)):
        async with browser(name) as client:
            answer = await submit(client, f"/incidents/{incident}/person", reason="who is it")
            assert (answer.status_code, "孙美丽" in answer.text) == (200, opens), name
            assert ("a grid that is not yours" in answer.text) is not opens
    with world.engine.connect() as connection:
        seen = audit.find(connection, about=f"incident:{incident}")
    assert {entry.account for entry in seen} == {"worker", "secretary"}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("guard", set()),
        ("worker", {"/reading", "/households", "/devices"}),
        ("secretary", {"/reading", "/households", "/devices", "/ingest"}),
        ("command", {"/reading", "/households", "/devices", "/dead-letters", "/ingest"}),
        ("operator", {"/devices", "/dead-letters", "/ingest"}),
    ],
)
async def test_pages_are_by_role(browser: Open, name: str, allowed: set[str]) -> None:
    """A page that is not for a role is refused, not only left out of the menu."""
    async with browser(name) as client:
        for path in ("/reading", "/households", "/devices", "/dead-letters", "/ingest"):
            expected = 200 if path in allowed else 403
            assert (await client.get(path)).status_code == expected, path
