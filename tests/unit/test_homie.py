"""Homie: units that came before, in two versions."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from devices.codecs.homie import MAX_PROPERTIES
from devices.decoder import Decoder
from devices.description import Remembered
from devices.observation import BodySite, Temperature
from devices.outcome import DeadLetter, DeadLetterReason, Ignored, IgnoredReason, Outcome
from devices.profile import built_in, load_profiles
from devices.registry import Device, Registry

DECODER = Decoder(load_profiles(built_in()), default_zone=ZoneInfo("Asia/Shanghai"))


def hears(said: Remembered, *messages: tuple[str, str], registered: str = "") -> Outcome:
    """Return what became of the last."""
    registry = Registry(devices={registered: Device(registered, "homie")}) if registered else None
    outcome: Outcome = ()
    for topic, payload in messages:
        outcome = DECODER.decode(
            topic, payload.encode(), received_at=0, registry=registry, descriptions=said
        )
    return outcome


def description(**units: str) -> str:
    properties = {name.replace("_", "-"): {"unit": unit} for name, unit in units.items()}
    return json.dumps({"homie": "5.0", "nodes": {"n": {"properties": properties}}})


@pytest.mark.parametrize("unit", ["", "%", "bar", "W"])
def test_a_number_of_another_unit_is_no_temperature(unit: str) -> None:
    """Whatever the property is called."""
    said = Remembered()
    messages = [
        ("homie/d/$nodes", "n"),
        ("homie/d/n/temperature/$unit", unit),
        ("homie/d/n/temperature", "21"),
    ]
    assert hears(said, *messages) == Ignored(IgnoredReason.OTHER_CONTENT)


@pytest.mark.parametrize("name", ["cpu-temperature", "water-temperature", "n1-target-temperature"])
def test_another_thing_s_heat_is_no_room_s(name: str) -> None:
    """Though it is given in degrees."""
    messages = [(f"homie/d/n/{name}/$unit", "°C"), (f"homie/d/n/{name}", "21")]
    assert hears(Remembered(), *messages) == Ignored(IgnoredReason.OTHER_CONTENT)


def test_both_versions_are_a_room_and_never_a_body() -> None:
    """Thirty-eight degrees in a sauna page nobody."""
    four = [("homie/d/n/temperature/$unit", "°C"), ("homie/d/n/temperature", "38.5")]
    five = [
        ("homie/5/d/$description", description(temperature="°C")),
        ("homie/5/d/n/temperature", "38.5"),
    ]
    for messages in (four, five):
        [room] = hears(Remembered(), *messages)  # type: ignore[misc]
        assert isinstance(room, Temperature)
        assert (room.device_id, room.channel) == ("d", "n/temperature")
        assert room.body_site is BodySite.AMBIENT


def test_a_new_description_is_all_that_is_said() -> None:
    """What it leaves out has no unit any more."""
    said = Remembered()
    first, power = ("homie/5/d/$description", description(power="kW")), ("homie/5/d/n/power", "0.5")
    [found] = hears(said, first, power)  # type: ignore[misc]
    assert found.power_w == 500.0
    second = ("homie/5/d/$description", description(energy="kWh"))
    assert hears(said, second, power) == Ignored(IgnoredReason.OTHER_CONTENT)


def test_a_device_that_nobody_registered_is_told_as_one() -> None:
    """Before anything is said of its description."""
    unknown = DeadLetter(DeadLetterReason.UNKNOWN_DEVICE, "d")
    assert hears(Remembered(), ("homie/d/n/temperature", "21"), registered="other") == unknown
    missing = DeadLetter(DeadLetterReason.NO_BIRTH, "units")
    assert hears(Remembered(), ("homie/d/n/temperature", "21"), registered="d") == missing


@pytest.mark.parametrize(
    "broken",
    ["7", '{"properties":[]}', '{"properties":{"p":7}}', '{"properties":{"p":{"unit":["W"]}}}'],
)
def test_what_is_no_node_or_property_takes_nothing_else_away(broken: str) -> None:
    """The convention asks to leave out what is illegal and to keep the rest."""
    known = '"n":{"properties":{"power":{"unit":"kW"}}}'
    said = Remembered()
    messages = [
        ("homie/5/d/$description", f'{{"nodes":{{"odd":{broken},{known}}}}}'),
        ("homie/5/d/n/power", "0.5"),
    ]
    [found] = hears(said, *messages)  # type: ignore[misc]
    assert found.power_w == 500.0


def test_what_can_be_set_no_more_is_a_measurement_again() -> None:
    """The newest attribute counts."""
    said = Remembered()
    first = [("homie/d/n/temperature/$unit", "°C"), ("homie/d/n/temperature/$settable", "true")]
    reading = ("homie/d/n/temperature", "21")
    assert hears(said, *first, reading) == Ignored(IgnoredReason.OTHER_CONTENT)
    [room] = hears(said, ("homie/d/n/temperature/$settable", "false"), reading)  # type: ignore[misc]
    assert room.celsius == 21.0


@pytest.mark.parametrize("document", ["[]", "7", '{"nodes":[]}', "{"])
def test_nonsense_is_no_description(document: str) -> None:
    """It is a dead letter, and keeps nothing."""
    said = Remembered()
    outcome = hears(said, ("homie/5/d/$description", document))
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason is not DeadLetterReason.DECODER_FAILED
    assert said.find("homie", "d", "$description") is None


def test_a_hostile_description_is_bounded() -> None:
    """In properties."""
    many: dict[str, Any] = {f"p{number}": "W" for number in range(MAX_PROPERTIES + 1)}
    outcome = hears(Remembered(), ("homie/5/d/$description", description(**many)))
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason is DeadLetterReason.TOO_LARGE
