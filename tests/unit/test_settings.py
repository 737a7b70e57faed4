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
    ("retention.raw_days = 13", "retention.raw_days: must be 14 or more, not 13"),
    ("retention.raw_days = 30.5", "retention.raw_days: "),
    ("retention.hourly_days = 44", "retention: raw_days, hourly_days and daily_days must grow"),
    ("retention.daily_days = 40000", "retention.daily_days: "),
    ("retention.weekly_days = 9", "retention.weekly_days: unknown setting"),
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


NORTH = {"GATEHOUSE_SOURCE_NORTH_URL": "mqtt://north"}
HERE = {"GATEHOUSE_SOURCE_NORTH_URL": "mqtts://other,mqtts://broker:1883"}
TAKES = "[mqtt]\ntopics = ['a/#']\n[source.north]\n"

WRONG_SOURCES = (
    ("missing url", {}, "[source.north]", "GATEHOUSE_SOURCE_NORTH_URL: not set, while"),
    ("wrong url", {"GATEHOUSE_SOURCE_NORTH_URL": "north"}, "", "GATEHOUSE_SOURCE_NORTH_URL: is no"),
    (
        "unknown key",
        NORTH,
        "[source.north]\ntopic = 'a'",
        "source.north.topic: unknown setting; did",
    ),
    ("no table", NORTH, "source = 1", "source: is a table; begin it with a line [source]"),
    ("a name of its own", NORTH, "[source.north]\nname = 'x'", "leave out name"),
    ("the first one's name", {"GATEHOUSE_SOURCE_MQTT_URL": "mqtt://x"}, "", "rename [source.mqtt]"),
    ("a name that is none", NORTH, "[source.North]", "'North' is no name"),
    ("one client id", HERE, f"{TAKES}topics = ['b']\nclient_id = 'gatehouse'", "its own client_id"),
    ("everything twice", HERE, f"{TAKES}topics = ['b', 'a/1']", "both take 'a/#' from broker:1883"),
    ("a password", {}, "[mqtt]\npassword = 'x'", "mqtt.password: say this in the environment"),
    ("an address", {}, "[source.n]\nurl = 'x'", "environment: GATEHOUSE_SOURCE_N_URL"),
)


@pytest.mark.parametrize(
    ("environment", "toml", "said"),
    [case[1:] for case in WRONG_SOURCES],
    ids=[case[0] for case in WRONG_SOURCES],
)
def test_a_wrong_source_is_refused_in_one_line(
    tmp_path: Path, environment: dict[str, str], toml: str, said: str
) -> None:
    """Sources that would fight, double or be nameless are refused before anything starts."""
    file = tmp_path / "gatehouse.toml"
    file.write_text(toml)
    with pytest.raises(SettingsError) as refused:
        load(BROKER | environment | {"GATEHOUSE_CONFIG": str(file)})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_each_source_has_its_own_identity(tmp_path: Path) -> None:
    """Name, client id, filters, password and status topic of one broker are not another's."""
    file, secret = tmp_path / "gatehouse.toml", tmp_path / "secret"
    secret.write_text("hunter2\n")
    variables = {
        "GATEHOUSE_CONFIG": str(file),
        "GATEHOUSE_MQTT_PASSWORD": "first",
        "GATEHOUSE_SOURCE_NORTH_1_URL": "mqtt://guard@broker",
        "GATEHOUSE_SOURCE_NORTH_1_PASSWORD_FILE": str(secret),
        "GATEHOUSE_SOURCE_YARD_URL": "mqtt://yard",
    }
    file.write_text("[mqtt]\ntopics = ['gate/#']\n[source.north_1]\ntopics = ['meters/#']")
    sources = load(BROKER | variables).sources
    assert [one.name for one in sources] == ["mqtt", "north_1", "yard"]
    assert [one.client_id for one in sources] == [
        "gatehouse",
        "gatehouse-north_1",
        "gatehouse-yard",
    ]
    assert [one.topics for one in sources] == [("gate/#",), ("meters/#",), ("#",)]
    assert [one.secret for one in sources] == ["first", "hunter2", None]
    assert len({one.status_topic for one in sources}) == 3


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
