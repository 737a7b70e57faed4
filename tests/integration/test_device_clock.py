"""A clock that is off, from the payload to the screens and back to right."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import Engine as Database
from sqlalchemy import select

from alerts.engine import Engine
from alerts.tables import incident
from alerts.thresholds import Thresholds
from devices.clock import HOUR, MINUTE, ManualClock, rfc3339
from devices.observation import DeviceStatus, TimeSource
from devices.registry import Registry
from devices.registry_store import load as load_registry
from gatehouse.database import create
from tests.command import Run
from tests.console import NOW, World
from tests.console_http import Open

SAMPLE = Path(__file__).parents[2] / "devices" / "sample_community"
DEVICE = "a0:e6:f8:50:72:53"


def says(database: Database, registry: Registry, position: int, offset: int) -> None:
    """Judge one message of a device whose clock is so far from ours."""
    engine = Engine(
        database=database,
        journal="j",
        registry=lambda: registry,
        thresholds=Thresholds(),
        silent_after=lambda _: None,
        clock=ManualClock(NOW),
    )
    source = TimeSource.REFUSED if offset else TimeSource.DEVICE
    at = NOW - HOUR
    status = DeviceStatus(
        device_id=DEVICE,
        observed_at=at,
        received_at=at,
        time_source=source,
        said_at=at + offset if offset else None,
    )
    engine.handle(position, [(status,)])
    engine.flush()


@pytest.mark.parametrize(
    ("offset", "english", "chinese"),
    [
        (3 * HOUR + MINUTE, "clock 3 h ahead, since", "时钟快 3 小时, 自"),
        (
            HOUR - NOW,
            "clock says 1 Jan 1970, 09:00:00, since",
            "时钟显示 1970年1月1日 09:00:00, 自",
        ),
    ],
    ids=["ahead", "reset"],
)
async def test_a_wrong_clock_is_shown_and_alarmed_until_it_is_right(
    world: World, browser: Open, offset: int, english: str, chinese: str
) -> None:
    """By how much and since when, in list and page, in both languages; one watch, which ends."""
    says(world.context.database, world.context.registry(), 1, offset)
    async with browser("worker") as client:
        for path in ("/devices", f"/devices/{DEVICE}"):
            shown = (await client.get(path)).text
            assert english in re.sub(r"\s+", " ", shown)
            shown = (await client.get(path, headers={"Accept-Language": "zh"})).text
            assert chinese in re.sub(r"\s+", " ", shown)
        says(world.context.database, world.context.registry(), 2, 0)
        assert "clock" not in (await client.get(f"/devices/{DEVICE}")).text
    with world.context.database.connect() as connection:
        found = connection.execute(select(incident)).all()
    assert [(one.rule, one.kind, one.watch, one.state) for one in found] == [
        ("clock_off", "device", True, "closed")
    ]


def test_devices_list_says_which_clock_is_off(run: Run, tmp_path: Path) -> None:
    """In a line, and for scripts."""
    here = {"GATEHOUSE_DATA_DIR": str(tmp_path)}
    assert run("migrate", environment=here).code == 0
    assert run("registry", "import", str(SAMPLE), environment=here).code == 0
    database = create(f"sqlite:///{tmp_path / 'state.db'}")
    says(database, load_registry(database), 1, 3 * HOUR + MINUTE)
    database.dispose()
    listed = run("devices", "list", environment=here)
    assert "clock: 3:01:00 ahead, since 2020-02-14 " in listed.out
    lines = {
        one["device_id"]: one
        for one in json.loads(run("devices", "list", "--json", environment=here).out)
    }
    assert lines[DEVICE]["clock_offset_seconds"] == 3 * 3600 + 60
    assert lines[DEVICE]["clock_off_since"] == rfc3339(NOW - HOUR)
    assert lines["1026700"]["clock_offset_seconds"] is None
