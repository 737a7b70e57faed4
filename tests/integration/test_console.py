"""The console over HTTP, on a real database, series store and ledger."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from alerts import incident as incidents
from alerts.finding import IncidentKind, Severity
from dashboards import account, audit, session
from dashboards.console.app import create_app
from dashboards.console.live import Mark
from devices.clock import DAY, HOUR, wall_now
from ingest.publisher import PublishFailed
from ingest.refusal import StoreHeld
from tests.console import FLAT, NAME, NOW, PASSWORD, PHONE, SUBJECT, World, a_day_of_fever
from tests.console import make_world as build

TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"')
Open = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = build(tmp_path)
    made.tell()
    return made


@pytest.fixture
def browser(world: World) -> Open:
    """Open a browser; with a name, one that has signed in."""

    @asynccontextmanager
    async def opened(name: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(create_app(world.context))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            if name is not None:
                response = await submit(client, "/sign-in", name=name, password=PASSWORD)
                assert response.status_code == 303
            yield client

    return opened


async def token_of(client: httpx.AsyncClient, page: str = "/sign-in") -> str:
    response = await client.get(page, follow_redirects=True)
    found = TOKEN.search(response.text)
    assert found
    return found.group(1)


async def submit(client: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Send a form as a page of ours would."""
    token = await token_of(client, "/sign-in")
    return await client.post(path, data={"csrf": token, **fields})


async def test_every_page_asks_for_signing_in(world: World, browser: Open) -> None:
    """Whoever has not signed in is sent to the form and back; nothing else is shown."""
    incident = world.find()
    app = create_app(world.context)
    assert len(paths(app, "GET")) >= 15
    open_to_all = {"/sign-in", "/sign-in/link/{token}", "/health/live", "/health/ready"}
    open_to_all |= {"/metrics", "/static/{name}", "/events"}
    async with browser() as client:
        for path in paths(app, "GET") - open_to_all:
            where = path.format(
                incident_id=incident, device_id="1026700", number=1, worker="worker-1"
            )
            response = await client.get(where)
            assert response.status_code == 303, path
            assert response.headers["location"].startswith("/sign-in?then=%2F"), path
        assert (await client.get("/events")).status_code == 401


async def test_no_form_works_without_its_token(world: World, browser: Open) -> None:
    """Another site's form is refused by every route that changes something, signed in or not."""
    world.find()
    app = create_app(world.context)
    posts = paths(app, "POST")
    assert len(posts) >= 10
    async with browser("command") as client, browser() as stranger:
        foreign = await token_of(stranger)
        for path in posts:
            where = path.format(incident_id="ABCDE")
            for fields in ({}, {"csrf": "guess"}, {"csrf": foreign}):
                assert (await client.post(where, data=fields)).status_code == 403, path
        assert (await client.get("/")).status_code == 200


def paths(app: Any, method: str) -> set[str]:
    """Every address of the console for a method."""
    found: set[str] = set()
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        for one in inner.routes if inner is not None else [route]:
            if isinstance(one, APIRoute) and method in one.methods:
                found.add(one.path)
    return found


async def test_htmx_proves_itself_by_header(world: World, browser: Open) -> None:
    """A part of a page sends the token as a header."""
    incident = world.find()
    async with browser("worker") as client:
        token = await token_of(client, "/")
        response = await client.post(
            f"/incidents/{incident}/acknowledge", headers={"X-CSRF-Token": token}
        )
        assert response.status_code == 303


async def test_signing_in_makes_a_new_session(browser: Open) -> None:
    """A cookie planted before signing in is worth nothing after it."""
    async with browser() as client:
        await client.get("/sign-in")
        planted = client.cookies["gatehouse"]
        await submit(client, "/sign-in", name="worker", password=PASSWORD)
        assert client.cookies["gatehouse"] != planted
        async with browser() as attacker:
            attacker.cookies.set("gatehouse", planted, domain="127.0.0.1")
            assert (await attacker.get("/")).status_code == 303


async def test_cookie_is_out_of_reach(tmp_path: Path, browser: Open, world: World) -> None:
    """Scripts cannot read it, other sites do not send it, and over https only https does."""
    async with browser() as client:
        plain = (await client.get("/sign-in")).headers["set-cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=lax" in plain
    secure = (
        build(tmp_path / "secure", console_url="https://x")
        if not (tmp_path / "secure").mkdir()
        else None
    )
    assert secure is not None
    transport = httpx.ASGITransport(create_app(secure.context))
    async with httpx.AsyncClient(transport=transport, base_url="https://x") as client:
        response = await client.get("/sign-in")
    assert response.headers["set-cookie"].startswith("__Host-gatehouse=")
    assert "Secure" in response.headers["set-cookie"]
    assert "strict-transport-security" in response.headers


async def test_session_ends_by_itself_and_by_signing_out(world: World, browser: Open) -> None:
    """An idle session shows nothing more; a signed-out cookie does not come back to life."""
    async with browser("worker") as client:
        kept = client.cookies["gatehouse"]
        with world.engine.begin() as connection:
            session.mark_seen(connection, kept, now=wall_now() - session.IDLE)
        assert (await client.get("/")).status_code == 303
    async with browser("worker") as client:
        kept = client.cookies["gatehouse"]
        await submit(client, "/sign-out")
        client.cookies.set("gatehouse", kept, domain="127.0.0.1")
        assert (await client.get("/")).status_code == 303


async def test_wrong_passwords_are_counted_and_recorded(world: World, browser: Open) -> None:
    """After five wrong ones even the right one has to wait; each is in the audit."""
    async with browser() as client:
        for _ in range(5):
            assert (await submit(client, "/sign-in", name="worker", password="x")).is_client_error
        response = await submit(client, "/sign-in", name="worker", password=PASSWORD)
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) > 0
    with world.engine.connect() as connection:
        actions = [entry.action for entry in audit.find(connection)]
    assert actions == [audit.Action.SIGN_IN_REFUSED] * 5


async def test_sign_in_goes_back_but_never_elsewhere(browser: Open) -> None:
    """After signing in one is where one wanted to be, if that is on this console."""
    for then, location in (
        ("/incidents/ABCDE", "/incidents/ABCDE"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\r\nSet-Cookie: x", "/"),
    ):
        async with browser() as client:
            response = await submit(client, "/sign-in", name="worker", password=PASSWORD, then=then)
            assert response.headers["location"] == location


async def test_link_is_not_used_up_by_a_preview(world: World, browser: Open) -> None:
    """Opening it shows a button; pressing the button signs in, once."""
    with world.engine.begin() as connection:
        link = account.issue_link(connection, "worker", now=wall_now())
    async with browser() as client:
        for _ in range(3):
            assert (await client.get(f"/sign-in/link/{link}")).status_code == 200
        assert (await submit(client, "/sign-in/link", link=link)).status_code == 303
        assert (await client.get("/")).status_code == 200
    async with browser() as client:
        assert (await submit(client, "/sign-in/link", link=link)).status_code == 403


async def test_answers_carry_the_headers(browser: Open) -> None:
    """No foreign script, frame or referrer, and no page is kept by anybody."""
    async with browser() as client:
        for path in ("/sign-in", "/", "/nothing", "/health/live"):
            headers = (await client.get(path)).headers
            assert "script-src 'self'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"


async def test_pages_load_nothing_from_elsewhere(world: World, browser: Open) -> None:
    """The console works on a closed network: every script, style and image is its own."""
    async with browser("command") as client:
        text = (await client.get("/")).text
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
        for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', text):
            assert (await client.get(path)).status_code == 200, path
        assert "htmx" in (await client.get("/static/htmx.js")).text


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
    world.tell(broker=HOSTILE)
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
        for path in ("/", f"/incidents/{incident}", "/devices", "/reading", "/ingest"):
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


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("guard", set()),
        ("worker", {"/reading", "/devices"}),
        ("secretary", {"/reading", "/devices", "/ingest"}),
        ("command", {"/reading", "/devices", "/dead-letters", "/ingest"}),
        ("operator", {"/devices", "/dead-letters", "/ingest"}),
    ],
)
async def test_pages_are_by_role(browser: Open, name: str, allowed: set[str]) -> None:
    """A page that is not for a role is refused, not only left out of the menu."""
    async with browser(name) as client:
        for path in ("/reading", "/devices", "/dead-letters", "/ingest"):
            expected = 200 if path in allowed else 403
            assert (await client.get(path)).status_code == expected, path


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


async def test_a_reading_by_hand_is_published(world: World, browser: Open) -> None:
    """Building and flat lead to the people, which is recorded; the reading goes to the broker."""
    async with browser("worker") as client:
        people = await submit(client, "/reading/person", building="b3", flat=f" {FLAT} ")
        assert "孙美丽" in people.text
        event = re.findall(r'name="event_id" value="(\w+)"', people.text)[0]
        form = {
            "household": "h-502",
            "subject": SUBJECT,
            "celsius": "37,6",
            "body_site": "axillary",
            "at": "19:55",
            "event_id": event,
        }
        assert (await submit(client, "/reading", **form)).status_code == 303
    [(topic, payload)] = world.published
    assert topic == "gatehouse/v1/xhk/hand-1"
    said = json.loads(payload)
    assert (said["celsius"], said["observed_at"]) == (37.6, "2020-02-14T11:55:00Z")
    assert (said["event_id"], said["subject"]) == (event, SUBJECT)
    with world.engine.connect() as connection:
        actions = [entry.action for entry in audit.find(connection, limit=2)]
    assert actions == [audit.Action.ENTERED_READING, audit.Action.OPENED_PERSON]


@pytest.mark.parametrize(
    "wrong",
    [
        {"celsius": "warm"},
        {"celsius": "99"},
        {"body_site": "ambient"},
        {"body_site": ""},
        {"subject": "somebody"},
        {"at": "25:00"},
    ],
    ids=str,
)
async def test_an_unusable_reading_is_asked_again(
    world: World, browser: Open, wrong: dict[str, str]
) -> None:
    """Nothing is published, and what was typed is still on the form."""
    form = {
        "household": "h-502",
        "subject": SUBJECT,
        "celsius": "37.6",
        "body_site": "axillary",
        "at": "",
    }
    async with browser("worker") as client:
        response = await submit(client, "/reading", **form | wrong)
    assert response.status_code == 422
    assert (form | wrong)["celsius"] in response.text
    assert world.published == []


async def test_a_broker_that_is_away_is_said(tmp_path: Path) -> None:
    """A reading that could not be handed over is not called sent."""

    async def refuse(topic: str, payload: bytes) -> None:
        raise PublishFailed("away")

    world = build(tmp_path, publish=refuse)
    transport = httpx.ASGITransport(create_app(world.context))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        await submit(client, "/sign-in", name="worker", password=PASSWORD)
        response = await submit(
            client,
            "/reading",
            household="h-502",
            subject=SUBJECT,
            celsius="37.6",
            body_site="axillary",
        )
    assert response.status_code == 422
    assert "try again" in response.text


async def test_flats_elsewhere_are_not_told_from_missing_ones(browser: Open) -> None:
    """Trying flat numbers tells a worker nothing about another grid."""
    async with browser("worker") as client:
        missing = await submit(client, "/reading/person", building="b3", flat="9999")
        foreign = await submit(client, "/reading/person", building="b7", flat="0101")
        assert (missing.status_code, foreign.status_code) == (404, 404)
        assert (await submit(client, "/reading", household="h-101")).status_code == 403


async def test_devices_show_last_seen_battery_and_silence(world: World, browser: Open) -> None:
    """A worker sees the devices of their grid and the gates, silent ones marked."""
    world.observe(a_day_of_fever(NOW))
    async with browser("worker") as client:
        text = (await client.get("/devices")).text
        assert "shellyem-1" not in text
        assert re.search(r"1026700.*never.*silent.*a0:e6:f8:50:72:53.*just now.*9 %", text, re.S)
        found = (await client.get("/devices?search=NORTH")).text
        assert "1026700" in found
        assert "a0:e6:f8" not in found
        assert (await client.get("/devices/shellyem-1")).status_code == 404


async def test_a_device_has_its_chart_and_the_same_as_a_table(world: World, browser: Open) -> None:
    """The fever is in both, and the thresholds are the rules' own numbers."""
    world.observe(a_day_of_fever(NOW))
    async with browser("worker") as client:
        text = (await client.get("/devices/a0:e6:f8:50:72:53")).text
        assert text.count("<circle") == 24
        assert re.search(r'class="threshold"[^>]*>fever 37.3', text)
        assert "<td>38.2</td>" in text
        assert (await client.get("/devices/a0:e6:f8:50:72:53?days=9")).status_code == 422


async def test_a_store_that_is_away_takes_nothing_else_with_it(tmp_path: Path) -> None:
    """Devices are still listed, the page says why it knows no more, and the console is ready."""

    class Away:
        def last(self, *_: Any, **__: Any) -> list[Any]:
            raise StoreHeld("the store is down")

        range = last

    world = build(tmp_path, series=Away)
    world.tell()
    transport = httpx.ASGITransport(create_app(world.context))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        await submit(client, "/sign-in", name="worker", password=PASSWORD)
        listed = await client.get("/devices")
        assert listed.status_code == 200
        assert "does not answer" in listed.text
        assert "1026700" in listed.text
        assert "silent" not in listed.text
        assert (await client.get("/devices/1026700")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 200


async def test_dead_letters_are_grouped_and_masked(world: World, browser: Open) -> None:
    """Alike ones are counted together; a payload is shown as its outline only."""
    world.bury(
        [
            ("t/1", b"{bad", "bad_json", ""),
            ("t/1", b"{worse", "bad_json", ""),
            ("t/2", '{"name": "孙美丽", "celsius": 85.0}'.encode(), "out_of_range", "celsius"),
        ]
    )
    async with browser("operator") as client:
        text = (await client.get("/dead-letters")).text
        assert re.search(r"t/1.*Not valid JSON.*>2<", text, re.S)
        assert "t/1" not in (await client.get("/dead-letters?reason=out_of_range")).text
        one = (await client.get("/dead-letters/3")).text
        assert "孙美丽" not in one
        assert "85.0" in one
        assert (await client.get("/dead-letters/99")).status_code == 404
        assert (await client.get(f"/dead-letters/{10**30}")).status_code == 404


async def test_pages_say_so_before_anything_has_run(tmp_path: Path) -> None:
    """Without ledger and status the pages are empty, not broken."""
    world = build(tmp_path)
    transport = httpx.ASGITransport(create_app(world.context))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        await submit(client, "/sign-in", name="command", password=PASSWORD)
        assert "There are none" in (await client.get("/dead-letters")).text
        assert "No pipeline has run" in (await client.get("/ingest")).text
        assert (await client.get("/phone")).status_code == 200


async def test_intake_is_shown(world: World, browser: Open) -> None:
    """Source, protocol, granted QoS, followers and books come from the pipeline's own word."""
    world.tell(
        followers={
            "series": {"cursor": 1, "durable": 1, "pending": 9, "held": "InfluxDB is down"},
            "alerts": {"cursor": 10, "durable": 10, "pending": 0, "held": ""},
        }
    )
    async with browser("operator") as client:
        text = (await client.get("/ingest")).text
    for part in ("MQTT 5", "QoS 1", "InfluxDB is down", "12,345", "they balance"):
        assert part in text, part


@pytest.mark.parametrize(
    ("told", "migrated", "ready"),
    [(0, True, True), (60, True, False), (None, True, False), (0, False, False)],
    ids=["all well", "status stale", "no status", "not migrated"],
)
async def test_readiness(tmp_path: Path, told: int | None, migrated: bool, ready: bool) -> None:
    """Ready means that readings come in and that the database is the one we know."""
    world = build(tmp_path, is_migrated=lambda: migrated)
    if told is not None:
        world.tell(seconds_ago=told)
    transport = httpx.ASGITransport(create_app(world.context))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        response = await client.get("/health/ready")
        assert response.json()["ready"] is ready
        assert response.is_success is ready
        assert (await client.get("/health/live")).status_code == 200


async def test_metrics_tell_numbers_and_nobody(world: World, browser: Open) -> None:
    """Prometheus reads the books, the followers and the open incidents, and no name."""
    world.find()
    async with browser() as client:
        text = (await client.get("/metrics")).text
    for line in (
        "gatehouse_pipeline_up 1.0",
        "gatehouse_received_messages_total 12345.0",
        'gatehouse_ignored_messages_total{reason="log_line"} 90.0',
        'gatehouse_follower_pending_messages{follower="series"} 45.0',
        "gatehouse_books_balanced 1.0",
        'gatehouse_incidents{kind="fever",state="triggered"} 1.0',
    ):
        assert line in text, line
    assert SUBJECT not in text
    assert "Building" not in text


async def test_input_is_bounded(world: World, browser: Open) -> None:
    """Long bodies, fields and addresses are refused, not kept."""
    incident = world.find()
    async with browser("worker") as client:
        token = await token_of(client, "/")
        where = f"/incidents/{incident}/note"
        huge = await client.post(where, data={"csrf": token, "note": "x" * 200_000})
        assert huge.status_code == 413
        long = await client.post(where, data={"csrf": token, "note": "x" * 2_001})
        assert long.status_code == 422
        assert (await client.post(where, data={"csrf": token, "note": " "})).status_code == 409
        assert (await client.get(f"/?before={'x' * 17}")).status_code == 422
        assert (await client.get("/?before=ZZZZZ")).status_code == 404
        assert (await client.get(f"/devices?search={'x' * 101}")).status_code == 422
    with world.engine.connect() as connection:
        kinds = [event.kind for event in incidents.timeline(connection, incident)]
    assert "note" not in kinds


async def test_phones_are_only_in_the_demonstration(tmp_path: Path) -> None:
    """A real installation has no page that shows other people's pages."""
    world = build(tmp_path, demo=False)
    transport = httpx.ASGITransport(create_app(world.context))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        await submit(client, "/sign-in", name="command", password=PASSWORD)
        assert (await client.get("/phone")).status_code == 404
        assert (await client.get("/phone/worker-1")).status_code == 404


async def test_the_language_is_remembered(world: World, browser: Open) -> None:
    """The button changes it for this browser, and stays on this console."""
    async with browser("worker") as client:
        assert 'lang="en"' in (await client.get("/")).text
        response = await submit(client, "/language", language="zh", then="//evil.example")
        assert response.headers["location"] == "/"
        assert '<html lang="zh-Hans">' in (await client.get("/")).text
        await submit(client, "/language", language="klingon")
        assert '<html lang="zh-Hans">' in (await client.get("/")).text


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
