"""What is a closed list in the code is the same list in the documents."""

import re
from pathlib import Path

import pytest

from alerts import alarm
from alerts.rules import RULES
from dashboards.console.metrics import Numbers
from devices.csv_rows import FILES
from devices.outcome import DeadLetterReason, IgnoredReason
from devices.profile import built_in, load_profiles
from devices.registry import HouseholdState, PlaceKind, ResidentClass, Role
from ingest.ledger import Ledger
from ingest.measurement import MEASUREMENTS, TAGS
from tests.bench.results import NAMES
from tests.console import make_world
from tests.docs.documents import read

INGEST = read("ingest/README.md")


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_every_rule_is_described(rule: str) -> None:
    """What is noticed stands where judging is told of."""
    assert f"| `{rule}` |" in read("alerts/README.md")


@pytest.mark.parametrize("profile", [profile.name for profile in load_profiles(built_in())])
def test_every_profile_is_described(profile: str) -> None:
    """What is understood stands in the table of supported devices."""
    assert f"| `{profile}` |" in read("devices/README.md")


def test_every_alarm_is_described_with_what_to_do() -> None:
    """Whoever is paged for Gatehouse itself finds each alarm, when it is raised, and a way out."""
    table = read("gatehouse/README.md").partition("| alarm | when | what to do |")[2]
    rows = re.findall(r"^\| `(\w+)` \| .{10,} \| .{10,} \|$", table, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == alarm.RULES


@pytest.mark.parametrize("reason", [*DeadLetterReason, *IgnoredReason])
def test_every_reason_is_named(reason: str) -> None:
    """Whoever meets a dead letter finds its reason in the list."""
    assert f"`{reason}`" in INGEST


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_every_measurement_is_described_with_its_fields(name: str) -> None:
    """Whoever writes a query knows what there is, and in which unit."""
    [row] = [line for line in INGEST.splitlines() if line.startswith(f"| `{name}` |")]
    fields = MEASUREMENTS[name].fields
    assert re.findall(r"`(\w+)`", row) == [name, *(field.name for field in fields)]
    for field in fields:
        assert f"`{field.name}` {field.unit}".strip() in row


def test_every_tag_is_named() -> None:
    """The tags are the ones that every measurement has."""
    assert "Tags are `device`, `channel`, `site` and `grid`" in INGEST
    assert TAGS == ("device", "channel", "site", "grid")


def test_metrics_are_the_ones_described(tmp_path: Path) -> None:
    """What Prometheus reads, with the same labels and no other name, stands in the table."""
    world = make_world(tmp_path)
    Ledger.open(tmp_path / "ledger.db").close()
    world.tell()
    table = INGEST.partition("## Metrics")[2].partition("## Decisions")[0]
    described = {}
    for names, labels, _ in re.findall(r"^\| (`gatehouse_.*?) \|(.*?)\| (.*) \|$", table, re.M):
        for name in re.findall(r"`(gatehouse_\w+)`", names):
            described[name] = set(re.findall(r"`(\w+)`", labels))
    families = Numbers(world.context).collect()
    exposed = {
        f"{family.name}_total" if family.type == "counter" else family.name: set(family._labelnames)
        for family in families
    }
    assert exposed == described


def test_what_prometheus_should_ask_names_metrics_that_exist() -> None:
    """An example that asks for a name that is gone is never true."""
    table = INGEST.partition("| ask | when it is true |")[2].partition("## Decisions")[0]
    asked = set(re.findall(r"gatehouse_\w+", table))
    described = set(re.findall(r"`(gatehouse_\w+)`", INGEST))
    assert asked
    assert {name.removesuffix("_bucket") for name in asked} <= described


def test_numbers_of_the_bench_are_the_ones_described() -> None:
    """Whoever reads build/bench.json finds each of its names explained."""
    table = read("tests/README.md").partition("## The bench")[2]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    described = {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    by_family = {name for name in NAMES if name.startswith("decode_us.")}
    assert "`decode_us.<family>`" in table
    assert described == set(NAMES) - by_family


@pytest.mark.parametrize("file", FILES)
def test_every_file_of_the_registry_is_described_with_its_columns(file: str) -> None:
    """Whoever writes a registry knows each file, column and closed word."""
    [row] = [line for line in read("devices/README.md").splitlines() if f"| `{file}` |" in line]
    columns = [field.alias or name for name, field in FILES[file].model_fields.items()]
    assert re.findall(r"`(\w+)`", row.split(" | ")[1]) == columns


@pytest.mark.parametrize("word", [*HouseholdState, *ResidentClass, *Role, *PlaceKind])
def test_every_word_of_the_registry_is_named(word: str) -> None:
    """The values of closed columns stand in the table."""
    assert f"`{word}`" in read("devices/README.md")
