"""Files damaged under the running service: it mends itself, at the latest at its next start."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devices.clock import wall_now
from ingest.books import balance
from ingest.description_store import NAME as DESCRIPTIONS
from ingest.ledger_file import LETTERS, account_of
from ingest.ledger_file import NAME as LEDGER
from tests.bench.load import messages, packets, write_bench_registry
from tests.bench.publisher import Publisher
from tests.debts import books_balance
from tests.servers import Mosquitto, wait_until
from tests.service import RunningService

GOOD, BAD = 2_000, 40
DISCOVERY = (
    "homeassistant/sensor/attic/config",
    b'{"state_topic":"attic/state","device_class":"temperature","unit_of_measurement":"\xc2\xb0C",'
    b'"unique_id":"attic","device":{"identifiers":["attic"]}}',
)
"""What a device says of itself."""


@pytest.fixture
def service(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[RunningService]:
    """Give a running service with the embedded store, and end it with the test."""
    running = RunningService(tmp_path / "run", mqtt_url=mosquitto.url)
    write_bench_registry(tmp_path / "registry", "demo://phone")
    running.import_registry(tmp_path / "registry", now=wall_now())
    running.start()
    yield running
    running.kill()


@pytest.mark.parametrize(
    ("name", "told", "ends"),
    [
        (LEDGER, "ledger_damaged", True),
        (LETTERS, "dead_letters_damaged", False),
        (DESCRIPTIONS, "descriptions_damaged", False),
    ],
)
def test_a_damaged_file_costs_no_acknowledged_message(
    service: RunningService, mosquitto: Mosquitto, name: str, told: str, ends: bool
) -> None:
    """It is set aside and the operator told; what the broker accepted is stored or a dead letter.

    Only a damaged ledger ends the service, with a sentence; whoever keeps it running starts it.
    """
    publisher = Publisher(mosquitto.port)
    bad, at = [("nobody/knows", b"this")] * BAD, wall_now() / 1_000
    publisher.send(packets([*messages(GOOD, at - 7_200), *bad, DISCOVERY]))
    wait_until(lambda: service.has_caught_up(publisher.acked), what="what came before")
    falsify(service.data_dir / name)
    publisher.send(packets([*messages(GOOD, at), *bad, DISCOVERY]))
    if ends:
        wait_until(lambda: not service.running, what="the service to end")
        assert f"{LEDGER} is damaged" in service.log
        assert "start Gatehouse again" in service.log
        service.start()
    wait_until(lambda: service.has_caught_up(publisher.acked), what="everything")
    books_balance(service)
    assert told in service.log
    assert (service.data_dir / f"{name}.damaged").exists()
    wait_until(lambda: '"account_damaged"' in service.log, what="the operator's page")
    books = balance(account_of(service.data_dir / LEDGER), head=0)
    assert books.stored == 2 * GOOD
    assert books.dead_open + books.expired + sum(books.ignored.values()) == 2 * (BAD + 1)
    assert count_points(service.data_dir) == 2 * GOOD
    publisher.close()
    assert service.stop() == 0


def count_points(data_dir: Path) -> int:
    """Return how many readings the store holds; a good message gives one."""
    with closing(sqlite3.connect(data_dir / "series.db")) as store:
        tables = ("temperature", "electricity")
        return sum(store.execute(f"SELECT count(*) FROM {one}").fetchone()[0] for one in tables)


def falsify(path: Path) -> None:
    """Overwrite a database, behind the back of whoever has it open."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.write(b"no database at all " * (path.stat().st_size // 19))
