"""What enrolling, moving, replacing, renaming and retiring say and do; no broker is needed."""

import json
import os
import re
from pathlib import Path

import pytest
from sqlalchemy import select

from dashboards.audit import Action, find
from devices.broker_file import END
from devices.registry_store import load as load_registry
from devices.tables import device, device_credential
from gatehouse.settings import SettingsError, load
from tests.command import Run
from tests.enrolling import AccessFolder, Operator, read_profiles_once

PLUG = ("--profile", "tasmota_energy", "--household", "h-1-101")


@pytest.fixture
def operator(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Somebody whose broker watches its files."""
    read_profiles_once(monkeypatch)
    someone = Operator(run, tmp_path, AccessFolder(tmp_path / "access"))
    someone.set("reload_command = []\nmqtt_url = 'mqtts://broker.example:8883'")
    return someone


def enrolled(operator: Operator) -> set[str]:
    with operator.engine.connect() as connection:
        return set(connection.scalars(select(device_credential.c.device)))


def test_it_says_once_what_has_to_be_entered(operator: Operator) -> None:
    """Address, user, password and topics; the password is in no file and in no list."""
    said = operator.does("devices", "enrol", "a:b", *PLUG)
    password = re.search(r"password  (\w{16})  \(shown only now\)", said)
    assert password
    assert "broker    mqtts://broker.example:8883" in said
    assert "user      a%3Ab" in said
    assert "publishes tele/a:b/SENSOR" in said
    assert "household at lakeside b1" in said
    operator.engine.dispose()
    files = [path for path in operator.folder.rglob("*") if path.is_file()]
    assert files
    assert not any(password[1].encode() in path.read_bytes() for path in files)
    assert password[1] not in operator.does("credentials", "list")
    assert "h-1-101" not in said


def test_a_terminal_that_posts_is_told_its_path(operator: Operator) -> None:
    """The user there is the id as it is; Digest only where it was asked for."""
    words = ("--profile", "hikvision_isapi", "--gate", "main-gate", "--http", "--digest")
    said = operator.does("devices", "enrol", "北门 1", *words)
    assert "path      /intake/%E5%8C%97%E9%97%A8%201" in said
    assert "user      北门 1" in said
    assert load_registry(operator.engine).credentials["北门 1"].digest_hash
    refused = operator.says("devices", "enrol", "a/b", *PLUG, "--http")
    assert "'a/b' cannot post" in refused.err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((), 2, "say which device, or --csv FILE"),
        (("x",), 2, "'x' is not registered: say its --profile"),
        (("x", "--profile", "no_such"), 2, "there is no profile 'no_such'"),
        (("x", *PLUG, "--gate", "main-gate"), 2, "say one place: --household or --gate"),
        (("x", "--profile", "gatehouse", "--household", "h-9"), 1, "has no household 'h-9'"),
        (("x", *PLUG, "--gateway", "no_such"), 1, "there is no device 'no_such', its gateway"),
        (("x", *PLUG, "--label", "x.pdf"), 2, "name it .svg, or .png"),
        (("room-2-101", "--gate", "main-gate"), 1, "`gatehouse devices move` moves it"),
        (("room-2-101", "--profile", "gatehouse"), 1, "is registered as zigbee2mqtt_temperature"),
        (("--csv", "many.csv"), 2, "say where the passwords go: --secrets FILE"),
        (("--csv", "many.csv", "--gate", "x"), 2, "--csv FILE says which devices"),
    ],
)
def test_what_cannot_be_done_says_why(
    operator: Operator, words: tuple[str, ...], code: int, sentence: str
) -> None:
    """And changes nothing."""
    before = operator.access.acl.read_bytes()
    done = operator.says("devices", "enrol", *words)
    assert (done.code, sentence in done.err) == (code, True), done.err
    assert enrolled(operator) == set()
    assert operator.access.acl.read_bytes() == before


def test_a_dry_run_changes_nothing(operator: Operator) -> None:
    """It says what would be, without a password."""
    before = operator.access.passwords.read_bytes()
    said = operator.does("devices", "enrol", "a", *PLUG, "--dry-run")
    assert "a would be enrolled" in said
    assert "made when it is enrolled" in said
    with operator.engine.connect() as connection:
        assert not connection.execute(select(device).where(device.c.id == "a")).first()
    assert operator.access.passwords.read_bytes() == before
    operator.enrols("a", *PLUG)
    assert "nothing was changed" in operator.does("devices", "retire", "a", "--dry-run")
    assert enrolled(operator) == {"a"}


def test_what_others_wrote_around_stays_and_rights_too(operator: Operator) -> None:
    """Lines, owner, group and mode; a file that others may read is closed to them."""
    with operator.access.acl.open("ab") as file:
        file.write(b"user other\ntopic read x\n")
    operator.access.passwords.chmod(0o644)
    operator.access.acl.chmod(0o640)
    operator.enrols("a", *PLUG)
    with operator.access.acl.open("ab") as file:
        file.write(b"user another\ntopic read y\n")
    operator.enrols("b", *PLUG)
    text = operator.access.acl.read_bytes()
    assert text.startswith(b"user gatehouse\n")
    assert b"user other\ntopic read x\n# Begin" in text
    assert text.endswith(END + b"\nuser another\ntopic read y\n")
    modes = [
        path.stat().st_mode & 0o777 for path in (operator.access.passwords, operator.access.acl)
    ]
    assert modes == [0o640, 0o640]


def test_files_that_would_not_do_are_said_before_anything_changes(operator: Operator) -> None:
    """A name that is taken, a mark that is damaged: the registry stays as it was."""
    with operator.access.passwords.open("a") as file:
        file.write("a:$7$somebody\n")
    refused = operator.says("devices", "enrol", "a", *PLUG)
    assert (refused.code, "line 2: 'a' is a user outside" in refused.err) == (1, True)
    with operator.access.acl.open("ab") as file:
        file.write(END + b"\n")
    refused = operator.says("devices", "enrol", "b", *PLUG)
    assert "the marks of Gatehouse's part are damaged" in refused.err
    assert enrolled(operator) == set()


def test_a_broker_that_cannot_be_told_costs_no_password(operator: Operator) -> None:
    """The device is enrolled and its password shown; the error says what to do."""
    operator.set('reload_command = ["sh", "-c", "echo no such unit >&2; exit 5"]')
    done = operator.says("devices", "enrol", "a", *PLUG)
    assert (done.code, "(shown only now)" in done.out) == (1, True)
    assert "sh ended with 5: no such unit" in done.err
    assert "`gatehouse credentials write`" in done.err
    operator.set('reload_command = ["no-such-program"]')
    assert "no-such-program could not tell" in operator.says("credentials", "write").err
    operator.access.pid.write_text(f"{os.getpid()}\n")
    operator.set(f'pid_file = "{operator.access.pid}"')
    assert "and no mosquitto" in operator.says("credentials", "write").err
    operator.set("")
    assert "now let the broker read its files again" in operator.does("credentials", "write")


def test_without_files_only_posts_are_let_in(operator: Operator) -> None:
    """An installation may have no broker of its own; it is said, and is no error."""
    (operator.folder / "gatehouse.toml").write_text("")
    said = operator.does("devices", "enrol", "a", *PLUG)
    assert "no broker was told: [enrolment] names no files" in said
    refused = operator.says("credentials", "write")
    assert (refused.code, "names no password_file" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ('password_file = "p"', "belong together"),
        ('password_file = "p"\nacl_file = "p"', "are one file"),
        ('pid_file = "p"\nreload_command = []', "one of them tells the broker"),
        ('mqtt_url = "mqtt://user:secret@broker"', "is no address for devices"),
        ('acl_fiel = "a"', "unknown setting"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, toml: str, sentence: str) -> None:
    """By name, with what to do."""
    file = tmp_path / "gatehouse.toml"
    file.write_text(f"[enrolment]\n{toml}\n")
    with pytest.raises(SettingsError, match=re.escape(sentence)):
        load({"GATEHOUSE_CONFIG": str(file)})


def test_what_is_registered_may_speak_through_a_gateway_at_once(operator: Operator) -> None:
    """An import that names the gateway of a device writes the broker's files too."""
    operator.enrols("gw", "--profile", "openmqttgateway", "--site", "lakeside")
    folder = operator.folder / "more"
    folder.mkdir()
    (folder / "devices.csv").write_text(
        "id,profile,place,site,household,gateway\n"
        "c1,openmqttgateway,household,lakeside,h-1-101,gw\n"
    )
    operator.does("registry", "import", str(folder))
    assert b"topic write home/gw/BTtoMQTT/c1\n" in operator.access.acl.read_bytes()


def test_a_moved_device_was_where_it_was(operator: Operator) -> None:
    """From now on it stands elsewhere, with the same password."""
    operator.enrols("a", *PLUG)
    assert "from household h-1-101 to gate main-gate" in operator.does(
        "devices", "move", "a", "--gate", "main-gate"
    )
    spans = load_registry(operator.engine).bindings.spans("a")
    (now, _, here), (_, until, there) = spans
    assert (here.gate, there.household, until) == ("main-gate", "h-1-101", now)
    assert enrolled(operator) == {"a"}
    refused = operator.says("devices", "move", "b", "--site", "lakeside")
    assert "there is no device 'b'" in refused.err


def test_a_replaced_device_hands_its_place_and_what_is_behind_it_over(operator: Operator) -> None:
    """The new one is let in instead of the old one."""
    operator.enrols("gw", "--profile", "openmqttgateway", "--site", "lakeside")
    operator.enrols(
        "c", "--profile", "openmqttgateway", "--household", "h-1-101", "--gateway", "gw"
    )
    said = operator.does("devices", "replace", "gw", "gw-2")
    assert "(shown only now)" in said
    assert enrolled(operator) == {"gw-2"}
    registry = load_registry(operator.engine)
    assert registry.devices["c"].gateway == "gw-2"
    [(since, until, place)] = registry.bindings.spans("gw-2")
    [(_, ended, before)] = registry.bindings.spans("gw")
    assert (place, since, until) == (before, ended, None)
    acl = operator.access.acl.read_text()
    assert "topic write home/gw-2/BTtoMQTT/c\n" in acl
    assert "home/gw/" not in acl
    refused = operator.says("devices", "replace", "gw-2", "c")
    assert "'c' stands at a place of its own" in refused.err


def test_a_renamed_device_is_found_under_both_ids(operator: Operator) -> None:
    """The registry remembers what it was called; the user at the broker is the new id."""
    operator.enrols("a", *PLUG)
    assert "a is kitchen from now on" in operator.does("devices", "rename", "a", "kitchen")
    registry = load_registry(operator.engine)
    assert registry.devices["kitchen"].renamed_from == "a"
    assert enrolled(operator) == {"kitchen"}
    refused = operator.says("devices", "rename", "kitchen", "room-2-101")
    assert "'room-2-101' is registered already" in refused.err


def test_every_change_is_on_record(operator: Operator) -> None:
    """Who did what to which device, and why."""
    operator.enrols("a", *PLUG)
    operator.does("devices", "move", "a", "--gate", "main-gate")
    operator.does("credentials", "revoke", "a")
    operator.does("devices", "retire", "a", "--reason", "broken")
    with operator.engine.connect() as connection:
        entries = find(connection, about="device:a")
    assert [(entry.action, entry.reason) for entry in reversed(entries)] == [
        (Action.ENROLLED_DEVICE, ""),
        (Action.CHANGED_DEVICE, ""),
        (Action.REVOKED_CREDENTIAL, ""),
        (Action.RETIRED_DEVICE, "broken"),
    ]


def test_a_broken_file_enrols_nobody(operator: Operator) -> None:
    """Each wrong line is named; the others are not taken either."""
    many = operator.folder / "many.csv"
    many.write_text(
        "id,profile,place,site,household\n"
        "a,tasmota_energy,household,lakeside,h-1-101\n"
        "b,no_such_profile,household,lakeside,h-1-101\n"
        "c+,tasmota_energy,household,lakeside,h-1-101\n"
    )
    words = ("devices", "enrol", "--csv", str(many), "--secrets", str(operator.folder / "s.csv"))
    refused = operator.says(*words)
    assert refused.code == 1
    assert "line 3" in refused.err
    assert "there is no profile 'no_such_profile'" in refused.err
    assert "line 4" in refused.err
    assert enrolled(operator) == set()
    assert not (operator.folder / "s.csv").exists()


def test_a_label_says_where_and_no_flat(operator: Operator) -> None:
    """Its code is the address with user and topic; the password only where that was asked for."""
    file = operator.folder / "a.svg"
    operator.does("devices", "enrol", "a", *PLUG, "--label", str(file))
    text = file.read_text()
    assert ">a</text>" in text
    assert "lakeside b1" in text
    assert "h-1-101" not in text
    assert file.stat().st_mode & 0o777 == 0o600
    shown = operator.does("devices", "enrol", "a", "--replace", "--label", "-")
    assert "mqtts://a@broker.example:8883/tele/a/SENSOR" in shown
    shown = operator.does("devices", "enrol", "a", "--replace", "--label", "-", "--secret-on-label")
    assert re.search(r"mqtts://a:\w{16}@broker.example:8883/tele/a/SENSOR", shown)


def test_json_has_everything_for_a_script(operator: Operator) -> None:
    """Both ways in, and on which topics it could speak for others."""
    answer = operator.enrols("f", "--profile", "face_terminal_mqtt", "--gate", "main-gate")
    assert answer["mqtt_url"] == "mqtts://broker.example:8883"
    assert answer["http_path"] == "/intake/f"
    assert answer["shared"] == ["mqtt/face/basic", "mqtt/face/heartbeat"]
    assert answer["reads"] == ["mqtt/face/f"]
    listed = json.loads(operator.does("credentials", "list", "--json"))
    assert [(one["device"], one["broker"]) for one in listed] == [("f", True)]
