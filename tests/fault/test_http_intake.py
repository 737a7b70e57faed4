"""The whole service with a terminal that posts: killed between commit and answer, and a fever."""

import base64
import csv
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select

from alerts.tables import incident
from devices.clock import MINUTE, SECOND, rfc3339, wall_now
from devices.credential import issue
from devices.registry_store import bump
from gatehouse.database import connect
from ingest.journal_file import list_files
from tests.fault.test_journal_sync import calls_of, first
from tests.posting import FACE, MULTIPART, as_multipart, passage
from tests.registry_folder import Flat, write_registry
from tests.servers import Mosquitto, Process, free_port, wait_until
from tests.service import RunningService

TAKER = """
import asyncio, os, sys
from pathlib import Path
from tests.posting import Intake

async def main():
    intake = Intake(Path(sys.argv[1]))
    async with intake.running():
        print(os.getpid(), intake.port, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
EVENTS = 24
"""Of the soak; the service is killed at every fourth."""
CALLS = "trace=fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg,recvfrom,recvmsg,read"
AUTH = base64.b64encode(b"gate-1:a secret, not kept").decode()


def test_a_200_leaves_after_the_sync(tmp_path: Path, program: Any) -> None:
    """Between a post's arrival and its answer it is written to the journal and synced."""
    trace = tmp_path / "trace"
    taker = Process(
        [
            *(program("strace"), "-f", "-yy", "-s", "70000", "-e", CALLS, "-o", str(trace)),
            *(sys.executable, "-c", TAKER, str(tmp_path)),
        ],
        tmp_path / "taker.log",
    )
    taker.spawn()
    try:
        _, port = wait_until(lambda: words(taker), seconds=60, what="it to listen")
        for number in range(3):
            url = f"http://127.0.0.1:{port}/intake/gate-1"
            sent = httpx.post(
                url,
                content=f"reading-{number}-of-three",
                headers={"authorization": f"Basic {AUTH}"},
            )
            assert sent.status_code == 200
    finally:
        os.kill(int(words(taker)[0]), signal.SIGKILL)
        taker.end(signal.SIGTERM)
    calls = calls_of(trace.read_text(errors="replace"))
    for number in range(3):
        marker = f"reading-{number}-of-three"
        arrived = next(one for one in calls if marker in one.text and one.text.startswith("re"))
        answered = first(calls, "HTTP/1.1 200", after=arrived.began)
        written = first(calls, "pwrite64", "-wal>", marker, after=arrived.ended)
        synced = next(
            one
            for one in calls
            if one.began > written.ended
            and one.text.startswith(("fsync(", "fdatasync("))
            and "-wal>" in one.text
        )
        assert synced.ended < answered.began, f"{marker}: the answer left before the sync"


def words(process: Process) -> list[str]:
    """Return process id and port, once the taker has printed them on a line of their own."""
    lines = [line.split() for line in process.said().splitlines()]
    return next((line for line in lines if len(line) == 2 and line[0].isdecimal()), [])


@pytest.fixture
def gate(tmp_path: Path, mosquitto: Mosquitto) -> Iterator["Gate"]:
    """A running service, and a terminal at its gate; ended with the test."""
    gate = Gate(tmp_path, mosquitto)
    try:
        gate.service.start()
        yield gate
    finally:
        gate.service.kill()


class Gate:
    """A gate with a Hikvision terminal that knows a resident, at a service of its own."""

    def __init__(self, folder: Path, mosquitto: Mosquitto) -> None:
        self.port = free_port()
        self.service = RunningService(
            folder / "run",
            mqtt_url=mosquitto.url,
            intake_port=self.port,
        )
        registry = write_registry(folder / "registry", [Flat("h1", (("t1", "gatehouse"),))])
        stand_at_gate(registry / "devices.csv", "gate-1", "hikvision_isapi")
        self.service.import_registry(registry, now=wall_now())
        database = self.database()
        with database.begin() as connection:
            secret = issue(connection, "gate-1", digest=True, replace=False, now=wall_now())
            bump(connection)
        database.dispose()
        self.auth = httpx.DigestAuth("gate-1", secret)
        self.basic = base64.b64encode(f"gate-1:{secret}".encode())

    def database(self) -> Engine:
        return connect(self.service.settings)

    def post(self, body: bytes) -> int:
        """Post as the terminal does: challenged, then proven; return the status."""
        url = f"http://127.0.0.1:{self.port}/intake/gate-1"
        return httpx.post(url, content=body, headers=MULTIPART, auth=self.auth).status_code

    def send_unheard(self, body: bytes) -> socket.socket:
        """Send a post on a connection whose answer nobody reads."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        head = (
            b"POST /intake/gate-1 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %b\r\n"
            b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n"
        )
        connection.sendall(
            head % (self.basic, MULTIPART["content-type"].encode(), len(body)) + body
        )
        return connection

    def journalled(self) -> int:
        """Return how many messages are in the journal's files, whoever runs."""
        folder = self.service.data_dir / "journal"
        return sum(row.count for file in list_files(folder) for row in file.rows(0))

    def points(self, measurement: str) -> int:
        """Return how many points of the terminal are stored."""
        question = (
            f"SELECT count(*) FROM {measurement} AS point JOIN series ON series.id = point.series "
            "WHERE series.device = 'gate-1'"
        )
        with closing(sqlite3.connect(self.service.data_dir / "series.db")) as store:
            return int(store.execute(question).fetchone()[0])

    def fevers(self) -> list[bool]:
        """Return of each fever incident whether it is only a watch."""
        database = self.database()
        with database.connect() as connection:
            found = connection.scalars(select(incident.c.watch).where(incident.c.rule == "fever"))
            watches = list(found)
        database.dispose()
        return watches


def stand_at_gate(file: Path, device: str, profile: str) -> None:
    """Add a device at the north gate to a devices.csv."""
    with file.open(newline="", encoding="utf-8") as old:
        columns = csv.DictReader(old).fieldnames or []
    row = {"id": device, "profile": profile, "place": "gate", "site": "s", "gate": "north"}
    with file.open("a", newline="", encoding="utf-8") as more:
        csv.DictWriter(more, columns).writerow(row | {"since": "2020-01-01"})


def test_a_kill_between_commit_and_answer_makes_no_second_crossing(gate: Gate) -> None:
    """The terminal saw no answer and sends again: journalled twice, one crossing, one case."""
    who = {"employeeNoString": "r-h1", "currTemperature": 38.4}
    times = [rfc3339(wall_now() - minutes * MINUTE) for minutes in (2, 1)]
    hot = [as_multipart(passage(n, at, **who), FACE) for n, at in enumerate(times)]
    assert gate.post(hot[0]) == 200
    connection = gate.send_unheard(hot[1])
    wait_until(lambda: gate.journalled() == 2, what="the commit")
    gate.service.kill()
    connection.close()
    gate.service.start()
    assert gate.post(hot[1]) == 200, "sent again, as nobody had answered"
    assert gate.post(hot[0]) == 200, "and an old one once more"
    wait_until(lambda: gate.service.has_caught_up(4), what="both followers")
    assert (gate.points("crossing"), gate.points("temperature")) == (2, 2)
    wait_until(lambda: "page_sent" in gate.service.log, what="the page of the fever")
    assert gate.fevers() == [False]
    status = gate.service.status()
    assert status is not None
    assert status.books.balanced
    assert status.books.received == status.books.stored == 4
    assert gate.service.stop() == 0
    files = [path for path in gate.service.data_dir.rglob("*") if path.is_file()]
    assert not any(FACE[500:564] in path.read_bytes() for path in files)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_kills_while_a_terminal_posts_lose_nothing(gate: Gate) -> None:
    """Whatever was answered 200 before a kill is stored, and each event once."""
    began = rfc3339(wall_now() // SECOND * SECOND - MINUTE)
    for number in range(1, EVENTS + 1):
        body = as_multipart(passage(number, began))
        if number % 4 == 0:
            gate.send_unheard(body).close()
            gate.service.kill()
            gate.service.start()
        assert gate.post(body) == 200
    wait_until(lambda: gate.service.has_caught_up(EVENTS), what="both followers")
    wait_until(
        lambda: gate.points("crossing") == EVENTS, what=f"{gate.points('crossing')} crossings"
    )
    assert gate.service.stop() == 0
