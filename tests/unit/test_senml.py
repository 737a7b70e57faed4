"""SenML packs: resolved as RFC 8428 says, and nothing that is none is taken for one."""

import contextlib
import json
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.senml import MAX_CBOR, MAX_RECORDS, read_pack
from devices.outcome import DeadLetterReason, DecodeError

NUMBERS = {"bver": -1, "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6, "n": 0, "u": 1, "v": 2}
NUMBERS |= {"vs": 3, "vb": 4, "s": 5, "t": 6, "ut": 7, "vd": 8}


def read(*records: dict[str, Any]) -> list[dict[str, Any]]:
    """Resolve a pack, in JSON and in CBOR alike."""
    found: list[dict[str, Any]] = read_pack(json.dumps(records).encode())["records"]
    labelled = [{NUMBERS.get(key, key): value for key, value in one.items()} for one in records]
    assert read_pack(cbor2.dumps(labelled))["records"] == found
    return found


def refusal(payload: bytes) -> DeadLetterReason:
    with pytest.raises(DecodeError) as refused:
        read_pack(payload)
    return refused.value.reason


def test_base_fields_hold_for_their_record_and_those_after_it() -> None:
    """Name, time, unit, value and sum; each may change on the way. A missing sum counts as zero."""
    first, second, third = read(
        {"bn": "a:", "bt": 1e9, "bu": "Cel", "bv": 20, "bs": 5, "n": "x", "t": 1, "v": 1.5, "s": 2},
        {"n": "y", "v": 0},
        {"bn": "b:", "bv": 0, "n": "x", "u": "W", "t": -1, "v": 3},
    )
    a, b = {"thing": "a"}, {"thing": "b"}
    x, y = {"quantity": "x", "channel": "x"}, {"quantity": "y", "channel": "y"}
    assert first == {**a, **x, "time": 1e9 + 1, "Cel": 21.5, "∫Cel": 7}
    assert second == {**a, **y, "time": 1e9, "Cel": 20, "∫Cel": 5}
    assert third == {**b, **x, "time": 1e9 - 1, "W": 3, "∫W": 5}


def test_a_base_value_counts_where_only_a_sum_is_said() -> None:
    """Not where a text stands in its place, nor in a record that says nothing."""
    said, text, bases = read(
        {"bn": "a:", "bu": "W", "bv": 200, "n": "x", "s": 2}, {"n": "y", "vs": "on", "s": 1}, {}
    )
    assert (said["W"], said["∫W"]) == (200, 2)
    assert ("W" in text, text["∫W"]) == (False, 1)
    assert not {"W", "∫W"} & set(bases)


@pytest.mark.parametrize(
    ("base", "name", "thing", "channel"),
    [
        ("", "urn:dev:ow:10e2073a01080063", "urn:dev:ow:10e2073a01080063", ""),
        ("urn:dev:ow:10e2073a01080063", "", "urn:dev:ow:10e2073a01080063", ""),
        ("urn:dev:ow:10e2073a01080063:", "voltage", "urn:dev:ow:10e2073a01080063", "voltage"),
        ("", "urn:dev:ow:10e2073a01080063:voltage", "urn:dev:ow:10e2073a01080063", "voltage"),
        ("", "urn:dev:mac:0024befffe804ff1_l1/power", "urn:dev:mac:0024befffe804ff1", "l1/power"),
        ("2001:db8::2/", "humidity", "2001:db8::2", "humidity"),
        ("", "2001:db8::2/humidity", "2001:db8::2", "humidity"),
        ("", "2001:db8::3", "2001:db8::3", ""),
        ("some-base-name:", "voltage", "some-base-name", "voltage"),
        ("meter7", "", "meter7", ""),
        ("", "temperature", "", ""),
        ("", "attic", "", "attic"),
    ],
)
def test_a_name_says_whose_and_what(base: str, name: str, thing: str, channel: str) -> None:
    """Device URNs, paths, base names; a plain word is a quantity of whoever owns the topic."""
    record = {key: value for key, value in (("bn", base), ("n", name)) if value}
    [found] = read({**record, "u": "V", "v": 1})
    assert (found["thing"], found["channel"]) == (thing, channel)


def test_texts_truths_and_data_are_not_read() -> None:
    """They are values, so this is a pack; they are no numbers, so they stand under no unit."""
    for value in ({"vs": "x"}, {"vb": True}, {"vd": "AA"}):
        [found] = read({"n": "a/b", "u": "Cel", **value})
        assert found == {"thing": "a", "quantity": "b", "channel": "b"}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"[]", DeadLetterReason.MISSING_FIELD),
        (b"{}", DeadLetterReason.WRONG_TYPE),
        (b"[1]", DeadLetterReason.WRONG_TYPE),
        (b'[{"temperature":21.5}]', DeadLetterReason.MISSING_FIELD),
        (b'[{"bn":"a:","n":"b"}]', DeadLetterReason.MISSING_FIELD),
        (b'[{"n":"a:b","v":"21"}]', DeadLetterReason.WRONG_TYPE),
        (b'[{"n":"a:b","v":true}]', DeadLetterReason.WRONG_TYPE),
        (b'[{"n":1,"v":21}]', DeadLetterReason.WRONG_TYPE),
        (b'[{"n":"a:b","v":1,"t":1e301}]', DeadLetterReason.OUT_OF_RANGE),
        (b'[{"n":"a:b","v":1,"t":1e400}]', DeadLetterReason.OUT_OF_RANGE),
        (json.dumps([{"n": "a" * 300, "v": 1}]).encode(), DeadLetterReason.OUT_OF_RANGE),
        (b'[{"bver":11,"n":"a:b","v":1}]', DeadLetterReason.BAD_ENCODING),
        (b'[{"n":"a:b","v":1,"new_":1}]', DeadLetterReason.BAD_ENCODING),
        (b'[{"n":"a:b","v":1,"\x80":1,"new_":1}]', DeadLetterReason.BAD_ENCODING),
        (b'[{"n":"a:b","v":1,"a":1e999,"b_":1}]', DeadLetterReason.OUT_OF_RANGE),
        (b'[{"n":"a:b"', DeadLetterReason.BAD_JSON),
        (b"\x81\xa1\x02", DeadLetterReason.BAD_ENCODING),
        (cbor2.dumps([{0: "a:b", 2: 1}]) + b"\0", DeadLetterReason.BAD_ENCODING),
        (cbor2.dumps([{0: "a:b", 2: float("nan")}]), DeadLetterReason.OUT_OF_RANGE),
        (cbor2.dumps([{0: "a:b", 2: 1 << 2_000}]), DeadLetterReason.OUT_OF_RANGE),
        (cbor2.dumps([{0: "a:b", 2: b"1"}]), DeadLetterReason.WRONG_TYPE),
        (b"\x80" + bytes(MAX_CBOR), DeadLetterReason.TOO_LARGE),
        (json.dumps([{}] * (MAX_RECORDS + 1)).encode(), DeadLetterReason.TOO_LARGE),
    ],
)
def test_what_is_no_pack_is_refused_with_its_reason(
    payload: bytes, reason: DeadLetterReason
) -> None:
    """No value is guessed, and nothing that must be understood is passed over."""
    assert refusal(payload) is reason


@given(st.integers(0x80, 0x9F), st.binary(max_size=200))
def test_any_cbor_is_a_pack_or_refused(first: int, rest: bytes) -> None:
    """Tags, shared references, bad lengths: nothing but a DecodeError is raised."""
    with contextlib.suppress(DecodeError):
        assert "records" in read_pack(bytes([first]) + rest)
