"""The demo as a newcomer runs it: the real command, its stories, its end, and going on."""

import re
import signal
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from alerts.tables import demo_message, incident, incident_event, page
from devices.simulator.community import EVENING
from gatehouse.database import create
from ingest.status import read_status
from tests.servers import Process, free_port, wait_until
from tests.service import without_settings

SPEED = 900
STORIES = {"fever_at_checkpoint", "empty_flat", "strangers", "fever"}
STORIES_S = 150.0
END_S = 20.0


class Demo:
    """``gatehouse demo`` in its own process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "demo"
        self.port = free_port()
        self._log = folder / "screen.txt"
        self._arguments = ["--data-dir", str(self.folder), "--port", str(self.port)]
        self._process: Process | None = None

    def start(self, *more: str) -> None:
        """Start it, and wait until its console answers."""
        command = [sys.executable, "-m", "gatehouse", "demo", "--speed", str(SPEED)]
        process = Process([*command, *self._arguments, *more], self._log, env=without_settings())
        process.spawn()
        self._process = process
        wait_until(lambda: not process.running or self._answers(), seconds=60, what="the console")
        assert process.running, process.said()

    def stop(self) -> int | None:
        """Press Ctrl-C."""
        return self._process.end(signal.SIGINT, seconds=END_S) if self._process else None

    @property
    def screen(self) -> str:
        """Everything it has printed."""
        return self._log.read_text()

    def incidents(self) -> list[tuple[str, str]]:
        """Return (kind, id) of every incident that is no watch."""
        rows = self._ask(select(incident.c.kind, incident.c.id).where(incident.c.watch.is_(False)))
        return [(row[0], row[1]) for row in rows]

    def _ask(self, query: object) -> list[tuple[object, ...]]:
        database = create(f"sqlite:///{self.folder / 'state.db'}")
        with database.connect() as connection:
            rows = [tuple(row) for row in connection.execute(query)]  # type: ignore[call-overload]
        database.dispose()
        return rows

    def evidence_positions(self) -> set[int]:
        """Return the journal positions that incidents lean on."""
        return {row[0] for row in self._ask(select(incident_event.c.position)) if row[0]}

    def pages(self) -> Counter[tuple[object, ...]]:
        """Return how often each page stands on the demo phones."""
        columns = (demo_message.c.incident, demo_message.c.worker, demo_message.c.at)
        return Counter(self._ask(select(*columns)))

    def owed(self) -> Counter[tuple[object, ...]]:
        """Return how often each (incident, round, step, repeat, worker) was paged."""
        columns = (page.c.incident, page.c.round, page.c.step, page.c.repeat, page.c.worker)
        return Counter(self._ask(select(*columns)))

    def _answers(self) -> bool:
        try:
            address = f"http://127.0.0.1:{self.port}/health/live"
            with urllib.request.urlopen(address, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    demo.stop()


@pytest.mark.timeout(400)
def test_the_stories_happen_once_and_a_restart_goes_on(demo: Demo) -> None:
    """Each story gives its incident, traceable to the journal; Ctrl-C and --keep lose nothing."""
    demo.start()
    assert re.search(r"sign in \(once\): http://\S+/sign-in/link/\S+", demo.screen)
    assert "mosquitto_pub" in demo.screen
    wait_until(
        lambda: {kind for kind, _ in demo.incidents()} >= STORIES,
        seconds=STORIES_S,
        what="the four stories",
    )
    stories = [kind for kind, _ in demo.incidents() if kind in STORIES - {"fever"}]
    assert sorted(stories) == sorted(STORIES - {"fever"})
    assert demo.stop() == 0
    assert "Kept in" in demo.screen
    before, incidents = demo.pages(), demo.incidents()
    status = read_status(demo.folder)
    assert status is not None
    assert status.at > EVENING
    assert max(demo.evidence_positions()) <= status.pipeline.journal.head
    demo.start("--keep")
    wait_until(
        lambda: (now := read_status(demo.folder)) and now.books.received > status.books.received,
        what="the community to live on",
    )
    assert demo.stop() == 0
    assert set(demo.incidents()) >= set(incidents)
    assert demo.pages() >= before
    assert set(demo.owed().values()) == {1}
