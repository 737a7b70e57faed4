"""The console's pure parts: charts, pages summed up, throttling, masking, readings by hand."""

import json
from zoneinfo import ZoneInfo

import pytest

from alerts.timeline import Event, EventKind
from dashboards.account import Account
from dashboards.console import chart
from dashboards.console.paged import Paged, fold, summarise
from dashboards.device_list import list_devices
from dashboards.hand_reading import (
    HandReading,
    ReadingProblem,
    parse_celsius,
    parse_time,
    publishing_device,
)
from dashboards.masked import mask
from dashboards.throttle import ADDRESS_TRIES, KEYS, NAME_TRIES, WINDOW, Throttle
from devices.clock import HOUR, MINUTE, parse_rfc3339
from devices.history import History
from devices.observation import BodySite
from devices.registry import Device, Place, PlaceKind, Registry, Role
from ingest.series import Reading

NOW = parse_rfc3339("2020-02-14T20:05:00+08:00")
SHANGHAI = ZoneInfo("Asia/Shanghai")
WORKER = Account(name="w", role=Role.GRID_WORKER, site="xhk", grids=("g1",), worker="worker-1")


def event(at: int, kind: EventKind, **detail: object) -> Event:
    return Event(at, at, "system", kind, None, detail)


def test_pages_are_summed_up_by_worker() -> None:
    """Each worker has one line: how often called, and what became of the last call."""
    lines = summarise(
        [
            event(1, EventKind.STEP_BEGUN, workers=["li"]),
            event(2, EventKind.PAGE_ATTEMPT_FAILED, worker="li", channel="mail"),
            event(3, EventKind.PAGE_SENT, worker="li", channel="phone"),
            event(4, EventKind.STEP_REPEATED, workers=["li"]),
            event(5, EventKind.STEP_BEGUN, workers=["wu"]),
            event(6, EventKind.PAGE_NOT_SENT, worker="li", reason="acknowledged"),
            event(7, EventKind.NOTE, note="worker: nobody"),
        ]
    )
    assert lines == [
        Paged("li", 1, times=2, result="cancelled", result_at=6, channel="phone", failures=1),
        Paged("wu", 5, times=1, result="owed", result_at=5),
    ]


def test_only_the_middle_of_a_long_run_of_paging_is_folded() -> None:
    """No event is lost or moved; both ends of the run and everything else stand alone."""
    first = [event(0, EventKind.OPENED), event(1, EventKind.EVIDENCE)]
    calls = [EventKind.STEP_REPEATED, EventKind.PAGE_SENT]
    run = [event(2 + n, calls[n % 2], workers=[], worker="li") for n in range(100)]
    notes = [event(200 + n, EventKind.NOTE, note="") for n in range(30)]
    short = [event(300 + n, EventKind.PAGE_SENT, worker="li") for n in range(16)]
    events = [*first, *run, *notes, *short]
    lines = fold(events)
    assert [one for line in lines for one in line] == events
    assert [line for line in lines if len(line) > 1] == [run[8:-8]]


def test_chart_holds_every_point_and_the_near_thresholds() -> None:
    """Points lie inside the frame in order; a threshold far from the data is left out."""
    points = [(NOW - 2 * HOUR, 36.5), (NOW - HOUR, 37.0), (NOW, 38.2)]
    drawn = chart.draw(
        {"": points},
        since=NOW - 24 * HOUR,
        until=NOW,
        thresholds=(("contact", 37.3), ("far", 60.0)),
    )
    [trace] = drawn.traces
    assert [x for x, _ in trace.dots] == sorted(x for x, _ in trace.dots)
    assert all(chart.LEFT <= x <= drawn.right for x, _ in trace.dots)
    assert all(chart.TOP <= y <= chart.HEIGHT - chart.BOTTOM for _, y in trace.dots)
    assert trace.dots[0][1] > trace.dots[-1][1]
    assert [line.name for line in drawn.lines] == ["contact"]


@pytest.mark.parametrize("values", [[5.0], [0.0, 0.0], [-3.5, 12_000.0], [36.6, 36.6001]])
def test_chart_has_a_few_round_labels(values: list[float]) -> None:
    """Constant, single, huge and tiny series all get an axis a person can read."""
    points = [(NOW - index * MINUTE, value) for index, value in enumerate(reversed(values))][::-1]
    drawn = chart.draw({"": points}, since=NOW - HOUR, until=NOW)
    assert 2 <= len(drawn.values) <= 9
    assert 1 <= len(drawn.times) <= 4


def test_guessing_is_throttled_by_name_and_address() -> None:
    """Five wrong passwords for a name from an address end the tries for a quarter of an hour."""
    throttle = Throttle()
    for second in range(NAME_TRIES):
        assert throttle.wait("sun", "10.0.0.1", now=second) == 0
        throttle.failed("sun", "10.0.0.1", now=second)
    assert throttle.wait("sun", "10.0.0.1", now=NAME_TRIES) == WINDOW - NAME_TRIES
    assert throttle.wait("sun", "10.0.0.2", now=NAME_TRIES) == 0
    assert throttle.wait("wu", "10.0.0.1", now=NAME_TRIES) == 0
    assert throttle.wait("sun", "10.0.0.1", now=WINDOW) == 0


def test_an_address_is_throttled_over_all_names() -> None:
    """Trying one password with many names is guessing too."""
    throttle = Throttle()
    for number in range(ADDRESS_TRIES):
        throttle.failed(f"name-{number}", "10.0.0.1", now=0)
    assert throttle.wait("fresh", "10.0.0.1", now=1) > 0


def test_success_forgets_a_names_failures() -> None:
    """Whoever remembers at last starts afresh."""
    throttle = Throttle()
    for _ in range(NAME_TRIES - 1):
        throttle.failed("sun", "a", now=0)
    throttle.succeeded("sun", "a")
    throttle.failed("sun", "a", now=0)
    assert throttle.wait("sun", "a", now=1) == 0


def test_throttle_is_bounded() -> None:
    """An attacker with many addresses cannot fill the memory."""
    throttle = Throttle()
    for number in range(KEYS):
        throttle.failed("sun", str(number), now=0)
    assert len(throttle._failures) == KEYS


def test_masking_keeps_shape_and_hides_what_can_be_about_a_person() -> None:
    """Texts, long numbers and names used as keys are hidden; field names and values are not."""
    payload = json.dumps(
        {"name": "孙美丽", "idCard": 420106195001011234, "temperature": -327.68, "a13900001234": 1}
    )
    outline = mask(payload.encode())
    for secret in ("孙美丽", "420106195001011234", "13900001234"):
        assert secret not in outline
    for shown in ('"name"', '"temperature": -327.68', "3 characters"):
        assert shown in outline


@pytest.mark.parametrize(
    ("payload", "outline"),
    [
        (b"4,37.6,1", "‹8 bytes, not JSON› 9,99.9,9"),
        ('{"name":"孙美丽",'.encode(), '‹20 bytes, not JSON› {"xxxx":"xxx",'),
        (b"a\x1b[0m", "‹5 bytes, not JSON› x·[9x"),
    ],
)
def test_masked_text_keeps_its_separators_only(payload: bytes, outline: str) -> None:
    """What a profile has to split is shown; digits and letters in any script are not."""
    assert mask(payload) == outline


@pytest.mark.parametrize(
    "payload", [b"", b"{bad", b"\xff\xfe", b"[" * 100_000, b"9" * 10_000, b'["x"]' * 2]
)
def test_masking_survives_anything(payload: bytes) -> None:
    """What nobody could decode can still be shown, as its size."""
    assert f"{len(payload)} bytes" in mask(payload)


@pytest.mark.parametrize("payload", [[1] * 500, {str(n): n for n in range(500)}, [[[[[[[[1]]]]]]]]])
def test_masked_outline_is_bounded(payload: object) -> None:
    """A long or deep payload is cut, not poured over the page."""
    outline = mask(json.dumps(payload).encode())
    assert len(outline) <= 1_500
    assert "…" in outline


@pytest.mark.parametrize(("typed", "celsius"), [("36.8", 36.8), (" 37,5 ", 37.5), ("38", 38.0)])
def test_celsius_is_read_as_people_type_it(typed: str, celsius: float) -> None:
    """A comma is a point."""
    assert parse_celsius(typed, lowest=34.0, highest=42.5) == celsius


@pytest.mark.parametrize(
    "typed", ["", "warm", "98.6", "33.9", "42.6", "nan", "inf", "-37", "1e400", "37.5x"]
)
def test_impossible_temperatures_are_asked_again(typed: str) -> None:
    """What no living body has is refused before it is published."""
    with pytest.raises(ReadingProblem):
        parse_celsius(typed, lowest=34.0, highest=42.5)


@pytest.mark.parametrize("typed", ["25:00", "7.40", "now", "07:40:30"])
def test_other_times_are_asked_again(typed: str) -> None:
    """A time nobody can read is not guessed."""
    with pytest.raises(ReadingProblem):
        parse_time(typed, now=NOW, zone=SHANGHAI)


def test_readings_by_hand_come_from_the_workers_own_device() -> None:
    """The worker's device is chosen before another's at the site; a gate's is never used."""
    places = {
        "console-a": Place(PlaceKind.WORKER, "xhk", worker="worker-9"),
        "console-b": Place(PlaceKind.WORKER, "xhk", worker="worker-1"),
        "gate": Place(PlaceKind.CHECKPOINT, "xhk", gate="north"),
        "far": Place(PlaceKind.WORKER, "far", worker="worker-1"),
    }
    registry = Registry(
        devices={name: Device(name, "gatehouse") for name in places},
        bindings=History([(name, (0, None, place)) for name, place in places.items()]),
    )
    secretary = Account(name="s", role=Role.SECRETARY, site="xhk")
    assert publishing_device(registry, WORKER, "xhk", now=NOW) == "console-b"
    assert publishing_device(registry, secretary, "xhk", now=NOW) == "console-a"
    assert publishing_device(registry, secretary, "nowhere", now=NOW) is None


def test_reading_by_hand_is_canonical() -> None:
    """It says in our own format what, whose, when, and which tap."""
    reading = HandReading(
        "xhk", "hand-1", "s-1", 37.5, BodySite.AXILLARY, NOW, event_id="0123456789abcdef"
    )
    assert reading.topic == "gatehouse/v1/xhk/hand-1"
    assert json.loads(reading.payload) == {
        "kind": "temperature",
        "device_id": "hand-1",
        "observed_at": "2020-02-14T12:05:00Z",
        "event_id": "0123456789abcdef",
        "celsius": 37.5,
        "body_site": "axillary",
        "subject": "s-1",
    }


def test_silent_devices_come_first() -> None:
    """A device is silent when its newest reading is older than its profile allows, or missing."""
    devices = {
        name: (Device(name, profile), None)
        for name, profile in (("a", "slow"), ("b", "quick"), ("c", "never"), ("d", "quick"))
    }
    readings = [
        Reading(NOW - 3 * HOUR, "a", "", "", "", {"celsius": 21.0}),
        Reading(NOW - 3 * HOUR, "b", "", "", "", {"celsius": 21.0}),
        Reading(NOW - 4 * HOUR, "b", "", "", "", {"battery": 80.0}),
    ]
    allowed = {"slow": 4 * HOUR, "quick": HOUR, "never": None}
    lines = list_devices(devices, readings, silent_after=allowed.get, now=NOW, clocks={})
    assert [(line.device.id, line.is_silent) for line in lines] == [
        ("b", True),
        ("d", True),
        ("a", False),
        ("c", False),
    ]
    assert (lines[0].battery, lines[0].seen_at) == (80.0, NOW - 3 * HOUR)


def test_a_gateway_is_seen_through_its_devices() -> None:
    """A gateway that measures nothing itself is not silent while its meters speak."""
    devices = {
        "dtu": (Device("dtu", "quick"), None),
        "meter": (Device("meter", "quick", gateway="dtu"), None),
    }
    readings = [Reading(NOW - MINUTE, "meter", "", "", "", {"power_w": 60.0})]
    lines = list_devices(devices, readings, silent_after=lambda _: HOUR, now=NOW, clocks={})
    assert [(line.device.id, line.seen_at) for line in lines] == [
        ("dtu", NOW - MINUTE),
        ("meter", NOW - MINUTE),
    ]
