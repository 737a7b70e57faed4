"""The ahead lane: what is stored before its turn, how much of it, and for how long."""

from collections.abc import Sequence

import pytest

from devices.outcome import Ignored, IgnoredReason, Outcome
from ingest.ahead import LATE_S, WAITING_BYTES, WAITING_MESSAGES, AheadLane
from ingest.message import Batch, Message
from tests.messages import message

IGNORED = Ignored(IgnoredReason.LOG_LINE)
LATE = 10_000
"""Positions that a follower at 0 is behind."""


class Road:
    """A lane with a clock that is wound by hand, and a store that takes its time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.takes_s = 0.0
        self.works = True
        self.turns = 0
        self.decoded_until = 1_000_000
        self.stored: list[int] = []
        self.lane = AheadLane(self, self.at_hand, head=LATE, ticks=lambda: self.now)
        self._next = LATE + 1

    def at_hand(self, batch: Batch) -> Sequence[Outcome] | None:
        return [IGNORED] * len(batch) if batch.last <= self.decoded_until else None

    def ahead(
        self, positions: Sequence[int], messages: Sequence[Message], outcomes: Sequence[Outcome]
    ) -> bool:
        assert len(positions) == len(messages) == len(outcomes)
        self.now += self.takes_s
        self.turns += 1
        if self.works:
            self.stored += positions
        return self.works

    def offer(self, count: int = 1, *, size: int = 1, position: int = 0) -> Batch:
        batch = Batch(self._next, [message(1)] * count)
        self._next += count
        self.lane.offer(batch, size, position=position)
        return batch


@pytest.fixture
def road() -> Road:
    return Road()


def test_what_comes_in_behind_a_backlog_is_stored_at_once(road: Road) -> None:
    """Batches of one turn go together, each once."""
    road.offer(3)
    road.offer(2)
    road.lane.turn(0)
    road.lane.turn(0)
    assert road.stored == [LATE + 1, LATE + 2, LATE + 3, LATE + 4, LATE + 5]
    assert (road.lane.stored, road.lane.failed) == (5, 0)


def test_who_is_hardly_behind_stores_nothing_twice(road: Road) -> None:
    """A follower that is as near as ever hands on in order only; so does one that has caught up."""
    road.offer(position=LATE)
    road.lane.turn(LATE)
    assert road.stored == []
    road.offer(position=0)
    road.lane.turn(LATE)
    assert road.stored == []


def test_a_follower_is_late_when_what_it_has_not_handled_is_some_seconds_old(road: Road) -> None:
    """A burst that is worked off sooner does not open the lane; one that is not, does."""
    burst = road.offer(1_000, position=LATE)
    road.now = LATE_S / 2
    road.offer(position=LATE)
    road.lane.turn(LATE)
    assert road.stored == []
    for _ in range(2):
        road.now += LATE_S
        road.offer(position=LATE)
    newest = road.offer(position=burst.base)
    road.lane.turn(burst.base)
    assert newest.base in road.stored
    assert burst.base not in road.stored


def test_it_takes_a_third_of_the_time_at_most(road: Road) -> None:
    """However much comes in; and what is offered while it rests goes with the next turn."""
    road.takes_s = 1.0
    for _ in range(600):
        road.offer()
        road.lane.turn(0)
        road.now += 0.1
    assert road.now / 3 - 2 * road.takes_s < road.turns * road.takes_s
    assert road.turns * road.takes_s <= road.now / 3 + road.takes_s
    road.now += 2 * road.takes_s
    road.lane.turn(0)
    assert road.lane.stored == 600


@pytest.mark.parametrize(("count", "size"), [(WAITING_MESSAGES // 4, 1), (1, WAITING_BYTES // 4)])
def test_the_newest_win(road: Road, count: int, size: int) -> None:
    """What waits is bounded in messages and bytes; one batch larger than that is taken alone."""
    batches = [road.offer(count, size=size) for _ in range(10)]
    road.lane.turn(0)
    assert road.stored[0] == batches[-4].base
    assert road.stored[-1] == batches[-1].last
    road.offer()
    huge = road.offer(WAITING_MESSAGES * 2, size=WAITING_BYTES * 2)
    road.lane.turn(0)
    assert road.stored[-1] == huge.last
    assert huge.base - 1 not in road.stored


def test_what_nobody_has_decoded_in_order_waits_for_it(road: Road) -> None:
    """Whoever leads has it decoded first: only then it is known what its device had said."""
    road.decoded_until = LATE + 1
    road.offer()
    later = road.offer()
    road.lane.turn(0)
    assert road.stored == [LATE + 1]
    road.decoded_until = later.last
    road.lane.turn(0)
    assert road.stored == [LATE + 1, later.last]


def test_a_failure_is_counted_and_left_to_its_turn(road: Road) -> None:
    """Nothing is tried again here."""
    road.works = False
    road.offer()
    road.lane.turn(0)
    road.works = True
    road.lane.turn(0)
    assert (road.stored, road.lane.stored, road.lane.failed) == ([], 0, 1)
