"""Sparkplug B: births, aliases and what must not be believed."""

import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from devices.codecs.sparkplug import MAX_METRICS, read_payload, write_rebirth
from devices.codecs.sparkplug_payload import Payload
from devices.decoder import MAX_PAYLOAD, Decoder
from devices.description import Remembered
from devices.observation import DeviceStatus, Electricity, Observation, Temperature
from devices.outcome import DeadLetter, DeadLetterReason, DecodeError, Outcome
from devices.profile import built_in, load_profile
from devices.registry import Device, Registry
from tests.sparkplug import payload

SPECIFIED = 1_486_144_502_122
NOW = SPECIFIED + 400
NODE, DEVICE = "Sparkplug B Devices/Raspberry Pi", "Sparkplug B Devices/Raspberry Pi/Pibrella"
PROFILE = load_profile(built_in() / "sparkplug_b.toml")


def metrics(*said: tuple[str, str, object]) -> list[dict[str, object]]:
    return [
        {"name": name, "timestamp": SPECIFIED, "dataType": kind, "value": value}
        for name, kind, value in said
    ]


NBIRTH = metrics(
    ("bdSeq", "Int64", 0),
    ("Node Control/Reboot", "Boolean", False),
    ("Node Control/Rebirth", "Boolean", False),
    ("Node Control/Next Server", "Boolean", False),
    ("Node Control/Scan Rate", "Int64", 3000),
    ("Properties/Hardware Make", "String", "Raspberry Pi"),
    ("Properties/Hardware Model", "String", "Pi 3 Model B"),
    ("Properties/OS", "String", "Raspbian"),
    ("Properties/OS Version", "String", "Jessie with PIXEL/11.01.2017"),
    ("Supply Voltage", "Float", 12.1),
)
DBIRTH = metrics(
    *((f"Inputs/{name}", "Boolean", False) for name in ("A", "B", "C", "D", "Button")),
    *((f"Outputs/{name}", "Boolean", False) for name in "EFGH"),
    *((f"Outputs/LEDs/{name}", "Boolean", False) for name in ("Green", "Red", "Yellow")),
    ("Outputs/Buzzer", "Boolean", False),
    ("Properties/Hardware Make", "String", "Pibrella"),
)
DDATA = metrics(("Inputs/A", "Boolean", True), ("Inputs/C", "Boolean", True))
NDEATH = metrics(("bdSeq", "UInt64", 0))
"""Sparkplug_6_Payloads.adoc, JSON views of a whole exchange."""


class Host:
    """Who listens to one broker, with a memory."""

    def __init__(self, folder: Path | None = None, *registered: str) -> None:
        profiles = [PROFILE] if folder is None else [load_profile(folder / "own.toml"), PROFILE]
        self._decoder = Decoder(profiles, default_zone=ZoneInfo("UTC"))
        self._registry: Registry | None = None
        if registered:
            self._registry = Registry(
                devices={one: Device(one, "sparkplug_b") for one in registered}
            )
        self.said = Remembered()

    def hears(
        self, kind: str, said: list[dict[str, Any]], seq: int | None = None, device: str = ""
    ) -> Outcome:
        group, node = NODE.split("/")
        topic = "/".join(("spBv1.0", group, kind, node, *filter(None, [device])))
        document = {"timestamp": SPECIFIED, "seq": seq, "metrics": said}
        return self._decoder.decode(
            topic,
            payload(document),
            received_at=NOW,
            registry=self._registry,
            descriptions=self.said,
        )

    def is_told(self, said: dict[str, Any]) -> list[Observation]:
        """Be born with one metric, and hear of it again by its alias."""
        self.hears("NBIRTH", NBIRTH, 0)
        self.hears("DBIRTH", [{"alias": 7, "timestamp": SPECIFIED} | said], 1, "Pibrella")
        again = {"alias": 7, "timestamp": SPECIFIED, "typed": False} | said
        del again["name"]
        again.pop("properties", None)
        outcome = self.hears("DDATA", [again], 2, "Pibrella")
        assert isinstance(outcome, tuple), outcome
        return [one for one in outcome if not isinstance(one, DeviceStatus)]


def status(device: str, **said: object) -> DeviceStatus:
    return DeviceStatus(device_id=device, observed_at=SPECIFIED, received_at=NOW, **said)  # type: ignore[arg-type]


def test_the_samples_of_the_specification_give_what_they_say() -> None:
    """A node and a device are born, inputs change, the node dies; a voltage is none of ours."""
    host = Host()
    assert host.hears("NBIRTH", NBIRTH, 0) == (status(NODE, online=True, sequence=0),)
    assert host.hears("DBIRTH", DBIRTH, 1, "Pibrella") == (
        status(NODE, sequence=1),
        status(DEVICE, online=True),
    )
    assert host.hears("DDATA", DDATA, 0, "Pibrella") == (status(NODE, sequence=0),)
    died = host.hears("NDEATH", NDEATH)
    assert isinstance(died, tuple)
    assert [(one.device_id, one.online) for one in died if isinstance(one, DeviceStatus)] == [
        (NODE, False),
        (DEVICE, False),
    ]
    assert not host.said.asked


def test_bytes_are_those_of_the_published_schema() -> None:
    """Field numbers and types as sparkplug_b.proto has them, written here byte by byte."""
    metric = b"\x0a\x01T\x10\x05\x18\x01\x20\x09\x65\x00\x00\xac\x41"
    message = read_payload(b"\x08\x02\x12" + bytes([len(metric)]) + metric + b"\x18\xff\x01")
    [one] = message.metrics
    assert (message.timestamp, message.seq) == (2, 255)
    assert (one.name, one.alias, one.timestamp, one.datatype) == ("T", 5, 1, 9)
    assert one.float_value == 21.5


def test_a_text_that_is_no_text_is_refused() -> None:
    """Bytes that are not UTF-8 in a name."""
    with pytest.raises(DecodeError) as refused:
        read_payload(b"\x12\x04\x0a\x02\xff\xfe")
    assert refused.value.reason is DeadLetterReason.BAD_ENCODING


def test_a_rebirth_is_ordered_as_the_specification_says() -> None:
    """``Node Control/Rebirth``, a Boolean that is true."""
    command = Payload.FromString(write_rebirth(NOW))
    [metric] = command.metrics
    assert (metric.name, metric.datatype, metric.boolean_value) == (
        "Node Control/Rebirth",
        11,
        True,
    )
    assert metric.timestamp == command.timestamp == NOW


@pytest.mark.parametrize(
    ("kind", "value", "watts"),
    [
        ("Int8", -5, -5.0),
        ("Int16", -300, -300.0),
        ("Int32", -70_000, -70_000.0),
        ("Int64", -5, -5.0),
        ("UInt8", 250, 250.0),
        ("UInt16", 65_000, 65_000.0),
        ("UInt64", 9_000_000, 9_000_000.0),
        ("Float", 12.1, 12.1),
        ("Double", 0.5, 0.5),
        ("String", "230.5", 230.5),
    ],
)
def test_each_type_of_number_is_the_number_it_says(kind: str, value: Any, watts: float) -> None:
    """What the birth said of the type holds where later messages leave it out."""
    said = {"name": "Power", "dataType": kind, "value": value, "properties": {"engUnit": "W"}}
    [power] = Host().is_told(said)
    assert isinstance(power, Electricity)
    assert power.power_w == watts


def test_a_negative_byte_may_come_with_eight_bits_or_with_thirty_two() -> None:
    """Python's Tahu writes the first, Java's the second."""
    said = {"name": "Power", "dataType": "Int8", "properties": {"engUnit": "W"}}
    [short] = Host().is_told({**said, "value": 0xFB})
    [long] = Host().is_told({**said, "value": -5})
    assert isinstance(short, Electricity)
    assert isinstance(long, Electricity)
    assert short.power_w == long.power_w == -5.0


@pytest.mark.parametrize(
    "change",
    [
        {"value": float("nan"), "dataType": "Double"},
        {"value": None},
        {"historical": True, "timestamp": 0},
        {"name": "CPU Temperature"},
        {"name": "Boiler/Water Temperature"},
        {"properties": {}},
        {"properties": {"engUnit": "bar"}},
        {"name": "Node Control/Temperature"},
    ],
    ids=str,
)
def test_what_is_no_room_s_temperature_gives_none(change: dict[str, Any]) -> None:
    """No number, no unit, another thing's heat, or a time that nobody knows."""
    said = {
        "name": "Room/Temperature",
        "dataType": "Float",
        "value": 21.5,
        "properties": {"engUnit": "°C"},
    }
    [known] = Host().is_told(said)
    assert isinstance(known, Temperature)
    assert known.celsius == 21.5
    host = Host()
    host.hears("NBIRTH", NBIRTH, 0)
    born = [{"timestamp": SPECIFIED} | said | change]
    outcome = host.hears("DBIRTH", born, 1, "Pibrella")
    assert isinstance(outcome, tuple)
    assert all(isinstance(one, DeviceStatus) for one in outcome)


@pytest.mark.parametrize(
    "said", [{"alias": 8, "dataType": "Float"}, {"name": "Other", "dataType": "Float"}], ids=str
)
def test_a_metric_that_the_birth_does_not_know_asks_for_another(said: dict[str, Any]) -> None:
    """The birth in force is not the one that the message was written by."""
    host = Host()
    host.hears("NBIRTH", NBIRTH, 0)
    host.hears("DBIRTH", DBIRTH, 1, "Pibrella")
    outcome = host.hears("DDATA", [{**said, "value": 1.0}], 2, "Pibrella")
    assert outcome == DeadLetter(DeadLetterReason.NO_BIRTH, "metric")
    [(topic, command)] = host.said.asked
    assert topic == "spBv1.0/Sparkplug B Devices/NCMD/Raspberry Pi"
    assert command == write_rebirth(NOW)


def test_a_name_may_be_said_where_an_alias_was_given() -> None:
    """Against the specification, and clear."""
    host = Host()
    host.hears("NBIRTH", NBIRTH, 0)
    unit = {"engUnit": "W"}
    power = {"name": "Power", "dataType": "Float", "value": 5.0}
    host.hears("DBIRTH", [{**power, "alias": 3, "properties": unit}], 1, "Pibrella")
    outcome = host.hears("DDATA", [power], 2, "Pibrella")
    assert isinstance(outcome, tuple)
    assert [one.power_w for one in outcome if isinstance(one, Electricity)] == [5.0]


def test_nobody_unregistered_is_observed_or_asked() -> None:
    """A node that nobody enrolled is commanded nothing, and leaves no status of its own."""
    stranger = Host(None, "Elsewhere/Node")
    outcome = stranger.hears("DDATA", DDATA, 2, "Pibrella")
    assert outcome == DeadLetter(DeadLetterReason.UNKNOWN_DEVICE, DEVICE)
    assert not stranger.said.asked
    host = Host(None, DEVICE)
    host.hears("NBIRTH", NBIRTH, 0)
    assert host.hears("DBIRTH", DBIRTH, 1, "Pibrella") == (status(DEVICE, online=True),)


def test_an_operator_names_the_metrics_of_a_node_of_their_own(tmp_path: Path) -> None:
    """By patterns of names, for one node; all others are read as before."""
    text = """
        vendor = "Plant"
        model = "boiler house"
        source = "its engineer"
        [[message]]
        topic = "spBv1.0/Sparkplug B Devices/{message}/Raspberry Pi"
        format = "sparkplug_b"
        device = "{device}"
        nothing = "other_content"
        [[message.observation]]
        kind = "electricity"
        each = "metrics.*"
        when = { name = "Supply*" }
        channel = "{name}"
        power_w = { path = "value", unit = "kW" }
        [[example]]
        says = "none"
        topic = "spBv1.0/Sparkplug B Devices/NBIRTH/Raspberry Pi"
        payload_hex = "00"
        dead_letter = "bad_encoding"
    """
    (tmp_path / "own.toml").write_text(text)
    [power] = Host(tmp_path).hears("NBIRTH", NBIRTH, 0)  # type: ignore[misc]
    assert (power.channel, power.power_w) == ("Supply Voltage", 12_100.0)


def test_a_hostile_birth_costs_a_moment() -> None:
    """As many metrics as a payload can hold are refused before they are looked at."""
    hostile = b"\x12\x00" * (MAX_PAYLOAD // 2)
    decoder = Decoder([PROFILE], default_zone=ZoneInfo("UTC"))
    began = time.process_time()
    outcome = decoder.decode(
        "spBv1.0/g/NBIRTH/n", hostile, received_at=NOW, descriptions=Remembered()
    )
    assert outcome == DeadLetter(DeadLetterReason.TOO_LARGE, f"more than {MAX_METRICS} metrics")
    assert time.process_time() - began < 1.0
