"""Delays between attempts."""

import pytest

from ingest.backoff import Backoff


def test_delays_double_up_to_the_cap() -> None:
    """The longest possible delay doubles with each failure and never passes the cap."""
    backoff = Backoff(base=0.5, cap=3.0, chance=lambda: 1.0)
    assert [backoff.next() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_delays_are_spread_from_zero() -> None:
    """Jitter is full: chance alone decides where between nothing and the longest."""
    chances = iter([0.0, 0.25, 0.5])
    backoff = Backoff(base=1.0, cap=60.0, chance=lambda: next(chances))
    assert [backoff.next() for _ in range(3)] == [0.0, 0.5, 2.0]


def test_success_shortens_the_next_delay() -> None:
    """After an attempt that was of use it begins again."""
    backoff = Backoff(base=1.0, cap=60.0, chance=lambda: 1.0)
    for _ in range(4):
        backoff.next()
    backoff.reset()
    assert backoff.next() == 1.0


def test_years_of_failure_do_not_overflow() -> None:
    """Ten thousand failures later the delay is still the cap."""
    backoff = Backoff(base=1.0, cap=60.0, chance=lambda: 1.0)
    for _ in range(10_000):
        delay = backoff.next()
    assert delay == 60.0


@pytest.mark.parametrize("base", [0.1, 1.0, 100.0])
def test_the_system_chance_stays_in_bounds(base: float) -> None:
    """Without a chance of the caller's, delays lie between nothing and the cap."""
    backoff = Backoff(base=base, cap=5.0)
    assert all(0.0 <= backoff.next() < 5.0 for _ in range(100))
