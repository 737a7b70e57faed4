"""Bad input through the real broker: a dead letter with a reason each, the neighbours untouched."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import httpx
import pytest

from devices.clock import wall_now
from gatehouse.database import open_database
from gatehouse.demo_visitor import invite
from ingest.books import balance
from ingest.ledger_file import account_of
from tests.console_http import submit
from tests.registry_folder import Flat, write_registry
from tests.servers import Mosquitto, eventually, port_answers
from tests.service import RunningService

MIB = 1024 * 1024
OURS = "gatehouse/v1/s/t1"


def _reading(**fields: object) -> str:
    return json.dumps({"kind": "temperature", "celsius": 36.6, "body_site": "oral"} | fields)


GOOD = _reading()
BAD: tuple[tuple[str, str, bytes | str, str], ...] = (
    ("not JSON", OURS, "{temperature: 37", "bad_json"),
    ("wrong encoding", OURS, '{"kind":"température"}'.encode("latin-1"), "bad_encoding"),
    ("deep nesting", "zigbee2mqtt/room", "[" * 5_000 + "]" * 5_000, "too_deep"),
    ("20 MB", OURS, b" " * (20 * MIB), "too_large"),
    ("NaN", OURS, _reading(celsius=float("nan")), "bad_json"),
    ("unknown topic", "nobody/knows/this", GOOD, "unknown_topic"),
    ("unknown device", "gatehouse/v1/s/stranger", GOOD, "unknown_device"),
    ("-327.68", "zigbee2mqtt/room", '{"temperature":-327.68}', "out_of_range"),
    ("85.0", OURS, _reading(celsius=85.0), "out_of_range"),
    ("0 degrees", OURS, _reading(celsius=0), "out_of_range"),
)
ODD_TIMES = ("1970-01-01T00:00:05Z", "2099-12-31T23:59:59Z")
"""Of a clock that is wrong: stored at arrival, and flagged."""


@pytest.fixture
def service(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[RunningService]:
    service = RunningService(tmp_path / "service", mqtt_url=mosquitto.url)
    flats = [
        Flat("h1", (("t1", "gatehouse"),)),
        Flat("h2", (("room", "zigbee2mqtt_temperature"),)),
    ]
    service.import_registry(write_registry(tmp_path / "registry", flats), now=wall_now())
    yield service
    service.stop()


async def test_bad_messages_are_dead_letters_and_their_neighbours_are_stored(
    service: RunningService, mosquitto: Mosquitto
) -> None:
    """Each bad message is counted under its own reason; every good one between them is stored."""
    service.start()
    good = 0
    async with aiomqtt.Client("127.0.0.1", mosquitto.port, timeout=20) as client:
        for _, topic, payload, _ in BAD:
            await client.publish(topic, payload, qos=1)
            await client.publish(OURS, GOOD, qos=1)
            good += 1
        for observed_at in ODD_TIMES:
            await client.publish(OURS, _reading(observed_at=observed_at), qos=1)
            good += 1
    await eventually(lambda: service.has_caught_up(good + len(BAD)), what="all to be handled")
    status = service.status()
    assert status is not None
    head = status.pipeline.journal.head
    books = balance(account_of(service.data_dir / "ledger.db"), head=head)
    wanted: dict[str, int] = {}
    for _, _, _, reason in BAD:
        wanted[reason] = wanted.get(reason, 0) + 1
    assert books.dead == wanted
    assert books.stored == good
    assert books.balanced
    await _assert_the_console_shows(service, wanted)
    assert service.stop() == 0


async def _assert_the_console_shows(service: RunningService, reasons: dict[str, int]) -> None:
    """Each reason has its letters there, and one that was too large to keep says so."""
    database = open_database(service.settings)
    link = invite(database, service.settings.page_url).rpartition("/")[2]
    database.dispose()
    await eventually(lambda: port_answers(service.console_port), what="the console")
    async with httpx.AsyncClient(base_url=service.settings.page_url, timeout=20) as client:
        assert (await submit(client, "/sign-in/link", link=link)).status_code == 303
        for reason, count in reasons.items():
            page = (await client.get("/dead-letters", params={"reason": reason})).text
            assert f"<strong>{count} message" in page, reason
            assert ("counted, not kept" in page) == (reason == "too_large"), reason
        page = (await client.get("/dead-letters?reason=too_large")).text
        (letter,) = re.findall(r'href="(/dead-letters/\d+)"', page)
        one = (await client.get(letter)).text
        assert f"{20 * MIB:,} bytes" in one or f"{20 * MIB} bytes" in one
        assert "Send through again" not in one
        chinese = await client.get("/dead-letters", headers={"Accept-Language": "zh"})
        assert "已计数，未保留" in chinese.text
