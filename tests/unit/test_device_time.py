"""What devices say about time: what is understood, what is believed, which candidate is taken."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from devices.clock import DAY, MINUTE, SECOND, parse_rfc3339, rfc3339
from devices.device_time import Arrival, count_from_arrival, judge_time
from devices.history import History
from devices.observation import TimeSource
from devices.outcome import DeadLetterReason, DecodeError
from devices.registry import Place, PlaceKind, Registry

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = parse_rfc3339("2020-02-14T12:00:00Z")


def arrival(
    at: int = NOW, *, unsaid: TimeSource = TimeSource.ARRIVAL, registry: Registry | None = None
) -> Arrival:
    return Arrival(at, unsaid, registry, SHANGHAI)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2020-02-14T11:59:30Z", "2020-02-14T11:59:30Z"),
        ("2020-02-14T19:59:30+08:00", "2020-02-14T11:59:30Z"),
        ("2020-02-14T11:59:30.123456789+00:00", "2020-02-14T11:59:30.123Z"),
        ("2020-02-14T19:59:30", "2020-02-14T11:59:30Z"),
        ("2020-02-14 19:59:30", "2020-02-14T11:59:30Z"),
        ("2020-02-14 19:59", "2020-02-14T11:59:00Z"),
        ("2020/02/14 19:59:30.778", "2020-02-14T11:59:30.778Z"),
        ("2020.02.14 19:59:30", "2020-02-14T11:59:30Z"),
        ("200214195930W", "2020-02-14T11:59:30Z"),
        (1581681570, "2020-02-14T11:59:30Z"),
        (1581681570.5, "2020-02-14T11:59:30.500Z"),
        ("1581681570", "2020-02-14T11:59:30Z"),
        (1581681570123, "2020-02-14T11:59:30.123Z"),
        (1581681570123456, "2020-02-14T11:59:30.123Z"),
    ],
    ids=str,
)
def test_a_time_is_understood_however_it_is_written(said: object, meant: str) -> None:
    """With a zone or without, with any separator, in seconds, milliseconds or microseconds."""
    at, source, refused = judge_time(said, arrival(), "d")
    assert (rfc3339(at), source, refused) == (meant, TimeSource.DEVICE, None)


@pytest.mark.parametrize(
    "said", ["soon", "", "2020-13-01T00:00:00Z", "25:00", "nan", "2020-02-14", "201332195930W"]
)
def test_what_is_no_time_is_a_dead_letter(said: str) -> None:
    """A text that is no time is refused as such."""
    with pytest.raises(DecodeError) as refused:
        judge_time(said, arrival(), "d")
    assert refused.value.reason is DeadLetterReason.BAD_TIME


@pytest.mark.parametrize("said", [-1e308, float("-inf"), float("inf"), float("nan")])
def test_a_number_beyond_all_times_is_a_dead_letter(said: float) -> None:
    """Binary formats bring such numbers; they are refused like a text that is no time."""
    with pytest.raises(DecodeError) as refused:
        judge_time(said, arrival(), "d")
    assert refused.value.reason is DeadLetterReason.BAD_TIME


@pytest.mark.parametrize("said", [True, [], {"at": 1}])
def test_what_cannot_be_a_time_is_a_dead_letter(said: object) -> None:
    """Neither text nor number: the wrong type."""
    with pytest.raises(DecodeError) as refused:
        judge_time(said, arrival(), "d")
    assert refused.value.reason is DeadLetterReason.WRONG_TYPE


@pytest.mark.parametrize(
    ("away", "source"),
    [
        (-7 * DAY, TimeSource.REFUSED),
        (-7 * DAY + SECOND, TimeSource.DEVICE),
        (0, TimeSource.DEVICE),
        (5 * MINUTE - SECOND, TimeSource.DEVICE),
        (5 * MINUTE, TimeSource.REFUSED),
    ],
)
def test_a_time_is_believed_within_its_window(away: int, source: TimeSource) -> None:
    """Seven days back and five minutes ahead, both ends excluded; else arrival stands for it."""
    at, judged, refused = judge_time((NOW + away) / 1000, arrival(), "d")
    assert judged is source
    assert (at, refused) == (
        (NOW + away, None) if source is TimeSource.DEVICE else (NOW, NOW + away)
    )


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("1970-01-01T08:00:12", "1970-01-01T00:00:12Z"),
        (2371, "1970-01-01T00:39:31Z"),
        ("2099-01-01T00:00:00Z", "2099-01-01T00:00:00Z"),
        ("1111-11-11T11:11:11Z", "1111-11-11T11:11:11Z"),
        (10**30, "9999-12-31T23:59:59.999Z"),
        (-(10**30), "1000-01-01T00:00:00Z"),
    ],
)
def test_a_clock_that_is_off_is_refused(said: object, meant: str) -> None:
    """Reset to 1970, set to 2099, or a placeholder: the time of arrival, and what it said."""
    at, source, refused = judge_time(said, arrival(), "d")
    assert (at, source) == (NOW, TimeSource.REFUSED)
    assert refused is not None
    assert rfc3339(refused) == meant


def test_a_wrong_clock_in_a_backlog_counts_as_backlog() -> None:
    """Where neither device nor arrival can be believed, no interval may be built on it."""
    late = arrival(unsaid=TimeSource.BACKLOG)
    assert judge_time(12, late, "d") == (NOW, TimeSource.BACKLOG, None)
    assert judge_time(None, late, "d") == (NOW, TimeSource.BACKLOG, None)


@pytest.mark.parametrize(
    ("seconds", "unsaid", "meant", "source"),
    [
        (0, TimeSource.ARRIVAL, 0, TimeSource.ARRIVAL),
        (-60.5, TimeSource.ARRIVAL, -60_500, TimeSource.ARRIVAL),
        (60, TimeSource.ARRIVAL, MINUTE, TimeSource.ARRIVAL),
        (-60, TimeSource.BACKLOG, -MINUTE, TimeSource.BACKLOG),
        (-8 * 86_400, TimeSource.ARRIVAL, 0, TimeSource.REFUSED),
        (3_600, TimeSource.ARRIVAL, 0, TimeSource.REFUSED),
        (3_600, TimeSource.BACKLOG, 0, TimeSource.BACKLOG),
        (-1e308, TimeSource.ARRIVAL, 0, TimeSource.REFUSED),
    ],
)
def test_a_time_counted_from_now_is_as_good_as_the_arrival(
    seconds: float, unsaid: TimeSource, meant: int, source: TimeSource
) -> None:
    """It is never taken for the device's clock, and has the same window."""
    at, by, _ = count_from_arrival(seconds, arrival(unsaid=unsaid))
    assert (at - NOW, by) == (meant, source)


def test_a_local_time_is_of_the_zone_where_the_device_stands() -> None:
    """The site's zone before the default one; the profile's before both."""
    registry = Registry(
        zones={"berlin": ZoneInfo("Europe/Berlin")},
        bindings=History([("here", (0, None, Place(PlaceKind.SITE, "berlin")))]),
    )
    at_place = arrival(registry=registry)
    assert judge_time("2020-02-14T12:59:00", at_place, "here")[0] == NOW - MINUTE
    assert judge_time("2020-02-14T19:59:00", at_place, "elsewhere")[0] == NOW - MINUTE
    utc = judge_time("2020-02-14T11:59:00", at_place, "here", ZoneInfo("UTC"))
    assert utc[0] == NOW - MINUTE


@pytest.mark.parametrize(
    ("arrived", "meant"),
    [
        ("2024-10-27T00:30:05Z", "2024-10-27T00:30:00Z"),
        ("2024-10-27T01:30:05Z", "2024-10-27T01:30:00Z"),
    ],
)
def test_the_repeated_hour_takes_the_candidate_nearest_arrival(arrived: str, meant: str) -> None:
    """02:30 comes twice when summer time ends; which one is meant, the arrival tells."""
    berlin = ZoneInfo("Europe/Berlin")
    at, source, _ = judge_time("2024-10-27T02:30:00", arrival(parse_rfc3339(arrived)), "d", berlin)
    assert (rfc3339(at), source) == (meant, TimeSource.DEVICE)


def test_a_minute_in_the_middle_of_a_change_is_right() -> None:
    """Lord Howe Island moves its clocks by half an hour: an offset is not an hour's but a minute's.

    At 02:00 summer time ends there and the clocks go back to 01:30.
    """
    island = ZoneInfo("Australia/Lord_Howe")
    for text in ("2024-04-07T01:29:00", "2024-04-07T02:01:00"):
        meant = round(datetime.fromisoformat(text).replace(tzinfo=island).timestamp() * 1000)
        assert judge_time(text, arrival(meant + SECOND), "d", island)[0] == meant
