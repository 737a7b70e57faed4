"""Numbered messages: gaps, wraps, restarts, repeats, late ones, and who lost what is missing."""

import msgspec
import pytest

from devices.clock import MINUTE, SECOND
from ingest.numbering import MOST_GAPS, Cause, Number, Numbering, begin
from tests.messages import NOON


def by_device(_source: str, _since: int, _until: int) -> Cause:
    return Cause.DEVICE


def by_broker(_source: str, _since: int, _until: int) -> Cause:
    return Cause.BROKER


def nobody_asks() -> int:
    pytest.fail("our own losses were counted where nothing is missing")


def seen(number: int, place: int, *, observed_at: int = 0) -> Number:
    return Number(number, place, NOON + place * SECOND, observed_at, "mqtt")


def follow(*numbers: int, first: Numbering | None = None, ours: int = 0, timed: bool = False):
    """Take numbers that arrive a second apart, each state through its stored form."""
    known = first
    for place, number in enumerate(numbers, start=1 if first is None else first.position + 1):
        one = seen(number, place, observed_at=NOON + place * SECOND if timed else 0)
        known = begin(one) if known is None else known.take(one, ours=lambda: ours, blame=by_device)
        known = msgspec.msgpack.decode(msgspec.msgpack.encode(known), type=Numbering)
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("numbers", "missing", "last"),
    [
        ([5, 6, 7], 0, 7),
        ([5, 8], 2, 8),
        ([5, 8, 6, 7], 0, 8),
        ([5, 8, 7], 1, 8),
        ([5, 9, 7, 6, 8, 7, 6], 0, 9),
        ([5, 6, 6, 5, 7], 0, 7),
        ([254, 255, 0, 1], 0, 1),
        ([254, 1], 2, 1),
        ([254, 1, 255, 0], 0, 1),
        ([65_530, 65_531, 3], 7, 3),
        ([2**32 - 1, 0], 0, 0),
        ([255, 256, 257], 0, 257),
        ([65_535, 0, *range(1, 300)], 0, 299),
    ],
    ids=str,
)
def test_a_number_is_missing_until_it_comes(numbers: list[int], missing: int, last: int) -> None:
    """Skipped is missing, late fills, a repeat is nothing, the end of the bits is no end."""
    known = follow(*numbers)
    assert (sum(known.missing.values()), known.last, known.restarts) == (missing, last, 0)


def test_a_counter_that_wraps_again_fills_no_gap_of_the_round_before() -> None:
    """Number 100 of the second round is no late one of the first."""
    round_ = [number for number in range(256) if number != 100]
    known = follow(*round_, *round_, *range(60))
    assert known.missing == {Cause.DEVICE: 2}
    assert known.last == 59
    assert len(known.gaps) == 0


@pytest.mark.parametrize("timed", [False, True])
def test_a_device_that_counts_anew_has_restarted(timed: bool) -> None:
    """Its first numbers are not late ones, and what was before is not missing twice."""
    known = follow(900, 901, 905, 1, 2, 3, 5, timed=timed)
    assert (known.restarts, known.last, known.missing) == (1, 5, {Cause.DEVICE: 4})


def test_an_old_number_with_its_old_time_is_no_restart() -> None:
    """What a terminal sends again, in its order, has the time of then."""
    known = follow(48, 49, 50, timed=True)
    for number in (48, 49):
        again = seen(number, 9, observed_at=NOON + (number - 47) * SECOND)
        known = known.take(again, ours=nobody_asks, blame=by_device)
    assert (known.restarts, known.last) == (0, 50)


def test_a_run_of_repeats_is_no_restart() -> None:
    """It looks like one, without a time, until the count goes on from before."""
    known = follow(28, 29, 33, 6, 7, 8)
    assert (known.restarts, known.last) == (1, 8)
    known = follow(34, 31, 37, first=known)
    assert (known.restarts, known.last, known.missing) == (0, 37, {Cause.DEVICE: 4})


def test_a_leap_is_a_new_beginning() -> None:
    """Nobody loses a hundred thousand messages between two: those are counted as none."""
    known = follow(7, 900_000, 900_001, 900_003)
    assert (known.restarts, known.last, known.missing) == (1, 900_003, {Cause.DEVICE: 1})


def test_what_became_a_dead_letter_is_ours() -> None:
    """As many of the missing numbers as became dead letters; the rest is blamed on others."""
    known = follow(1, 5, ours=2)
    assert known.missing == {Cause.US: 2, Cause.DEVICE: 1}
    assert follow(3, first=known).missing == {Cause.US: 1, Cause.DEVICE: 1}


def test_our_own_losses_are_counted_only_where_something_is_missing() -> None:
    """Counting them costs as much as there are: a device of which nothing is missing costs none."""
    known = follow(1, 2, 4)
    for number in (5, 6, 6, 3, 7):
        known = known.take(seen(number, number + 10), ours=nobody_asks, blame=by_device)
    assert (known.last, known.missing) == (7, {Cause.DEVICE: 0})


def test_later_knowledge_moves_the_blame() -> None:
    """A broker tells late of what it dropped; only gaps of the span it names become its own."""
    known = follow(1, 5, 6, 9)
    second = known.gaps[1]

    def blame(_source: str, since: int, until: int) -> Cause:
        assert (since, until) in {(one.since, one.until) for one in known.gaps}
        return Cause.BROKER if until == second.until else Cause.DEVICE

    again = known.blame_again(blame)
    assert again.missing == {Cause.DEVICE: 3, Cause.BROKER: 2}
    assert again.blame_again(by_device) is again
    assert follow(7, first=again).missing == {Cause.DEVICE: 3, Cause.BROKER: 1}
    assert again.blame_again(by_broker).missing == {Cause.DEVICE: 0, Cause.BROKER: 5}


def test_gaps_are_bounded_and_counts_are_not() -> None:
    """A device that loses every second message for ever takes no more room than another."""
    known = follow(*range(0, 500, 2))
    assert len(known.gaps) == MOST_GAPS
    assert known.missing == {Cause.DEVICE: 249}
    assert len(msgspec.msgpack.encode(known)) < 2_000
    assert known.gaps[-1].until - known.gaps[-1].since < MINUTE
