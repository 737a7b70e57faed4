"""``gatehouse doctor``: what it finds in a real installation, and that it always ends."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gatehouse import doctor
from gatehouse.doctor import Found
from gatehouse.settings import Settings, load
from tests.command import Run
from tests.registry_folder import Flat, write_registry
from tests.servers import InfluxDB, Mosquitto, port_answers, wait_until
from tests.service import RunningService

# Apprise's first use imports all its plugins, one of which reads the standard library's imghdr.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def test_doctor_says_what_is_well_and_what_is_not(
    run: Run, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Everything well: exit 0; the broker gone: exit 1 and the line that names it."""
    environment = {
        "GATEHOUSE_DATA_DIR": str(tmp_path / "data"),
        "GATEHOUSE_MQTT_URL": mosquitto.url,
    }
    assert run("migrate", environment=environment).code == 0
    well = run("doctor", environment=environment)
    assert well.code == 0, well.out
    subjects = [line.split(":")[0].split(maxsplit=1)[1] for line in well.out.splitlines()]
    assert subjects == [
        "data folder",
        "disk",
        "broker",
        "subscription",
        "receive window",
        "broker's queue",
        "series store",
        "state database",
        "registry",
        "service",
        "clock",
        "open files",
    ]
    mosquitto.stop()
    ill = run("doctor", environment=environment)
    assert ill.code == 1
    assert "WRONG broker" in ill.out


def test_doctor_warns_of_an_old_protocol_and_is_content(
    run: Run, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """A window that only the broker bounds is a warning that says what to do; exit 0."""
    config = tmp_path / "gatehouse.toml"
    config.write_text('[mqtt]\nversion = "3.1.1"\n')
    environment = {
        "GATEHOUSE_DATA_DIR": str(tmp_path / "data"),
        "GATEHOUSE_MQTT_URL": mosquitto.url,
        "GATEHOUSE_CONFIG": str(config),
    }
    assert run("migrate", environment=environment).code == 0
    done = run("doctor", environment=environment)
    assert done.code == 0, done.out
    (line,) = [line for line in done.out.splitlines() if line.startswith("warn  receive window")]
    assert "max_inflight_messages 0" in line


def test_doctor_compares_its_clock_with_the_stores(run: Run, tmp_path: Path) -> None:
    """A server whose answers are dated another day tells that one of two clocks is wrong.

    The server is a stand-in: no real one shows a time of its own choice.
    """

    class Dated(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return "Thu, 01 Jan 2026 00:00:00 GMT"

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Dated) as server:
        threading.Thread(target=server.serve_forever, name="dated store").start()
        environment = {
            "GATEHOUSE_DATA_DIR": str(tmp_path / "data"),
            "GATEHOUSE_SERIES_URL": f"influxdb1://127.0.0.1:{server.server_port}/iot",
        }
        done = run("doctor", environment=environment)
        server.shutdown()
    (line,) = [line for line in done.out.splitlines() if " clock: " in line]
    assert line.startswith("WRONG")
    assert "ahead of the series store's: keep both with NTP" in line


def test_doctor_names_what_is_wrong_in_folder_and_file(run: Run, tmp_path: Path) -> None:
    """A folder open to others, a threshold for a site that is not there, a damaged status."""
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)  # Whatever the umask.
    config = tmp_path / "gatehouse.toml"
    config.write_text("[thresholds.sites.nroth.fever]\ncontact_celsius = 37.2\n")
    environment = {"GATEHOUSE_DATA_DIR": str(data), "GATEHOUSE_CONFIG": str(config)}
    assert run("migrate", environment=environment).code == 0
    (data / "status.json").write_text('{"at": 17')
    ill = run("doctor", environment=environment)
    assert (ill.code, ill.err) == (1, "")
    wrong = [line for line in ill.out.splitlines() if line.startswith("WRONG")]
    assert [line.split(":")[0] for line in wrong] == [
        "WRONG data folder",
        "WRONG broker",
        "WRONG thresholds",
    ]
    assert f"chmod -R go= {data}" in wrong[0]
    assert "nroth" in wrong[2]


def test_doctor_examines_the_running_service_and_the_ways_to_people(
    run: Run, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """What runs is well; a phone's server that is gone is wrong, and nothing secret is said."""
    with socket.create_server(("127.0.0.1", 0)) as phone:
        address = f"json://user:se-cret@127.0.0.1:{phone.getsockname()[1]}"
        service = RunningService(
            tmp_path / "service",
            mqtt_url=mosquitto.url,
            environment={"GATEHOUSE_CONSOLE_URL": "http://127.0.0.1:9/console"},
        )
        flats = [Flat("101", (("thermometer", "gatehouse"),))]
        registry = write_registry(tmp_path / "registry", flats, channel=address)
        service.import_registry(registry, now=0)
        service.start()
        wait_until(lambda: port_answers(service.console_port), what="the console to listen")
        well = run("doctor", "--json", environment=service.settings_environment)
    found = {one["subject"]: one for one in json.loads(well.out)}
    assert (well.code, [one for one in found.values() if not one["well"]]) == (0, [])
    assert {tuple(one) for one in found.values()} == {("subject", "well", "sentence", "warns")}
    assert found["service"]["sentence"].startswith("runs, version")
    assert "on every ladder of 1 sites" in found["on call"]["sentence"]
    assert "their servers answer" in found["channels"]["sentence"]
    assert found["books"]["sentence"].endswith("all accounted for")
    assert {"journal", "console", "series store"} <= set(found)
    assert found["console's address"]["warns"]

    ill = run("doctor", environment=service.settings_environment)
    (line,) = [line for line in ill.out.splitlines() if line.startswith("WRONG")]
    assert ill.code == 1
    assert line.startswith("WRONG channels: json of w: no connection")
    assert "se-cret" not in ill.out + ill.err
    assert service.stop() == 0


def test_every_check_runs_whatever_becomes_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs and one that breaks are lines of their own, and the command ends."""
    released = threading.Event()

    def hang(_: Settings) -> list[Found]:
        released.wait()
        return []

    def break_(_: Settings) -> list[Found]:
        raise LookupError("no such thing")

    checks = (("one", hang), ("two", break_), ("three", lambda _: [Found.fine("three", "well")]))
    monkeypatch.setattr(doctor, "FIRST", ())
    monkeypatch.setattr(doctor, "CHECKS", checks)
    lines = [one.line for one in doctor.examine(load({}), patience_s=0.2)]
    released.set()
    assert lines == [
        "WRONG one: no answer in 0.2 s: does it hang?",
        "WRONG two: could not be examined (LookupError: no such thing): please report this",
        "ok    three: well",
    ]


def test_a_store_that_keeps_less_than_a_late_reading_is_old_is_wrong(
    run: Run, tmp_path: Path, influxdb_server: InfluxDB
) -> None:
    """Readings come up to seven days late; a shorter retention makes dead letters of them."""
    lines = {}
    for name, duration in (("brief", "1d"), ("enough", "20d")):
        influxdb_server.query(f'CREATE DATABASE "{name}" WITH DURATION {duration}')
        environment = {
            "GATEHOUSE_DATA_DIR": str(tmp_path / "data"),
            "GATEHOUSE_SERIES_URL": f"influxdb1://127.0.0.1:{influxdb_server.port}/{name}",
        }
        out = run("doctor", environment=environment).out
        [lines[name]] = [line for line in out.splitlines() if "series store:" in line]
    assert lines["brief"].startswith("WRONG series store: a reading may be 7 days old")
    assert "beyond retention policy" in lines["brief"]
    assert lines["enough"].startswith("ok")
