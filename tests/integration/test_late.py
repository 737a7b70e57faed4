"""Late and out of order: stored at its own time, and marked late for rules, page and timeline."""

from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select

from alerts.engine import Engine
from alerts.tables import incident, incident_event
from alerts.thresholds import Thresholds
from devices.clock import HOUR, MINUTE, SECOND, ManualClock, rfc3339
from devices.decoder import Decoder
from devices.profile import built_in, load_profiles
from ingest.decode_stage import decode_all
from ingest.ledger import Ledger
from ingest.message import BACKLOG, Batch, Message
from ingest.series import open_store
from ingest.series_consumer import SeriesConsumer
from tests.judging import at, community
from tests.state import open_state

NOON = at("12:00")
PROFILES = [one for one in load_profiles(built_in()) if one.name == "gatehouse"]
MORNING = ((-4 * HOUR, 37.5), (-4 * HOUR + 15 * MINUTE, 37.6), (-10 * SECOND, 36.6))
"""When after noon Ms Sun measured, and what: a fever four hours ago, and that it is over."""


def said(after: int, celsius: float) -> Message:
    payload = (
        f'{{"kind":"temperature","observed_at":"{rfc3339(NOON + after)}",'
        f'"celsius":{celsius},"body_site":"axillary"}}'
    )
    return Message("gatehouse/v1/river/sun", payload.encode(), NOON, "mqtt", flags=BACKLOG)


def test_what_comes_late_has_its_own_time_and_is_marked(tmp_path: Path) -> None:
    """A fever that arrives hours later, after newer readings, is stored and paged as of then."""
    registry = community()
    decoder = Decoder(PROFILES, default_zone=ZoneInfo("Asia/Shanghai"))
    late_first = [said(*reading) for reading in (MORNING[2], MORNING[0], MORNING[1])]
    outcomes = decode_all(late_first, decoder, registry)
    with (
        closing(Ledger.open(tmp_path / "ledger.db")) as ledger,
        closing(open_store(None, token=None, data_dir=tmp_path)) as store,
    ):
        consumer = SeriesConsumer(
            journal_id="j",
            ledger=ledger,
            store=store,
            decode=lambda _, messages: decode_all(messages, decoder, registry),
            registry=lambda: registry,
            clock=ManualClock(NOON),
        )
        consumer.handle(Batch(1, late_first), outcomes)
        stored = store.range("temperature", "sun", since=NOON - 5 * HOUR, until=NOON)
        assert [(one.at - NOON, one.fields["celsius"]) for one in stored] == list(MORNING)
        (newest,) = store.last("temperature", device="sun")
        assert newest.at == NOON - 10 * SECOND
    database = open_state(tmp_path)
    engine = Engine(
        database=database,
        journal="j",
        registry=lambda: registry,
        thresholds=Thresholds(),
        silent_after=lambda _: None,
        clock=ManualClock(NOON),
    )
    engine.handle(1, outcomes)
    with database.connect() as connection:
        (fever,) = connection.execute(select(incident)).all()
        evidence = connection.execute(
            select(incident_event.c.detail).where(incident_event.c.kind == "evidence")
        ).scalars()
        assert [(one["observed_at"] - NOON, one["late"]) for one in evidence] == [
            (-4 * HOUR, True),
            (-4 * HOUR + 15 * MINUTE, True),
        ]
    assert (fever.rule, fever.late, fever.watch) == ("fever", True, False)
    assert fever.began_at == NOON - 4 * HOUR
    database.dispose()
