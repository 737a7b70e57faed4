"""Rollups: the same numbers from every store; the upkeep of the embedded one."""

import json
import random
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from devices.clock import DAY, HOUR, wall_now
from devices.history import History
from devices.observation import (
    BodySite,
    Crossing,
    CrossingOutcome,
    Direction,
    Electricity,
    Observation,
    Temperature,
)
from devices.registry import Place, PlaceKind, Registry
from ingest import rollup_sql, series_upkeep
from ingest.influxdb1_schema import InfluxSchema1
from ingest.influxdb_address import parse_address
from ingest.message import Message
from ingest.point import Point, PointEncoder
from ingest.retention import Retention
from ingest.rollup import ROLLUPS, Span, day_offset, window_of
from ingest.series import Reading, SeriesStore, StoreHeld, open_store
from ingest.series_upkeep import ROUND, SETTLED, SeriesUpkeep
from tests.servers import InfluxDB, Mosquitto, wait_until
from tests.service import RunningService

NOW = wall_now() // HOUR * HOUR + HOUR // 2
"""InfluxDB judges retention by the machine's clock; not just after an hour that has to settle."""
CHINA = day_offset(ZoneInfo("Asia/Shanghai"), NOW)
HOME = Place(kind=PlaceKind.HOUSEHOLD, site="east side", grid="east-3")
REGISTRY = Registry(bindings=History([("d1", (0, NOW - 2 * DAY, HOME)), ("d2", (0, None, HOME))]))


def observed(at: int, chance: random.Random) -> Observation:
    """Return an observation of any kind that is rolled up, of any of four devices."""
    when: dict[str, Any] = {
        "device_id": f"d{chance.randrange(4)}",
        "observed_at": at,
        "received_at": at,
        "channel": chance.choice(("", "", "a b")),
    }
    kind = chance.randrange(3)
    if kind == 0:
        celsius = round(chance.uniform(34, 41), 2)
        return Temperature(celsius=celsius, body_site=chance.choice(list(BodySite)), **when)
    if kind == 1:
        power = chance.choice((None, chance.uniform(0, 3_000)))
        energy = chance.uniform(0, 1e6) if power is None else chance.choice((None, 5.5))
        return Electricity(power_w=power, energy_wh=energy, **when)
    return Crossing(
        direction=chance.choice(list(Direction)), outcome=CrossingOutcome.ADMITTED, **when
    )


def encoded(observations: Sequence[Observation]) -> list[Point]:
    encoder = PointEncoder()
    return [
        point
        for position, one in enumerate(observations, 1)
        for point in encoder.encode([one], Message("t", b"%d" % position, NOW), position, REGISTRY)
    ]


def anything(count: int, *, days: int, seed: int = 1) -> list[Point]:
    """Return points at random moments of the last days."""
    chance = random.Random(seed)
    return encoded([observed(NOW - chance.randrange(days * DAY), chance) for _ in range(count)])


def upkeep(folder: Path, now: int, *, offset: int = CHINA, **days: int) -> None:
    """Do one whole round on the embedded store."""
    keeper = SeriesUpkeep(folder / "series.db", Retention(**days), offset=offset)
    keeper.step(now)
    while keeper.is_busy:
        keeper.step(now)
    keeper.close()


def migrate(url: str, *, offset: int = CHINA, **days: int) -> list[str]:
    """Do everything that is planned for an InfluxDB 1.x, and return what was said."""
    schema = InfluxSchema1(parse_address(url, None), Retention(**days), offset=offset, now=NOW)
    steps = schema.plan()
    for step in steps:
        step.act()
    schema.close()
    return [step.says for step in steps]


def everything(store: SeriesStore, offset: int) -> dict[tuple[str, Span], list[Any]]:
    """Return every row of every rollup, in one order, floats to twelve digits.

    Of windows that were over by NOW: InfluxDB adds the next one by itself when an hour is full.
    """
    found = {}
    for rollup in ROLLUPS:
        for span in Span:
            over = window_of(NOW, span, offset)
            rows = store.rolled_up(rollup.name, span, since=0, until=over)
            found[rollup.name, span] = sorted(map(comparable, rows))
    return found


def comparable(row: Reading) -> tuple[Any, ...]:
    fields = {
        name: value if isinstance(value, int) else float(f"{value:.12g}")
        for name, value in row.fields.items()
    }
    return row.at, row.device, row.channel, row.site, row.grid, json.dumps(fields)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Asia/Kolkata", "America/New_York"])
def test_every_store_rolls_up_to_the_same_numbers(
    zone: str, tmp_path: Path, influxdb_server: InfluxDB
) -> None:
    """The same points give the same rows, by hour and by local day, in SQLite and InfluxDB."""
    offset = day_offset(ZoneInfo(zone), NOW)
    url = influxdb_server.database(zone.lower().replace("/", "_"))
    stores = [open_store(address, token=None, data_dir=tmp_path) for address in (None, url)]
    for store in stores:
        assert not store.write(anything(3_000, days=4))
    migrate(url, offset=offset)
    upkeep(tmp_path, NOW, offset=offset)
    embedded, influxdb = (everything(store, offset) for store in stores)
    assert embedded == influxdb
    assert all(embedded.values())
    for store in stores:
        store.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SeriesStore]:
    """An embedded store."""
    opened = open_store(None, token=None, data_dir=tmp_path)
    yield opened
    opened.close()


def gate(*times: int) -> list[Point]:
    """Return crossings of one gate."""
    return encoded([Crossing(device_id="gate", observed_at=at, received_at=at) for at in times])


def counts(store: SeriesStore, span: Span) -> list[tuple[int, Any]]:
    found = store.rolled_up("crossings", span, since=0, until=NOW)
    return [(row.at, row.fields["count"]) for row in found]


def test_a_late_point_changes_its_hour_and_its_day(store: SeriesStore, tmp_path: Path) -> None:
    """A window that was computed is computed again when a point comes into it; others stay."""
    hour = NOW // HOUR * HOUR - 50 * HOUR
    day = window_of(hour, Span.DAILY, CHINA)
    store.write(gate(hour, hour + 1, hour - 2 * DAY))
    upkeep(tmp_path, NOW)
    store.write(gate(hour + 2))
    upkeep(tmp_path, NOW)
    assert counts(store, Span.HOURLY) == [(hour - 2 * DAY, 1), (hour, 3)]
    assert counts(store, Span.DAILY) == [(day - 2 * DAY, 1), (day, 3)]


def test_an_hour_over_midnight_is_of_both_days(store: SeriesStore, tmp_path: Path) -> None:
    """Where days begin at half an hour, a point counts for the day that it was observed in."""
    offset = day_offset(ZoneInfo("Asia/Kolkata"), NOW)
    midnight = window_of(NOW - 5 * DAY, Span.DAILY, offset)
    store.write(gate(midnight + 1))
    upkeep(tmp_path, NOW, offset=offset)
    assert counts(store, Span.DAILY) == [(midnight, 1)]


def test_a_point_that_comes_while_its_window_is_computed_counts(
    store: SeriesStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading a window and storing what it came to, the writer may write into it."""
    hour = NOW // HOUR * HOUR - 50 * HOUR
    store.write(gate(hour))
    begin, meanwhile = rollup_sql.store, gate(hour + 1)

    def begin_late(*parts: Any, **more: Any) -> str:
        store.write(meanwhile)
        meanwhile.clear()
        return begin(*parts, **more)

    monkeypatch.setattr(rollup_sql, "store", begin_late)
    for _ in range(2):
        upkeep(tmp_path, NOW)
    assert counts(store, Span.HOURLY) == [(hour, 2)]


def test_an_hour_that_is_not_over_is_not_rolled_up(store: SeriesStore, tmp_path: Path) -> None:
    """A row stands for a whole window, never for a part of one."""
    hour = NOW // HOUR * HOUR
    store.write(gate(hour))
    upkeep(tmp_path, hour + HOUR)
    assert counts(store, Span.HOURLY) == []
    upkeep(tmp_path, hour + HOUR + SETTLED)
    assert counts(store, Span.HOURLY) == [(hour, 1)]
    assert counts(store, Span.DAILY) == []


def test_each_is_deleted_when_it_is_as_old_as_the_settings_say(
    store: SeriesStore, tmp_path: Path
) -> None:
    """Raw points, hours and days go after their own time, and not before it."""
    days = (1, 13, 15, 19, 21, 29, 31)
    store.write(gate(*(NOW - day * DAY for day in days)))
    upkeep(tmp_path, NOW, raw_days=14, hourly_days=20, daily_days=30)
    left = store.range("crossing", "gate", since=0, until=NOW)
    assert [(NOW - one.at) // DAY for one in left] == [13, 1]
    assert len(counts(store, Span.HOURLY)) == 4
    assert len(counts(store, Span.DAILY)) == 6


def test_what_a_window_came_to_outlives_a_point_that_comes_after_its_points_are_gone(
    store: SeriesStore, tmp_path: Path
) -> None:
    """A straggler of weeks ago must not stand for the whole hour whose points were deleted."""
    hour = NOW // HOUR * HOUR - 50 * HOUR
    later = NOW + 20 * DAY
    store.write(gate(hour, hour + 1, hour + 2))
    for _ in range(2):
        upkeep(tmp_path, later, raw_days=14)
    store.write(gate(hour + 3))
    upkeep(tmp_path, later, raw_days=14)
    assert counts(store, Span.HOURLY) == [(hour, 3)]


def test_a_file_from_before_is_rolled_up(store: SeriesStore, tmp_path: Path) -> None:
    """Points that an earlier version stored get their rows too."""
    hour = NOW // HOUR * HOUR - 50 * HOUR
    store.write(gate(hour))
    store.close()
    with sqlite3.connect(tmp_path / "series.db") as before:
        before.execute("DROP TABLE rollup_due")
    before.close()
    upkeep(tmp_path, NOW)
    assert counts(store, Span.HOURLY) == [(hour, 1)]


def test_between_its_pieces_the_upkeep_holds_no_lock(
    store: SeriesStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While much is rolled up and deleted, the writer's turn comes again and again."""
    store.write(anything(500, days=60))
    monkeypatch.setattr(series_upkeep, "_BUDGET_S", 0.0)  # A piece a step.
    keeper = SeriesUpkeep(tmp_path / "series.db", Retention(), offset=CHINA)
    writer = sqlite3.connect(tmp_path / "series.db", timeout=0, isolation_level=None)
    keeper.step(NOW)
    pieces = 1
    while keeper.is_busy:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("ROLLBACK")
        keeper.step(NOW)
        pieces += 1
    assert pieces > 500
    writer.close()
    keeper.close()


def test_a_round_begins_every_ten_minutes_and_never_at_once(
    store: SeriesStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by a clock that runs faster, nor twice for the points that come in a crowd."""
    hour = NOW // HOUR * HOUR - 50 * HOUR
    keeper = SeriesUpkeep(tmp_path / "series.db", Retention(), offset=CHINA)

    def counted(late: int, now: int) -> list[tuple[int, Any]]:
        store.write(gate(hour + late))
        keeper.step(now)
        return counts(store, Span.HOURLY)

    assert counted(0, NOW) == [(hour, 1)]
    assert counted(1, NOW + ROUND) == [(hour, 1)]
    monkeypatch.setattr(keeper, "_rests_until", 0.0)
    assert counted(2, NOW + ROUND - 1) == [(hour, 1)]
    assert counted(3, NOW + ROUND) == [(hour, 4)]
    keeper.close()


def test_an_unusable_file_is_said_and_tried_again(store: SeriesStore, tmp_path: Path) -> None:
    """A file that is not to be used for now ends nothing, and is used when it is well again."""
    hour = NOW // HOUR * HOUR - 50 * HOUR
    store.write(gate(hour))
    store.close()
    file = tmp_path / "series.db"
    file.rename(tmp_path / "aside")
    file.write_bytes(b"nothing that SQLite knows" * 1_000)
    keeper = SeriesUpkeep(file, Retention(), offset=CHINA)
    with pytest.raises(StoreHeld, match=r"series\.db"):
        keeper.step(NOW)
    (tmp_path / "aside").rename(file)
    keeper.step(NOW)
    keeper.close()
    assert counts(store, Span.HOURLY) == [(hour, 1)]


def test_the_service_keeps_its_embedded_store(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Without anybody's doing, hours are rolled up and what is too old is deleted."""
    service = RunningService(tmp_path, mqtt_url=mosquitto.url)
    service.data_dir.mkdir()
    opened = open_store(None, token=None, data_dir=service.data_dir)
    opened.write(gate(NOW - 50 * DAY, NOW - 2 * DAY))
    service.start()
    wait_until(lambda: len(counts(opened, Span.DAILY)) == 2, what="rollups")
    wait_until(
        lambda: len(opened.range("crossing", "gate", since=0, until=NOW)) == 1, what="deletion"
    )
    opened.close()
    service.stop()
    events = [json.loads(line)["event"] for line in service.log.splitlines()]
    assert {"service_started", "series_rolled_up", "series_expired"} <= set(events)
    assert not service.running
