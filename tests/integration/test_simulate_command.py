"""``gatehouse simulate`` as people run it."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from sqlalchemy import create_engine

from devices import tables
from devices.clock import DAY, parse_rfc3339
from devices.csv_import import import_folder
from devices.registry_store import load
from devices.simulator.city import make_city
from devices.simulator.events import city_events
from devices.simulator.scenario import built_in_scenarios
from gatehouse.failure import WRONG_USE
from tests.command import Run, runner
from tests.servers import Mosquitto, Process, free_port, wait_until
from tests.service import without_settings

BEGIN = "2020-02-14T00:00:00+08:00"
"""Of the scenario's day 0."""
END_S = 5.0
"""Promised is a second; the rest is for a machine that is busy."""


@pytest.fixture(scope="module")
def broker(
    tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]
) -> Iterator[Mosquitto]:
    program("mosquitto")
    folder = tmp_path_factory.mktemp("mosquitto")
    server = Mosquitto(folder, extra="set_tcp_nodelay true").start()
    yield server
    server.stop()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(monkeypatch, capfd)


class Listener:
    """Takes in everything that a broker gets; payloads by topic, in order."""

    def __init__(self, broker: Mosquitto) -> None:
        self.received: list[tuple[str, bytes]] = []
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.connect(broker.host, broker.port)
        self._client.subscribe("#", qos=1)
        self._client.loop_start()

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        if not message.retain:
            self.received.append((message.topic, message.payload))


def started(folder: Path, *words: str) -> Process:
    """Start the command in a process of its own."""
    command = [sys.executable, "-m", "gatehouse", "simulate", *words]
    process = Process(command, folder / "simulate.log", env=without_settings())
    process.spawn()
    return process


def children(process: Process) -> list[int]:
    """Return the processes that share a simulation's work."""
    command = ["ps", "-ww", "--ppid", str(process.pid), "-o", "pid=", "-o", "args="]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "spawn_main" in line]


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_day_of_two_processes_arrives_whole(broker: Mosquitto, tmp_path: Path) -> None:
    """A day of 284 households, shared by two processes, is on the broker to the last byte, and the
    summary counts it."""
    listener = Listener(broker)
    words = ("--url", broker.url, "--from", BEGIN, "--days", "1", "--processes", "2", "--json")
    process = started(tmp_path, *words)
    city = make_city(has_history=False)
    wanted = list(city_events(city, city.begins, city.begins + DAY))
    wait_until(lambda: not process.running, seconds=300, what="the end of the day")
    summary = json.loads(process.said().splitlines()[-1])
    assert summary["messages"] == len(wanted)
    assert sum(summary["families"].values()) == len(wanted)
    wait_until(lambda: len(listener.received) >= len(wanted), seconds=60, what="the messages")
    listener.stop()
    assert Counter(listener.received) == Counter((one.topic, one.payload) for one in wanted)


def test_processes_end_together(broker: Mosquitto, tmp_path: Path) -> None:
    """One that dies ends the others, with an error; and when the parent is killed nobody is
    left."""
    words = ("--url", broker.url, "--processes", "2", "--households", "20")
    process = started(tmp_path, *words)
    both = wait_until(lambda: children(process)[1:] and children(process), what="two processes")
    os.kill(both[0], signal.SIGKILL)
    wait_until(lambda: not process.running, what="the end of all")
    assert process.end(signal.SIGTERM) == 1
    assert "ended by itself (-9)" in process.said()

    process = started(tmp_path, *words)
    both = wait_until(lambda: children(process)[1:] and children(process), what="two processes")
    process.end(signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, both)), what="the end of the orphans")


def test_unreachable_broker_ends_every_process_with_a_sentence(tmp_path: Path) -> None:
    """A wrong address is told once, by exit code 1, also where a child has found it."""
    url = f"mqtt://127.0.0.1:{free_port()}"
    process = started(tmp_path, "--url", url, "--processes", "2", "--households", "20")
    wait_until(lambda: not process.running, what="the end")
    assert process.end(signal.SIGTERM) == 1
    assert "gatehouse: the broker was not reached" in process.said()


def test_rate_is_kept(broker: Mosquitto, tmp_path: Path) -> None:
    """``--rate`` bounds what all processes publish in a second; Ctrl-C ends them, and says that it
    is not the end."""
    words = ("--url", broker.url, "--days", "1", "--rate", "100", "--processes", "2", "--json")
    process = started(tmp_path, *words)
    listener = Listener(broker)
    wait_until(lambda: listener.received, what="the first message")
    before, began = len(listener.received), time.monotonic()
    wait_until(lambda: len(listener.received) > before + 150, what="more messages")
    assert time.monotonic() - began > 1.0
    listener.stop()
    assert process.end(signal.SIGINT, seconds=END_S) == 1
    said = process.said().splitlines()
    assert "stopped before the end" in said[-1]
    assert json.loads(said[-2])["messages"] > 50


def test_city_is_written_for_the_import(run: Run, tmp_path: Path) -> None:
    """``--registry`` writes what ``registry import`` takes whole, of all compounds."""
    folder = tmp_path / "city"
    done = run("simulate", "--registry", str(folder), "--households", "2000")
    assert done.code == 0, done.err
    assert f"registry import {folder}" in done.out
    engine = create_engine(f"sqlite:///{tmp_path}/state.db")
    tables.metadata.create_all(engine)
    import_folder(engine, folder, now=0)
    registry = load(engine)
    engine.dispose()
    assert len(registry.devices) == len((folder / "devices.csv").read_text().splitlines()) - 1
    assert len((folder / "households.csv").read_text().splitlines()) == 2_001
    assert len((folder / "sites.csv").read_text().splitlines()) == 3


def test_messages_are_written_without_a_broker(run: Run, tmp_path: Path) -> None:
    """``--out`` writes each publish as it would be sent; the same options the same bytes."""
    words = ("simulate", "--households", "20", "--days", "0.1", "--seed", "7")
    files = [tmp_path / name for name in ("once.jsonl", "again.jsonl")]
    for file in files:
        assert run(*words, "--out", str(file)).code == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    city = make_city(seed=7, households=20, has_history=False)
    wanted = list(city_events(city, city.begins, city.begins + DAY // 10))
    got = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert [(parse_rfc3339(one["at"]), one["topic"]) for one in got] == [
        (one.at, one.topic) for one in wanted
    ]
    assert [base64.b64decode(one["payload"]) for one in got] == [one.payload for one in wanted]
    assert [(one["qos"], one["retain"]) for one in got] == [(e.qos, e.retain) for e in wanted]
    shown = run(*words, "--out", "-")
    assert shown.out.encode() == files[0].read_bytes()


def test_dry_run_counts(run: Run, tmp_path: Path) -> None:
    """``--dry-run`` publishes nothing, shows the first messages and counts all by family; the
    truth can be written beside it."""
    truth = tmp_path / "truth.jsonl"
    words = ("simulate", "--households", "20", "--days", "0.1", "--dry-run")
    done = run(*words, "--truth", str(truth))
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert all(json.loads(line)["topic"] for line in lines[:5])
    assert any("dlt645_gateway" in line for line in lines[5:])
    assert all(json.loads(line)["kind"] for line in truth.read_text().splitlines())
    counted = json.loads(run(*words, "--json").out)
    assert f"{counted['messages']:,} messages" in lines[5]


def test_scenarios_are_listed(run: Run) -> None:
    """``--scenarios`` names each with what it shows, in both languages."""
    listed = run("simulate", "--scenarios").out
    for one in built_in_scenarios():
        assert one.name in listed
        assert one.title.en in listed
        assert one.title.zh in listed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "--url mqtt://127.0.0.1"),
        ("--url http://x", "write it like mqtt://127.0.0.1:1883"),
        ("--scenario nowhere --dry-run", "'nowhere' is no scenario"),
        ("--dry-run --from 2020-02-14 --days 1", "has no time zone"),
        ("--dry-run --days 1 --until 2020-02-15T00:00:00Z", "--days or --until"),
        ("--dry-run --until 2019-02-15T00:00:00Z", "ends before it begins"),
        (f"--url mqtt://x --from {BEGIN}", "add --days or --until"),
        ("--url mqtt://x --truth t.jsonl", "add --days or --until"),
        ("--dry-run --clock c.json", "--clock"),
        ("--url mqtt://x --clock {tmp}/c.json --processes 2", "leave --processes"),
    ],
)
def test_wrong_use_is_told(run: Run, tmp_path: Path, words: str, says: str) -> None:
    """What does not fit together is said in one line, before anything is published."""
    done = run("simulate", *words.format(tmp=tmp_path).split())
    assert done.code == WRONG_USE
    assert says in done.err
    assert len(done.err.splitlines()) == 1


def test_the_demo_says_what_it_cannot_live_through(run: Run, tmp_path: Path) -> None:
    """Before anything is started or deleted."""
    done = run("demo", "--data-dir", str(tmp_path / "demo"), "--scenario", "nowhere")
    assert done.code == WRONG_USE
    assert "'nowhere' is no scenario; there are bad_night, " in done.err
    assert not (tmp_path / "demo").exists()
