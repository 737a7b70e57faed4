"""Half-hours for all readings: order and repeats do not matter, nothing is made up."""

from hypothesis import given
from hypothesis import strategies as st

from alerts.rules.half_hours import (
    COARSE,
    HALF_HOUR,
    SLOTS,
    UNKNOWN,
    Channel,
    add_counter,
    add_power,
)
from devices.clock import HOUR, MINUTE, SECOND
from tests.judging import at

START = at("00:00")
DAYS = 2 * 24 * HOUR // SECOND
SPANS = {"coarse_after": 20 * HOUR / SECOND, "gap_after": 26 * HOUR / SECOND}


@st.composite
def counters(draw: st.DrawFn) -> list[tuple[int, float]]:
    """A counter that never falls, read at odd times over two days."""
    seconds = sorted(draw(st.sets(st.integers(0, DAYS), min_size=1, max_size=30)))
    used = draw(st.lists(st.integers(0, 900), min_size=len(seconds), max_size=len(seconds)))
    watt_hours, readings = 1_000.0, []
    for second, more in zip(seconds, used, strict=True):
        watt_hours += more
        readings.append((START + second * SECOND, watt_hours))
    return readings


def _means(readings: list[tuple[int, float]]) -> dict[int, int]:
    channel = Channel("meter|")
    for when, watt_hours in readings:
        channel, _ = add_counter(channel, when, watt_hours, **SPANS)
    slots = range(channel.first, channel.first + SLOTS)
    return {slot: mean for slot in slots if (mean := channel.mean(slot)) != UNKNOWN}


@given(counters(), st.randoms(use_true_random=False))
def test_counter_readings_in_any_order(readings: list, random) -> None:
    """Whatever order a counter's readings come in, and however often, the means are the same."""
    shuffled = readings * 2
    random.shuffle(shuffled)
    fine = {slot: mean for slot, mean in _means(readings).items() if mean <= 30_000}
    again = _means(shuffled)
    assert {slot: again.get(slot) for slot in fine} == fine


@given(counters())
def test_no_more_is_found_than_was_counted(readings: list) -> None:
    """The half-hours never add up to more than the counter moved, but for rounding."""
    means = _means(readings)
    total = sum(mean & ~COARSE for mean in means.values()) / 2
    assert total <= readings[-1][1] - readings[0][1] + len(means) / 4 + 1e-6


@given(st.lists(st.tuples(st.integers(0, 600), st.floats(-100, 40_000)), max_size=60))
def test_power_is_a_mean_of_what_was_sampled(samples: list[tuple[int, float]]) -> None:
    """A half-hour lies between its least and its greatest sample, and repeats do not move it."""
    channel = Channel("plug|")
    for minute, watts in samples:
        channel, _ = add_power(channel, START + minute * MINUTE, watts)
    once = channel
    for minute, watts in samples:
        channel, changed = add_power(channel, START + minute * MINUTE, watts)
        assert not changed
    assert channel == once
    sampled: dict[int, list[float]] = {}
    for minute, watts in samples:
        slot = (START + minute * MINUTE) // HALF_HOUR
        sampled.setdefault(slot, []).append(min(max(watts, 0), COARSE - 2))
    for slot, inside in sampled.items():
        assert min(inside) - 1 <= channel.mean(slot) <= max(inside) + 1
