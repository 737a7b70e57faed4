"""What each stage counts, and that nothing goes missing between two of them."""

import pytest

from ingest.durations import BOUNDS_S, Stopwatch
from ingest.stage import Stage, stages
from ingest.status import PollStatus
from tests import told


def named(**status: object) -> dict[str, Stage]:
    """Return the stages by name."""
    return {one.name: one for one in stages(told.status(**status))}  # type: ignore[arg-type]


def test_a_quiet_service_has_no_errors_and_drops_nothing() -> None:
    """What came to a stage left it for the next."""
    for one in stages(told.status(judged={"judged": 10})):
        assert (one.errors, one.dropped) == ({}, {}), one
    passed = named(judged={"judged": 10})
    assert (passed["decode"].received, passed["decode"].sent) == (10, 10)
    assert (passed["rules"].received, passed["rules"].sent) == (10, 10)


def test_what_leaves_no_stage_has_a_reason() -> None:
    """Messages of each end are counted where they end: error for a person, dropped for good."""
    counters = {
        "stored": 4,
        "ignored:log_line": 2,
        "dead:bad_json": 1,
        "dead:store_refused": 2,
        "lost": 1,
        "points_encoded": 9,
        "points_accepted": 6,
        "points_rejected": 3,
    }
    passed = named(
        counters=counters,
        judged={"judged": 7, "ignored": 2, "dead": 1},
        sources={"mqtt": {"reconnects": 3, "refused": {"401": 5}, "sessions_lost": 1}},
        series={"holds": {"store": 4}},
        pipeline={"received": 12, "journalled": 10, "repeats": 2, "refused": 1},
        polls=PollStatus(due=8, asked=5),
    )
    assert passed["source"].errors == {"http_401": 5, "reconnect": 3, "lost_session": 1}
    assert passed["journal"] == Stage("journal", 12, 10, {"full": 1}, {"repeat": 2})
    assert passed["decode"] == Stage("decode", 10, 6, {"bad_json": 1}, {"log_line": 2, "lost": 1})
    assert passed["store"] == Stage("store", 9, 6, {"store": 4}, {"refused": 3})
    assert passed["rules"] == Stage("rules", 10, 7, {}, {"ignored": 2, "dead": 1})
    assert passed["polls"] == Stage("polls", 8, 5, {}, {"broker_away": 3})


def test_durations_are_counted_by_their_length() -> None:
    """Each measured work is in one class, failed or not, and their sum is all of them."""
    watch = Stopwatch()
    with watch.timing():
        pass
    with pytest.raises(OSError, match="full"), watch.timing():
        raise OSError("full")
    took = watch.durations()
    assert (took.count, len(took.counts)) == (2, len(BOUNDS_S) + 1)
    assert took.counts[-1] == 0
    assert 0 < took.mean_s < BOUNDS_S[-1]
