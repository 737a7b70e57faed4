"""Starting where something is wrong: one clear line, waiting where waiting helps."""

import os
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gatehouse.console_process import ask_console
from gatehouse.demo import MARK
from gatehouse.settings import DEMO_CLOCK
from ingest.folder_lock import FolderLock
from tests.command import Run
from tests.disk import small_disk
from tests.servers import Mosquitto, free_port, wait_until
from tests.service import RunningService, without_settings

PATIENCE_S = 60


def gatehouse(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would; the environment holds only these settings."""
    return subprocess.run(
        [sys.executable, "-m", "gatehouse", *arguments],
        env={**without_settings(), **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_a_misspelt_setting_is_named_in_one_line(tmp_path: Path) -> None:
    """A key nobody knows ends the command with 2 and one line that suggests the right one."""
    config = tmp_path / "gatehouse.toml"
    config.write_text("[journal]\nmax_gibs = 3\n")
    done = gatehouse("run", environment={"GATEHOUSE_CONFIG": str(config)})
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"gatehouse: {config}: journal.max_gibs: unknown setting; did you mean max_gib?"
    ]


def test_the_service_imports_no_more_than_it_needs() -> None:
    """Neither the console's server, nor InfluxDB's client where the embedded store is used."""
    script = (
        "import gatehouse.cli.run, sys; print({'fastapi', 'influxdb_client'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_a_misspelt_variable_is_named_in_one_line(run: Run, tmp_path: Path) -> None:
    """The same for the environment."""
    done = run("run", environment={"GATEHOUSE_MQT_URL": "mqtt://x"})
    assert done.code == 2
    assert done.err.splitlines() == [
        "gatehouse: GATEHOUSE_MQT_URL: unknown setting; did you mean GATEHOUSE_MQTT_URL?"
    ]


def test_run_without_a_broker_address_says_what_to_set(run: Run, tmp_path: Path) -> None:
    """Without GATEHOUSE_MQTT_URL the line says so."""
    done = run("run", environment={"GATEHOUSE_DATA_DIR": str(tmp_path / "data")})
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "GATEHOUSE_MQTT_URL" in done.err


def test_run_refuses_the_folder_of_a_demo(run: Run, tmp_path: Path) -> None:
    """The service does not go on in a community that never was."""
    (tmp_path / DEMO_CLOCK).write_text('{"wall": 0, "at": 0, "speed": 0}')
    environment = {"GATEHOUSE_DATA_DIR": str(tmp_path), "GATEHOUSE_MQTT_URL": "mqtt://127.0.0.1:1"}
    done = run("run", environment=environment)
    assert done.code == 2
    assert "holds a demo" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("more", [(), ("--keep",)], ids=["anew", "--keep"])
def test_a_second_demo_leaves_the_first_alone(tmp_path: Path, more: tuple[str, ...]) -> None:
    """While a demo lives in a folder, another is refused in a line and changes nothing there."""
    lock = FolderLock(tmp_path / MARK)
    clock = tmp_path / DEMO_CLOCK
    clock.write_text('{"wall": 0, "at": 0, "speed": 300}')
    done = gatehouse("demo", "--data-dir", str(tmp_path), *more, environment={})
    lock.release()
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "--data-dir" in line, str(os.getpid()) in line) == (1, True, True)
    assert clock.read_text() == '{"wall": 0, "at": 0, "speed": 300}'
    assert {path.name for path in tmp_path.iterdir()} == {MARK, DEMO_CLOCK}


@pytest.mark.parametrize(
    ("below", "code"), [("", 2), ("deeper", 1)], ids=["a file", "a folder in a file"]
)
def test_a_demo_in_a_file_is_refused_in_one_line(
    run: Run, tmp_path: Path, below: str, code: int
) -> None:
    """Where no folder can be, the line names the place; no traceback."""
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    done = run("demo", "--data-dir", str(file / below), environment={})
    (line,) = done.err.splitlines()
    assert (done.code, line.startswith(f"gatehouse: {file}")) == (code, True)
    assert file.read_text() == "mine"


def test_run_names_a_clock_file_that_is_missing(run: Run, tmp_path: Path) -> None:
    """The service ends with a line before it makes or opens anything."""
    environment = {
        "GATEHOUSE_DATA_DIR": str(tmp_path / "data"),
        "GATEHOUSE_MQTT_URL": "mqtt://127.0.0.1:1",
        "GATEHOUSE_CLOCK_FILE": str(tmp_path / "clock.json"),
    }
    done = run("run", environment=environment)
    (line,) = done.err.splitlines()
    assert (done.code, line.startswith("gatehouse: GATEHOUSE_CLOCK_FILE: ")) == (2, True)
    assert not (tmp_path / "data").exists()


def test_a_database_that_is_away_is_told_in_one_line(run: Run, tmp_path: Path) -> None:
    """Every command that needs it says so, in a line, without a traceback."""
    environment = {
        "GATEHOUSE_DATA_DIR": str(tmp_path),
        "GATEHOUSE_DATABASE_URL": f"postgresql://gatehouse@127.0.0.1:{free_port()}/gatehouse",
    }
    for command in (("migrate",), ("incidents", "list")):
        done = run(*command, environment=environment)
        (line,) = done.err.splitlines()
        assert (done.code, "check GATEHOUSE_DATABASE_URL" in line) == (1, True)


def test_a_database_that_refuses_in_the_middle_is_told_in_one_line(
    run: Run, tmp_path: Path
) -> None:
    """A disk that fills up, or rights that change, while a command works are no stack trace."""
    environment = {"GATEHOUSE_DATA_DIR": str(tmp_path)}
    assert run("migrate", environment=environment).code == 0
    with closing(sqlite3.connect(tmp_path / "state.db")) as database:
        database.execute("DROP TABLE account")
    done = run("accounts", "list", environment=environment)
    assert done.code == 1
    assert done.err.startswith("gatehouse: the state database refused: no such table: account")
    assert done.err.count("\n") == 1


def test_check_connects_to_nothing(run: Run, tmp_path: Path) -> None:
    """Check validates with a broker and a store that do not exist."""
    environment = {
        "GATEHOUSE_DATA_DIR": str(tmp_path / "data"),
        "GATEHOUSE_MQTT_URL": "mqtt://nobody.invalid",
        "GATEHOUSE_SERIES_URL": "influxdb1://gatehouse@nobody.invalid:8086/x",
        "GATEHOUSE_SERIES_TOKEN": "secret",
        "GATEHOUSE_DATABASE_URL": "postgresql://nobody.invalid/x",
    }
    done = run("check", environment=environment)
    assert (done.code, done.err) == (0, "")
    assert not (tmp_path / "data").exists()


def test_a_second_instance_is_refused_in_one_line(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A second service on the same data folder ends at once and says what to do."""
    service = RunningService(tmp_path / "service", mqtt_url=mosquitto.url).start()
    done = gatehouse("run", environment=service.settings_environment)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "GATEHOUSE_DATA_DIR" in done.stderr
    assert service.running
    assert service.stop() == 0


def test_a_missing_broker_is_waited_for(tmp_path: Path) -> None:
    """Started before its broker, the service says what is missing and connects when it comes."""
    port = free_port()
    service = RunningService(tmp_path / "service", mqtt_url=f"mqtt://127.0.0.1:{port}")
    service.spawn()
    wait_until(lambda: (status := service.status()) and status.pipeline.sources[0].problem)
    broker = Mosquitto(tmp_path / "late", port=port).start()
    wait_until(service.is_connected, what="the service to find its broker")
    assert service.stop() == 0
    broker.stop()


def test_a_refused_password_is_told_and_tried_again(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """With a wrong password the service stays up and the status says what to do."""
    mosquitto.stop()
    mosquitto.configure("allow_anonymous false")
    mosquitto.start()
    service = RunningService(tmp_path / "service", mqtt_url=mosquitto.url)
    service.spawn()

    def problem() -> str:
        status = service.status()
        return status.pipeline.sources[0].problem if status else ""

    wait_until(lambda: "GATEHOUSE_MQTT_PASSWORD" in problem() or "password" in problem())
    mosquitto.stop()
    mosquitto.configure("allow_anonymous true")
    mosquitto.start()
    wait_until(service.is_connected, what="the service to be let in")
    assert service.stop() == 0


def test_a_data_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    """A read-only disk ends the service with a line; doctor goes on to what else there is."""
    with small_disk(tmp_path / "disk", mib=1) as disk:
        environment = {
            "GATEHOUSE_DATA_DIR": str(disk),
            "GATEHOUSE_MQTT_URL": f"mqtt://127.0.0.1:{free_port()}",
        }
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        run = gatehouse("run", environment=environment)
        (line,) = run.stderr.splitlines()
        assert (run.returncode, "cannot be written" in line) == (2, True)
        doctor = gatehouse("doctor", environment=environment)
        assert doctor.returncode == 1
        assert "WRONG data folder: GATEHOUSE_DATA_DIR" in doctor.stdout
        assert "check the data folder" in doctor.stdout
        assert "clock" in doctor.stdout


def test_what_is_kept_is_its_owners_only(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Also in a folder that others may look into: there are names, flats and payloads in it."""
    service = RunningService(tmp_path / "service", mqtt_url=mosquitto.url)
    service.data_dir.mkdir(mode=0o755)
    service.start()
    kept = [path for path in service.data_dir.rglob("*") if path.is_file()]
    assert {"state.db", "ledger.db", "lock", "status.json"} <= {path.name for path in kept}
    assert not [path for path in kept if path.stat().st_mode & 0o077]
    assert service.stop() == 0


def test_a_console_is_one_that_answers_as_such(tmp_path: Path) -> None:
    """Nobody there, somebody else, and somebody who says nothing are none; each says why."""
    assert "refused" in ask_console(f"http://127.0.0.1:{free_port()}", seconds=5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert "timed out" in ask_console(f"http://127.0.0.1:{mute.getsockname()[1]}", seconds=0.1)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, name="something else").start()
        said = ask_console(f"http://127.0.0.1:{other.server_port}", seconds=5)
        other.shutdown()
    assert said == "something else answers, with 501"


def test_a_taken_console_port_does_not_stop_the_intake(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Somebody else on the console's port: the console is tried again, messages are taken in."""
    service = RunningService(tmp_path / "service", mqtt_url=mosquitto.url)
    with socket.create_server(("127.0.0.1", service.console_port)):
        service.start()
        wait_until(
            lambda: (status := service.status()) and "ended" in status.console.problem,
            what="the console to give up",
        )
        assert service.is_connected()
    assert service.stop() == 0
