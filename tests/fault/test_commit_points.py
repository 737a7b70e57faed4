"""SIGKILL before and after each commit between the socket and the phone: all of them, in turn."""

import asyncio
import json
from pathlib import Path

import aiomqtt
from sqlalchemy import select

from alerts.attempt import Result
from alerts.tables import incident, page, page_attempt
from devices.clock import HOUR, rfc3339, wall_now
from gatehouse.database import connect
from ingest.books import balance
from ingest.ledger_file import account_of
from ingest.sqlite_series import SqliteStore
from ingest.verification import verify
from tests.mortal_service import POINTS, spawn
from tests.registry_folder import Flat, write_registry
from tests.servers import Mosquitto, wait_until
from tests.service import RunningService

GARBAGE = "not json"


def test_killed_at_each_commit_point_nothing_is_owed_in_the_end(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Each message ends once, each fever is one incident whose page is sent, repeats marked."""
    service = RunningService(tmp_path / "run", mqtt_url=mosquitto.url)
    flats = [Flat(f"h{n}", ((f"t{n}", "gatehouse"),)) for n in range(len(POINTS))]
    service.import_registry(write_registry(tmp_path / "registry", flats), now=wall_now())
    environment = service.settings_environment
    first = spawn(environment, None)
    wait_until(service.is_connected, what="a session at the broker")
    first.terminate()
    first.join(20)
    for number, point in enumerate(POINTS):
        asyncio.run(publish(mosquitto, number))
        child = spawn(environment, point)
        child.join(30)
        assert child.exitcode == -9, f"not reached: {point}"
    last = spawn(environment, None)
    try:
        wait_until(lambda: service.has_caught_up(3 * len(POINTS)), what="what is left")
        wait_until(lambda: pages_sent(service) == len(POINTS), what="the pages")
    finally:
        last.terminate()
        last.join(20)
    assert last.exitcode == 0
    the_books_are_right(service)
    every_fever_was_told(service)


async def publish(broker: Mosquitto, number: int) -> None:
    """Publish a fever of a person's own, what cannot be read, and what is knowingly nothing."""
    fever = {"kind": "temperature", "celsius": 39.2, "body_site": "axillary"}
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        said = json.dumps(fever | {"observed_at": rfc3339(wall_now())})
        await client.publish(f"gatehouse/v1/s/t{number}", said, qos=1)
        await client.publish("tele/m0/SENSOR", f"{GARBAGE} {number}", qos=1)
        await client.publish("zigbee2mqtt/bridge/logging", "{}", qos=1)


def the_books_are_right(service: RunningService) -> None:
    """Check what became of each message, and that none was journalled twice."""
    rounds, ledger = len(POINTS), service.data_dir / "ledger.db"
    found = verify(service.data_dir / "journal", ledger)
    assert found.problems == []
    assert (found.head, found.messages) == (3 * rounds, 3 * rounds)
    books = balance(account_of(ledger), head=found.head)
    assert books.balanced
    assert (books.stored, books.dead_open, books.ignored) == (rounds, rounds, {"log_line": rounds})
    store = SqliteStore(service.data_dir / "series.db", read_only=True)
    for number in range(rounds):
        since, until = wall_now() - HOUR, wall_now()
        assert len(store.range("temperature", f"t{number}", since=since, until=until)) == 1
    store.close()


def pages_sent(service: RunningService) -> int:
    """Return how many incidents have had a page sent."""
    database = connect(service.settings)
    with database.connect() as connection:
        query = select(page.c.incident).join(page_attempt, page_attempt.c.page == page.c.id)
        sent = connection.scalars(query.where(page_attempt.c.result == Result.SENT))
        number = len(set(sent))
    database.dispose()
    return number


def every_fever_was_told(service: RunningService) -> None:
    """Check that each is one incident, and each page was sent once but for marked repeats."""
    database = connect(service.settings)
    with database.connect() as connection:
        rules = connection.scalars(select(incident.c.rule)).all()
        attempts = connection.execute(select(page_attempt).order_by(page_attempt.c.id)).all()
    database.dispose()
    assert sorted(rules) == ["fever"] * len(POINTS)
    for number in {one.page for one in attempts}:
        *before, last = [one for one in attempts if one.page == number]
        assert last.result == Result.SENT
        assert {one.result for one in before} <= {Result.UNFINISHED}
        assert last.possible_repeat == bool(before)
