"""BTHome: bytes to readings, by the examples that its documentation prints."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.bthome import read_advertisement, read_service_data
from devices.outcome import DeadLetterReason, DecodeError

DOCUMENTED = [
    ("0161", {"battery": 97}),
    ("02CA09", {"temperature": 25.06}),
    ("451101", {"temperature": 27.3}),
    ("57EA", {"temperature": -22}),
    ("58EA", {"temperature": -7.7}),
    ("0A138A14", {"energy": 1346.067}),
    ("4D12138A14", {"energy": 344593.17}),
    ("0B021B00", {"power": 69.14}),
    ("5C02FBFFFF", {"power": -12.78}),
]
"""Objects that are read, with the results in the tables of bthome.io, format.html."""
OTHERS = (
    "518756 630057D0FF 6001 12E204 56E803 0960 3D0960 3E2A2C0960 59EA 5AEAEA 5BEA0234EA "
    "434E34 5D02EA 08CA06 5E9F8C 400C00 414E00 424E3400 4B138A14 4C41018A01 528756 03BF13 "
    "2E23 05138A14 6402 065E1F 073E1D 14020C 2F23 0D120C 0E021C 5FA00F 04138A01 "
    "540C48656C6C6F20576F726C6421 3F020C 61AC0D 6503 444E34 624099DFFF "
    "530C48656C6C6F20576F726C6421 505d396164 133301 0C020C 4A020C 4E87562A01 478756 48DC87 "
    "5587562A01 49DC87 4632 4F87562A01 1501 1601 1700 1800 1900 1A00 1B01 1C01 0F01 1D00 1E01 "
    "1F01 2001 2100 2201 2301 1100 2401 2501 2600 2701 2801 2901 2A00 2B00 2C01 2D01 1001 "
    "3A04 3B0000 3B010305 3C0103 F00100 F100010204 F2000106 0009 "
)
"""Objects that are stepped over, from the same tables."""


def read(data: str, uuid: str = "fcd2") -> dict[str, Any] | None:
    return read_service_data(uuid, data)


@pytest.mark.parametrize(("data", "gives"), DOCUMENTED)
def test_an_object_is_read_as_its_documentation_says(data: str, gives: dict[str, float]) -> None:
    """Number, sign and factor."""
    assert read("40" + data) == gives


@pytest.mark.parametrize("data", OTHERS.split())
def test_what_is_not_read_is_stepped_over(data: str) -> None:
    """What follows it is read where it begins."""
    assert read(f"40{data}02CA09") == {"temperature": 25.06}


def test_an_address_before_the_objects_is_none_of_them() -> None:
    """Its bytes are no readings, though they could be: bthome-ble parser.py, bit 1."""
    assert read("42A5808F02E64802CA09") == {"temperature": 25.06}


def test_several_of_a_kind_are_a_list() -> None:
    """In their order, whichever of the ids they have."""
    assert read("4002CA09451101") == {"temperature": [25.06, 27.3]}


def test_what_comes_behind_an_unknown_object_is_left() -> None:
    """It may begin anywhere; what came before it counts."""
    assert read("400161EE02CA09") == {"battery": 97}


@pytest.mark.parametrize(
    ("data", "gives"),
    [
        ("020161", {"battery": 97}),
        ("2302CA09", {"temperature": 25.06}),
        ("2302F0D8", {"temperature": -100.0}),
        ("040A138A14", {"energy": 1346.067}),
        ("040B021B00", {"power": 69.14}),
        ("0303BF13020C0100430 6FE70020161".replace(" ", ""), {"battery": 97}),
    ],
)
def test_version_1_says_length_and_sign_itself(data: str, gives: dict[str, float]) -> None:
    """Its objects need no table, and mean the same."""
    assert read(data, "0x181C") == gives


@pytest.mark.parametrize(
    ("uuid", "data", "says"),
    [
        ("fcd2", "41e445f3c9962b332211006c7c4519", "encrypted"),
        ("0xFCD2", "45e445f3c9962b332211006c7c4519", "encrypted"),
        ("181e", "fba435e4d3c312fb0011223357d90a99", "encrypted"),
        ("fcd2", "4002CA", "cut short"),
        ("fcd2", "4053", "cut short"),
        ("fcd2", "42A5808F02E6", "cut short"),
        ("fcd2", "", "version"),
        ("fcd2", "2002CA09", "version"),
        ("fcd2", "40zz", "hex"),
        ("181c", "2302CA", "cut short"),
        ("181c", "4302CA09", "whole number"),
    ],
)
def test_what_cannot_be_read_says_why(uuid: str, data: str, says: str) -> None:
    """Nothing is guessed of it."""
    with pytest.raises(DecodeError) as refused:
        read(data, uuid)
    assert refused.value.reason is DeadLetterReason.BAD_ENCODING
    assert says in refused.value.detail


@pytest.mark.parametrize("uuid", ["181a", "0xfe95", "", None, 7])
def test_another_service_is_left_alone(uuid: object) -> None:
    """Gateways pass on all that they hear."""
    assert read_service_data(uuid, "4002CA09") is None


@pytest.mark.parametrize("service_data", [None, 7, "x", [], {}, {"encryption": False}])
def test_a_document_of_another_shape_stays_as_it_is(service_data: object) -> None:
    """Whatever stands where a script writes the readings."""
    document = {"rssi": -70, "service_data": service_data}
    assert read_advertisement(json.dumps(document).encode()) == document


@given(st.binary(max_size=40), st.sampled_from(["fcd2", "181c"]))
def test_any_bytes_are_readings_or_refused(data: bytes, uuid: str) -> None:
    """No sensor can stop the service."""
    found: dict[str, Any] = {}
    with suppress(DecodeError):
        found = read_service_data(uuid, data.hex()) or {}
    assert set(found) <= {"temperature", "battery", "power", "energy"}
