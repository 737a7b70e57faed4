"""What doctor makes of a clock and of a receive window: well, well with a warning, or wrong."""

import pytest

from devices.clock import DAY, MINUTE, SECOND, parse_rfc3339
from gatehouse.doctor import OUTLIVED, WRITTEN, judge_clock, window

NOW = parse_rfc3339("2026-12-01T08:00:00Z")


@pytest.mark.parametrize(
    ("now", "ran_at", "stores", "said"),
    [
        (NOW, None, None, ""),
        (NOW, NOW - DAY, NOW - MINUTE, ""),
        (NOW, NOW + MINUTE, NOW + MINUTE, ""),
        (WRITTEN - 1, None, None, "set it, and keep it with NTP"),
        (OUTLIVED, None, OUTLIVED, "set it, and keep it with NTP"),
        (NOW, NOW + MINUTE + SECOND, None, "61 s ahead when the service last ran"),
        (NOW, None, NOW - 61 * SECOND, "61 s ahead of the series store's"),
        (NOW, None, NOW + DAY, "86400 s behind the series store's"),
    ],
    ids=[
        "alone",
        "as the others",
        "just as the others",
        "never set",
        "of another century",
        "set back",
        "ahead",
        "behind",
    ],
)
def test_a_clock_is_wrong_by_itself_or_beside_another(
    now: int, ran_at: int | None, stores: int | None, said: str
) -> None:
    """It lies within the program's life, does not go back, and agrees with the store's."""
    found = judge_clock(now, ran_at=ran_at, stores=stores)
    assert found.well is (not said)
    assert said in found.sentence


@pytest.mark.parametrize(
    ("protocol", "receive_maximum", "mark", "advice"),
    [
        ("5", 2_000, "ok", ""),
        ("5", 100, "ok", ""),
        ("5", 99, "warn", "[mqtt] receive_maximum"),
        ("3.1.1", 2_000, "warn", "max_inflight_messages"),
    ],
)
def test_a_small_window_is_warned_of(
    protocol: str, receive_maximum: int, mark: str, advice: str
) -> None:
    """Few messages ahead of acks slow the intake and break nothing: the line says what to do."""
    found = window(protocol, receive_maximum)
    assert found.well
    assert found.line.split()[0] == mark
    assert advice in found.line
