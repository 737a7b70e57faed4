"""Readings taken by hand meet what reads them: a profile that exists, a device that is there."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import create_engine

from dashboards.account import Account
from dashboards.hand_reading import (
    PROFILE,
    HandReading,
    ReadingProblem,
    parse_time,
    publishing_device,
)
from devices import tables
from devices.clock import parse_rfc3339
from devices.csv_import import import_folder
from devices.decoder import Decoder
from devices.observation import BodySite, Temperature
from devices.profile import built_in, load_profiles
from devices.registry import Registry, Role
from devices.registry_store import load
from devices.simulator.community import build_community
from devices.simulator.community_csv import write_city

NOW = parse_rfc3339("2020-02-14T20:05:00+08:00")
SITE = "lakeside"
SHANGHAI = ZoneInfo("Asia/Shanghai")
SAMPLE = Path(__file__).parents[2] / "devices" / "sample_community"


def registry_of(folder: Path, scratch: Path) -> Registry:
    """Import a folder into an empty database and return what it says."""
    engine = create_engine(f"sqlite:///{scratch / 'state.db'}")
    tables.metadata.create_all(engine)
    import_folder(engine, folder, now=NOW)
    return load(engine)


@pytest.mark.parametrize("name", ["sample", "simulated"])
def test_a_reading_by_hand_is_understood_as_it_was_typed(name: str, tmp_path: Path) -> None:
    """In both communities of the repository a worker's reading becomes the person's temperature."""
    folder = SAMPLE if name == "sample" else tmp_path / "community"
    if name == "simulated":
        write_city(folder, [build_community(seed=1, households=48)])
    registry = registry_of(folder, tmp_path)
    worker = Account(name="zhou", role=Role.GRID_WORKER, site=SITE, worker="worker-1")
    device = publishing_device(registry, worker, SITE, now=NOW)
    assert device == "by-hand-worker-1"
    reading = HandReading(
        site=SITE,
        device_id=device,
        subject="s-1",
        celsius=37.6,
        body_site=BodySite.AXILLARY,
        observed_at=NOW,
        event_id="tap-1",
    )
    decoder = Decoder(load_profiles(built_in()), default_zone=ZoneInfo("Asia/Shanghai"))
    outcome = decoder.decode(reading.topic, reading.payload, received_at=NOW, registry=registry)
    assert outcome == (
        Temperature(
            device_id=device,
            observed_at=NOW,
            received_at=NOW,
            event_id="tap-1",
            celsius=37.6,
            body_site=BodySite.AXILLARY,
            subject="s-1",
        ),
    )
    assert registry.devices[device].profile == PROFILE


@pytest.mark.parametrize(
    ("now", "typed", "taken"),
    [
        ("2020-02-14T08:00:30+08:00", "", "2020-02-14T08:00:00+08:00"),
        ("2020-02-14T08:00:59+08:00", "", "2020-02-14T08:00:00+08:00"),
        ("2020-02-14T08:00:30+08:00", "07:40", "2020-02-14T07:40:00+08:00"),
        ("2020-02-14T08:00:30+08:00", "08:01", "2020-02-14T08:00:00+08:00"),
        ("2020-02-14T08:00:30+08:00", "08:05", "2020-02-14T08:00:00+08:00"),
        ("2020-02-14T00:20:00+08:00", "23:50", "2020-02-13T23:50:00+08:00"),
        ("2020-02-14T08:00:00+08:00", "20:00", "2020-02-13T20:00:00+08:00"),
    ],
)
def test_a_typed_time_is_the_one_that_was_meant(now: str, typed: str, taken: str) -> None:
    """A watch may be fast, the evening before may be meant; a fever of now is never yesterday's."""
    assert parse_time(typed, now=parse_rfc3339(now), zone=SHANGHAI) == parse_rfc3339(taken)


@pytest.mark.parametrize("typed", ["08:06", "12:00", "19:59"])
def test_a_time_that_has_not_come_is_asked_again(typed: str) -> None:
    """What can be neither now nor last night is not guessed."""
    now = parse_rfc3339("2020-02-14T08:00:00+08:00")
    with pytest.raises(ReadingProblem, match="ahead"):
        parse_time(typed, now=now, zone=SHANGHAI)
