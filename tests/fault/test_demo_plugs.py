"""The demo as anybody runs it, and somebody who pulls the plug of one part after the other.

Each part ends with SIGKILL at a random moment, or the embedded store is locked for a while. What
comes back by itself has to; after the service or the whole demo the operator says ``--keep``.
Whatever was pulled, the books are right there and then, and in the end.
"""

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devices.simulator.community import LEAST_HOUSEHOLDS
from ingest.ledger_file import NAME
from ingest.status import read_status
from ingest.verification import verify
from tests.scenario.test_demo import Demo
from tests.servers import wait_until

ROUNDS = pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.soak)])
MOST_S = 1.5
"""The plug is pulled within so long after the last part has come back."""
LOCKED_S = 1.5
BACK_S = 90.0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A demo of the fewest households, running."""
    demo = Demo(tmp_path, LEAST_HOUSEHOLDS)
    demo.spawn()
    yield demo
    demo.stop()


@ROUNDS
@pytest.mark.timeout(1_800)
def test_whatever_plug_is_pulled_the_books_balance(demo: Demo, rounds: int) -> None:
    """Broker, console, store, service, all at once: nothing is missing, nothing counted twice."""
    chance = random.Random()
    for part in chance.sample(list(PLUGS), len(PLUGS)) * rounds:
        wait_for_more(demo)
        time.sleep(chance.uniform(0, MOST_S))  # The moment is what is random.
        PLUGS[part](demo)
        the_books_are_right(demo, part)
    wait_for_more(demo)
    assert demo.stop() == 0
    the_books_are_right(demo, "nothing")


def the_books_are_right(demo: Demo, pulled: str) -> None:
    """Add them up again from every row."""
    found = verify(demo.folder / "journal", demo.folder / NAME)
    assert found.problems == [], pulled
    assert found.books.balanced, pulled
    assert found.books.received == found.head, pulled
    assert found.lost == [], pulled


def wait_for_more(demo: Demo) -> None:
    """Wait until messages come in and are handled again, starting a demo that has ended."""
    if not demo.is_running:
        demo.spawn("--keep")
    before = handled(demo)
    wait_until(lambda: handled(demo) > before, seconds=BACK_S, what="the community to go on")


def handled(demo: Demo) -> int:
    """Return how many messages are accounted for."""
    status = read_status(demo.folder)
    return status.books.received - status.books.pending if status else 0


def kill(words: str) -> Callable[[Demo], None]:
    """Return what ends the demo's process with these words in its command."""

    def pull(demo: Demo) -> None:
        wait_until(lambda: demo.processes(words), seconds=BACK_S, what=words)
        os.kill(demo.processes(words)[0], signal.SIGKILL)

    return pull


def kill_service(demo: Demo) -> None:
    """End the pipeline's process: the demo says so, and ends."""
    kill("gatehouse run")(demo)
    wait_until(lambda: not demo.is_running, what="the demo to notice")
    assert "the service ended by itself" in demo.screen


def kill_everything(demo: Demo) -> None:
    """End the demo's own process; its children end with it."""
    children = demo.processes("")
    os.kill(demo.pid, signal.SIGKILL)
    for child in children:
        if is_mosquitto(child):
            os.kill(child, signal.SIGKILL)  # It has no standard input to hold on to.
    wait_until(lambda: not any(map(is_there, children)), seconds=BACK_S, what="the end of all")


def lock_store(demo: Demo) -> None:
    """Hold the embedded store as a backup might."""
    with closing(sqlite3.connect(demo.folder / "series.db", isolation_level=None)) as store:
        store.execute("PRAGMA busy_timeout = 30000")
        store.execute("BEGIN IMMEDIATE")
        time.sleep(LOCKED_S)  # How long it is held.
        store.execute("ROLLBACK")


def is_there(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def is_mosquitto(pid: int) -> bool:
    """Whether it is the demo's broker."""
    return b"mosquitto" in Path(f"/proc/{pid}/cmdline").read_bytes()


PLUGS: dict[str, Callable[[Demo], None]] = {
    "broker": kill("mosquitto"),
    "console": kill("gatehouse console"),
    "store": lock_store,
    "service": kill_service,
    "everything": kill_everything,
}
