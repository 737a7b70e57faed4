"""Unknown devices on the console: proposed, given a place, left alone."""

import html
import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import update

from dashboards import audit
from dashboards.tables import account
from devices.clock import parse_rfc3339
from devices.decoder import Decoder
from devices.matcher import Matcher
from devices.profile import built_in, load_profiles
from devices.registry import PlaceKind
from devices.registry_store import load
from ingest import dead_letter
from ingest.dead_letter import Selection
from tests.console import FLAT, World, make_world
from tests.console_http import Open, submit, visit

PLUG = ("tele/plug1/SENSOR", b'{"ENERGY":{"Total":3.5,"Power":230}}', "unknown_device", "plug1")
HOME = {"profile": "tasmota_energy", "place": "household", "building": "b3", "flat": FLAT}
GATE = {"profile": "tasmota_energy", "place": "gate", "site": "xhk", "gate": "north"}
SINCE = {"since": "2020-02-10"}


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    """All families, compiled once."""
    profiles = load_profiles(built_in())
    return Matcher(Decoder(profiles, default_zone=ZoneInfo("Asia/Shanghai")), profiles)


@pytest.fixture
def world(tmp_path: Path, matcher: Matcher) -> Iterator[World]:
    """A small community whose console knows all families."""
    made = make_world(tmp_path, matcher=matcher)
    made.tell()
    yield made
    made.engine.dispose()


@pytest.fixture
def browser(world: World) -> Open:
    """Open a browser; with a name, one that has signed in."""
    return partial(visit, world)


async def page_of(client: httpx.AsyncClient, name: str) -> str:
    """Return the address of a candidate's page, as the list links to it."""
    text = (await client.get("/candidates")).text
    before = text[: text.index(f">{name}</a>")]
    return before[before.rindex('href="') + 6 :].rstrip('"')


async def test_unknown_devices_are_listed_with_what_they_look_like(
    world: World, browser: Open
) -> None:
    """In both languages: family, what it would give, how much it sent; of a body no value."""
    fever = "a0:e6:f8:50:72:54/HealthThermometer/TemperatureMeasurement"
    world.bury([PLUG, PLUG, (fever, b"4,38.7,1", "unknown_device", ""), ("x", b"", "empty", "")])
    async with browser("operator") as client:
        text = (await client.get("/candidates")).text
        assert "2 unknown devices" in text
        assert "Tasmota: metering plugs" in text
        assert "power 230 W, meter reading 3.5 kWh" in text
        assert "body temperature (Armpit)" in text
        assert "38.7" not in text
        chinese = (await client.get("/candidates", headers={"Accept-Language": "zh"})).text
        assert "2 台未知设备" in chinese
        assert "功率 230 W" in chinese
        assert "plug1" not in await page_of(client, "plug1")


async def test_where_nothing_is_unknown_the_page_says_so(world: World, browser: Open) -> None:
    """Without dead letters, and before the first message, there is a sentence and no table."""
    async with browser("operator") as client:
        for letters in ([], [("x", b"{", "bad_json", "")]):
            if letters:
                world.bury(letters)
            assert "There are none" in (await client.get("/candidates")).text


@pytest.mark.parametrize(
    ("fields", "kind", "where"),
    [
        (HOME, PlaceKind.HOUSEHOLD, ("xhk", "h-502", None, None)),
        (GATE, PlaceKind.GATE, ("xhk", None, "north", None)),
        (GATE | {"place": "checkpoint"}, PlaceKind.CHECKPOINT, ("xhk", None, "north", None)),
        (GATE | {"place": "worker", "worker": "worker-1"}, PlaceKind.WORKER, None),
        (GATE | {"place": "site", "site": "far"}, PlaceKind.SITE, ("far", None, None, None)),
    ],
    ids=lambda value: value.value if isinstance(value, PlaceKind) else "",
)
async def test_the_form_gives_a_device_its_place(
    world: World,
    browser: Open,
    fields: dict[str, str],
    kind: PlaceKind,
    where: tuple[str | None, ...] | None,
) -> None:
    """It is registered, on record, its letters are asked for, and it is proposed no more."""
    world.bury([PLUG, PLUG])
    async with browser("operator") as client:
        page = await page_of(client, "plug1")
        assert FLAT not in (await client.get(page)).text
        done = await submit(client, f"{page}/accept", **fields, **SINCE)
        assert done.headers["location"] == "/candidates?asked=2"
        after = (await client.get(done.headers["location"])).text
        assert "2 messages that were kept are being sent" in after
        assert ">plug1<" not in after
        assert (await client.get(page)).status_code == 404
    registry = load(world.engine)
    begins = parse_rfc3339("2020-02-10T00:00:00+08:00")
    place = registry.place("plug1", world.clock.now())
    assert place is not None
    assert place.kind is kind
    if where is not None:
        assert (place.site, place.household, place.gate, place.worker) == where
    if kind is PlaceKind.HOUSEHOLD:
        assert registry.place("plug1", begins) == place
        assert registry.place("plug1", begins - 1) is None
    letters = dead_letter.letters(world.data_dir / "ledger.db", Selection())
    assert [one.replay for one in letters] == [True, True]
    with world.engine.connect() as connection:
        (entry,) = audit.find(connection, about="device:plug1")
    assert (entry.account, entry.action) == ("operator", audit.Action.ACCEPTED_DEVICE)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (HOME | {"profile": "frigate"}, "Choose what it is"),
        (HOME | {"flat": "9999"}, "There is no such flat"),
        (GATE | {"gate": ""}, "Name the gate"),
        (GATE | {"place": "checkpoint", "gate": "../x"}, "Name the gate"),
        (GATE | {"gate": "south"}, "as it is registered"),
        (GATE | {"place": "worker", "worker": "nobody"}, "Choose the worker"),
        (GATE | {"place": ""}, "Choose where it stands"),
        (GATE | {"place": "site", "site": "mars"}, "Choose the site"),
        (HOME | {"since": "2020-03-01"}, "not in the future"),
        (HOME | {"since": "soon"}, "not in the future"),
    ],
)
async def test_a_form_that_is_wrong_is_shown_again_and_changes_nothing(
    world: World, browser: Open, fields: dict[str, str], says: str
) -> None:
    """What was typed is there still, beside what is wrong; nothing is registered or asked for."""
    world.bury([PLUG])
    async with browser("operator") as client:
        page = await page_of(client, "plug1")
        answer = await submit(client, f"{page}/accept", **(SINCE | fields))
        assert answer.status_code == 422
        assert says in answer.text
        if fields["place"] == "household" and "flat" in says:
            assert 'value="9999"' in answer.text
    assert load(world.engine).device("plug1") is None
    (letter,) = dead_letter.letters(world.data_dir / "ledger.db", Selection())
    assert not letter.replay


async def test_only_who_may_change_the_registry_sees_and_does_it(
    world: World, browser: Open
) -> None:
    """Workers, secretaries and guards are refused; so is a form without its token."""
    world.bury([PLUG])
    async with browser("operator") as client:
        page = await page_of(client, "plug1")
        bare = await client.post(f"{page}/accept", data=HOME | SINCE)
        assert bare.status_code == 403
    for name in ("worker", "secretary", "guard"):
        async with browser(name) as client:
            assert (await client.get("/candidates")).status_code == 403
            assert (await client.get(page)).status_code == 403
            for act in ("accept", "ignore", "restore"):
                answer = await submit(client, f"{page}/{act}", **HOME, **SINCE)
                assert answer.status_code == 403
            assert "Unknown devices" not in (await client.get("/")).text
    assert load(world.engine).device("plug1") is None


async def test_a_command_of_one_site_places_no_device_elsewhere(
    world: World, browser: Open
) -> None:
    """Another site is neither offered nor taken."""
    world.bury([PLUG])
    with world.engine.begin() as connection:
        connection.execute(update(account).where(account.c.name == "command").values(site="far"))
    async with browser("command") as client:
        page = await page_of(client, "plug1")
        assert "Xiaohukou" not in (await client.get(page)).text
        for fields in (HOME, GATE):
            answer = await submit(client, f"{page}/accept", **fields, **SINCE)
            assert answer.status_code == 422
    assert load(world.engine).device("plug1") is None


async def test_what_is_left_alone_can_be_proposed_again(world: World, browser: Open) -> None:
    """It moves to a list of its own and back, and both are recorded."""
    world.bury([PLUG])
    async with browser("operator") as client:
        page = await page_of(client, "plug1")
        await submit(client, f"{page}/ignore")
        assert ">plug1</a>" not in (await client.get("/candidates")).text
        assert ">plug1</a>" in (await client.get("/candidates?ignored=true")).text
        await submit(client, f"{page}/restore")
        assert ">plug1</a>" in (await client.get("/candidates")).text
    with world.engine.connect() as connection:
        actions = [entry.action for entry in audit.find(connection, about="device:plug1")]
    assert actions == [audit.Action.RESTORED_DEVICE, audit.Action.IGNORED_DEVICE]


async def test_a_beginning_of_its_own_is_told_with_the_command(world: World, browser: Open) -> None:
    """There is no form for what no profile claims, but the line that makes one; text is text."""
    hostile = "<img src=x>;$(id)"
    world.bury(
        [
            (f"{hostile}/tele/plug2/SENSOR", PLUG[1], "unknown_topic", ""),
            ("z2m/bedroom", b'{"temperature":21.4}', "unknown_topic", ""),
            (f"who/knows/{hostile}", b"?", "unknown_topic", ""),
        ]
    )
    async with browser("operator") as client:
        listed = (await client.get("/candidates")).text
        assert "<img src=x" not in listed
        text = (await client.get(await page_of(client, "z2m/bedroom"))).text
        assert "--toml --prefix z2m/ --instead-of zigbee2mqtt/" in text
        assert "/accept" not in text
        unknown = (await client.get(await page_of(client, "who/knows/+"))).text
        assert "No profile understands its messages" in unknown
        plug = (await client.get(await page_of(client, f"{html.escape(hostile)}/plug2"))).text
        assert f"--prefix {shlex.quote(f'{hostile}/')}</pre>" in html.unescape(plug)
        assert "<img src=x" not in unknown
