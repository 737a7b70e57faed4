"""Dashboards are complete, and their files are what the code gives."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.thresholds import FeverThresholds, Thresholds
from dashboards.grafana.catalogue import GENERATED, build, check, dashboards
from dashboards.grafana.condition import fever_level
from dashboards.grafana.lint import faults

PROVISIONING = GENERATED.parent / "provisioning"
RENDERED = {dashboard.uid: dashboard.render() for dashboard in dashboards(Thresholds())}


def copy(uid: str = "gatehouse-now") -> Any:
    return json.loads(json.dumps(RENDERED[uid]))


def test_generated_files_are_what_the_code_gives() -> None:
    """Whoever changes a dashboard builds its file, and nobody edits the file."""
    assert check(GENERATED, Thresholds()) == []
    written = {file.name for file in GENERATED.iterdir()}
    assert written == {dashboard.file_name for dashboard in dashboards(Thresholds())}


def test_check_finds_an_edited_and_a_missing_file(tmp_path: Path) -> None:
    """A file that differs in a byte is named with the command that mends it."""
    first, second, *_ = build(tmp_path, Thresholds())
    first.write_text(first.read_text() + " ")
    second.unlink()
    found = check(tmp_path, Thresholds())
    assert [str(first) in found[0], str(second) in found[1]] == [True, True]
    assert all("dashboards build" in fault for fault in found)


@pytest.mark.parametrize("uid", RENDERED)
def test_every_panel_is_complete(uid: str) -> None:
    """Title, description, unit, a reason when empty, bounded queries, no overlap, unique ids."""
    assert faults(RENDERED[uid]) == []
    assert RENDERED[uid]["schemaVersion"] == 42


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda panel: panel.update(description=""), "has not a description"),
        (lambda panel: panel["fieldConfig"]["defaults"].update(unit=""), "has not a unit"),
        (lambda panel: panel["fieldConfig"]["defaults"].update(noValue=""), "has not a reason"),
        (lambda panel: panel.update(targets=[]), "has not a query"),
        (lambda panel: panel["gridPos"].update(x=20), "right edge"),
        (lambda panel: panel["gridPos"].update(y=0), "lies over"),
        (lambda panel: panel.update(id=1), "have the id 1"),
        (lambda panel: panel["targets"][0].update(query="SELECT 1"), "asks for all time"),
        (lambda panel: panel["targets"][0].update(datasource={}), "chosen data source"),
    ],
)
def test_lint_finds_what_is_missing(spoil: Any, fault: str) -> None:
    """Each rule of the lint finds the dashboard that breaks it."""
    spoiled = copy()
    spoil(spoiled["panels"][1])
    assert any(fault in found for found in faults(spoiled))


def test_thresholds_come_from_the_rules() -> None:
    """A site that asks for a second reading earlier sees its line and its counts earlier."""
    lower = Thresholds(fever=FeverThresholds(contact_celsius=37.15, infrared_celsius=36.85))
    text = "".join(dashboard.text() for dashboard in dashboards(lower))
    assert '"value": 37.15' in text
    assert "37.3" not in text
    assert '\\"celsius\\" >= 36.80' in text


def test_comparison_follows_the_rounding_of_the_rules() -> None:
    """37.25 is 37.3 to the rules, so it is fever-level here."""
    assert '"celsius" >= 37.25' in fever_level(FeverThresholds())


def test_provisioning_loads_the_generated_files_into_our_folder() -> None:
    """Grafana is told one provider, with the folder that push uses."""
    loaded = yaml.safe_load((PROVISIONING / "dashboards" / "gatehouse.yaml").read_text())
    [provider] = loaded["providers"]
    assert provider["type"] == "file"
    assert (provider["folder"], provider["folderUid"]) == ("Gatehouse", "gatehouse")
    assert provider["options"]["path"] == "/var/lib/grafana-dashboards"


def test_provisioned_data_source_is_one_the_dashboards_accept() -> None:
    """Its type is the one the dashboards' variable offers, and its secret is read from a file."""
    loaded = yaml.safe_load((PROVISIONING / "datasources" / "gatehouse.yaml").read_text())
    [source] = loaded["datasources"]
    variable = RENDERED["gatehouse-now"]["templating"]["list"][0]
    assert source["type"] == variable["query"] == "influxdb"
    assert source["isDefault"]
    assert source["uid"] == "gatehouse-series"
    assert source["secureJsonData"] == {
        "httpHeaderValue1": "Token $__file{/run/secrets/influxdb_token}"
    }
