"""Home Assistant's discovery: what a configuration may say, and what nobody can make of it."""

import json
import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from devices.codecs.value_template import read_template
from devices.decoder import Decoder
from devices.description import Remembered
from devices.observation import BodySite, DeviceStatus, Electricity, Temperature
from devices.outcome import DeadLetter, DeadLetterReason, Ignored, IgnoredReason, Outcome
from devices.profile import built_in, load_profiles
from devices.registry import Device, Registry

NOW = 1_581_681_600_000
FAMILY = "homeassistant_mqtt_discovery"
DECODER = Decoder(load_profiles(built_in()), default_zone=ZoneInfo("Asia/Shanghai"))
ROOM = {
    "state_topic": "home/room",
    "unit_of_measurement": "°C",
    "device_class": "temperature",
    "value_template": "{{ value_json.t }}",
    "device": {"identifiers": ["room-1"]},
}


class Listener:
    """All families, with a memory."""

    def __init__(self, **registered: str) -> None:
        self._said = Remembered()
        self._registry: Registry | None = None
        if registered:
            named = {name.replace("_", "-"): family for name, family in registered.items()}
            self._registry = Registry(
                devices={one: Device(one, family) for one, family in named.items()}
            )

    def hears(self, topic: str, payload: bytes, *, retained: bool = False) -> Outcome:
        return DECODER.decode(
            topic,
            payload,
            received_at=NOW,
            retained=retained,
            registry=self._registry,
            descriptions=self._said,
        )

    def is_told(self, said: dict[str, Any], name: str = "t", component: str = "sensor") -> Outcome:
        topic = f"homeassistant/{component}/node/{name}/config"
        return self.hears(topic, json.dumps(said).encode(), retained=True)


@pytest.mark.parametrize(
    ("template", "steps"),
    [
        ("", ()),
        ("{{ value }}", ()),
        ("{{value|float}}", ()),
        ("{{ value_json.temperature }}", ("temperature",)),
        ("{{ value_json.temperature | round(1) }}", ("temperature",)),
        ("{{ value_json.a.b | float(0) | round(2) }}", ("a", "b")),
        (
            "{{ value_json['StatusSNS'][\"AM2301\"].Temperature }}",
            ("StatusSNS", "AM2301", "Temperature"),
        ),
        ("{{ value_json.Power[0] | int }}", ("Power", "0")),
        ("{{- value_json.tempc | is_defined -}}", ("tempc",)),
        ("{{ value_json.t | default('unknown') }}", ("t",)),
        ("{{ value_json.t / 10 }}", None),
        ("{{ (value_json.t | float) * 1.8 + 32 }}", None),
        ("{{ value_json.t | multiply(0.1) }}", None),
        ("{% if value_json.t %}{{ value_json.t }}{% endif %}", None),
        ("{{ value_json.__class__.__mro__ }} {{ 7*7 }}", None),
        ("{{ states('sensor.x') }}", None),
        ("{{ value_json }}", None),
        ("{{ value_json." + "a" * 300 + " }}", None),
    ],
)
def test_a_template_is_a_place_or_nothing(template: str, steps: tuple[str, ...] | None) -> None:
    """Whatever would have to be computed is not guessed at."""
    assert read_template(template) == steps


def test_a_template_of_a_thousand_filters_takes_no_time() -> None:
    """A hostile text is looked at once."""
    began = time.process_time()
    read_template("{{ value_json.a" + " | round" * 10_000 + " x }}")
    read_template("{{ value" + " | float" * 30 + " x")
    assert time.process_time() - began < 0.5


def test_an_observation_comes_only_of_a_device_of_this_family() -> None:
    """Whose configuration names a thermometer of another family, or nobody's, makes nothing up."""
    stranger, feverish = Listener(other="gatehouse"), Listener(room_1="ble_health_thermometer_2a1c")
    for listener in (stranger, feverish):
        assert listener.is_told(ROOM) == Ignored(IgnoredReason.BIRTH)
        outcome = listener.hears("home/room", b'{"t":38.9}')
        assert outcome == DeadLetter(DeadLetterReason.UNKNOWN_DEVICE, "room-1")
    enrolled = Listener(room_1=FAMILY)
    enrolled.is_told(ROOM)
    [room] = enrolled.hears("home/room", b'{"t":38.9}')  # type: ignore[misc]
    assert isinstance(room, Temperature)
    assert (room.device_id, room.body_site) == ("room-1", BodySite.AMBIENT)


def test_a_stranger_on_a_known_topic_takes_nothing_from_who_speaks_there() -> None:
    """A configuration of an unregistered device that names the same topic is passed over."""
    listener = Listener(room_1=FAMILY)
    listener.is_told(ROOM)
    listener.is_told(ROOM | {"device": {"identifiers": ["intruder"]}}, "zzz")
    listener.is_told(ROOM | {"device": {"identifiers": ["intruder"]}, "val_tpl": "{{ 1 }}"}, "aaa")
    [room] = listener.hears("home/room", b'{"t":21.5}')  # type: ignore[misc]
    assert room.device_id == "room-1"


def test_a_family_that_claims_a_topic_reads_it_first() -> None:
    """No configuration takes our own format's topic, or a Tasmota plug's, to itself."""
    listener = Listener()
    listener.is_told(ROOM | {"state_topic": "gatehouse/v1/s/t1"})
    posted = b'{"kind":"temperature","celsius":36.6,"body_site":"oral","t":21.5}'
    assert isinstance(listener.hears("gatehouse/v1/s/t1", posted), DeadLetter)
    [own] = listener.hears("gatehouse/v1/s/t1", posted.replace(b',"t":21.5', b""))  # type: ignore[misc]
    assert (own.device_id, own.body_site) == ("t1", BodySite.ORAL)


@pytest.mark.parametrize(
    "change",
    [
        {"unit_of_measurement": None},
        {"unit_of_measurement": "bar"},
        {"device_class": "humidity"},
        {"entity_category": "diagnostic"},
        {"enabled_by_default": False},
        {"name": "CPU Temperature"},
        {"value_template": "{{ value_json.waterTemperature }}"},
        {"name": "Target temperature"},
        {"state_topic": "home/#"},
        {"device_class": "energy", "unit_of_measurement": "kWh"},
        {"device_class": "energy", "unit_of_measurement": "kWh", "state_class": "measurement"},
        {
            "device_class": "energy",
            "unit_of_measurement": "kWh",
            "stat_cla": "total",
            "name": "Today",
        },
        {"device_class": "power", "unit_of_measurement": "W", "name": "power_l1"},
    ],
    ids=str,
)
def test_what_is_not_ours_is_not_described(change: dict[str, Any]) -> None:
    """Without a unit, or of another thing than a room or what a flat draws."""
    listener = Listener()
    assert listener.is_told(ROOM | change) == Ignored(IgnoredReason.BIRTH)
    outcome = listener.hears("home/room", b'{"t":21.5,"waterTemperature":50}')
    assert outcome == DeadLetter(DeadLetterReason.UNKNOWN_TOPIC)


def test_units_are_converted() -> None:
    """Kilowatts and Fahrenheit, as the configuration says."""
    listener = Listener()
    listener.is_told(ROOM | {"unit_of_measurement": "°F"})
    power = {"device_class": "power", "unit_of_measurement": "kW", "state_topic": "home/plug"}
    listener.is_told(ROOM | power, "p")
    [room] = listener.hears("home/room", b'{"t":"70.7"}')  # type: ignore[misc]
    [plug] = listener.hears("home/plug", b'{"t":0.25}')  # type: ignore[misc]
    assert room.celsius == 21.5
    assert isinstance(plug, Electricity)
    assert plug.power_w == 250.0


def test_a_configuration_that_names_another_topic_leaves_the_first() -> None:
    """The newest of its own topic is all that it says."""
    listener = Listener()
    listener.is_told(ROOM)
    listener.is_told(ROOM | {"state_topic": "home/hall"})
    assert isinstance(listener.hears("home/room", b'{"t":21.5}'), DeadLetter)
    assert isinstance(listener.hears("home/hall", b'{"t":21.5}'), tuple)


def test_a_retained_state_is_no_measurement_of_now_and_a_retained_will_is_one() -> None:
    """What the broker kept says that a device is there, and not how warm it is."""
    listener = Listener()
    listener.is_told(ROOM | {"availability_topic": "home/room/up"})
    assert listener.hears("home/room", b'{"t":21}', retained=True) == Ignored(
        IgnoredReason.RETAINED
    )
    [up] = listener.hears("home/room/up", b"offline", retained=True)  # type: ignore[misc]
    assert isinstance(up, DeviceStatus)
    assert up.online is False


@pytest.mark.parametrize("said", [b"[]", b"7", b'"x"', b"{", b'{"cmps":[]}', b'{"cmps":{"a":1}}'])
def test_nonsense_describes_nothing(said: bytes) -> None:
    """It is a dead letter, or knowingly nothing; nothing is raised."""
    listener = Listener()
    for component in ("sensor", "device"):
        outcome = listener.hears(f"homeassistant/{component}/x/config", said)
        assert isinstance(outcome, DeadLetter | Ignored)
        if isinstance(outcome, DeadLetter):
            assert outcome.reason is not DeadLetterReason.DECODER_FAILED


def test_a_hostile_configuration_is_bounded() -> None:
    """Of components, of those on one topic, and in bytes."""
    listener = Listener()
    part = {"p": "sensor", "dev_cla": "power", "unit_of_meas": "W", "stat_t": "home/x"}
    for said in (
        {"cmps": {f"c{number}": {} for number in range(201)}},
        {"cmps": {f"c{number}": part for number in range(51)}},
        {"cmps": {"x": part | {"name": "x" * 70_000}}},
    ):
        outcome = listener.is_told(said, "many", "device")
        assert isinstance(outcome, DeadLetter)
        assert outcome.reason is DeadLetterReason.TOO_LARGE
