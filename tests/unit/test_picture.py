"""Pictures are cut out of payloads, and nothing else is touched."""

import base64
import json
import random
import re
from urllib.parse import parse_qs, quote

import pytest

from devices.clock import parse_rfc3339
from devices.decoder import Decoder
from devices.profile import Profile, built_in, load_profiles
from ingest.message import Message
from ingest.picture import SMALLEST, cut, cut_all

NOISE = random.Random(5).randbytes(20_000).replace(b"\xff\xd9", b"\xff\xd8")
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + NOISE + b"\xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + NOISE + b"IEND\xaeB`\x82"
GIF = b"GIF89a\xe0\x01\x80\x02\xf7\x00\x00" + NOISE
WEBP = b"RIFF%bWEBPVP8 %b" % ((len(NOISE) + 8).to_bytes(4, "little"), NOISE)
PICTURES = {"jpeg": JPEG, "png": PNG, "gif": GIF, "webp": WEBP}
BUILT_IN = load_profiles(built_in())


@pytest.mark.parametrize("prefix", ["", "data:image/x;base64,"], ids=["bare", "data-url"])
@pytest.mark.parametrize("kind", PICTURES)
def test_base64_in_json_is_cut(kind: str, prefix: str) -> None:
    """A picture in a text becomes its kind, size and digest; the message around it stays JSON."""
    text = base64.b64encode(PICTURES[kind]).decode()
    event = {"temperature": 37.9, "pic": prefix + text, "name": "x" * 40, "list": [1, 2]}
    payload, count = cut(json.dumps(event).encode())
    left = json.loads(payload)
    assert count == 1
    assert left.pop("pic").startswith(f"{prefix}[{kind} {len(text)} ")
    assert left == {"temperature": 37.9, "name": "x" * 40, "list": [1, 2]}


def test_several_ways_of_writing_base64_are_known() -> None:
    """Escaped slashes, line breaks, XML, forms and text that is nothing but a picture."""
    text = base64.b64encode(JPEG)
    for payload in (
        b'{"pic":"%s"}' % text.replace(b"/", b"\\/"),
        b'{"pic":"%s"}' % base64.encodebytes(JPEG).replace(b"\n", b"\\r\\n"),
        b"<event><pic>%s</pic></event>" % base64.encodebytes(JPEG),
        b"pic=%s&id=7" % text,
        text,
    ):
        left, count = cut(payload)
        assert (count, len(left) < 120) == (1, True), payload[:40]


def test_bytes_in_a_multipart_body_are_cut() -> None:
    """The parts around a picture stay as they were."""
    head = b'--b\r\nContent-Disposition: form-data; name="event"\r\n\r\n{"temperature":37.9}\r\n'
    part = (
        b"--b\r\nContent-Type: image/jpeg\r\n\r\n%s\r\n--b\r\nContent-Type: image/png\r\n\r\n%s\r\n"
    )
    left, count = cut(head + part % (JPEG, PNG) + b"--b--\r\n")
    assert count == 2
    assert left.startswith(head)
    assert left.endswith(b"\r\n--b--\r\n")
    assert len(left) < 400


@pytest.mark.parametrize("cut_off", [False, True], ids=["whole", "cut off"])
@pytest.mark.parametrize("line", [b"\r\n", b"\n"], ids=["crlf", "lf"])
@pytest.mark.parametrize("kind", PICTURES)
def test_no_byte_of_a_picture_in_a_part_is_left(kind: str, line: bytes, *, cut_off: bool) -> None:
    """Whether or not it has its end, and though its data look like a boundary's beginning."""
    whole = PICTURES[kind][:9_000] + b"\r\n--" + PICTURES[kind][9_004:]
    picture = whole[:-12] if cut_off else whole
    head, tail = b"--bound" + line * 2, line + b'--bound\n\n{"t":36.5}' + line + b"--bound--"
    left, count = cut(head + picture + tail)
    assert count == 1
    assert left.startswith(head + b"[%b %d " % (kind.encode(), len(picture)))
    assert left.endswith(b"]" + tail)


@pytest.mark.parametrize("kind", PICTURES)
def test_bytes_that_are_nothing_but_a_picture_are_cut(kind: str) -> None:
    """Without a multipart body a picture ends where it says, or with the payload."""
    for picture in (PICTURES[kind], PICTURES[kind][:-12]):
        left, count = cut(b"id=7;" + picture)
        assert (count, len(left)) == (1, len(b"id=7;[ %d ]" % len(picture)) + len(kind) + 16)


def test_a_webp_ends_where_its_length_says() -> None:
    """What follows is kept; a length that cannot be of a picture is not believed."""
    assert cut(WEBP + b'{"t":36.5}')[0].endswith(b']{"t":36.5}')
    assert len(cut(WEBP[:4] + bytes(4) + WEBP[8:])[0]) < 60


def test_a_picture_in_a_picture_goes_with_it() -> None:
    """A thumbnail, as bytes or as base64 in the metadata, does not hide what stands around it."""
    for thumbnail in (JPEG, base64.b64encode(JPEG)):
        left, count = cut(PNG[:900] + thumbnail + PNG[900:])
        assert (count, len(left) < 60) == (1, True)


@pytest.mark.parametrize("lower", [False, True], ids=["upper", "lower"])
@pytest.mark.parametrize("kind", [*PICTURES, "base64"])
def test_percent_encoded_base64_in_a_form_is_cut(kind: str, *, lower: bool) -> None:
    """As a field of its own and in JSON in a field; what stands around it can still be decoded."""
    text = base64.b64encode(PICTURES.get(kind, NOISE)).decode()
    for value in (text, text.replace("/", "\\/")) if kind == "jpeg" else (text,):
        for before, after in (("", ""), ('{"pic":"', '","t":"36.5"}')):
            form = "&".join(
                f"{name}={quote(field, safe='')}"
                for name, field in (("id", "a b"), ("pic", before + value + after), ("t", "36.5"))
            )
            form = re.sub("%..", lambda one: one[0].lower(), form) if lower else form
            left, count = cut(form.encode())
            fields = parse_qs(left.decode(), strict_parsing=True)
            assert (count, fields["id"], fields["t"]) == (1, ["a b"], ["36.5"])
            assert fields["pic"][0].startswith(f"{before}[{kind} ")
            assert fields["pic"][0].endswith("]" + after)
            assert len(left) < 150


def test_two_pictures_are_told_apart_and_one_is_itself() -> None:
    """The digest says whether it is the same picture, and nothing of what it shows."""
    other = JPEG[:-40] + b"0" * 38 + b"\xff\xd9"
    stand_ins = [cut(b'{"pic":"%s"}' % base64.b64encode(one))[0] for one in (JPEG, other, JPEG)]
    assert stand_ins[0] == stand_ins[2] != stand_ins[1]


def test_base64_of_an_unknown_format_is_cut() -> None:
    """Four thousand characters of base64 are no measurement, whatever they are."""
    left, count = cut(b'{"t":36.5,"feature":"%s"}' % base64.b64encode(NOISE))
    assert count == 1
    assert left.startswith(b'{"t":36.5,"feature":"[base64 26668 ')


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b'{"pic":"/9j/4AAQ"}', id="a sample's beginning"),
        pytest.param(b'{"url":"http://x/9j/a","t":1}' + b" " * SMALLEST, id="an address"),
        pytest.param(NOISE[:5000], id="binary without a picture"),
        pytest.param(b"\xff\xd8\xff\xe0" + b"no end", id="a beginning without an end"),
        pytest.param(b"\xff\xd8\xff\xe0" + b"x" * 2000, id="long, without an end or a header"),
        pytest.param(b'{"format":"GIF89a","t":1}' + b" " * SMALLEST, id="a format's name"),
        pytest.param(b"at=%22" + b"a%20b%26" * 2000, id="a long form"),
        pytest.param(json.dumps([36.5] * 2000).encode(), id="many numbers"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_picture_is_left_alone(payload: bytes) -> None:
    """Not a byte of another message changes."""
    assert cut(payload) == (payload, 0)


@pytest.mark.parametrize(
    ("piece", "count"),
    [
        pytest.param(b"/9j/!", 0, id="beginnings of pictures"),
        pytest.param(b"/9j/" + b"A" * 400 + b"!", 0, id="runs just too short for a picture"),
        pytest.param(b"A" * 4000 + b"!", 0, id="runs just too short for an unknown one"),
        pytest.param(b"%2F9j%2F%22", 0, id="beginnings in a form"),
        pytest.param(b"%2F9j%2F" + b"%2F" * 160 + b"%22", 0, id="short runs in a form"),
        pytest.param(b"%2F9j%2F" + b"%2G" * 300, 0, id="runs of a form that only look long"),
        pytest.param(b"%2f%2B", 1, id="nothing but escapes"),
        pytest.param(b"\xff\xd8\xff\xe0", 1, id="bytes that begin and never end"),
        pytest.param(b"\xff\xd8\xff\xe0\r\n--", 1, id="no boundaries"),
        pytest.param(b"\xff\xd8\xff\xe0\r\n--b", 0, id="parts that begin and never end"),
        pytest.param(b"\xff\xd8\xff\xe0..\xff\xd9\r\n--b", 0, id="pictures too small"),
        pytest.param(b"GIF89a\x00RIFF\x01\x00\x00\x00WEBP\r\n--b", 0, id="several kinds"),
        pytest.param(b"RIFFRIFFGIF8GIF89aWEBP\x89PNG", 0, id="nearly beginnings"),
    ],
)
@pytest.mark.timeout(30)
def test_a_hostile_payload_does_not_hold_the_loop(piece: bytes, count: int) -> None:
    """Eight megabytes made to be searched for ever are done with (they would take many minutes)."""
    payload = b"--b\r\n\0" + piece * (8_000_000 // len(piece))
    left, pictures = cut(payload)
    assert pictures == count
    assert left == payload if not count else len(left) < 60


@pytest.mark.parametrize("profile", BUILT_IN, ids=lambda profile: profile.name)
def test_families_read_the_same_without_the_picture(profile: Profile) -> None:
    """A face added to a family's own examples changes nothing of what they give."""
    decoder = Decoder([profile], default_zone=profile.examples[0].zone)
    for example in profile.examples:
        payload = example.bytes
        if not payload.startswith(b"{") or not payload.endswith(b"}") or payload == b"{}":
            continue
        with_face = payload[:-1] + b',"gatehouse_pic":"%s"}' % base64.b64encode(JPEG)
        left, count = cut(with_face)
        at = parse_rfc3339(example.at)
        assert count == 1
        assert decoder.decode(example.topic, left, received_at=at) == decoder.decode(
            example.topic, with_face, received_at=at
        )


def test_messages_keep_their_order_and_everything_else() -> None:
    """Only payloads with a picture change, and a list without any is the very same."""
    face = b'{"pic":"%s"}' % base64.b64encode(JPEG)
    messages = [Message("a", b"1", 1, packet_id=1), Message("b", face, 2, packet_id=2)]
    assert cut_all(messages[:1]) == (messages[:1], 0)
    kept, count = cut_all(messages)
    assert (count, kept[0], len(kept)) == (1, messages[0], 2)
    assert (kept[1].topic, kept[1].received_at, kept[1].packet_id) == ("b", 2, 2)
    assert len(kept[1].payload) < 60
