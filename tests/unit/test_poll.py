"""Devices that only answer are asked: on time, and nobody else."""

from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from devices.clock import HOUR, MINUTE, ManualClock
from devices.codecs.dlt645 import read_frames, write_read_request
from devices.decoder import Decoder
from devices.history import History
from devices.poll import PollSchedule
from devices.profile import Profile, ProfileError, built_in, load_profile, load_profiles
from devices.registry import Device, Place, PlaceKind, Registry
from tests.messages import NOON

STAIRS = Place(PlaceKind.SITE, "xhk")
METERS = tuple(f"{number:012d}" for number in range(1, 201))


def registry(*devices: Device, until: int | None = None) -> Registry:
    """Return a registry in which these devices stand somewhere, until a time."""
    return Registry(
        devices={device.id: device for device in devices},
        bindings=History((device.id, (0, until, STAIRS)) for device in devices),
    )


def polled(*ids: str, gateway: str | None = "stairs-2") -> Registry:
    """Return a registry of meters behind a gateway."""
    return registry(*(Device(one, "dlt645_polled", gateway) for one in ids))


@pytest.fixture(scope="module")
def schedule() -> PollSchedule:
    """Return what the built-in profiles ask."""
    return PollSchedule(load_profiles(built_in()))


def profile(folder: Path, poll: str) -> Profile:
    """Load a profile with a poll of its own."""
    file = folder / "odd.toml"
    file.write_text(
        'vendor = "v"\nmodel = "m"\nsource = "s"\n'
        f"[[poll]]\n{poll}\n"
        '[[message]]\ntopic = "odd/{device}"\nignore = "log_line"\n'
        '[[example]]\nsays = "x"\ntopic = "odd/1"\npayload = "x"\nignored = "log_line"\n'
    )
    return load_profile(file)


def test_the_schedule_is_kept(schedule: PollSchedule) -> None:
    """Wound forward by six hours in uneven steps, each meter is asked every quarter of an hour."""
    clock, asked = ManualClock(NOON), []
    meters, before = polled(*METERS), NOON
    for step in (1, 7, 23, 59):
        for _ in range(6 * 3600 // 90):
            clock.advance(step * 1_000)
            now = clock.now()
            asked += [(now, each) for each in schedule.due(meters, after=before, until=now)]
            before = now
    quarters = (clock.now() - NOON) / (15 * MINUTE)
    counts = Counter(payload for _, (_, payload) in asked)
    assert len(counts) == len(METERS)
    assert {int(quarters), int(quarters) + 1} >= set(counts.values())
    assert {topic for _, (topic, _) in asked} == {"dtu/stairs-2/down"}


def test_each_meter_is_asked_by_its_own_address(schedule: PollSchedule) -> None:
    """The frame is one that the meter understands: its address, a read, the identifier."""
    meters = polled("000012345678")
    ((topic, payload),) = schedule.due(meters, after=NOON - 15 * MINUTE, until=NOON)
    assert topic == "dtu/stairs-2/down"
    assert payload == bytes.fromhex("fefefefe6878563412000068110433333433c616")
    assert read_frames(payload)["requests"] == ["000012345678"]


def test_questions_are_spread(schedule: PollSchedule) -> None:
    """Two hundred meters are not asked all at once: one line carries them."""
    meters, minutes = polled(*METERS), range(15)
    asked = [
        len(list(schedule.due(meters, after=at - MINUTE, until=at)))
        for at in (NOON + minute * MINUTE for minute in minutes)
    ]
    assert sum(asked) == len(METERS)
    assert max(asked) < len(METERS) // 5


def test_what_was_missed_is_asked_once(schedule: PollSchedule) -> None:
    """After six hours of standing still each is asked once; a clock set back asks nobody."""
    meters = polled(*METERS)
    assert len(list(schedule.due(meters, after=NOON - 6 * HOUR, until=NOON))) == len(METERS)
    assert list(schedule.due(meters, after=NOON, until=NOON - HOUR)) == []


def test_a_restart_shifts_nothing(schedule: PollSchedule) -> None:
    """When a meter is due follows from its id, so another process asks at the same moments."""
    meters = polled(METERS[0])
    again = PollSchedule(load_profiles(built_in()))
    moments = [NOON + second * 1_000 for second in range(3_600)]

    def due(one: PollSchedule) -> list[int]:
        return [at for at in moments if list(one.due(meters, after=at - 1_000, until=at))]

    assert due(schedule) == due(again)
    assert len(due(schedule)) == 4


@pytest.mark.parametrize(
    "devices",
    [
        pytest.param(polled("000012345678", gateway=None), id="no gateway"),
        pytest.param(polled("000012345678", gateway="a/b"), id="gateway of two levels"),
        pytest.param(polled("000012345678", gateway="#"), id="gateway that is a wildcard"),
        pytest.param(polled("meter-1"), id="no address"),
        pytest.param(registry(Device("000012345678", "tasmota_energy", "g")), id="another family"),
        pytest.param(
            registry(Device("000012345678", "dlt645_polled", "g"), until=NOON - 1), id="retired"
        ),
    ],
)
def test_who_cannot_be_asked_is_not(schedule: PollSchedule, devices: Registry) -> None:
    """Nothing is published to a topic that is not the device's own, nor what is no question."""
    assert list(schedule.due(devices, after=NOON - HOUR, until=NOON)) == []


@pytest.mark.parametrize(
    ("poll", "said"),
    [
        ('every = "15m"\ntopic = "cmnd/all"', "would be the same for every device"),
        ('every = "15m"\ntopic = "cmnd/x{device}"', "would be the same for every device"),
        ('every = "15m"\ntopic = "cmnd/{device}/#"', "is no topic to publish to"),
        ('every = "15m"\ntopic = "$SYS/{device}"', "is no topic to publish to"),
        ('every = "15m"\ntopic = "{device}"\npayload = "{site}"', "{device} and {gateway} only"),
        ('every = "10s"\ntopic = "cmnd/{device}"', "at most once a minute"),
        ('every = "often"\ntopic = "cmnd/{device}"', "write a duration"),
        ('every = "15m"\ntopic = "cmnd/{device}"\nformat = "xml"', "poll"),
    ],
)
def test_a_poll_of_others_is_refused(tmp_path: Path, poll: str, said: str) -> None:
    """A profile that would publish where not only its device listens is not loaded."""
    with pytest.raises(ProfileError) as refused:
        profile(tmp_path, poll)
    assert said in str(refused.value)


def test_text_and_hex_are_asked_as_written(tmp_path: Path) -> None:
    """What other families are asked is text, or bytes from hex digits."""
    wanted = {"text": b"10 plug-1", "hex": b"\x01\xff"}
    for form, payload in (("text", "10 {device}"), ("hex", "01ff")):
        odd = profile(
            tmp_path,
            f'every = "1m"\ntopic = "cmnd/{{device}}/STATUS"\nformat = "{form}"\n'
            f'payload = "{payload}"',
        )
        devices = registry(Device("plug-1", "odd"))
        asked = list(PollSchedule([odd]).due(devices, after=NOON - MINUTE, until=NOON))
        assert asked == [("cmnd/plug-1/STATUS", wanted[form])]


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        ("face/all", "would be the same for every device"),
        ("face/{info.other}", "is not the device's own"),
        ("face/{device}/#", "is not the device's own"),
        ("$face/{device}", "is not the device's own"),
    ],
)
def test_an_answer_to_others_is_refused(tmp_path: Path, topic: str, said: str) -> None:
    """What a device says of somebody else never decides where its answer goes."""
    file = tmp_path / "odd.toml"
    file.write_text(
        'vendor = "v"\nmodel = "m"\nsource = "s"\n'
        '[[message]]\ntopic = "odd/{device}"\nignore = "log_line"\n'
        f'reply = {{ topic = "{topic}", body = {{ ok = true }} }}\n'
        '[[example]]\nsays = "x"\ntopic = "odd/1"\npayload = "x"\nignored = "log_line"\n'
    )
    with pytest.raises(ProfileError, match="reply topic") as refused:
        Decoder([load_profile(file)], default_zone=ZoneInfo("UTC"))
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["", "1 00010000", "000012345678", "000012345678 0001000x"])
def test_no_request_is_made_of_anything_else(text: str) -> None:
    """An address that is none is refused rather than put on the line."""
    with pytest.raises(ValueError, match="12 digits"):
        write_read_request(text)
