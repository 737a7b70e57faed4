"""Whatever arrives, the decoder has an outcome for it, and never a plausible wrong fever."""

import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devices.clock import DAY, MINUTE
from devices.decoder import Decoder
from devices.device_time import Arrival, judge_time
from devices.measure import AMBIENT_CELSIUS, BODY_CELSIUS
from devices.observation import (
    BodySite,
    Credential,
    Crossing,
    CrossingOutcome,
    DeviceStatus,
    Direction,
    Electricity,
    LitWindow,
    Temperature,
    TimeSource,
    as_json,
)
from devices.outcome import DeadLetter, DeadLetterReason, Ignored
from devices.profile import built_in, load_profiles
from devices.registry import Device, Registry

PROFILES = load_profiles(built_in())
DECODER = Decoder(PROFILES, default_zone=ZoneInfo("Asia/Shanghai"))
NOW = 1_581_681_600_000
SAMPLES = [(one.topic, one.bytes) for profile in PROFILES for one in profile.examples]
DOCUMENTS = [
    (topic, payload) for topic, payload in SAMPLES if payload[:1] == b"{" and payload[-1:] == b"}"
]
TOPICS = sorted({topic for topic, _ in SAMPLES})

levels = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
topics = st.one_of(st.sampled_from(TOPICS), st.lists(levels, min_size=1, max_size=6).map("/".join))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)


def possible(observation: object) -> bool:
    """Return whether an observation is one that can be true."""
    if isinstance(observation, Temperature):
        is_room = observation.body_site is BodySite.AMBIENT
        low, high = AMBIENT_CELSIUS if is_room else BODY_CELSIUS
        return low <= observation.celsius <= high
    if isinstance(observation, Electricity):
        numbers = [n for n in (observation.power_w, observation.energy_wh) if n is not None]
        return bool(numbers) and all(math.isfinite(n) for n in numbers)
    return True


def check(topic: str, payload: bytes) -> None:
    outcome = DECODER.decode(topic, payload, received_at=NOW)
    if isinstance(outcome, DeadLetter):
        assert not outcome.detail.startswith(("Type", "Value", "Attribute", "Key", "Index"))
        assert outcome.reason != "decoder_failed", outcome
    elif not isinstance(outcome, Ignored):
        assert outcome
        assert all(possible(one) for one in outcome)
        assert msgspec.json.encode(outcome)
        assert all(one.device_id.isprintable() and one.device_id for one in outcome)
    answer = DECODER.reply(topic, payload)
    assert answer is None or not set("+#\0") & set(answer[0])


@given(topics, st.binary(max_size=200))
def test_any_bytes_on_any_topic_have_an_outcome(topic: str, payload: bytes) -> None:
    """Nothing is raised, and nothing that comes out is impossible."""
    check(topic, payload)


@given(st.sampled_from(TOPICS), values)
def test_any_json_on_a_known_topic_has_an_outcome(topic: str, document: object) -> None:
    """Every type in every place."""
    check(topic, json.dumps(document).encode())


class Change(NamedTuple):
    """A real message with one value, anywhere in its payload, replaced by another."""

    topic: str
    before: bytes
    after: bytes
    was: object
    became: object


@st.composite
def changes(draw: st.DrawFn, documents: list[tuple[str, bytes]]) -> Change:
    """Draw one that is of the wrong type, absent, a sentinel, or a number like those of a body."""
    topic, payload = draw(st.sampled_from(documents))
    holder = document = json.loads(payload)
    while True:
        key = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else [0]))
        was = holder[key]
        if not (isinstance(was, dict | list) and was) or draw(st.integers(0, 5)) == 0:
            holder[key] = became = draw(values | near_a_body)
            return Change(topic, payload, json.dumps(document).encode(), was, became)
        holder = was


ODD: list[object] = [None, "", "--", "nan", 0, -1, 85.0, 65_535, 6553.5, -327.68, True]
ODD += [36, 37.1, 98.6, 310.2, "37.1", "98.6", "37,1", "37.1 C", [37.1], {"value": 37.1}]
"""Absent, sentinels, and what a body has, in every unit and type."""

near_a_body = st.floats(20, 120) | st.sampled_from(ODD)


def each_change(documents: list[tuple[str, bytes]]) -> Iterator[Change]:
    """Yield every value of every payload replaced by everything odd."""
    for topic, payload in documents:
        document = json.loads(payload)
        holders: list[Any] = [document]
        for holder in holders:
            for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
                was = holder[key]
                if isinstance(was, dict | list):
                    holders.append(was)
                for became in ODD:
                    holder[key] = became
                    yield Change(topic, payload, json.dumps(document).encode(), was, became)
                holder[key] = was


@settings(max_examples=400)
@given(changes(DOCUMENTS))
def test_a_changed_value_in_a_real_payload_has_an_outcome(change: Change) -> None:
    """A family's own messages, with one value wrong in type or size."""
    check(change.topic, change.after)


def bodies(topic: str, payload: bytes) -> set[tuple[float, BodySite]]:
    outcome = DECODER.decode(topic, payload, received_at=NOW)
    return (
        {
            (round(one.celsius, 4), one.body_site)
            for one in outcome
            if isinstance(one, Temperature) and one.body_site is not BodySite.AMBIENT
        }
        if isinstance(outcome, tuple)
        else set()
    )


def number(value: object) -> float:
    try:
        return math.nan if isinstance(value, bool | list | dict) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


SCALES: tuple[Callable[[float], float], ...] = (
    lambda said: said,
    lambda said: (said - 32) * 5 / 9,
    lambda said: said - 273.15,
)
OF_BODIES = [(topic, payload) for topic, payload in DOCUMENTS if bodies(topic, payload)]
OF_ROOMS = [
    (topic, payload)
    for topic, payload in DOCUMENTS
    if isinstance(outcome := DECODER.decode(topic, payload, received_at=NOW), tuple)
    if any(getattr(one, "body_site", None) is BodySite.AMBIENT for one in outcome)
    if not bodies(topic, payload)
]


def only_what_was_said(change: Change) -> bool:
    """Return whether bodies have what they had, or what the payload now says in the same unit."""
    before = bodies(change.topic, change.before)
    meant = {
        (round(scale(number(change.became)), 4), site)
        for scale in SCALES
        for celsius, site in before
        if abs(scale(number(change.was)) - celsius) < 0.001
    }
    return bodies(change.topic, change.after) <= before | meant


@settings(max_examples=400)
@given(changes(OF_BODIES) | changes(OF_ROOMS))
def test_no_changed_value_makes_a_body_temperature_that_nobody_said(change: Change) -> None:
    """Whatever stands in the place of a value."""
    assert only_what_was_said(change)


def test_nothing_odd_in_any_place_makes_a_body_temperature_that_nobody_said() -> None:
    """Each value of each payload, replaced by each sentinel, each type and each unit's number."""
    wrong = [one for one in each_change(OF_BODIES + OF_ROOMS) if not only_what_was_said(one)]
    assert wrong == []


@given(st.sampled_from(SAMPLES), st.data())
def test_a_damaged_payload_has_an_outcome(message: tuple[str, bytes], data: st.DataObject) -> None:
    """Cut short, or with one byte turned."""
    topic, payload = message
    place = data.draw(st.integers(0, max(0, len(payload) - 1)))
    turned = data.draw(st.integers(0, 255))
    check(topic, payload[:place])
    check(topic, payload[:place] + bytes([turned]) + payload[place + 1 :])


ids = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
times = st.integers(NOW - 7 * DAY + 1, NOW + 5 * MINUTE - 1)
common = {"device_id": st.just("d-1"), "observed_at": times, "received_at": st.just(NOW)}
more = {"event_id": st.none() | ids, "channel": st.just("") | ids}
observations = st.one_of(
    st.builds(
        Temperature,
        **common,
        **more,
        celsius=st.floats(*BODY_CELSIUS),
        body_site=st.sampled_from(BodySite),
        adjusted_to=st.none() | st.sampled_from(BodySite),
        subject=st.none() | ids,
        ambient_celsius=st.none() | st.floats(*AMBIENT_CELSIUS),
    ),
    st.builds(
        Crossing,
        **common,
        **more,
        direction=st.sampled_from(Direction),
        outcome=st.sampled_from(CrossingOutcome),
        subject=st.none() | ids,
        stranger=st.booleans(),
        credential=st.none() | st.sampled_from(Credential),
        score=st.none() | st.floats(0, 1),
        mask=st.none() | st.booleans(),
    ),
    st.builds(
        Electricity, **common, **more, power_w=st.floats(-1e6, 1e6), energy_wh=st.floats(0, 1e9)
    ),
    st.builds(LitWindow, **common, **more, lit=st.booleans(), household=st.none() | ids),
    st.builds(
        DeviceStatus,
        **common,
        **more,
        online=st.none() | st.booleans(),
        battery=st.none() | st.floats(0, 100),
        signal=st.none() | st.floats(-200, 300),
        sequence=st.none() | st.integers(0, 2**31),
    ),
)


@given(st.lists(observations, min_size=1, max_size=5))
def test_what_we_publish_can_be_read_back(several: list[object]) -> None:
    """Our own format carries every observation without loss."""
    payload = json.dumps([as_json(one) for one in several]).encode()  # type: ignore[arg-type]
    assert DECODER.decode("gatehouse/v1/s/d-1", payload, received_at=NOW) == tuple(several)


@pytest.mark.parametrize("retained", [False, True])
def test_decoding_again_gives_the_same(retained: bool) -> None:
    """The decoder remembers nothing: a replay gives the same, whatever came between and before."""
    said = {"received_at": NOW, "retained": retained}
    first = [DECODER.decode(topic, payload, **said) for topic, payload in SAMPLES]
    fresh = Decoder(PROFILES, default_zone=ZoneInfo("Asia/Shanghai"))
    backwards = [fresh.decode(topic, payload, **said) for topic, payload in reversed(SAMPLES)]
    again = [DECODER.decode(topic, payload, **said) for topic, payload in SAMPLES]
    assert first == backwards[::-1] == again


def measured(observation: object) -> object:
    """Return an observation without what only a register of people can tell."""
    if isinstance(observation, Crossing):
        return msgspec.structs.replace(observation, stranger=False)
    return observation


@given(st.sampled_from(SAMPLES).filter(lambda one: not one[0].endswith("/config")))
def test_a_registry_changes_who_is_known_and_not_what_was_measured(
    message: tuple[str, bytes],
) -> None:
    """With every device registered, values are those without a registry."""
    topic, payload = message
    free = DECODER.decode(topic, payload, received_at=NOW)
    known = free if isinstance(free, tuple) else ()
    registry = Registry(devices={one.device_id: Device(one.device_id, "") for one in known})
    bound = DECODER.decode(topic, payload, received_at=NOW, registry=registry)
    if isinstance(free, DeadLetter) and free.reason is DeadLetterReason.NO_BIRTH:
        assert isinstance(bound, DeadLetter)
        assert bound.reason is DeadLetterReason.UNKNOWN_DEVICE, "only who is registered is asked"
        return
    if not isinstance(free, tuple):
        assert bound == free
        return
    assert isinstance(bound, tuple)
    assert [measured(one) for one in bound] == [measured(one) for one in free]


@given(st.integers(0, 2 * 365 * DAY), st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe"]))
@example(offset=1729989000000 - NOW, name="Europe/Berlin")
def test_a_local_time_is_the_candidate_nearest_arrival(offset: int, name: str) -> None:
    """A live reading's wall-clock text leads back to its instant, in every minute of any year."""
    at = (NOW + offset) // 1000 * 1000
    wall = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(name))
    text = wall.strftime("%Y-%m-%dT%H:%M:%S")
    arrival = Arrival(at + 2_000, TimeSource.ARRIVAL, None, ZoneInfo(name))
    assert judge_time(text, arrival, "d") == (at, TimeSource.DEVICE, None)
