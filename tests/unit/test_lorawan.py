"""LoRaWAN uplinks: what a server decoded counts; a frame is read where its layout is known."""

import base64
import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.lorawan import read_chirpstack_uplink, read_the_things_stack_uplink
from devices.codecs.lorawan_frame import read_dragino_lht65, read_elsys, read_milesight
from devices.outcome import DeadLetterReason, DecodeError

EM300 = "01755C03673401046865"
MILESIGHT, ELSYS, DRAGINO = "24e124136b502217", "A81758FFFE0346E7", "a840410001814eba"


def chirpstack(frame: str, eui: str = "0101010101010101", **said: Any) -> Any:
    info = {"devEui": eui, "deviceProfileName": said.pop("model", "EU868")}
    data = base64.b64encode(bytes.fromhex(frame)).decode()
    event = {"deviceInfo": info, "fPort": 2, "data": data, **said}
    return read_chirpstack_uplink(msgspec.json.encode(event))


def refusal(frame: str, eui: str, **said: Any) -> DeadLetterReason:
    with pytest.raises(DecodeError) as refused:
        chirpstack(frame, eui, **said)
    return refused.value.reason


def test_what_the_server_decoded_is_not_decoded_again() -> None:
    """Its object stands, even if our layout says otherwise."""
    assert chirpstack(EM300, MILESIGHT, object={"temperature": 1})["object"] == {"temperature": 1}


@pytest.mark.parametrize("nothing", [{}, None])
def test_an_object_of_nothing_is_none(nothing: object) -> None:
    """A codec that gave nothing has not decoded the frame."""
    assert chirpstack(EM300, MILESIGHT, object=nothing)["object"]["temperature"] == 30.8


@pytest.mark.parametrize(
    ("eui", "model", "frame"),
    [
        (MILESIGHT, "EU868", EM300),
        (ELSYS, "EU868", "0100E2022904002705060CFFCE"),
        (DRAGINO, "Dragino LHT65", "CBF60B0D0376010ADD7FFF"),
        (DRAGINO, "LHT65N-E1", "CBF60B0D0376010ADD7FFF"),
        ("0101010101010101", "milesight-iot", EM300),
    ],
)
def test_a_frame_is_read_where_its_layout_is_known(eui: str, model: str, frame: str) -> None:
    """By the EUI's vendor, or by the model that somebody named."""
    assert chirpstack(frame, eui, model=model)["object"]


@pytest.mark.parametrize("model", ["EU868", "LHT65N-VIB", "LHT65N-PIR", "LHT52", "D20-LB"])
def test_a_dragino_of_another_model_is_not_guessed(model: str) -> None:
    """They use the same port and length: a battery would be read as a temperature."""
    frame = "CBF60B0D0376010ADD7FFF"
    assert refusal(frame, DRAGINO, model=model) is DeadLetterReason.MISSING_FIELD


def test_both_servers_read_a_frame_alike() -> None:
    """One layout, two envelopes."""
    uplink = {
        "end_device_ids": {"dev_eui": MILESIGHT.upper()},
        "uplink_message": {"frm_payload": base64.b64encode(bytes.fromhex(EM300)).decode()},
    }
    message: Any = read_the_things_stack_uplink(msgspec.json.encode(uplink))
    decoded = message["uplink_message"]["decoded_payload"]
    assert decoded == chirpstack(EM300, MILESIGHT)["object"]
    assert decoded == {"battery": 92, "temperature": 30.8, "humidity": 50.5}


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        ("0367FEFF", {"temperature": -0.2}),
        ("8367F50001", {"temperature": 24.5}),
        (
            "0374ED0804802500000006835604000008700105815207C9A400",
            {
                "voltage": 228.5,
                "power": 37,
                "power_consumption": 1110,
                "power_factor": 82,
                "current": 164,
            },
        ),
        ("FF0BFF017509", {"battery": 9}),
        ("01755C42990000", {"battery": 92}),
    ],
)
def test_milesights_frames_are_read_up_to_what_is_unknown(
    frame: str, found: dict[str, Any]
) -> None:
    """Little-endian, tenths, watt-hours; nobody tells the length of an unknown item."""
    assert read_milesight(bytes.fromhex(frame), 85) == found


def test_a_milesights_history_is_of_its_times() -> None:
    """Readings that were kept are not readings of now."""
    frame = bytes.fromhex("20CE9E74466310015D00" + "20CEF6744663F6FF5E00")
    assert read_milesight(frame, 85)["history"] == [
        {"timestamp": 1665561758, "temperature": 27.2, "humidity": 46.5},
        {"timestamp": 1665561846, "temperature": -1.0, "humidity": 47.0},
    ]


def test_elsys_frames_are_big_endian_and_signed() -> None:
    """A room at 22.6 and a probe at minus five; a probe of two bytes below zero."""
    found = read_elsys(bytes.fromhex("0100E2022904002705060CFFCE19FFF6"), 5)
    assert found["temperature"] == 22.6
    assert found["externalTemperature"] == -5.0
    assert found["externalTemperature2"] == -1.0


@pytest.mark.parametrize(
    ("frame", "found"),
    [
        ("CBF60B0D0376010ADD7FFF", {"TempC_SHT": 28.29, "TempC_DS": 27.81}),
        ("CBF6FF9C037600FFFFFFFF", {"TempC_SHT": -1.0}),
        ("CBF60B0D0376020ADD7FFF", {"TempC_SHT": 28.29, "TempC_TMP117": 27.81}),
        ("CBF67FFF0376817FFF7FFF", {}),
        ("0ADD0B0DC376095E466B40", {"TempC_SHT": 28.29, "TempC_DS": 27.81}),
        ("CBF60B0D037605FFFF7FFF", {"TempC_SHT": 28.29}),
    ],
)
def test_an_lht65_says_its_own_and_its_probes_temperature(
    frame: str, found: dict[str, float]
) -> None:
    """A sensor that does not answer is absent, and light is no temperature."""
    assert read_dragino_lht65(bytes.fromhex(frame), 2) == found


def test_readings_that_an_lht65_was_asked_for_have_their_own_times() -> None:
    """Eleven bytes each; the flag says that they are kept ones."""
    frame = bytes.fromhex("0ADD0B0D0376495E466B40" + "7FFF0B0E0376495E466B7C")
    assert read_dragino_lht65(frame, 3)["history"] == [
        {"timestamp": 1581673280, "TempC_SHT": 28.29, "TempC_DS": 27.81},
        {"timestamp": 1581673340, "TempC_SHT": 28.3},
    ]


@pytest.mark.parametrize(
    ("frame", "eui", "reason"),
    [
        ("AA", "0101010101010101", DeadLetterReason.MISSING_FIELD),
        ("0367F5", MILESIGHT, DeadLetterReason.BAD_ENCODING),
        ("9999", MILESIGHT, DeadLetterReason.MISSING_FIELD),
        ("20CE9E7446", MILESIGHT, DeadLetterReason.BAD_ENCODING),
        ("0100", ELSYS, DeadLetterReason.BAD_ENCODING),
        ("3E6101", ELSYS, DeadLetterReason.MISSING_FIELD),
    ],
)
def test_a_frame_that_is_not_understood_is_a_dead_letter(
    frame: str, eui: str, reason: DeadLetterReason
) -> None:
    """Cut short, or of a layout that nobody knows."""
    assert refusal(frame, eui) is reason


def test_a_frame_that_is_no_base64_is_a_dead_letter() -> None:
    """Nothing is made of half a frame."""
    assert refusal("", MILESIGHT, data="AXVc*") is DeadLetterReason.BAD_ENCODING
    assert refusal("", MILESIGHT, data=5) is DeadLetterReason.WRONG_TYPE


@given(
    st.sampled_from([read_milesight, read_elsys, read_dragino_lht65]),
    st.binary(max_size=60),
    st.integers(0, 255),
)
def test_any_frame_is_read_or_refused(read: Any, frame: bytes, port: int) -> None:
    """Nothing but a DecodeError is raised."""
    with contextlib.suppress(DecodeError):
        assert isinstance(read(frame, port), dict)
