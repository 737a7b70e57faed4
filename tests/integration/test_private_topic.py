"""Somebody's name in a topic: read by nobody, and kept by nothing but the journal."""

import json
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from devices.clock import ManualClock
from devices.decoder import Decoder
from devices.matcher import Matcher
from devices.outcome import DeadLetterReason
from devices.profile import built_in, load_profiles
from devices.registry import Registry
from gatehouse.cli.listen import Look, Seen
from ingest.dead_letter import Selection, letter, request_replay
from ingest.decode_stage import decode_all
from ingest.ledger import Ledger
from ingest.message import Batch, Message
from ingest.series import open_store
from ingest.series_consumer import SeriesConsumer
from tests.judging import at

NOON = at("12:00")
ZONE = ZoneInfo("Asia/Shanghai")
NAME = "Zhang Wei"
MASKED = "double-take/matches/{person}"
PROFILES = load_profiles(built_in())
DECODER = Decoder(PROFILES, default_zone=ZONE)
FACE = b'{"id":"1","timestamp":"2020-02-14T11:59:58Z","camera":"gate-9","match":{"confidence":90}}'


def seen(payload: bytes) -> Message:
    return Message(f"double-take/matches/{NAME}", payload, NOON)


def test_a_dead_letter_keeps_no_name_and_is_replayed_alike(tmp_path: Path) -> None:
    """Not in any file beside the journal; and the family still knows the topic as its own."""
    registry = Registry()
    messages = [seen(b'{"match":'), seen(FACE)]
    path = tmp_path / "ledger.db"
    with (
        closing(Ledger.open(path)) as ledger,
        closing(open_store(None, token=None, data_dir=tmp_path)) as store,
    ):
        consumer = SeriesConsumer(
            journal_id="j",
            ledger=ledger,
            store=store,
            decode=lambda _, again: decode_all(again, DECODER, registry),
            registry=lambda: registry,
            clock=ManualClock(NOON),
            mask=DECODER.masked,
        )
        consumer.handle(Batch(1, messages), decode_all(messages, DECODER, registry))
        assert request_replay(path, Selection()) == [1, 2]
        consumer.idle(3)
        cut, unknown = letter(path, 1), letter(path, 2)
    assert cut is not None
    assert unknown is not None
    assert (cut.topic, cut.reason) == (MASKED, DeadLetterReason.BAD_JSON)
    assert (unknown.topic, unknown.device) == (MASKED, "gate-9")
    assert all(NAME.encode() not in file.read_bytes() for file in tmp_path.rglob("*.db*"))


@pytest.mark.parametrize("as_json", [True, False])
def test_what_is_shown_of_a_broker_names_nobody(as_json: bool) -> None:
    """Whoever looks at a face recognition's topics sees that somebody is named there."""
    look = Look(profile=None, reveal=False, as_json=as_json, seconds=None, count=None, zone=ZONE)
    line = Seen(DECODER, Matcher(DECODER, PROFILES), look).line(seen(FACE))
    assert NAME not in line
    assert MASKED in (json.loads(line)["topic"] if as_json else line)


def test_other_topics_stay_as_they_are() -> None:
    """Those of cameras, and of other families."""
    for topic in ("double-take/cameras/gate-9", "zigbee2mqtt/Zhang Wei", "nobody/knows", ""):
        assert DECODER.masked(topic) == topic
