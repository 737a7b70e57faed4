"""What Prometheus reads: right by its own parser and conventions, and nothing about anybody."""

import re

import msgspec
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from dashboards.console.metrics import expose
from devices.clock import SECOND
from ingest.durations import BOUNDS_S, Durations
from ingest.status import read_status, write_status
from tests.console import FLAT, NAME, NOW, PHONE, SUBJECT, World

UNITS = re.compile(r"_(ms|milliseconds|minutes|hours|kib|mib|gib|kb|mb|gb|percent)(_|$)")
"""Prometheus counts in seconds, bytes and ratios: https://prometheus.io/docs/practices/naming."""


def scrape(world: World) -> dict[str, Metric]:
    """Read what is exposed as Prometheus would."""
    text = expose(world.context).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    """Return one sample."""
    found = [
        sample.value
        for family in families.values()
        for sample in family.samples
        if (sample.name, sample.labels) == (name, labels)
    ]
    assert len(found) == 1, (name, labels, found)
    return found[0]


@pytest.fixture
def families(world: World) -> dict[str, Metric]:
    """Everything, of a service in which everything there is to count has happened."""
    world.find()
    world.bury([("t", b"x", "bad_json", "")])
    world.tell(source={"refused": {"401": 2}, "dropped_at_broker": 7, "in_flight": 4, "window": 20})
    return scrape(world)


def test_every_name_follows_the_conventions(families: dict[str, Metric]) -> None:
    """Prefix, base units, help, a type for each; a counter ends in _total and a gauge does not."""
    for name, family in families.items():
        assert name.startswith("gatehouse_"), name
        assert family.documentation.endswith("."), name
        assert family.type in ("counter", "gauge", "histogram"), name
        assert not UNITS.search(name), name
        assert not name.endswith(("_total", "_count", "_sum", "_bucket")), name
        if family.type == "counter":
            assert {sample.name for sample in family.samples} <= {f"{name}_total"}, name


def test_series_are_few_and_about_nobody(families: dict[str, Metric]) -> None:
    """Labels are closed words, so neither devices nor people make their number grow."""
    samples = [sample for family in families.values() for sample in family.samples]
    labels = [label for sample in samples for label in sample.labels.values()]
    assert len(samples) < 200
    assert all(re.fullmatch(r"[a-z0-9_.+-]+|\+Inf", label) for label in labels), labels
    said = " ".join(labels)
    assert not [secret for secret in (NAME, PHONE, FLAT, SUBJECT, "worker-1") if secret in said]


def test_each_stage_tells_what_came_and_went(families: dict[str, Metric]) -> None:
    """Received, sent, errors and dropped by reason, from the socket to the page."""
    stages = [one.labels["stage"] for one in families["gatehouse_stage_received"].samples]
    assert stages == [
        "source",
        "journal",
        "decode",
        "store",
        "rules",
        "answers",
        "polls",
        "pages",
    ]
    for name, labels, expected in (
        ("gatehouse_stage_received_total", {"stage": "decode"}, 12_300),
        ("gatehouse_stage_sent_total", {"stage": "decode"}, 12_200),
        ("gatehouse_stage_errors_total", {"stage": "decode", "reason": "bad_json"}, 10),
        ("gatehouse_stage_dropped_total", {"stage": "decode", "reason": "log_line"}, 90),
        ("gatehouse_stage_errors_total", {"stage": "source", "reason": "http_401"}, 2),
        ("gatehouse_stage_dropped_total", {"stage": "journal", "reason": "repeat"}, 2),
        ("gatehouse_stage_received_total", {"stage": "store"}, 20_000),
        ("gatehouse_stage_received_total", {"stage": "pages"}, 1),
        ("gatehouse_source_in_flight_messages", {"source": "mqtt"}, 4),
        ("gatehouse_source_window_messages", {"source": "mqtt"}, 20),
    ):
        assert value(families, name, **labels) == expected, (name, labels)


def test_lag_age_writes_and_sizes_are_told(world: World) -> None:
    """What an operator asks first when the store is slow."""
    world.tell()
    status = read_status(world.data_dir)
    assert status is not None
    waiting = msgspec.structs.replace(
        status.pipeline.followers["series"], oldest_at=NOW - 90 * SECOND
    )
    counts = [0] * (len(BOUNDS_S) + 1)
    counts[2], counts[-1] = 3, 1
    status = msgspec.structs.replace(
        status,
        pipeline=msgspec.structs.replace(
            status.pipeline, followers={**status.pipeline.followers, "series": waiting}
        ),
        durations={"store": Durations(counts, 12.5)},
        disk=msgspec.structs.replace(status.disk, free_bytes=10**9, files={"ledger": 4096}),
    )
    write_status(world.data_dir, status)
    seen = scrape(world)
    age = "gatehouse_follower_oldest_pending_age_seconds"
    assert value(seen, age, follower="series") == 90
    assert value(seen, age, follower="alerts") == 0
    assert value(seen, "gatehouse_follower_pending_messages", follower="series") == 45
    took = "gatehouse_write_duration_seconds"
    assert value(seen, f"{took}_bucket", to="store", le="0.0025") == 0
    assert value(seen, f"{took}_bucket", to="store", le="0.005") == 3
    assert value(seen, f"{took}_bucket", to="store", le="+Inf") == 4
    assert value(seen, f"{took}_count", to="store") == 4
    assert value(seen, f"{took}_sum", to="store") == 12.5
    assert value(seen, "gatehouse_file_bytes", file="ledger") == 4096
    assert value(seen, "gatehouse_disk_free_bytes") == 10**9
