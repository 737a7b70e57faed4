"""People at the console: a real Chromium, the real application, a real database."""

import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from alerts import incident as incidents
from alerts.finding import IncidentKind
from alerts.incident import State
from dashboards import account
from dashboards.console.app import create_app
from dashboards.household import household_path
from devices.clock import wall_now
from devices.decoder import Decoder
from devices.matcher import Matcher
from devices.observation import Crossing
from devices.profile import built_in, load_profile
from devices.registry import HouseholdState
from devices.registry_store import load
from tests.console import NOW, PASSWORD, SUBJECT, World, a_day_of_fever
from tests.console import make_world as build
from tests.family import Family

CANDIDATE = hashlib.sha256(b"plug1").hexdigest()[:16]
HOME = household_path("b3", "h-502")
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_S = 20.0


@pytest.fixture(scope="module")
def chromium(program: Callable[[str], str]) -> Iterator[Browser]:
    """One browser for the module; each test opens a context of its own."""
    path = program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    """The family of the one unknown device here."""
    profiles = [load_profile(built_in() / "tasmota_energy.toml")]
    return Matcher(Decoder(profiles, default_zone=ZoneInfo("Asia/Shanghai")), profiles)


@pytest.fixture
def world(tmp_path: Path, matcher: Matcher) -> Iterator[World]:
    """A community and its console, served on a free port of this machine."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        made = build(tmp_path, console_url=url, matcher=matcher)
        made.tell()
        config = uvicorn.Config(
            create_app(made.context),
            log_level="warning",
            timeout_graceful_shutdown=1,
            lifespan="on",
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        deadline = time.monotonic() + START_S
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.started
        yield made
        server.should_exit = True
        thread.join(START_S)
        assert not thread.is_alive()


@pytest.fixture
def phone(chromium: Browser, world: World) -> Iterator[Page]:
    """A phone's browser that nobody has signed in on yet."""
    with opened(chromium, world, viewport=PHONE, has_touch=True) as context:
        yield context.new_page()


def opened(chromium: Browser, world: World, **options: Any) -> closing[BrowserContext]:
    """Open a context on the console's address, in English unless said otherwise."""
    defaults = {"locale": "en-GB", "base_url": world.context.console_url}
    return closing(chromium.new_context(**defaults | options))


def sign_in(page: Page, name: str) -> None:
    """Fill in the form that is shown."""
    page.locator("#name").fill(name)
    page.locator("#password").fill(PASSWORD)
    page.locator("main button").click()


def test_a_paged_worker_acknowledges_notes_and_closes_on_the_phone(
    world: World, phone: Page
) -> None:
    """From the link in the page to the closed case: sign in, one tap, a note, a disposition."""
    incident = world.find()
    phone.goto(f"/incidents/{incident}")
    sign_in(phone, "worker")
    button = phone.get_by_role("button", name="I am on it")
    expect(button).to_be_in_viewport(ratio=1)
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 48
    button.tap()
    expect(phone.get_by_text("You are on it.")).to_be_visible()
    phone.get_by_label("What you did or found out").fill("measured again: 38.4")
    phone.get_by_role("button", name="Keep the note").tap()
    expect(phone.get_by_text("Noted.")).to_be_visible()
    expect(phone.locator(".timeline q")).to_have_text("measured again: 38.4")
    phone.locator("summary", has_text="Close the case").tap()
    phone.get_by_label("Taken to hospital").check()
    phone.get_by_role("button", name="Close…").tap()
    phone.get_by_role("button", name="Yes, close it").tap()
    expect(phone.locator(".case .state")).to_have_text("Closed: Taken to hospital")
    with world.engine.connect() as connection:
        closed = incidents.show(connection, incident)
    assert (closed.state, closed.closed_by) == (State.CLOSED, "worker-1")


def test_an_unknown_plug_gets_its_flat_on_the_phone(world: World, phone: Page) -> None:
    """From the menu to the registered device: what it looks like, a form, and that it is done."""
    plug = ("tele/plug1/SENSOR", b'{"ENERGY":{"Power":230}}', "unknown_device", "plug1")
    world.bury([plug, plug])
    phone.goto("/")
    sign_in(phone, "operator")
    phone.locator("summary", has_text="Menu").tap()
    phone.locator(".menu").get_by_role("link", name="Unknown devices").tap()
    expect(phone.locator("table.list")).to_contain_text("power 230 W")
    phone.get_by_role("link", name="plug1").tap()
    phone.get_by_label("Place").select_option("household")
    phone.get_by_label("Building").select_option("b3")
    phone.get_by_label("Flat").fill("0502")
    phone.get_by_role("button", name="Register").tap()
    expect(phone.get_by_role("status").first).to_contain_text("The device is registered")
    place = load(world.engine).place("plug1", NOW)
    assert place is not None
    assert place.household == "h-502"


def test_a_link_signs_in(world: World, phone: Page) -> None:
    """The newcomer's link opens the console with one tap on its button."""
    with world.engine.begin() as connection:
        link = account.issue_link(connection, "command", now=wall_now())
    phone.goto(f"/sign-in/link/{link}")
    phone.get_by_role("button", name="Sign in").tap()
    expect(phone.get_by_role("heading", name="Incidents")).to_be_visible()


def test_the_list_is_live(world: World, phone: Page) -> None:
    """A new case appears, and one that is answered changes, without anybody touching the page."""
    phone.goto("/")
    sign_in(phone, "worker")
    expect(phone.get_by_text("All quiet")).to_be_visible()
    incident = world.find()
    expect(phone.locator(".card")).to_contain_text("Nobody has answered")
    with world.engine.begin() as connection:
        incidents.acknowledge(connection, incident, actor="secretary", now=NOW)
    expect(phone.locator(".card")).to_contain_text("secretary is on it")


def test_a_half_written_note_survives_what_others_do(world: World, phone: Page) -> None:
    """The timeline of an open case is live, and what is being typed stays."""
    incident = world.find()
    phone.goto(f"/incidents/{incident}")
    sign_in(phone, "worker")
    note = phone.get_by_label("What you did or found out")
    note.fill("knocked, nobody")
    with world.engine.begin() as connection:
        incidents.acknowledge(connection, incident, actor="secretary", now=NOW)
    expect(phone.locator(".case .state")).to_have_text("secretary is on it")
    expect(phone.locator(".timeline")).to_contain_text("Acknowledged")
    expect(note).to_have_value("knocked, nobody")


def test_a_name_is_shown_for_a_reason(world: World, phone: Page) -> None:
    """Without leaving the page; whatever the register holds is text there."""
    incident = world.find()
    phone.goto(f"/incidents/{incident}")
    sign_in(phone, "worker")
    phone.get_by_label("Why").fill("to phone the household")
    phone.get_by_role("button", name="Show name, phone and flat").tap()
    expect(phone.locator("#person")).to_contain_text("孙美丽 <Sun>")
    expect(phone.locator("#person a")).to_have_attribute("href", "tel:139-0000-1234")


def test_a_reading_is_entered_by_hand(world: World, phone: Page) -> None:
    """Building, flat, person, temperature, body site; then it is on its way."""
    phone.goto("/reading")
    sign_in(phone, "worker")
    phone.get_by_label("Flat").fill("0502")
    phone.get_by_role("button", name="Next").tap()
    phone.get_by_label("Temperature").fill("37.6")
    phone.get_by_label("Armpit").check()
    phone.get_by_role("button", name="Send the reading").tap()
    expect(phone.get_by_text("Sent.")).to_be_visible()
    assert [topic for topic, _ in world.published] == ["gatehouse/v1/xhk/hand-1"]


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_whose_a_reading_is_is_said_on_the_phone(
    world: World, chromium: Browser, locale: str
) -> None:
    """From the household's case to her watch: two taps and a choice, in both languages."""
    family = Family(world)
    with opened(chromium, world, viewport=PHONE, has_touch=True, locale=locale) as context:
        page = context.new_page()
        page.goto(f"/incidents/{family.case.id}")
        sign_in(page, "worker")
        page.locator("form[action$='/readings'] button").tap()
        page.get_by_label("37.6 °C").select_option(label="1 · 孙美丽 <Sun>")
        assert found_by_axe(page) == []
        assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
        page.locator("main button.big").tap()
        expect(page.get_by_role("status").first).to_be_visible()
        hers = family.cases()[f"subject:{SUBJECT}"]
        expect(page.locator(".timeline .evidence_moved")).to_be_visible()
        page.goto(f"/incidents/{hers.id}")
        expect(page.locator(".timeline")).to_contain_text("37.6 °C")


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_who_lives_in_an_empty_flat_is_registered_on_the_phone(
    world: World, chromium: Browser, locale: str
) -> None:
    """From the case to the form, a wrong day mended, looked at, kept, and back to the case."""
    case = world.find(kind=IncidentKind.EMPTY_FLAT, rule="occupancy", subject=None)
    with opened(chromium, world, viewport=PHONE, has_touch=True, locale=locale) as context:
        page = context.new_page()
        page.goto(f"/incidents/{case}")
        sign_in(page, "worker")
        page.locator(f"a[href*='?case={case}']").tap()
        form = page.locator("#register")
        form.locator("[name=name]").fill("王小明")
        form.locator("[name=since]").fill("1800-02-12")
        form.locator("button").tap()
        expect(form.locator("[name=since]")).to_be_focused()
        assert found_by_axe(page) == []
        form.locator("[name=since]").fill("2020-02-12")
        form.locator("button").tap()
        expect(page.locator(".change")).to_have_count(2)
        assert found_by_axe(page) == []
        assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE["width"]
        page.locator("[name=confirmed]").tap()
        expect(page.get_by_role("status").first).to_be_visible()
        page.locator(f"a.button[href*='{case}']").tap()
        expect(page.get_by_role("status").first).to_be_visible()
        expect(page.locator(".case")).to_contain_text(case)
    kept = load(world.engine)
    assert len(kept.residents("h-502", NOW)) == 2
    assert kept.household_state("h-502", NOW) is HouseholdState.OCCUPIED


def test_essential_forms_work_without_scripts(world: World, chromium: Browser) -> None:
    """An old phone, or a script that did not load, keeps nobody from acting."""
    incident = world.find()
    with opened(chromium, world, viewport=PHONE, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"/incidents/{incident}")
        sign_in(page, "worker")
        page.get_by_role("button", name="I am on it").click()
        page.get_by_label("Why").fill("to knock")
        page.get_by_role("button", name="Show name, phone and flat").click()
        assert "孙美丽" in page.content()
        page.get_by_text("Menu", exact=True).click()
        page.get_by_role("button", name="Sign out worker").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


PAGES = (
    "/",
    "/incidents/{incident}",
    "/reading",
    "/households",
    "/households/b3",
    HOME,
    "/devices",
    "/devices/a0:e6:f8:50:72:53",
    "/devices/1026700",
    "/candidates",
    "/candidates/{candidate}",
    "/dead-letters",
    "/dead-letters/1",
    "/ingest",
    "/phone",
    "/phone/worker-1",
    "/nothing-here",
)


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_pages_are_for_everybody(
    world: World, chromium: Browser, viewport: dict[str, int], locale: str
) -> None:
    """No serious finding of axe-core, nothing wider than the screen, no error in the browser."""
    incident = world.find()
    at = {"observed_at": NOW, "received_at": NOW}
    world.observe([*a_day_of_fever(NOW), Crossing(device_id="1026700", stranger=True, **at)])
    world.bury(
        [
            ("t/1", b'{"a": 1}', "unknown_topic", ""),
            ("tele/plug1/SENSOR", b'{"ENERGY":{"Power":230}}', "unknown_device", "plug1"),
        ]
    )
    problems: list[str] = []
    with opened(chromium, world, viewport=viewport, locale=locale) as context:
        page = context.new_page()
        page.on("console", lambda said: problems.append(said.text) if is_error(said) else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto("/sign-in")
        problems += found_by_axe(page)
        sign_in(page, "command")
        expect(page.locator(".card").first).to_be_visible()
        for path in PAGES:
            page.goto(path.format(incident=incident, candidate=CANDIDATE))
            problems += found_by_axe(page)
            width = page.evaluate("document.scrollingElement.scrollWidth")
            if width > viewport["width"]:
                problems.append(f"{path}: {width} pixels wide")
    assert problems == []


def is_error(said: Any) -> bool:
    """A message of the browser's console that is not about a page that is meant to be missing."""
    return said.type in ("error", "warning") and "404" not in said.text


def found_by_axe(page: Page) -> list[str]:
    """Violations of serious or critical impact, with the elements they are about."""
    results = Axe().run(page).response
    return [
        f"{re.sub(r'https?://[^/]+', '', page.url)}: {one['id']}: {one['nodes'][0]['html']}"
        for one in results["violations"]
        if one["impact"] in ("serious", "critical")
    ]
