"""``gatehouse decode --from-broker`` on a real mosquitto: what a person first tries."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.command import Run
from tests.servers import Mosquitto, free_port
from tests.service import without_settings

SENT = (
    ("tele/plug1/SENSOR", b'{"ENERGY":{"Total":3.5,"Power":230}}'),
    ("a0:e6:f8:50:72:53/HealthThermometer/TemperatureMeasurement", b"4,38.7,1"),
    ("zigbee2mqtt/bridge/logging", b"{}"),
    ("home/b3/tele/plug2/SENSOR", b'{"ENERGY":{"Power":40}}'),
    ("who/knows", '{"name": "孙美丽", "celsius": 38.9}'.encode()),
)
EACH_S = 0.02


@contextmanager
def chattering(broker: Mosquitto) -> Iterator[None]:
    """Publish the messages over and over, in order, as devices do."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect(broker.host, broker.port)
    client.loop_start()
    stop = threading.Event()

    def talk() -> None:
        while not stop.is_set():
            for topic, payload in SENT:
                client.publish(topic, payload)
                stop.wait(EACH_S)

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        yield
    finally:
        stop.set()
        talking.join()
        client.disconnect()
        client.loop_stop()


def test_what_arrives_is_shown_with_why_it_is_not_understood(
    mosquitto: Mosquitto, run: Run
) -> None:
    """A line each, of a body no value, and a summary by family; the session is its own."""
    with chattering(mosquitto):
        done = run(
            *("decode", "--from-broker", "--count", "10"),
            environment={"GATEHOUSE_MQTT_URL": mosquitto.url},
        )
    assert (done.code, done.err) == (0, "")
    for said in (
        "tele/plug1/SENSOR  tasmota_energy: plug1 power 230 W, meter reading 3.5 kWh",
        "esp32_ble2mqtt: a0:e6:f8:50:72:53 body temperature (Armpit)",
        "zigbee2mqtt/bridge/logging  ignored: log_line",
        "unknown_topic; with home/b3/ before it looks like tasmota_energy",
        'unknown_topic: { "name": "‹3 characters›", "celsius": 38.9 }',
    ):
        assert said in done.out
    assert "38.7" not in done.out
    assert "孙美丽" not in done.out
    assert "\x1b" not in done.out
    summary = done.out.partition("10 messages\n")[2]
    for line in (
        "2  tasmota_energy",
        "2  ignored: log_line",
        "4  not understood: unknown_topic, 2 topics",
    ):
        assert line in summary
    assert "as gatehouse-see-" in mosquitto.log
    assert "as gatehouse " not in mosquitto.log


def test_only_named_topics_are_shown_and_revealed_on_request(
    mosquitto: Mosquitto, run: Run
) -> None:
    """A filter narrows; ``--reveal`` shows the values; ``--json`` is an object a line."""
    with chattering(mosquitto):
        done = run(
            *("decode", "--from-broker", "--topic", "a0:e6:f8:50:72:53/#", "--topic", "who/#"),
            *("--reveal", "--json", "--count", "2"),
            environment={"GATEHOUSE_MQTT_URL": mosquitto.url},
        )
    assert done.code == 0, done.err
    told = [json.loads(line) for line in done.out.splitlines()]
    [fever] = [one for one in told if "observations" in one]
    assert (fever["profile"], fever["observations"][0]["celsius"]) == ("esp32_ble2mqtt", 38.7)
    [unknown] = [one for one in told if "dead_letter" in one]
    assert "孙美丽" in unknown["payload"]


def test_it_stops_after_the_time(mosquitto: Mosquitto, run: Run) -> None:
    """Where nothing comes, it says so when the time is up."""
    done = run(
        *("decode", "--from-broker", "--seconds", "0.2"),
        environment={"GATEHOUSE_MQTT_URL": mosquitto.url},
    )
    assert (done.code, done.out) == (0, "0 messages\n")


def test_ctrl_c_ends_it_with_the_summary(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Stopping is how it is meant to end: exit code 0, and what came is counted."""
    with (
        chattering(mosquitto),
        subprocess.Popen(
            [sys.executable, "-m", "gatehouse", "decode", "--from-broker"],
            env={**without_settings(), "GATEHOUSE_MQTT_URL": mosquitto.url},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child,
    ):
        assert child.stdout is not None
        assert child.stdout.readline()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20)
    assert (child.returncode, err) == (0, "")
    assert " messages\n" in out


@pytest.mark.parametrize(
    ("words", "url", "code", "says"),
    [
        ((), "mqtt://127.0.0.1:{free}", 1, "127.0.0.1:{free} does not take us"),
        (("--topic", "a/#/b"), "mqtt://127.0.0.1:{free}", 2, "--topic: 'a/#/b' is no topic filter"),
        (("--source", "north"), "mqtt://127.0.0.1:{free}", 2, "--source north: one of mqtt"),
        (("--at", "2020-02-14T20:00:00Z"), "", 2, "takes neither a file nor --at"),
        ((), "", 2, "GATEHOUSE_MQTT_URL: not set"),
    ],
)
def test_what_it_cannot_listen_to_is_said(
    run: Run, words: tuple[str, ...], url: str, code: int, says: str
) -> None:
    """A broker that is away is told from a mistake on the command line."""
    port = str(free_port())
    address = url.replace("{free}", port)
    environment = {"GATEHOUSE_MQTT_URL": address} if address else {}
    done = run("decode", "--from-broker", *words, environment=environment)
    assert (done.code, says.replace("{free}", port) in done.err) == (code, True), done.err
