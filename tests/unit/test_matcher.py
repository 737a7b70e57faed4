"""Which family messages look like that nobody claims, or whose device nobody registered."""

from zoneinfo import ZoneInfo

import pytest

from devices.clock import parse_rfc3339
from devices.decoder import Decoder
from devices.matcher import Matcher, Prefix
from devices.profile import built_in, load_profiles
from ingest.message import Message

NOW = parse_rfc3339("2020-02-14T12:00:00Z")
PLUG = b'{"Time":"2020-02-14T20:00:00","ENERGY":{"Total":3.5,"Power":230}}'
ROOM = b'{"temperature":21.4,"humidity":40,"battery":80}'
_PROFILES = load_profiles(built_in())
MATCHER = Matcher(Decoder(_PROFILES, default_zone=ZoneInfo("Asia/Shanghai")), _PROFILES)


def heard(topic: str, *payloads: bytes) -> list[Message]:
    """Return messages as they come from a broker."""
    return [Message(topic, payload, NOW) for payload in payloads]


@pytest.mark.parametrize(
    ("topic", "payload", "family", "device", "prefix"),
    [
        ("tele/plug1/SENSOR", PLUG, "tasmota_energy", "plug1", Prefix()),
        ("home/b3/tele/plug1/SENSOR", PLUG, "tasmota_energy", "plug1", Prefix("home/b3/")),
        ("z2m/bedroom", ROOM, "zigbee2mqtt_temperature", "bedroom", Prefix("z2m/", "zigbee2mqtt/")),
        (
            "site/a/z2m/bedroom",
            ROOM,
            "zigbee2mqtt_temperature",
            "bedroom",
            Prefix("site/a/z2m/", "zigbee2mqtt/"),
        ),
    ],
    ids=["claimed", "a prefix before", "a prefix in its place", "a longer one in its place"],
)
def test_messages_look_like_a_family(
    topic: str, payload: bytes, family: str, device: str, prefix: Prefix
) -> None:
    """The family is found whether the topic is its own or begins as an operator wanted it."""
    best = MATCHER.match(topic, heard(topic, payload))[0]
    assert (best.family, best.device, best.prefix) == (family, device, prefix)
    assert prefix.as_family(topic).endswith(topic.removeprefix(prefix.found))


def test_the_family_that_measures_most_comes_first() -> None:
    """One reading of a power among two of a room makes it a room sensor, and a plug second."""
    topic = "zigbee2mqtt/kettle"
    messages = heard(topic, ROOM, b"{bad", b'{"power":230,"energy":3.5}', ROOM)
    found = MATCHER.match(topic, messages)
    assert [one.family for one in found] == ["zigbee2mqtt_temperature", "zigbee2mqtt_plug"]
    assert [(one.understood, one.measured) for one in found] == [(2, 2), (1, 1)]


def test_it_says_what_a_device_would_give() -> None:
    """The newest of each kind is told, in our units."""
    (best, *_) = MATCHER.match(
        "tele/plug1/SENSOR", heard("tele/plug1/SENSOR", PLUG, PLUG.replace(b"230", b"40"))
    )
    assert best.gives == ({"kind": "electricity", "power_w": 230.0, "energy_wh": 3500.0},)


def test_a_body_is_told_of_without_its_temperature() -> None:
    """Of a thermometer it is told where it measures, and never what."""
    topic = "a0:e6:f8:50:72:53/HealthThermometer/TemperatureMeasurement"
    (best, *_) = MATCHER.match(topic, heard(topic, b"4,38.7,1"))
    assert best.gives[0] == {"kind": "temperature", "body_site": "axillary"}
    assert "38.7" not in repr(best)


def test_what_nobody_understands_looks_like_nothing() -> None:
    """No family is guessed from the topic alone."""
    assert MATCHER.match("who/knows", heard("who/knows", b"{}", b"\xff", b"")) == []
    assert MATCHER.match("a", heard("a", ROOM)) == []


def test_all_devices_of_a_message_are_found() -> None:
    """A gateway's message is a message of each device in it."""
    topic = "v1/gateway/telemetry"
    payload = (
        b'{"A":[{"ts":1581681600000,"values":{"temperature":21}}],"B":[{"values":{"power":4}}]}'
    )
    found = MATCHER.match(topic, heard(topic, payload))
    assert {one.device for one in found} >= {"A", "B"}
