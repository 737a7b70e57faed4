"""Settings: whatever is wrong in them is refused in one line that names it."""

from pathlib import Path

import pytest

from gatehouse.check import check_everything
from gatehouse.settings import SettingsError, load

BROKER = {"GATEHOUSE_MQTT_URL": "mqtt://broker"}

WRONG = (
    ("mqtt = 1", "mqtt: is a table; begin it with a line [mqtt]"),
    ("thresholds = 1", "thresholds: is a table"),
    ("thresholds.fever = 1", "thresholds.fever: is a table"),
    ("thresholds.sites = 1", "thresholds.sites: is a table"),
    ("thresholds.sites.north = 1", "thresholds.sites.north: is a table"),
    ("escalation.device = 1", "escalation.device: is a table"),
    ("journal.max_gib = inf", "journal.max_gib: "),
    ("journal.max_gib = 1e300", "journal.max_gib: "),
    ("journal.min_free_gib = nan", "journal.min_free_gib: "),
    ("journal.keep_hours = inf", "journal.keep_hours: "),
    ("thresholds.fever.contact_celsius = nan", "thresholds.fever.contact_celsius: "),
    ("thresholds.occupancy.base_default_w = inf", "thresholds.occupancy.base_default_w: "),
    ("thresholds.strangers.late_hours = -inf", "thresholds.strangers.late_hours: "),
    ("thresholds.device.battery_low_percent = nan", "thresholds.device.battery_low_percent: "),
    (
        "thresholds.sites.north.fever.high_celsius = nan",
        "thresholds.sites.north.fever.high_celsius: ",
    ),
)


@pytest.mark.parametrize(("toml", "said"), WRONG, ids=[toml for toml, _ in WRONG])
def test_a_wrong_value_is_refused_by_its_name(tmp_path: Path, toml: str, said: str) -> None:
    """No table where one belongs and no finite number are refused before anything starts."""
    file = tmp_path / "gatehouse.toml"
    file.write_text(toml)
    with pytest.raises(SettingsError) as refused:
        load(BROKER | {"GATEHOUSE_CONFIG": str(file)})
    assert str(refused.value).startswith(f"{file}: {said}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"wall": 0, "at": 0, "speed": NaN}'])
def test_check_looks_at_the_clock_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """A clock file that is missing or holds no time is named by the check, not met by the run."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "clock.json"
    if content is not None:
        file.write_text(content)
    for name, text in (BROKER | {"GATEHOUSE_CLOCK_FILE": str(file)}).items():
        monkeypatch.setenv(name, text)
    (problem,) = check_everything()
    assert problem.startswith(f"GATEHOUSE_CLOCK_FILE: {file} ")
    file.write_text('{"wall": 0, "at": 0, "speed": 1}')
    assert check_everything() == []


@pytest.mark.parametrize(
    ("bind", "toml", "said"),
    [
        ("8081", "", "is no host and port"),
        ("127.0.0.1:8080", "", "is where the console listens"),
        ("0.0.0.0:8081", '[mqtt]\nname = "http"', "call the broker something else"),
    ],
)
def test_a_wrong_place_for_the_intake_is_refused(
    tmp_path: Path, bind: str, toml: str, said: str
) -> None:
    """Before anything starts, by its variable; left out, nobody can post."""
    file = tmp_path / "gatehouse.toml"
    file.write_text(toml)
    environment = BROKER | {"GATEHOUSE_CONFIG": str(file)}
    assert load(environment).intake_bind is None
    with pytest.raises(SettingsError, match=f"^GATEHOUSE_INTAKE_BIND: .*{said}"):
        load(environment | {"GATEHOUSE_INTAKE_BIND": bind})
