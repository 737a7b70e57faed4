"""Silent devices, their gateways, and batteries."""

import msgspec

from alerts.rules.battery import BatteryLow
from alerts.rules.device import DeviceSilent, DeviceState
from devices.clock import DAY, HOUR, MINUTE
from devices.history import History
from devices.observation import DeviceStatus
from devices.registry import Device, Place, PlaceKind, Registry
from tests.judging import Bench, at, community, told

NOON = at("12:00")
HALL = Place(kind=PlaceKind.SITE, site="river")
BOUND = {"gun", "camera", "bag", "sun", "li", "family", "meter", "meter-h1"}
GATEWAYS = {"plug-1": "gateway", "plug-2": "gateway"}


def says(when: int, device: str = "sun", **more) -> DeviceStatus:
    return DeviceStatus(device_id=device, observed_at=when, received_at=when, **more)


def test_silence_is_found_and_clears_itself() -> None:
    """A device silent beyond its profile's span is a watch, closed when it speaks again."""
    bench = Bench(DeviceSilent(), silent_after=2 * HOUR)
    bench.feed(says(NOON))
    assert bench.reach(NOON + 2 * HOUR) == []
    found = bench.reach(NOON + 2 * HOUR + 8 * MINUTE)
    assert told(found) == ["watch"]
    assert found[0].observed_at == NOON + 2 * HOUR
    assert (found[0].grid, found[0].household) == ("g1", "h1")
    assert bench.reach(NOON + 9 * HOUR) == []
    assert told(bench.feed(says(NOON + 9 * HOUR))) == ["clear"]
    assert told(bench.reach(NOON + 12 * HOUR)) == ["watch"]


def test_device_that_never_speaks_is_missed() -> None:
    """A device is waited for from when the registry shows it; once it speaks, as any other."""
    bench = Bench(DeviceSilent(), silent_after=2 * HOUR)
    bench.seed(NOON)
    bench.feed(says(NOON + HOUR, "li"))
    assert bench.reach(NOON + 2 * HOUR) == []
    found = bench.reach(NOON + 2 * HOUR + 8 * MINUTE)
    assert {one.key for one in found} == {f"device:{name}" for name in BOUND - {"li"}}
    assert {(one.watch, one.observed_at) for one in found} == {(True, NOON + 2 * HOUR)}
    assert told(bench.feed(says(NOON + 3 * HOUR))) == ["clear"]


def test_first_word_is_waited_for_an_hour_at_least() -> None:
    """Who is still mounting a terminal that speaks each minute is left in peace; then it counts."""
    bench = Bench(DeviceSilent(), silent_after=5 * MINUTE)
    bench.seed(NOON)
    assert bench.reach(NOON + HOUR) == []
    bench.feed(says(NOON + 30 * MINUTE))
    assert [one.key for one in bench.reach(NOON + 36 * MINUTE)] == ["device:sun"]


def test_device_is_missed_only_where_it_stands() -> None:
    """One that is bound nowhere is not waited for; one bound from tomorrow only from then on."""
    moving = Registry(
        devices={name: Device(id=name, profile="known") for name in ("new", "gone", "spare")},
        bindings=History([("new", (NOON + DAY, None, HALL)), ("gone", (0, NOON, HALL))]),
    )
    bench = Bench(DeviceSilent(), registry=moving, silent_after=HOUR)
    bench.seed(NOON)
    assert list(bench.states) == ["device:new"]
    assert bench.reach(NOON + DAY + HOUR) == []
    assert told(bench.reach(NOON + DAY + HOUR + 4 * MINUTE)) == ["watch"]


def test_a_new_snapshot_keeps_who_was_heard() -> None:
    """A change of the registry starts no waiting anew, except of a device that had left it."""
    bench = Bench(DeviceSilent(), silent_after=2 * HOUR)
    bench.seed(NOON)
    bench.feed(says(NOON + HOUR))
    bench.states["device:li"] = DeviceState(NOON, 0)
    before = dict(bench.states)
    bench.seed(NOON + 2 * HOUR)
    assert bench.states == before | {"device:li": DeviceState(NOON + 2 * HOUR, 2 * HOUR)}


def test_gateway_that_never_speaks_is_one_watch() -> None:
    """With nothing through it, a gateway without a span of its own is missed, not those behind."""
    behind = Registry(
        devices={name: Device(id=name, profile="known", gateway="hub") for name in ("p1", "p2")}
        | {"hub": Device(id="hub", profile="mute")},
        bindings=History((name, (0, None, HALL)) for name in ("p1", "p2", "hub")),
    )
    bench = Bench(DeviceSilent(), registry=behind)
    spans = {"known": 2 * HOUR, "mute": None}
    bench.context = msgspec.structs.replace(bench.context, silent_after=spans.get)
    bench.seed(NOON)
    found = [one for minutes in range(0, 600, 5) for one in bench.reach(NOON + minutes * MINUTE)]
    assert [one.key for one in found] == ["device:hub"]


def test_device_that_speaks_is_not_silent() -> None:
    """Whoever is heard within the span is never reported, and costs no writing each time."""
    bench = Bench(DeviceSilent(), silent_after=2 * HOUR)
    states = []
    for minutes in range(0, 600, 2):
        bench.feed(says(NOON + minutes * MINUTE))
        bench.reach(NOON + minutes * MINUTE)
        states.append(bench.states["device:sun"])
    assert bench.findings == []
    assert len(set(states)) <= 16 * 600 // 120 + 1


def test_offline_is_said_by_the_broker() -> None:
    """A last will is no sign of life."""
    bench = Bench(DeviceSilent(), silent_after=HOUR)
    bench.feed(says(NOON), says(NOON + 50 * MINUTE, online=False))
    assert told(bench.reach(NOON + 70 * MINUTE)) == ["watch"]


def test_profile_without_a_span_is_never_silent() -> None:
    """A device whose silence means nothing leaves no state at all."""
    bench = Bench(DeviceSilent(), silent_after=None)
    bench.feed(says(NOON))
    assert bench.states == {}


def test_unregistered_device_is_not_judged() -> None:
    """Nobody misses a device that was never registered, or is not any more."""
    bench = Bench(DeviceSilent())
    bench.feed(says(NOON, device="visitor"))
    assert bench.states == {}


def test_silent_gateway_is_one_incident() -> None:
    """Behind a silent gateway its devices are not reported one by one."""
    bench = Bench(DeviceSilent(), registry=community(gateways=GATEWAYS), silent_after=HOUR)
    bench.feed(says(NOON, "plug-1"), says(NOON, "plug-2"))
    found = [each for hours in range(1, 9) for each in bench.reach(NOON + hours * HOUR + 1)]
    found += bench.reach(NOON + 10 * HOUR)
    assert [each.key for each in found] == ["device:gateway"]


def test_device_behind_a_living_gateway_is_reported() -> None:
    """When another device still speaks through the gateway, the silent one is reported."""
    bench = Bench(DeviceSilent(), registry=community(gateways=GATEWAYS), silent_after=HOUR)
    bench.feed(says(NOON, "plug-1"))
    for minutes in range(0, 100, 5):
        bench.feed(says(NOON + minutes * MINUTE, "plug-2"))
        bench.reach(NOON + minutes * MINUTE)
    assert [found.key for found in bench.findings] == ["device:plug-1"]


def test_time_in_which_nobody_listened_is_not_silence() -> None:
    """After a pause every device has its whole span to speak."""
    bench = Bench(DeviceSilent(), silent_after=HOUR)
    bench.feed(says(NOON))
    bench.context = msgspec.structs.replace(bench.context, listening_since=NOON + 5 * HOUR)
    assert bench.reach(NOON + 5 * HOUR + 1) == []
    assert told(bench.reach(NOON + 6 * HOUR + 4 * MINUTE)) == ["watch"]


def test_closed_by_a_person_stays_closed() -> None:
    """A silent device whose incident a person closed says nothing more until it is heard."""
    bench = Bench(DeviceSilent(), silent_after=HOUR)
    bench.feed(says(NOON))
    bench.reach(NOON + 2 * HOUR)
    bench.close("device:sun", NOON + 2 * HOUR)
    assert bench.reach(NOON + 9 * HOUR) == []
    assert bench.feed(says(NOON + 9 * HOUR)) == []
    assert told(bench.reach(NOON + 12 * HOUR)) == ["watch"]


def test_low_battery_is_a_watch_until_it_is_changed() -> None:
    """At 10 % a watch, at 20 % it closes; between them nothing flaps."""
    bench = Bench(BatteryLow())
    levels = (55, 11, 10, 9, 12, 10, 19.9, 20, 100)
    bench.feed(*(says(NOON + n * HOUR, battery=level) for n, level in enumerate(levels)))
    assert told(bench.findings) == ["watch", "clear"]
    assert bench.findings[0].evidence == {"battery_percent": 10}


def test_unknown_battery_is_not_an_empty_one() -> None:
    """A device that does not know its battery yet says nothing of it."""
    bench = Bench(BatteryLow())
    assert bench.feed(says(NOON, battery=None)) == []
