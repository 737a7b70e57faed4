"""Devices, dead letters, intake, health and numbers over HTTP."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alerts.finding import IncidentKind
from devices.clock import DAY, HOUR, MINUTE
from devices.observation import (
    BodySite,
    Credential,
    Crossing,
    CrossingOutcome,
    DeviceStatus,
    Direction,
    Electricity,
    Temperature,
)
from ingest.refusal import StoreHeld
from ingest.retention import Retention
from ingest.series_upkeep import SeriesUpkeep
from ingest.status import read_status
from tests.console import NOW, SUBJECT, World, a_day_of_fever, make_world
from tests.console_http import Open, visit

HELD = {"cursor": 1, "durable": 1, "pending": 9, "held": "InfluxDB is down"}


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


async def test_each_channel_of_a_meter_is_a_line_of_its_own(world: World, browser: Open) -> None:
    """Phases that differ are not joined to one zigzag, and the table says which is which."""
    world.observe(
        [
            Electricity(
                device_id="shellyem-1",
                observed_at=NOW - minutes * MINUTE,
                received_at=NOW,
                power_w=power,
                channel=channel,
            )
            for minutes in (3, 2, 1)
            for channel, power in (("1", 900.0), ("0", 60.0))
        ]
    )
    async with browser("neighbour") as client:
        text = (await client.get("/devices/shellyem-1")).text
    lines = [
        re.findall(r",([\d.]+)", one) for one in re.findall(r'class="trace" d="(M[^"]+L.*?)"', text)
    ]
    flat = [heights for heights in lines if len(heights) == 3]
    assert len(flat) == 2
    assert all(len(set(heights)) == 1 for heights in flat)
    assert re.findall(r"</svg> (Channel \S+)</li>", text) == ["Channel 0", "Channel 1"]
    assert re.search(r"<td>0</td><td>60.0</td>.*<td>1</td><td>900.0</td>", text, re.S)


async def test_a_long_span_is_drawn_whole(world: World, browser: Open) -> None:
    """With more readings than are drawn, the oldest fever of the week is still in the chart."""
    fever = 1_200
    world.observe(
        [
            Temperature(
                device_id="a0:e6:f8:50:72:53",
                observed_at=NOW - minutes * 4 * MINUTE,
                received_at=NOW,
                celsius=39.4 if minutes == fever * 2 else 36.0,
            )
            for minutes in range(2 * fever, -1, -1)
        ]
    )
    async with browser("worker") as client:
        text = (await client.get("/devices/a0:e6:f8:50:72:53?days=7")).text
        day = (await client.get("/devices/a0:e6:f8:50:72:53")).text
    assert "each point is the highest of 21 minutes" in text
    [path] = re.findall(r'class="trace" d="(M[^"]+)"', text)
    heights = [float(one) for one in re.findall(r",([\d.]+)", path)]
    assert heights[0] < min(heights[1:])
    assert len(heights) > 400
    assert "each point" not in day


async def test_a_year_is_drawn_from_what_each_day_came_to(world: World, browser: Open) -> None:
    """The highest of each day stays when the readings are long gone."""
    world.observe(
        [
            Temperature(
                device_id="a0:e6:f8:50:72:53",
                observed_at=NOW - days * DAY - hour * HOUR,
                received_at=NOW,
                celsius=39.4 if (days, hour) == (300, 1) else 36.0,
                body_site=BodySite.AXILLARY,
            )
            for days in (300, 200, 100)
            for hour in range(3)
        ]
    )
    keeper = SeriesUpkeep(world.data_dir / "series.db", Retention(raw_days=45), offset=0)
    keeper.step(NOW)
    while keeper.is_busy:
        keeper.step(NOW)
    keeper.close()
    async with browser("worker") as client:
        year = (await client.get("/devices/a0:e6:f8:50:72:53?days=365")).text
        month = (await client.get("/devices/a0:e6:f8:50:72:53?days=30")).text
    assert "Each point is the highest of a day." in year
    assert re.search(r"<td>36.0</td>.*<td>36.0</td>.*<td>39.4</td>", year, re.S)
    assert "It measured nothing in this time." in month


async def test_a_gate_shows_who_went_by_and_when_it_was_last_seen(
    world: World, browser: Open
) -> None:
    """A device that measures nothing is seen by what it says, and tells directions, not people."""
    passed = {"device_id": "1026700", "observed_at": NOW - 90 * MINUTE, "received_at": NOW}
    world.observe(
        [
            Crossing(
                direction=Direction.IN,
                outcome=CrossingOutcome.REFUSED,
                stranger=True,
                credential=Credential.FACE,
                subject=SUBJECT,
                **passed,
            )
        ]
    )
    async with browser("worker") as client:
        text = (await client.get("/devices/1026700")).text
        before = (await client.get("/devices/hand-1")).text
    assert re.search(r"Last seen</dt><dd><time[^>]*>18:35</time> \(1 hour ago\)", text)
    assert re.search(r"stranger.*>In<.*>Refused<", text, re.S)
    assert "measured nothing" not in text
    assert SUBJECT not in text
    assert re.search(r"Last seen</dt><dd>never", before)


async def test_last_seen_is_of_everything_and_of_any_time(world: World, browser: Open) -> None:
    """Neither the chosen span nor the charted field bounds when a device was last seen."""
    seen = NOW - 2 * DAY
    world.observe(
        [
            Temperature(
                device_id="a0:e6:f8:50:72:53",
                observed_at=seen - DAY,
                received_at=seen,
                celsius=36.5,
            ),
            DeviceStatus(
                device_id="a0:e6:f8:50:72:53", observed_at=seen, received_at=seen, online=True
            ),
        ]
    )
    async with browser("worker") as client:
        text = (await client.get("/devices/a0:e6:f8:50:72:53")).text
    assert re.search(r"Last seen</dt><dd>.*2 days ago.*silent", text)
    assert "It measured nothing in this time" in text


async def test_a_store_that_is_away_takes_nothing_else_with_it(tmp_path: Path) -> None:
    """Devices are still listed, the page says why it knows no more, and the console is ready."""

    class Away:
        def last(self, *_: Any, **__: Any) -> list[Any]:
            raise StoreHeld("the store is down")

        range = last

    world = make_world(tmp_path, series=Away)
    world.tell()
    async with visit(world, "worker") as client:
        listed = await client.get("/devices")
        assert listed.status_code == 200
        assert "does not answer" in listed.text
        assert "1026700" in listed.text
        assert "silent" not in listed.text
        assert (await client.get("/devices/1026700")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 200


async def test_pages_say_so_before_anything_has_run(tmp_path: Path) -> None:
    """Without ledger and status the pages are empty, not broken."""
    world = make_world(tmp_path)
    async with visit(world, "command") as client:
        assert "There are none" in (await client.get("/dead-letters")).text
        assert "No pipeline has run" in (await client.get("/ingest")).text
        assert (await client.get("/phone")).status_code == 200


async def test_intake_is_shown(world: World, browser: Open) -> None:
    """Source, protocol, granted QoS, followers and books come from the pipeline's own word."""
    world.tell(
        followers={
            "series": HELD,
            "alerts": {"cursor": 10, "durable": 10, "pending": 0, "held": ""},
        }
    )
    async with browser("operator") as client:
        text = (await client.get("/ingest")).text
    for part in ("MQTT 5", "QoS 1", "InfluxDB is down", "12,345", "they balance"):
        assert part in text, part


async def test_what_a_broker_may_have_lost_is_shown(world: World, browser: Open) -> None:
    """Unguarded messages, a lost session and what the broker dropped stand on page and metrics."""
    lost = {
        "granted": {"gate/#": 0},
        "limited": 2,
        "sessions_lost": 3,
        "session_lost_at": NOW,
        "dropped_at_broker": 2_000,
        "unguarded": 41,
    }
    world.tell(source=lost)
    async with browser("operator") as client:
        text = (await client.get("/ingest")).text
        metrics = (await client.get("/metrics")).text
    assert "the broker had lost what it kept for us. Times since the start: 3." in text
    assert text.count("no guarantee") == 2
    assert "2,000" in text
    for line in (
        'gatehouse_source_limited_filters{source="mqtt"} 2.0',
        'gatehouse_source_lost_sessions_total{source="mqtt"} 3.0',
        'gatehouse_source_unguarded_messages_total{source="mqtt"} 41.0',
        'gatehouse_broker_dropped_messages{source="mqtt"} 2000.0',
    ):
        assert line in metrics, line


async def test_trouble_of_the_intake_is_said_in_chinese_first(world: World, browser: Open) -> None:
    """A sentence for everybody stands before the technical one, wherever there is trouble."""
    world.tell(problem="the journal is full", followers={"series": HELD, "alerts": HELD})
    async with browser("operator") as client:
        client.cookies.set("language", "zh")
        text = (await client.get("/ingest")).text
    assert re.search(r'目前无法接收消息.*?<span [^>]*lang="en">the journal is full', text)
    assert re.search(r'等待中.*?<span [^>]*lang="en">InfluxDB is down', text)


@pytest.mark.parametrize(
    ("told", "migrated", "ready"),
    [(0, True, True), (60, True, False), (None, True, False), (0, False, False)],
    ids=["all well", "status stale", "no status", "not migrated"],
)
async def test_readiness(tmp_path: Path, told: int | None, migrated: bool, ready: bool) -> None:
    """Ready means that the pipeline tells of itself and that the database is the one we know."""
    world = make_world(tmp_path, is_migrated=lambda: migrated)
    if told is not None:
        world.tell(seconds_ago=told)
    async with visit(world) as client:
        response = await client.get("/health/ready")
        assert response.json()["ready"] is ready
        assert response.is_success is ready
        assert (await client.get("/health/live")).status_code == 200


async def test_what_is_down_outside_leaves_it_ready(tmp_path: Path) -> None:
    """No broker, a store that refuses and a full disk unroute no console and restart nothing."""
    world = make_world(tmp_path)
    world.tell()
    well = read_status(world.data_dir)
    assert well is not None
    parts = msgspec.to_builtins(well.pipeline)
    sources = [one | {"connected": False, "problem": "nobody is there"} for one in parts["sources"]]
    followers = {
        name: one | {"held": "the store answers 401"} for name, one in parts["followers"].items()
    }
    assert sources
    assert followers
    world.tell(sources=sources, followers=followers, problem="the disk is full", paused=True)
    async with visit(world) as client:
        assert (await client.get("/health/ready")).json() == {"ready": True, "problems": []}


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


async def test_phones_are_only_in_the_demonstration(tmp_path: Path) -> None:
    """A real installation has no page that shows other people's pages."""
    world = make_world(tmp_path, demo=False)
    async with visit(world, "command") as client:
        assert (await client.get("/phone")).status_code == 404
        assert (await client.get("/phone/worker-1")).status_code == 404


async def test_the_intake_for_posts_is_shown_as_what_it_is(world: World, browser: Open) -> None:
    """Not as a broker: how many posts it refused and why, in the person's language."""
    world.tell()
    status = read_status(world.data_dir)
    assert status is not None
    [broker] = msgspec.to_builtins(status.pipeline.sources)
    posts = broker | {"name": "http", "protocol": "http", "granted": {}, "received": 77}
    posts |= {"refused": {"401": 3, "503": 1}, "problem": "cannot listen", "connected": False}
    world.tell(sources=[broker, posts])
    for language, refused, problem in (
        ("en", "Posts refused", "Terminals cannot post just now."),
        ("zh", "被拒绝的上报", "终端目前无法上报。"),
    ):
        async with browser("operator") as client:
            text = (await client.get("/ingest", headers={"accept-language": language})).text
        assert re.search(rf"{refused}</dt><dd>4 · 401: 3 · 503: 1</dd>", text)
        assert problem in text
        assert "<dd>HTTP</dd>" in text
        assert "<dd>MQTT 5</dd>" in text
    async with browser() as client:
        numbers = (await client.get("/metrics")).text
    assert 'gatehouse_refused_posts_total{status="401"} 3.0' in numbers


async def test_what_is_wrong_with_gatehouse_itself_stands_first(
    world: World, browser: Open
) -> None:
    """Alarms with a way to each, by name in the person's language; that all is well is said."""
    world.tell()
    well = {"en": "Nothing that Gatehouse watches of itself is wrong", "zh": "系统自检一切正常"}
    async with browser("operator") as client:
        for language, says in well.items():
            client.cookies.set("language", language)
            assert says in (await client.get("/ingest")).text
    nowhere = dict.fromkeys(("site", "grid", "building", "household", "subject", "device_id"))
    opened = world.find(
        kind=IncidentKind.SYSTEM,
        rule="store_down",
        key="follower:series",
        evidence={"readers": "series"},
        **nowhere,
    )
    async with browser("operator") as client:
        client.cookies.set("language", "zh")
        page = (await client.get("/ingest")).text
        case = (await client.get(f"/incidents/{opened}")).text
    assert page.index(f'<a href="/incidents/{opened}">时序库无法写入</a>') < page.index("各阶段")
    assert well["zh"] not in page
    assert "<h1>时序库无法写入</h1>" in case


async def test_each_stage_is_shown_with_what_did_not_pass_and_why(
    world: World, browser: Open
) -> None:
    """The numbers of /metrics, for people: what came, what went on, and the reasons in words."""
    world.tell(
        source={"refused": {"401": 2}, "in_flight": 12, "window": 2_000},
        followers={"series": {**HELD, "holds": {"store": 31}, "oldest_at": NOW - 17 * MINUTE}},
    )
    async with browser("operator") as client:
        text = (await client.get("/ingest")).text
    for said in (
        "HTTP 401: 2",
        "Not valid JSON: 10",
        "Log line: 90",
        "the store did not take it: 31",
        "12 / 2,000",
        "17 minutes ago",
    ):
        assert said in text, said


async def test_books_that_do_not_balance_say_by_how_much(world: World, browser: Open) -> None:
    """What is missing is named in the books, with the command that says where."""
    world.tell()
    status = read_status(world.data_dir)
    assert status is not None
    ill = {"letters_missing": 3, "points_encoded": status.books.points_encoded + 7}
    world.tell(books=msgspec.to_builtins(status.books) | ill)
    async with browser("operator") as client:
        text = (await client.get("/ingest")).text
    for said in (
        "dead letters not accounted for: 3",
        "points not accounted for: 7",
        "journal verify",
    ):
        assert said in text, said
