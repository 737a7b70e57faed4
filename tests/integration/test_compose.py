"""The compose file and what it mounts: no daemon is needed, the real servers load the files."""

import getpass
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devices.broker_file import hash_password
from gatehouse.deploy.prepare import ACL, PASSWORDS, SECRETS, prepare
from gatehouse.settings import load
from ingest.influxdb_address import parse_address
from tests.servers import Mosquitto, Process, broker_answers, wait_until

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "gatehouse" / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A folder as an operator has it before the first start."""
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    command = [sys.executable, "-m", "gatehouse.deploy.prepare", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return tmp_path


def mqtt_password(folder: Path) -> str:
    return (folder / "secrets" / "mqtt_password").read_text()


@pytest.fixture
def broker(prepared: Path, program: Any) -> Iterator[Mosquitto]:
    """A real mosquitto with the mounted configuration; only the container's paths are ours."""
    program("mosquitto")
    server = Mosquitto(prepared / "mosquitto")
    mounted = (DEPLOY / "mosquitto.conf").read_text()
    ours = {
        "listener 1883": f"listener {server.port} 127.0.0.1",
        "/mosquitto/access/": f"{prepared}/volumes/broker/",
        "/mosquitto/data/": f"{server.folder}/",
    }
    for theirs, here in ours.items():
        assert theirs in mounted
        mounted = mounted.replace(theirs, here)
    # In its container it is not root; here root must stay itself to read the files.
    server.config.write_text(f"{mounted}\nuser {getpass.getuser()}\n")
    if os.getuid() == 0:
        for path in (prepared / "volumes" / "broker").iterdir():
            os.chown(path, 0, 0)
    server.start()
    yield server
    server.stop()


def mosquitto_client(
    tool: str, broker: Mosquitto, *arguments: str, said: str | None = None
) -> subprocess.CompletedProcess[str]:
    command = [tool, "-p", str(broker.port), *arguments]
    return subprocess.run(
        command, input=said, capture_output=True, text=True, timeout=60, check=False
    )


def test_compose_file_is_valid(prepared: Path, program: Any) -> None:
    """docker-compose takes it, and would refuse a typo."""
    check = [program("docker-compose"), "-f", str(prepared / "docker-compose.yml"), "config", "-q"]
    subprocess.run(check, check=True, capture_output=True, cwd=prepared)
    file = prepared / "docker-compose.yml"
    file.write_text(file.read_text().replace("healthcheck:", "healthcheque:", 1))
    assert subprocess.run(check, capture_output=True, cwd=prepared, check=False).returncode


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_watched_and_not_root(name: str) -> None:
    """Exact versions, a health check, a restart policy, and the owner's user id."""
    service = SERVICES[name]
    image = service.get("image", "")
    assert "build" in service or re.search(r":\d+\.\d+\.\d+$", image)
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert service["user"] == "${GATEHOUSE_UID:-1000}:${GATEHOUSE_GID:-1000}"


def test_every_mounted_file_and_secret_exists(prepared: Path) -> None:
    """What is mounted is in the repository, or made by prepare; nothing is made by Docker."""
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() or (prepared / source).is_dir(), source
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
    for secret in COMPOSE["secrets"].values():
        assert (prepared / secret["file"]).is_file()


def test_no_secret_stands_in_the_file() -> None:
    """Every password and token is read from a file below /run/secrets."""
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN", name):
                assert name.endswith("_FILE")
                assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_settings_of_the_service_are_settings(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment that compose gives to Gatehouse is one that it accepts."""
    monkeypatch.chdir(prepared)
    environment = {
        name: value.replace("/run/secrets", f"{prepared}/secrets")
        for name, value in SERVICES["gatehouse"]["environment"].items()
    }
    settings = load(environment)
    assert settings.mqtt is not None
    assert settings.series_token is not None
    address = parse_address(settings.series_url or "", settings.series_token.get_secret_value())
    influxdb = SERVICES["influxdb"]["environment"]
    assert dict(address.write_query)["org"] == influxdb["DOCKER_INFLUXDB_INIT_ORG"]
    assert address.database == influxdb["DOCKER_INFLUXDB_INIT_BUCKET"]


def test_grafana_reads_what_influxdb_holds() -> None:
    """Data source, bucket, token file and dashboards folder agree with the compose file."""
    folder = ROOT / "dashboards" / "grafana" / "provisioning"
    [source] = yaml.safe_load((folder / "datasources" / "gatehouse.yaml").read_text())[
        "datasources"
    ]
    [provider] = yaml.safe_load((folder / "dashboards" / "gatehouse.yaml").read_text())["providers"]
    bucket = SERVICES["influxdb"]["environment"]["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert source["jsonData"]["dbName"] == bucket
    assert source["url"] == "http://influxdb:8086"
    read = re.findall(r"/run/secrets/(\w+)", source["secureJsonData"]["httpHeaderValue1"])
    assert set(read) <= set(SERVICES["grafana"]["secrets"])
    mounted = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounted


def test_secrets_are_random_and_private(prepared: Path) -> None:
    """Long, each different, readable by the owner only; run again, they stay as they are."""
    secret = {name: prepared / "secrets" / name for name in SECRETS}
    files = [*secret.values(), *(prepared / "volumes" / "broker" / one for one in (PASSWORDS, ACL))]
    before = {file: file.read_text() for file in files}
    assert len({before[file] for file in secret.values()}) == len(SECRETS)
    assert all(len(before[file]) >= 32 for file in secret.values())
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (prepared / "secrets").stat().st_mode & 0o777 == 0o700
    assert prepare(prepared) == []
    assert {file: file.read_text() for file in files} == before
    owner = secret["mqtt_password"].stat()
    assert owner.st_uid != 0
    assert f"GATEHOUSE_UID={owner.st_uid}\n" in (prepared / ".env").read_text()


def test_a_deleted_secret_is_made_anew(prepared: Path) -> None:
    """To change Gatehouse's password, delete it and prepare again: devices stay let in."""
    passwords = prepared / "volumes" / "broker" / PASSWORDS
    [old] = passwords.read_text().splitlines()
    passwords.write_text(f"{old}\nplug-17:$7$kept\n")
    (prepared / "secrets" / "mqtt_password").unlink()
    assert {path.name for path in prepare(prepared)} == {"mqtt_password", PASSWORDS}
    new, device = passwords.read_text().splitlines()
    assert new.startswith("gatehouse:")
    assert (new != old, device) == (True, "plug-17:$7$kept")


def test_who_was_prepared_before_keeps_the_user_that_devices_shared(tmp_path: Path) -> None:
    """Until each has its own; an installation made today has none."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "mqtt_password").write_text("known")
    (tmp_path / "secrets" / "mosquitto_passwords").write_text("gatehouse:$7$a\ndevices:$7$b\n")
    prepare(tmp_path)
    broker = tmp_path / "volumes" / "broker"
    assert "\ndevices:$7$b\n" in (broker / PASSWORDS).read_text()
    assert "user devices\ntopic write #\n" in (broker / ACL).read_text()


def test_prepare_needs_nothing_but_python(tmp_path: Path) -> None:
    """It runs before anything is installed: no module outside of the standard library."""
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    command = [sys.executable, "-S", "-m", "gatehouse.deploy.prepare", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def test_secrets_are_ignored_by_git_and_by_the_image() -> None:
    """Neither a commit nor the build's context can hold a secret."""
    command = ["git", "check-ignore", "secrets/x", "volumes/x", ".env"]
    ignored = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ignored.stdout.split() == command[2:]
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert not {"!secrets", "!volumes", "!.env"} & set(lines)


def test_broker_lets_in_only_who_signs_in(broker: Mosquitto, prepared: Path) -> None:
    """The made password file opens the real mosquitto for Gatehouse, and for nobody else."""
    known = ("-u", "gatehouse", "-P", mqtt_password(prepared), "-t", "a", "-m", "x", "-q", "1")
    assert mosquitto_client("mosquitto_pub", broker, *known).returncode == 0
    assert mosquitto_client("mosquitto_pub", broker, "-t", "a", "-m", "x").returncode
    wrong = ("-u", "gatehouse", "-P", "gatehouse", "-t", "a", "-m", "x")
    assert mosquitto_client("mosquitto_pub", broker, *wrong).returncode


def test_broker_drops_nothing_while_we_are_away(broker: Mosquitto, prepared: Path) -> None:
    """More than the default of 1,000 messages wait for an absent session, over a restart too."""
    known = ("-u", "gatehouse", "-P", mqtt_password(prepared))
    session = (*known, "-i", "gatehouse", "-c", "-q", "1", "-t", "#")
    mosquitto_client("mosquitto_sub", broker, *session, "-E")
    sent = [f"reading {number}" for number in range(3000)]
    lines = "\n".join(sent) + "\n"
    mosquitto_client("mosquitto_pub", broker, *known, "-t", "a", "-q", "1", "-l", said=lines)
    broker.stop()
    broker.start()
    back = mosquitto_client("mosquitto_sub", broker, *session, "-C", "3000", "-W", "30")
    assert back.stdout.splitlines() == sent


def test_the_settings_that_are_made_let_devices_be_enrolled(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They name the files that compose mounts for both, and the broker watches."""
    monkeypatch.chdir(prepared / "volumes" / "gatehouse")
    enrolment = load({}).enrolment
    mounts = [volume.split(":")[:2] for volume in SERVICES["gatehouse"]["volumes"]]
    of_broker = [volume.split(":")[:2] for volume in SERVICES["mosquitto"]["volumes"]]
    assert [
        "./volumes/broker",
        str(enrolment.password_file and enrolment.password_file.parent),
    ] in mounts
    [there] = [inside for outside, inside in of_broker if outside == "./volumes/broker"]
    watched = SERVICES["mosquitto"]["command"][3:]
    assert watched == [f"{there}/{PASSWORDS}", f"{there}/{ACL}"]
    assert (enrolment.acl_file, enrolment.reload_command) == (Path("/broker") / ACL, ())


def test_the_broker_reads_its_files_again_when_they_have_changed(
    prepared: Path, broker: Mosquitto, tmp_path: Path
) -> None:
    """The script that compose runs it with: a new user gets in, and it ends when it is told to."""
    broker.stop()
    files = [prepared / "volumes" / "broker" / name for name in (PASSWORDS, ACL)]
    script = ["sh", str(DEPLOY / "mosquitto.sh"), str(broker.config), *map(str, files)]
    run = Process(script, tmp_path / "script.log", {"PATH": f"{os.environ['PATH']}:/usr/sbin"})
    run.spawn()
    try:
        wait_until(lambda: broker_answers(broker.port), what="mosquitto")
        known = ("-u", "new", "-P", "new", "-t", "a", "-m", "x", "-q", "1")
        assert mosquitto_client("mosquitto_pub", broker, *known).returncode
        with files[0].open("a") as file:
            file.write(f"new:{hash_password('new')}\n")
        wait_until(lambda: mosquitto_client("mosquitto_pub", broker, *known).returncode == 0)
    finally:
        assert run.end(signal.SIGTERM) == 0
    assert not broker_answers(broker.port)


def test_health_check_of_the_broker_passes(broker: Mosquitto, prepared: Path) -> None:
    """The command that compose runs inside the container finds the broker well."""
    check = SERVICES["mosquitto"]["healthcheck"]["test"][1].replace("$$", "$")
    check = check.replace("/run/secrets", f"{prepared}/secrets")
    check = check.replace("mosquitto_sub", f"mosquitto_sub -p {broker.port}")
    subprocess.run(["sh", "-c", check], check=True, capture_output=True, timeout=30)


def test_image_copies_what_exists_and_does_not_run_as_root() -> None:
    """Two stages of one pinned base; every copied source is there; the last user is a number."""
    text = (DEPLOY / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-bookworm", bases[0])
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists()
            assert f"!{source}" in allowed
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE)[-1] == "10001:10001"


def test_what_the_image_installs_has_its_data_files(tmp_path: Path) -> None:
    """The wheel holds everything that the code opens beside itself."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation"]
    command += ["--no-deps", "--no-index", "--wheel-dir", str(tmp_path), "."]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "devices", "ingest", "alerts", "dashboards", "gatehouse"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert set(tracked) <= names
