"""The whole service where something it stands on gives way and comes back."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import aiomqtt
import httpx
from sqlalchemy import select

from alerts.tables import incident
from devices.clock import wall_now
from gatehouse.database import connect
from tests.disk import fill, small_disk
from tests.registry_folder import Flat, write_registry
from tests.servers import Mosquitto, PostgreSQL, wait_until
from tests.service import RunningService

LEFT_TO_OTHERS = "[journal]\nmin_free_gib = 0.001\n"
FACE = (
    b'{"cmd":"face","cap_time":"2020-02-14T20:00:00","match_result":-1,"sequence_no":1,'
    b'"device_sn":"gate","person":{"temperatur":0}}'
)
FEVER = b'{"kind":"temperature","celsius":39.2,"body_site":"axillary"}'


def test_a_full_disk_stops_the_acks_and_nothing_else(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """With no room the service says so and lives; with room again, what was held is stored."""
    with small_disk(tmp_path / "disk", mib=8) as disk:
        service = RunningService(disk, mqtt_url=mosquitto.url, toml=LEFT_TO_OTHERS).start()
        ballast = fill(disk / "data")
        wait_until(lambda: "status_held" in service.log, what="the status to be held")
        asyncio.run(publish(mosquitto, "nobody/knows", b"this"))
        wait_until(lambda: "journal_full" in service.log, what="the journal to be full")
        assert service.running
        ballast.unlink()
        wait_until(lambda: service.has_caught_up(1), what="what was held")
        assert service.stop() == 0
        assert "service_stopped" in service.log


def test_an_answer_is_never_answered(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A terminal's event in the topic of its answer is a dead letter, and goes round no circle."""
    service = RunningService(tmp_path / "service", mqtt_url=mosquitto.url)
    gate = Flat("h1", (("gate", "huaan_face_terminal"),))
    service.import_registry(write_registry(tmp_path / "registry", [gate]), now=wall_now())
    service.start()
    asyncio.run(publish(mosquitto, "http/gate", FACE))
    asyncio.run(publish(mosquitto, "topic/face/capture/request/gate", FACE))
    wait_until(lambda: service.has_caught_up(2), what="both events")
    status = service.status()
    assert status is not None
    assert status.books.dead_open >= 1
    assert service.stop() == 0
    status = service.status()
    assert status is not None
    assert status.books.received <= 3, "the one answer that was published, and no more"


def test_a_state_database_that_goes_away_and_comes_back(
    tmp_path: Path, mosquitto: Mosquitto, postgresql: PostgreSQL
) -> None:
    """Meanwhile readings are stored and the console says what is wrong; then the page goes out."""
    database = postgresql.database()
    service = RunningService(tmp_path / "run", mqtt_url=mosquitto.url, database_url=database)
    flat = Flat("h1", (("t1", "gatehouse"),))
    service.import_registry(write_registry(tmp_path / "registry", [flat]), now=wall_now())
    service.start()
    console = f"http://127.0.0.1:{service.console_port}"
    wait_until(lambda: answer(f"{console}/health/live") == 200, what="the console")
    postgresql.end()
    try:
        asyncio.run(publish(mosquitto, "gatehouse/v1/s/t1", FEVER))
        wait_until(lambda: "paging_held" in service.log, what="paging to be held")
        wait_until(lambda: "follower_held" in service.log, what="the alerts to be held")
        wait_until(lambda: stored(service) == 1, what="the reading to be stored")
        assert answer(f"{console}/", cookie="x" * 32) == 503
        assert service.running
    finally:
        postgresql.start()
    wait_until(lambda: "page_sent" in service.log, what="the page to be sent")
    wait_until(lambda: service.has_caught_up(1), what="the alerts")
    assert service.log.count("incident_opened") == 1
    assert service.stop() == 0


def test_a_journal_without_room_pages_the_operator_until_it_has_room(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """No room is an incident of the system, paged once; it closes by itself when there is room."""
    folder = tmp_path / "run"
    service = RunningService(
        folder, mqtt_url=mosquitto.url, toml="[journal]\nmin_free_gib = 1_000_000\n"
    )
    flat = Flat("h1", (("t1", "gatehouse"),))
    service.import_registry(write_registry(tmp_path / "registry", [flat]), now=wall_now())
    service.start()
    asyncio.run(publish(mosquitto, "gatehouse/v1/s/t1", FEVER))
    wait_until(lambda: "page_sent" in service.log, what="the operator's page")
    assert incidents(service) == [("journal_filling", "triggered")]
    assert service.stop() == 0
    (folder / "gatehouse.toml").write_text("")
    service.start()
    wait_until(lambda: ("journal_filling", "closed") in incidents(service), what="the end of it")
    wait_until(lambda: service.has_caught_up(1), what="what the broker kept")
    assert service.stop() == 0


def test_books_that_are_tampered_with_page_the_operator_until_they_are_right(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """A count that changed under the service is an incident, which closes when it is put right."""
    service = RunningService(tmp_path / "run", mqtt_url=mosquitto.url)
    flat = Flat("h1", (("t1", "gatehouse"),))
    service.import_registry(write_registry(tmp_path / "registry", [flat]), now=wall_now())
    service.start()
    asyncio.run(publish(mosquitto, "nobody/knows", b"this"))
    wait_until(lambda: service.has_caught_up(1), what="a dead letter")
    add_to_counter(service, "dead:unknown_topic", 1)
    wait_until(lambda: "page_sent" in service.log, what="the operator's page")
    assert incidents(service) == [("books_unbalanced", "triggered")]
    add_to_counter(service, "dead:unknown_topic", -1)
    wait_until(lambda: ("books_unbalanced", "closed") in incidents(service), what="the end of it")
    assert service.stop() == 0


def add_to_counter(service: RunningService, name: str, count: int) -> None:
    """Falsify the ledger, beside the service."""
    with closing(sqlite3.connect(service.data_dir / "ledger.db", isolation_level=None)) as ledger:
        ledger.execute("UPDATE counter SET value = value + ? WHERE name = ?", (count, name))


def incidents(service: RunningService) -> list[tuple[str, str]]:
    """Return (rule, state) of every incident."""
    database = connect(service.settings)
    with database.connect() as connection:
        found = [(row.rule, row.state) for row in connection.execute(select(incident))]
    database.dispose()
    return found


async def publish(broker: Mosquitto, topic: str, payload: bytes) -> None:
    """Publish one message, which the broker confirms."""
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish(topic, payload, qos=1)


def stored(service: RunningService) -> int:
    """Return how many messages are in the series store."""
    status = service.status()
    return status.books.stored if status else 0


def answer(url: str, *, cookie: str = "") -> int:
    """Return what a browser with a session cookie is answered; 0: nobody is there."""
    try:
        return httpx.get(url, cookies={"gatehouse": cookie}).status_code
    except httpx.TransportError:
        return 0
