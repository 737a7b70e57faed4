"""Signing in and out, forms and headers, against the real application."""

import re
from pathlib import Path

from alerts import incident as incidents
from dashboards import account, audit, session
from dashboards.console.app import create_app
from dashboards.throttle import ADDRESS_TRIES
from devices.clock import wall_now
from tests.console import PASSWORD, World, make_world
from tests.console_http import Open, paths, submit, token_of, visit


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
                incident_id=incident,
                device_id="1026700",
                position=1,
                worker="worker-1",
                key="k",
                building="b3",
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
            where = path.format(incident_id="ABCDE", position=1, key="k", building="b3")
            for fields in ({}, {"csrf": "guess"}, {"csrf": foreign}):
                assert (await client.post(where, data=fields)).status_code == 403, path
        assert (await client.get("/")).status_code == 200


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


async def test_cookie_is_out_of_reach(tmp_path: Path, browser: Open) -> None:
    """Scripts cannot read it, other sites do not send it, and over https only https does."""
    async with browser() as client:
        plain = (await client.get("/sign-in")).headers["set-cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=lax" in plain
    (tmp_path / "secure").mkdir()
    secure = make_world(tmp_path / "secure", console_url="https://console.example")
    async with visit(secure) as client:
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


async def test_wrong_passwords_do_not_refuse_a_link(world: World, browser: Open) -> None:
    """Whoever is told to ask for a link after five wrong passwords can use it."""
    with world.engine.begin() as connection:
        link = account.issue_link(connection, "worker", now=wall_now())
    async with browser() as client:
        for _ in range(5):
            await submit(client, "/sign-in", name="worker", password="wrong")
        assert (await submit(client, "/sign-in", name="worker", password="?")).status_code == 429
        assert (await submit(client, "/sign-in/link", link=link)).status_code == 303


async def test_guessing_links_is_told_to_wait(world: World, browser: Open) -> None:
    """An address that tries one link after the other waits, and its right link is not used up."""
    with world.engine.begin() as connection:
        link = account.issue_link(connection, "worker", now=wall_now())
    async with browser() as client:
        for number in range(ADDRESS_TRIES):
            assert (await submit(client, "/sign-in/link", link=str(number))).status_code == 403
        refused = await submit(client, "/sign-in/link", link=link)
        assert (refused.status_code, "Wait 15 minutes" in refused.text) == (429, True)


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


async def test_the_language_is_remembered(world: World, browser: Open) -> None:
    """The button changes it for this browser, and stays on this console."""
    async with browser("worker") as client:
        assert 'lang="en"' in (await client.get("/")).text
        response = await submit(client, "/language", language="zh", then="//evil.example")
        assert response.headers["location"] == "/"
        assert '<html lang="zh-Hans">' in (await client.get("/")).text
        await submit(client, "/language", language="klingon")
        assert '<html lang="zh-Hans">' in (await client.get("/")).text
