"""Codecs: bytes and odd texts to fields."""

import json

import pytest

from devices.codecs import CODECS
from devices.outcome import DeadLetterReason, DecodeError

REQUEST = "fefefefe6878563412000068110433333433c616"
ANSWER = "fefefefe687856341200006891083333343389675634c416"


def frame(address: str, control: int, body: bytes) -> bytes:
    """Build a DL/T 645-2007 frame as the standard says."""
    data = bytes((byte + 0x33) & 0xFF for byte in body)
    head = b"\x68" + bytes.fromhex(address)[::-1] + b"\x68" + bytes([control, len(data)])
    return head + data + bytes([sum(head + data) & 0xFF, 0x16])


def reading(identifier: str, digits: str, address: str = "000012345678") -> bytes:
    body = bytes.fromhex(identifier)[::-1] + bytes.fromhex(digits)[::-1]
    return frame(address, 0x91, body)


def test_the_helper_builds_the_documented_frame() -> None:
    """The frames below are built by the rules that give the published one."""
    assert b"\xfe" * 4 + reading("00010000", "01233456") == bytes.fromhex(ANSWER)


@pytest.mark.parametrize("wake", [0, 1, 4])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_meters_answer_is_read(wake: int, as_text: bool) -> None:
    """Bytes or hex text, with any number of FE before."""
    payload = b"\xfe" * wake + bytes.fromhex(ANSWER[8:])
    found = CODECS["dlt645"](payload.hex().encode() if as_text else payload)
    assert found["answers"] == [
        {"address": "000012345678", "identifier": "00010000", "forward_energy_kwh": 12334.56}
    ]


@pytest.mark.parametrize(("digits", "kw"), [("012345", 1.2345), ("812345", -1.2345)])
def test_power_has_its_sign_in_the_top_bit(digits: str, kw: float) -> None:
    """02030000 is 0.0001 kW in three bytes; a house that feeds back is negative."""
    [answer] = CODECS["dlt645"](reading("02030000", digits))["answers"]
    assert answer["active_power_kw"] == kw


def test_several_frames_in_one_payload_are_all_read() -> None:
    """A gateway that collects answers sends them together."""
    payload = reading("00010000", "00000100") + b"\xfe" + reading("02030000", "000500", "0" * 12)
    found = CODECS["dlt645"](payload)
    assert [answer["address"] for answer in found["answers"]] == ["000012345678", "000000000000"]


def test_requests_and_refusals_are_told_from_answers() -> None:
    """A master's request gives no value, nor does a meter that has none."""
    refused = frame("000012345678", 0xD1, b"\x02")
    found = CODECS["dlt645"](bytes.fromhex(REQUEST) + refused)
    assert found == {
        "answers": [],
        "requests": ["000012345678"],
        "refusals": ["000012345678"],
    }


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", DeadLetterReason.BAD_ENCODING),
        (b"\xfe\xfe", DeadLetterReason.BAD_ENCODING),
        (b"OK", DeadLetterReason.BAD_ENCODING),
        (bytes.fromhex(ANSWER)[:-1], DeadLetterReason.BAD_ENCODING),
        (bytes.fromhex(ANSWER) + b"\x00", DeadLetterReason.BAD_ENCODING),
        (bytes.fromhex(ANSWER[:-4] + "c516"), DeadLetterReason.BAD_CHECKSUM),
        (reading("00010000", "0123345f"), DeadLetterReason.WRONG_TYPE),
        (reading("00010000", "0123"), DeadLetterReason.BAD_ENCODING),
        (reading("00010000", "00000100") * 65, DeadLetterReason.TOO_LARGE),
    ],
)
def test_a_damaged_frame_is_refused(payload: bytes, reason: DeadLetterReason) -> None:
    """Cut, followed by rubbish, with a turned bit, not BCD, or without end."""
    with pytest.raises(DecodeError) as refused:
        CODECS["dlt645"](payload)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("code", "name"), [(1, "armpit"), (3, "ear"), (6, "mouth"), (9, "tympanum")]
)
def test_a_temperature_type_is_kept_apart(code: int, name: str) -> None:
    """Armpit, mouth and ear differ by half a degree: each has a name of its own."""
    found = CODECS["temperature_measurement"](bytes.fromhex("04720100ff") + bytes([code]))
    assert found == {"value": 37.0, "unit": "C", "type": name}


@pytest.mark.parametrize("mantissa", ["ffff7f", "000080", "feff7f", "020080", "010080"])
def test_no_number_is_not_a_number(mantissa: str) -> None:
    """The FLOAT's special values say that nothing was measured."""
    with pytest.raises(DecodeError) as refused:
        CODECS["temperature_measurement"](bytes.fromhex(f"00{mantissa}00"))
    assert refused.value.reason is DeadLetterReason.OUT_OF_RANGE


@pytest.mark.parametrize("payload", ["0072", "02720100ff", "08720100ff", "00720100ff00"])
def test_bytes_of_another_length_are_no_measurement(payload: str) -> None:
    """What the flags promise must be there, and nothing else."""
    with pytest.raises(DecodeError):
        CODECS["temperature_measurement"](bytes.fromhex(payload))


def test_an_unset_clock_says_no_time() -> None:
    """Year, month or day 0 mean unknown."""
    payload = bytes.fromhex("02720100ff") + bytes(7)
    assert CODECS["temperature_measurement"](payload)["time"] is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("4,37.0,1", "armpit"),
        ("6,37.0,12.0,8,30,0,9", "tympanum"),
        ("2,37.0,12.0,8,30,0", None),
        ("4,37.0,0.000001", None),
        ("4,37.0", None),
        ("6,37.0,12.0,8,30,0,77", None),
    ],
)
def test_a_printed_type_counts_only_where_there_is_one(text: str, kind: str | None) -> None:
    """The flags must promise it, and a whole number stand last."""
    assert CODECS["ble2mqtt_temperature_measurement"](text.encode())["type"] == kind


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff\xfe\x00t", DeadLetterReason.BAD_ENCODING),
        (b'{"a":"\xff"}', DeadLetterReason.BAD_ENCODING),
        (b'{"a":NaN}', DeadLetterReason.BAD_JSON),
        (b'{"a":-Infinity}', DeadLetterReason.BAD_JSON),
        (b'{"a":1} {"a":2}', DeadLetterReason.BAD_JSON),
        (b'{"a":1', DeadLetterReason.BAD_JSON),
        (b'{"a":1e999}', DeadLetterReason.OUT_OF_RANGE),
        (b"[" * 100_000 + b"]" * 100_000, DeadLetterReason.TOO_DEEP),
    ],
)
def test_what_is_no_json_is_refused_for_its_reason(
    payload: bytes, reason: DeadLetterReason
) -> None:
    """Wrong encoding, NaN, two documents, cut, too large a number, too deep."""
    with pytest.raises(DecodeError) as refused:
        CODECS["json"](payload)
    assert refused.value.reason is reason


EVENT = b'{"eventType":"heartBeat"}'
XML = b"<EventNotificationAlert><eventType>heartBeat</eventType></EventNotificationAlert>"


def multipart(*parts: bytes, before: bytes = b"") -> bytes:
    """Return a body as terminals send it."""
    return before + b"".join(b"--B\r\n%b\r\n" % part for part in parts) + b"--B--\r\n"


@pytest.mark.parametrize(
    "payload",
    [
        EVENT,
        b"\xef\xbb\xbf\r\n " + EVENT,
        b'{"EventNotificationAlert":' + EVENT + b"}",
        XML,
        b'<?xml version="1.0" encoding="UTF-8"?>\n<!-- c -->' + XML,
        b'<n:EventNotificationAlert xmlns:n="http://x" version="2.0">\n<n:eventType>\nheartBeat\n'
        b"</n:eventType></n:EventNotificationAlert>",
        multipart(b'Content-Disposition: form-data; name="event_log"\r\n\r\n' + EVENT),
        multipart(b"\r\n" + XML),
        multipart(b"Content-Type: image/jpeg\r\n\r\n[jpeg 9000 0011]", b"\r\n" + EVENT, b"\r\n{}"),
        multipart(b"\r\n" + EVENT).replace(b"\r\n", b"\n"),
        json.dumps({"data": EVENT.decode()}).encode(),
        json.dumps({"data": XML.decode()}).encode(),
    ],
    ids=[
        "json",
        "bom",
        "wrapped",
        "xml",
        "declared",
        "namespace",
        "part",
        "xml part",
        "2nd",
        "lf",
        "bridged",
        "bridged xml",
    ],
)
def test_an_isapi_event_is_found_whatever_it_comes_in(payload: bytes) -> None:
    """JSON or XML, alone or in a part, wrapped or not: the same object."""
    assert CODECS["isapi_event"](payload) == {"eventType": "heartBeat"}


def test_xml_becomes_objects_texts_and_arrays() -> None:
    """An element is its children by name, or its text; two of one name are an array."""
    payload = b"<a><b><c>1</c></b><d>&lt;x&gt;</d><e>1</e><e>2</e><e><f>3</f></e><g/></a>"
    found = CODECS["isapi_event"](payload)
    assert found == {"a": {"b": {"c": "1"}, "d": "<x>", "e": ["1", "2", {"f": "3"}], "g": ""}}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"<a><b></a>", DeadLetterReason.BAD_ENCODING),
        (b"<a>\xff</a>", DeadLetterReason.BAD_ENCODING),
        (b'<!DOCTYPE a [<!ENTITY b "bbbb">]><a>&b;</a>', DeadLetterReason.BAD_ENCODING),
        ("<a>1</a>".encode("utf-16"), DeadLetterReason.BAD_ENCODING),
        (b"<a>" * 100 + b"</a>" * 100, DeadLetterReason.TOO_DEEP),
        (multipart(b"Content-Type: image/jpeg\r\n\r\n[jpeg 9 0]"), DeadLetterReason.BAD_ENCODING),
        (b"--", DeadLetterReason.BAD_ENCODING),
        (multipart(b"\r\n{"), DeadLetterReason.BAD_JSON),
        (b"a=1", DeadLetterReason.BAD_JSON),
    ],
)
def test_what_is_no_isapi_event_says_why(payload: bytes, reason: DeadLetterReason) -> None:
    """Entities are refused before they can grow; nothing is raised but a reason."""
    with pytest.raises(DecodeError) as caught:
        CODECS["isapi_event"](payload)
    assert caught.value.reason is reason


TELEGRAM = (
    "/ISk5\\2MT382-1000\r\n\r\n0-0:1.0.0(170102192002W)\r\n1-0:1.8.1(000004.426*kWh)\r\n"
    "1-0:1.7.0(00.244*kW)\r\n0-1:24.2.1(170102161005W)(00000.107*m3)\r\n!"
)


def test_a_telegram_is_read_by_its_codes() -> None:
    """Values and units of electricity by code, and the meter's time; gas is left out."""
    for payload in (TELEGRAM, TELEGRAM.replace("\r\n", "\n"), TELEGRAM.replace("1-0:1.", "1.")):
        assert CODECS["obis"](payload.encode()) == {
            "time": "170102192002W",
            "1_8_1": {"value": "000004.426", "unit": "kWh"},
            "1_7_0": {"value": "00.244", "unit": "kW"},
        }


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (TELEGRAM.encode() + b"0000\r\n", DeadLetterReason.BAD_CHECKSUM),
        (TELEGRAM[1:].encode(), DeadLetterReason.BAD_ENCODING),
        (TELEGRAM[:-1].encode(), DeadLetterReason.BAD_ENCODING),
        (b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01", DeadLetterReason.BAD_ENCODING),
        (TELEGRAM.encode() * 200, DeadLetterReason.TOO_LARGE),
    ],
    ids=["checksum", "no beginning", "no end", "binary SML", "too long"],
)
def test_a_damaged_telegram_is_refused(payload: bytes, reason: DeadLetterReason) -> None:
    """A turned digit would be a plausible reading: nothing of it is taken."""
    with pytest.raises(DecodeError) as refused:
        CODECS["obis"](payload)
    assert refused.value.reason is reason
