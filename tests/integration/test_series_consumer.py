"""The series follower's consumer, on a real ledger."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ingest import dead_letter
from ingest.dead_letter import Selection
from ingest.follower import GATHERED, Held
from ingest.ledger_file import connect
from ingest.message import Message
from ingest.series_consumer import REPLAYED_AT_ONCE, REPLAYED_BEHIND
from tests.desk import Desk
from tests.messages import NOON
from tests.shelf import decode


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.ledger.close()


def test_worst_outcome_of_a_message_wins(desk: Desk) -> None:
    """Stored, ignored and dead messages are counted once each, and points by themselves."""
    desk.shelf.refuses = lambda point: point.observation.celsius > 40
    desk.handle(b"t 36.5", b"t 36.5 41.0 42.0", b"i", b"garbage")
    books = desk.books
    assert (books.stored, books.ignored, books.dead_open) == (1, {"log_line": 1}, 2)
    assert books.dead == {"store_refused": 1, "missing_field": 1}
    assert (books.points_encoded, books.points_accepted, books.points_rejected) == (4, 2, 2)
    assert books.balanced
    assert desk.consumer.cursor() == ("j", 4)


def test_a_refused_point_is_a_letter_with_the_words_of_the_store(desk: Desk) -> None:
    """A poison point spares its neighbours; its message is kept with device and reason."""
    desk.shelf.refuses = lambda point: point.observation.celsius > 40
    desk.handle(b"t 36.5", b"t 36.5 41.0", b"t 36.6")
    (letter,) = dead_letter.letters(desk.path, Selection())
    assert (letter.position, letter.payload, letter.device) == (2, b"t 36.5 41.0", "d1")
    assert (letter.reason, letter.detail) == ("store_refused", "field type conflict")
    assert letter.stored_points == 1
    assert len(desk.shelf.points) == 3


def test_a_held_store_moves_nothing(desk: Desk) -> None:
    """While the store holds, cursor, counters and letters stay; afterwards it is all there once."""
    desk.shelf.held = "influxdb answers 503"
    with pytest.raises(Held, match="503"):
        desk.handle(b"t 36.5", b"garbage")
    assert desk.consumer.cursor() is None
    assert desk.books.received == 0
    desk.shelf.held = ""
    desk.handle(b"t 36.5", b"garbage")
    assert (desk.books.stored, desk.books.dead_open) == (1, 1)


def test_what_a_lying_store_took_is_written_again_and_counted_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From behind the last canary that came back, with what had not been handled yet."""
    desk.handle(b"t 36.5")
    desk.shelf.lies = True
    desk.handle(b"t 36.6", b"t 36.7")
    monkeypatch.setattr("ingest.series_consumer.CHECK_S", 0)
    desk.consumer._check_at = 0.0
    for act in (lambda: desk.handle(b"t 36.8"), lambda: desk.consumer.idle(NOON)):
        with pytest.raises(Held, match="does not keep"):
            act()
    assert desk.consumer.cursor() == ("j", 0), "the first canary came back before anything"
    desk.shelf.lies = False
    desk.head = 0
    desk.handle(b"t 36.5", b"t 36.6")
    assert desk.consumer.cursor() == ("j", 2)
    desk.handle(b"t 36.7", b"t 36.8")
    assert desk.consumer.cursor() == ("j", 4)
    celsius = [one.observation.celsius for one in desk.shelf.points.values()]
    assert sorted(celsius) == [36.5, 36.6, 36.7, 36.8]
    books = desk.books
    assert (books.stored, books.points_accepted, books.balanced) == (4, 4, True)


def test_what_is_stored_ahead_is_accounted_for_in_its_turn_only(desk: Desk) -> None:
    """Ahead no book is kept, whatever the store says; in order the same points come out."""
    desk.shelf.refuses = lambda point: point.observation.celsius > 40
    arrived = [Message("d0", b"t 36.5", NOON), Message("d1", b"t 36.5 41.0", NOON + 1)]
    arrived.append(Message("d2", b"garbage", NOON + 2))
    outcomes = [decode(position, one) for position, one in enumerate(arrived, 2)]
    desk.shelf.held = "influxdb answers 503"
    assert not desk.consumer.ahead([2, 3, 4], arrived, outcomes)
    desk.shelf.held = ""
    assert desk.consumer.ahead([2, 3, 4], arrived, outcomes)
    ahead = desk.shelf.points.copy()
    assert len(ahead) == 2
    assert (desk.consumer.cursor(), desk.books.received) == (None, 0)
    assert dead_letter.letters(desk.path, Selection()) == []
    desk.handle(b"i")
    desk.handle(b"t 36.5", b"t 36.5 41.0", b"garbage")
    assert desk.shelf.points == ahead
    books = desk.books
    assert (books.stored, books.dead_open, books.points_accepted) == (1, 2, 2)
    assert books.balanced


def test_a_ledger_that_cannot_be_written_holds(desk: Desk) -> None:
    """A ledger locked by somebody is a wait, not a death, and the batch is counted once."""
    desk.ledger._connection.execute("PRAGMA busy_timeout = 1")
    with closing(connect(desk.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Held, match="ledger cannot be written"):
            desk.handle(b"t 36.5")
        other.execute("ROLLBACK")
    desk.handle(b"t 36.5")
    assert desk.books.stored == 1


def test_lost_positions_are_counted(desk: Desk) -> None:
    """What the journal could not give back is a line of its own in the books."""
    desk.handle(b"i")
    desk.handle(b"i", skip=10)
    assert (desk.books.lost, desk.books.received) == (10, 12)
    assert desk.books.balanced


def test_replay_stores_what_today_is_understood(desk: Desk) -> None:
    """Letters that stored nothing go through the decoder of the day; what fails again stays one."""
    desk.shelf.refuses = lambda point: point.observation.celsius > 40
    desk.handle(b"garbage", b"t 36.5 41.0", b"garbage", b"garbage")
    first, _, third, fourth = sorted(
        dead_letter.letters(desk.path, Selection()), key=lambda one: one.position
    )
    learnt = {"d0": b"t 37.7", "d2": b"i"}
    desk.decode = lambda position, one: decode(
        position, Message(one.topic, learnt.get(one.topic, one.payload), one.received_at)
    )
    asked = [first.position, third.position, fourth.position]
    assert dead_letter.request_replay(desk.path, Selection()) == asked
    desk.consumer.idle(NOON)
    assert [one.observation.celsius for one in desk.shelf.points.values()] == [36.5, 37.7]
    states = [dead_letter.letter(desk.path, one.position) for one in (first, third, fourth)]
    assert [one.state for one in states if one] == ["replayed", "replayed", "open"]
    assert states[2] is not None
    assert (states[2].attempts, states[2].replay) == (1, False)
    books = desk.books
    assert (books.stored, books.ignored, books.dead_open) == (1, {"log_line": 1}, 2)
    assert (books.dead_replayed, books.balanced) == (2, True)


def test_replay_keeps_time_and_place_of_the_message(desk: Desk) -> None:
    """A replayed message is decoded with its own position and arrival: its points are its own."""
    seen = []
    desk.handle(b"i", b"garbage")
    desk.decode = lambda position, one: seen.append((position, one)) or decode(position, one)  # type: ignore[func-returns-value]
    dead_letter.request_replay(desk.path, Selection())
    desk.consumer.idle(NOON)
    ((position, replayed),) = seen
    assert (position, replayed.topic, replayed.received_at) == (2, "d1", NOON + 1)


def test_a_held_replay_is_tried_again(desk: Desk) -> None:
    """A replay that meets an outage changes nothing and is done when the store is back."""
    desk.handle(b"garbage")
    desk.decode = lambda position, one: decode(position, Message(one.topic, b"t 36.0", NOON))
    dead_letter.request_replay(desk.path, Selection())
    desk.shelf.held = "down"
    with pytest.raises(Held):
        desk.consumer.idle(NOON)
    assert desk.books.dead_open == 1
    desk.shelf.held = ""
    desk.consumer.idle(NOON)
    assert (desk.books.dead_open, desk.books.stored) == (0, 1)


def test_a_replay_yields_to_live_data(desk: Desk) -> None:
    """While batches come full, live data waits: a replay takes a little of each turn."""
    desk.handle(*[b"garbage"] * 300)
    desk.decode = lambda position, one: decode(position, Message(one.topic, b"t 36.0", NOON))
    dead_letter.request_replay(desk.path, Selection())
    desk.handle(*[b"i"] * GATHERED)
    desk.consumer.idle(NOON)
    assert desk.books.dead_replayed == REPLAYED_BEHIND
    desk.handle(b"i")
    desk.consumer.idle(NOON)
    assert desk.books.dead_replayed == REPLAYED_BEHIND + REPLAYED_AT_ONCE


def test_discarding_gives_up_the_payload_and_keeps_the_count(desk: Desk) -> None:
    """A discarded letter stays in the books and in the list, without what it said."""
    desk.handle(b"garbage", b"garbage")
    assert dead_letter.discard(desk.path, Selection(topic="d1"), note="a test device") == 1
    (letter,) = dead_letter.letters(desk.path, Selection(state="discarded"))
    assert (letter.payload, letter.size, letter.note) == (b"", 7, "a test device")
    assert (desk.books.dead_open, desk.books.dead_discarded) == (1, 1)
    assert desk.books.balanced


def test_letters_are_grouped_and_found(desk: Desk) -> None:
    """Groups tell topic, reason, count and span; filters narrow them."""
    desk.handle(b"garbage", b"garbage", b"garbage")
    desk.handle(b"garbage")
    groups = dead_letter.groups(desk.path, Selection(state="open"))
    assert [(one.topic, one.count) for one in groups] == [("d0", 2), ("d2", 1), ("d1", 1)]
    assert [one.topic for one in dead_letter.groups(desk.path, Selection(topic="d1"))] == ["d1"]
    assert sum(one.count for one in dead_letter.groups(desk.path, Selection(topic_begins="d"))) == 4
    assert dead_letter.groups(desk.path, Selection(reason="empty")) == []
    assert dead_letter.letter(desk.path, 99) is None
