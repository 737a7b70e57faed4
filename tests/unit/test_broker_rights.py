"""What devices may publish and read: their family's topics with their own id in them."""

import pytest

from devices.broker_rights import BrokerRights, Rights, speakers
from devices.profile import Profile, built_in, load_profiles
from devices.registry import Device

PROFILES = load_profiles(built_in())
RIGHTS = BrokerRights(PROFILES)


@pytest.mark.parametrize(
    ("device", "write", "read"),
    [
        (
            Device("p", "zigbee2mqtt_plug"),
            "zigbee2mqtt/p zigbee2mqtt/p/power zigbee2mqtt/p/energy",
            "",
        ),
        (Device("p", "shelly_gen1_em"), "shellies/p/#", ""),
        (Device("p", "gatehouse"), "gatehouse/v1/+/p", ""),
        (Device("m", "dlt645_polled", "dtu-1"), "dtu/dtu-1/up", "dtu/dtu-1/down"),
        (
            Device("3/p", "zigbee2mqtt_plug"),
            "zigbee2mqtt/3/p zigbee2mqtt/3/p/power zigbee2mqtt/3/p/energy",
            "",
        ),
        (Device("a/b", "tasmota_energy"), "", ""),
        (Device("p", "homeassistant_mqtt_discovery"), "", ""),
        (
            Device("g/n", "sparkplug_b"),
            "spBv1.0/g/+/n spBv1.0/g/+/n/+",
            "spBv1.0/g/NCMD/n spBv1.0/g/DCMD/n/+",
        ),
        (Device("g/n/d", "sparkplug_b"), "spBv1.0/g/+/n/d", "spBv1.0/g/DCMD/n/d"),
        (Device("g", "sparkplug_b"), "", ""),
        (Device("g/n/d/e", "sparkplug_b"), "", ""),
        (
            Device("double-take", "double_take"),
            "double-take/matches/+ double-take/cameras/+ double-take/available",
            "",
        ),
        (Device("a+", "gatehouse"), "", ""),
        (Device("p", "no_such_family"), "", ""),
    ],
    ids=lambda one: one.id if isinstance(one, Device) else "",
)
def test_a_device_has_its_own_topics(device: Device, write: str, read: str) -> None:
    """Its id stands where the family's topics have it; nobody has what could be anything."""
    rights = RIGHTS.of(device)
    assert (sorted(rights.write), sorted(rights.read)) == (
        sorted(write.split()),
        sorted(read.split()),
    )


def test_a_terminal_reads_what_it_is_answered() -> None:
    """And publishes everything but that, and but what it is told to do."""
    rights = RIGHTS.of(Device("gate-1", "face_terminal_mqtt"))
    assert rights.read == ("mqtt/face/gate-1",)
    assert {"mqtt/face/gate-1/Rec", "mqtt/face/gate-1/Ack"} < set(rights.write)
    assert not set(rights.read) & set(rights.write)


def test_topics_that_name_no_device_are_told_apart() -> None:
    """There a payload says whose it is, so that one device could speak for another."""
    assert RIGHTS.of(Device("gate-1", "face_terminal_mqtt")).shared == {
        "mqtt/face/heartbeat",
        "mqtt/face/basic",
    }
    assert RIGHTS.of(Device("p", "tasmota_energy")).shared == set()


def test_a_gateway_has_the_topics_of_what_speaks_through_it() -> None:
    """Of those alone, and under its own name, also where a topic holds only a part of that."""
    gateway = Device("BLE2MQTT-4F", "esp32_ble2mqtt")
    child = Device("a0:e6", "esp32_ble2mqtt", gateway.id)
    devices = {one.id: one for one in (gateway, child, Device("b1:f7", "esp32_ble2mqtt"))}
    rights = RIGHTS.of(gateway, speakers(devices)[gateway.id])
    assert {"BLE2MQTT-4F/Status", "BLE2MQTT-4F/a0:e6/Temperature", "a0:e6/Connected"} < set(
        rights.write
    )
    assert not [one for one in rights.write if "b1:f7" in one or "BLE2MQTT-BLE2MQTT" in one]


def test_gateways_behind_gateways_are_followed_and_circles_end() -> None:
    """Whoever signs in speaks for everybody behind it."""
    chain = [Device("c", "x", "b"), Device("b", "x", "a"), Device("a", "x"), Device("o", "x", "o")]
    found = speakers({one.id: one for one in chain})
    assert {name: [one.id for one in behind] for name, behind in found.items()} == {
        "a": ["c", "b"],
        "b": ["c"],
    }


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_no_family_gives_more_than_topics_of_its_own(profile: Profile) -> None:
    """No filter begins with #, is all wildcards, is the broker's, or what another posted."""
    rights = RIGHTS.of(Device("d-1", profile.name))
    assert isinstance(rights, Rights)
    for one in (*rights.write, *rights.read):
        assert any(level not in {"+", "#"} for level in one.split("/")), one
        assert not one.startswith(("$", "http/")), one
        assert "{" not in one, one
    own = [one for one in rights.write if "d-1" in one]
    assert set(rights.write) - set(own) <= rights.shared
    assert {"d-1" in one.split("/") or "+" in one for one in rights.read} <= {True}
