"""Answers that are about the server and not the points: held, said in a line, and nothing is lost.

The recorded server stands before a real InfluxDB, gives one bad answer to everything for a while,
then passes everything on. (Why it is recorded: see there.)
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recorded_server import Answer, RecordedServer, Request, Script
from tests.servers import InfluxDB, eventually
from tests.store_way import StoreWay, bits, kept


def pass_on(_: Request) -> None:
    """Let the real server answer."""


def always(answer: Answer) -> Script:
    """Answer everything alike."""
    return lambda _: answer


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The name of a database for one test."""
    return f"t{abs(hash(request.node.nodeid))}"


@pytest.fixture
def recorded(influxdb_server: InfluxDB) -> Iterator[RecordedServer]:
    """In front of the real server."""
    with RecordedServer(pass_on, behind=influxdb_server.port) as server:
        yield server


@pytest.fixture
def way(tmp_path: Path, influxdb_server: InfluxDB, recorded: RecordedServer, name: str) -> StoreWay:
    """The way through the recorded server into a database of its own."""
    influxdb_server.database(name)
    return StoreWay(tmp_path / "way", f"influxdb1://127.0.0.1:{recorded.port}/{name}")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(Answer(400, "<html>Bad Request"), "answered 400", id="400-of-a-proxy"),
        pytest.param(
            Answer(400, '{"error":"database is required"}'),
            "refuses a plain point",
            id="400-always",
        ),
        pytest.param(Answer(401, '{"error":"no"}'), "GATEHOUSE_SERIES_TOKEN", id="401"),
        pytest.param(Answer(403, '{"error":"no"}'), "GATEHOUSE_SERIES_TOKEN", id="403"),
        pytest.param(Answer(404, '{"error":"no"}'), "create it there", id="404"),
        pytest.param(Answer(413, "<html>nginx"), "refuses a plain point: 413", id="413-always"),
        pytest.param(Answer(422, '{"message":"no"}'), "refuses a plain point: no", id="422-always"),
        pytest.param(
            Answer(429, '{"message":"no"}', (("Retry-After", "1"),)), "overloaded", id="429"
        ),
        pytest.param(Answer(500, '{"error":"timeout"}'), "see its log", id="500"),
        pytest.param(Answer(503, "<html>"), "see its log", id="503"),
        pytest.param(Answer(200, "<html>Welcome"), "something else", id="200"),
        pytest.param(
            Answer(302, "", (("Location", "http://127.0.0.1:1/"),)), "answered 302", id="redirect"
        ),
        pytest.param(Answer(500, "half", length=900), "does not answer", id="half-an-answer"),
        pytest.param(Answer(0, resets=True), "does not answer", id="reset"),
        pytest.param(Answer(503, after=5.0), "does not answer", id="too-slow"),
        pytest.param(Answer(503, "x" * 50, drips=0.05), "come to an end", id="drips"),
    ],
)
async def test_a_bad_answer_holds_and_loses_nothing(
    answer: Answer,
    says: str,
    way: StoreWay,
    recorded: RecordedServer,
    influxdb_server: InfluxDB,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says what is wrong, alerts go on, no letter is made; afterwards all is there, to a bit."""
    monkeypatch.setattr("ingest.influxdb_connection._ANSWER_S", 0.5)
    async with way.running():
        await way.bring(50)
        await way.has_stored_everything()
        recorded.script = always(answer)
        await way.bring(50)
        await way.is_held(says)
        await way.bring(50)
        recorded.script = pass_on
        await way.has_stored_everything()
    assert way.letters == []
    assert bits(kept(influxdb_server, name)) == bits(way.sent)


async def test_a_slow_server_is_only_slow(
    way: StoreWay, recorded: RecordedServer, influxdb_server: InfluxDB, name: str
) -> None:
    """One that answers late is waited for, without being held, and alerts do not wait with it."""
    recorded.pause_s = 0.3
    async with way.running():
        for _ in range(5):
            await way.bring(50)
        assert way.held == ""
        await way.has_stored_everything()
    assert bits(kept(influxdb_server, name)) == bits(way.sent)


async def test_a_server_that_asks_for_peace_is_left_alone(
    way: StoreWay, recorded: RecordedServer
) -> None:
    """For the seconds of Retry-After no request is made, however short our own pause would be."""
    async with way.running():
        await way.bring(10)
        await way.has_stored_everything()
        recorded.script = always(Answer(503, "", (("Retry-After", "2"),)))
        await way.bring(10)
        await way.is_held("503")
        recorded.script = pass_on
        made = len(recorded.requests)
        with pytest.raises(AssertionError, match="not within"):
            await eventually(lambda: len(recorded.requests) > made, seconds=1)
        await way.has_stored_everything()


async def test_a_server_that_lies_gets_everything_again(
    way: StoreWay,
    recorded: RecordedServer,
    influxdb_server: InfluxDB,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """204 and nothing stored is found by the canary; what was taken so is written again, once."""
    monkeypatch.setattr("ingest.influxdb._CANARY_SECONDS", 0.2)
    monkeypatch.setattr("ingest.series_consumer.CHECK_S", 1.0)

    def lie(request: Request) -> Answer | None:
        return Answer(204) if request.path.startswith("/write") else None

    async with way.running():
        await way.bring(100)
        await way.has_stored_everything()
        recorded.script = lie
        await way.bring(100)
        await way.is_held("does not give it back")
        await way.bring(100)
        recorded.script = pass_on
        await way.has_stored_everything()
    assert (way.books.stored, way.books.points_accepted) == (300, 300)
    assert bits(kept(influxdb_server, name)) == bits(way.sent)
