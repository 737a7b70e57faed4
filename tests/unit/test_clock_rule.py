"""Clocks of devices: ahead, behind, reset, drifting; what proves it, and what is only late."""

import pytest

from alerts.rules.clock import ClockOff, ClockState, Verdict
from alerts.thresholds import DeviceThresholds, Thresholds
from devices.clock import DAY, HOUR, MINUTE, SECOND
from devices.observation import DeviceStatus, TimeSource
from tests.judging import Bench, at, told

NOON = at("12:00")


def says(arrives: int, offset: int, device: str = "sun") -> DeviceStatus:
    """Return what a device says whose message arrives so far from the time it names."""
    if -7 * DAY < offset < 5 * MINUTE:
        return DeviceStatus(device_id=device, observed_at=arrives + offset, received_at=arrives)
    return DeviceStatus(
        device_id=device,
        observed_at=arrives,
        received_at=arrives,
        time_source=TimeSource.REFUSED,
        said_at=arrives + offset,
    )


def hours(offset: int, count: int, *, begin: int = NOON, every: int = 20 * MINUTE):
    return [says(begin + n * every, offset) for n in range(count)]


@pytest.mark.parametrize(
    ("offset", "evidence"),
    [
        (4 * MINUTE, {"clock_ahead_minutes": 4}),
        (3 * HOUR, {"clock_ahead_minutes": 180}),
        (-NOON + 12 * SECOND, {"clock_says": "1970-01-01T00:00:12Z"}),
    ],
    ids=["drifted, and believed still", "ahead, refused", "reset to 1970"],
)
def test_one_message_proves_a_clock_ahead_or_reset(offset: int, evidence: dict) -> None:
    """No message arrives before it was sent, and none waits for years: a watch at once, once."""
    bench = Bench(ClockOff())
    found = bench.feed(says(NOON, offset))
    assert told(found) == ["watch"]
    assert (found[0].observed_at, found[0].device_id) == (NOON, "sun")
    assert (found[0].grid, found[0].evidence) == ("g1", evidence)
    assert bench.feed(*hours(offset, 12, begin=NOON + MINUTE)) == []
    assert told(bench.feed(says(NOON + 5 * HOUR, -SECOND))) == ["clear"]
    assert bench.states == {"device:sun": ClockState()}


def test_a_clock_is_behind_when_nothing_of_an_hour_was_in_time() -> None:
    """The quickest message says by how much; the watch opens after an hour, not before."""
    bench = Bench(ClockOff())
    bench.feed(says(NOON, -25 * MINUTE), says(NOON + 20 * MINUTE, -11 * MINUTE))
    bench.feed(says(NOON + 40 * MINUTE, -40 * MINUTE))
    assert bench.findings == []
    found = bench.feed(says(NOON + HOUR, -12 * MINUTE))
    assert told(found) == ["watch"]
    assert (found[0].observed_at, found[0].evidence) == (NOON, {"clock_behind_minutes": 11})
    assert told(bench.feed(says(NOON + 2 * HOUR, -20 * SECOND))) == ["clear"]


def test_a_device_that_speaks_once_a_day_is_judged_too() -> None:
    """An hour at least, and three messages at least."""
    bench = Bench(ClockOff())
    assert bench.feed(*hours(-HOUR, 3, every=DAY)) == []
    assert told(bench.feed(says(NOON + 3 * DAY, -HOUR))) == ["watch"]


def test_what_a_broker_kept_says_nothing_of_the_clock() -> None:
    """Hours of messages that arrive together are late; the first in time ends all doubt."""
    bench = Bench(ClockOff())
    bench.feed(*(says(NOON + n, -3 * HOUR + n * SECOND) for n in range(500)))
    bench.feed(says(NOON + 30 * MINUTE, -SECOND))
    bench.feed(*hours(-2 * HOUR, 2, begin=NOON + 2 * HOUR))
    assert bench.findings == []


def test_times_of_arrival_say_nothing_of_a_clock() -> None:
    """Without one of its own, with one refused in a backlog, or right: no state is left at all."""
    bench = Bench(ClockOff())
    for source in (TimeSource.ARRIVAL, TimeSource.BACKLOG):
        bench.feed(
            DeviceStatus(device_id="sun", observed_at=NOON, received_at=NOON, time_source=source)
        )
    bench.feed(says(NOON, -20 * SECOND))
    assert bench.states == {}
    bench.feed(says(NOON, -4 * MINUTE), says(NOON, 2 * MINUTE))
    assert bench.states["device:sun"] == ClockState()


def test_a_drifting_clock_is_told_once_and_followed() -> None:
    """What is shown grows with the drift, ahead or behind; nothing is opened again."""
    bench = Bench(ClockOff())
    for day in range(10):
        bench.feed(*hours(4 * MINUTE + day * 2 * MINUTE, 6, begin=NOON + day * DAY))
    assert told(bench.findings) == ["watch"]
    assert bench.states["device:sun"].offset == 22 * MINUTE
    for day in range(10, 20):
        bench.feed(*hours(-day * HOUR, 6, begin=NOON + day * DAY))
    assert told(bench.findings) == ["watch"]
    assert bench.states["device:sun"].offset == -19 * HOUR
    assert bench.states["device:sun"].since == NOON


def test_a_watch_that_a_person_closed_stays_closed() -> None:
    """Until the clock was right once."""
    bench = Bench(ClockOff())
    bench.feed(says(NOON, HOUR))
    bench.close("device:sun", NOON + MINUTE)
    assert bench.states["device:sun"].verdict is Verdict.GIVEN_UP
    assert bench.feed(*hours(HOUR, 12, begin=NOON + HOUR)) == []
    assert bench.feed(says(NOON + 6 * HOUR, 0)) == []
    assert told(bench.feed(says(NOON + 7 * HOUR, HOUR))) == ["watch"]


def test_between_right_and_off_nothing_changes() -> None:
    """A clock at the limit neither opens nor closes a watch with each message."""
    bench = Bench(ClockOff())
    for n in range(20):
        bench.feed(says(NOON + n * MINUTE, 4 * MINUTE if n % 2 == 0 else 2 * MINUTE))
    assert told(bench.findings) == ["watch"]


def test_limits_are_a_site_s_own() -> None:
    """Where terminals are known to be slow, the limits say so."""
    loose = Thresholds(device=DeviceThresholds(clock_ahead_minutes=90, clock_behind_minutes=90))
    bench = Bench(ClockOff(), thresholds=loose)
    assert bench.feed(says(NOON, HOUR), *hours(-HOUR, 12)) == []


def test_a_clock_that_is_off_costs_little_writing() -> None:
    """A device that speaks each second changes its state a few times an hour, not each time."""
    bench = Bench(ClockOff())
    states = []
    for n in range(2 * 3600):
        bench.feed(says(NOON + n * SECOND, -HOUR - n % 7))
        states.append(bench.states["device:sun"])
    assert len(set(states)) < 20
