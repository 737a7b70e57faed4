"""Decoding once for all followers."""

from collections.abc import Sequence
from itertools import product
from zoneinfo import ZoneInfo

from devices.decoder import Decoder
from devices.outcome import DeadLetter, DeadLetterReason, Ignored, IgnoredReason, Outcome
from devices.profile import built_in, load_profiles
from devices.registry import Device, Registry
from ingest.decode_stage import DecodeStage, decode_all
from ingest.message import BACKLOG, POSTS, RETAIN, Batch, Message
from tests.messages import NOON, messages


class Counting:
    """Decodes nothing, and notes which positions it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, positions: Sequence[int], messages: Sequence[Message]) -> list[Outcome]:
        self.asked += positions
        return [Ignored(IgnoredReason.LOG_LINE) for _ in messages]


def test_all_are_decoded_as_each_by_itself() -> None:
    """Retained, waiting and ordinary messages of several arrivals do not colour one another."""
    decoder = Decoder(load_profiles(built_in()), default_zone=ZoneInfo("UTC"))
    registry = Registry(devices={"room": Device("room", "zigbee2mqtt_temperature")})
    arrived = [
        Message("zigbee2mqtt/" + device, b'{"temperature":21.5}', at, flags=flags)
        for at, flags, device in product(
            (NOON, NOON + 1), (0, RETAIN, BACKLOG, RETAIN | BACKLOG, 0), ("room", "unknown")
        )
    ]
    assert decode_all(arrived, decoder, registry) == [
        decoder.decode(
            one.topic,
            one.payload,
            received_at=one.received_at,
            retained=bool(one.flags & RETAIN),
            backlog=bool(one.flags & BACKLOG),
            registry=registry,
        )
        for one in arrived
    ]


def test_a_brokers_message_in_the_topic_of_a_post_is_a_dead_letter() -> None:
    """Only a post has shown the credential of the device that its topic names."""
    decoder = Decoder(load_profiles(built_in()), default_zone=ZoneInfo("UTC"))
    registry = Registry(devices={"gate": Device("gate", "gatehouse")})
    payload = b'{"kind":"temperature","celsius":36.6}'
    posted, forged = decode_all(
        [Message("http/gate", payload, NOON, source) for source in (POSTS, "mqtt")],
        decoder,
        registry,
    )
    assert isinstance(posted, tuple)
    assert forged == DeadLetter(DeadLetterReason.UNKNOWN_TOPIC, "of a post, and none")


def test_followers_with_their_own_copies_of_a_batch_share_its_outcomes() -> None:
    """A batch that each follower read from the journal is decoded for the first of them only."""
    decode = Counting()
    stage = DecodeStage(decode, followers="abc")
    first, second, third = (stage.outcomes(Batch(1, messages(range(3))), name) for name in "abc")
    assert first is second is third
    assert decode.asked == [1, 2, 3]


def test_a_part_of_a_batch_is_another_batch() -> None:
    """A follower that begins inside a row gets the outcomes of just what it has."""
    stage = DecodeStage(Counting(), followers="ab")
    stage.outcomes(Batch(1, messages(range(3))), "a")
    assert len(stage.outcomes(Batch(2, messages(range(2))), "b")) == 2


def test_nothing_is_kept_once_every_follower_has_it() -> None:
    """What is asked for once more, after everybody had it, is made anew."""
    decode = Counting()
    stage = DecodeStage(decode, followers="ab")
    for name in "aba":
        stage.outcomes(Batch(1, messages(range(1))), name)
    assert decode.asked == [1, 1]


def test_nothing_is_kept_for_a_follower_that_is_past_it() -> None:
    """What the last of them decodes for itself fills no memory, and is made anew when asked for."""
    decode = Counting()
    stage = DecodeStage(decode, followers="ab")
    stage.outcomes(Batch(4, messages(range(3))), "a")
    for _ in range(2):
        stage.outcomes(Batch(1, messages(range(3))), "b")
    assert decode.asked == [4, 5, 6, 1, 2, 3, 1, 2, 3]


def test_what_is_kept_is_bounded() -> None:
    """The oldest outcomes go first, and are made again when somebody still needs them."""
    decode = Counting()
    stage = DecodeStage(decode, followers="ab", kept=4)
    for base, name in ((1, "a"), (4, "a"), (1, "b"), (4, "b")):
        stage.outcomes(Batch(base, messages(range(3))), name)
    assert decode.asked == [1, 2, 3, 4, 5, 6, 1, 2, 3]


def test_what_the_leader_had_decoded_is_at_hand_and_stays() -> None:
    """Looking takes nothing away from the follower behind; what nobody asked for is not decoded."""
    decode = Counting()
    stage = DecodeStage(decode, followers=("series", "alerts"))
    batch = Batch(1, messages(range(3)))
    assert stage.at_hand(batch) is None
    led = stage.outcomes(batch, "alerts")
    assert stage.at_hand(batch) is led
    assert stage.outcomes(batch, "series") is led
    assert stage.at_hand(batch) is None
    assert decode.asked == [1, 2, 3]
