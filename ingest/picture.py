"""Pictures are cut out of payloads before the journal: nobody here may keep a face. Pure.

A gate terminal sends 30 to 200 KB of face with every event, as base64 in JSON or as the bytes
themselves in a multipart body. They are found by how the file format begins, without reading the
rest of the message, and replaced by what they were: kind, size and a digest, which tells two
pictures apart and shows neither. The time taken grows with the payload's size and no faster,
whatever it says: anybody may have written it, and the event loop waits.

Source: JPEG, ITU-T T.81 annex B (SOI, a marker, EOI); PNG, RFC 2083 section 3; GIF89a; RIFF WebP;
base64, RFC 4648 section 4, whose first characters follow from a format's first bytes.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from ingest.message import Message

SMALLEST = 512
"""Bytes. A picture in less shows nobody; payloads below it are not looked into."""
_DIGEST_BYTES = 8

_BASE64 = rb"A-Za-z0-9+/=\-_"
_TEXTS = (
    (b"/9j/", b"jpeg"),
    (b"\\/9j\\/", b"jpeg"),  # JSON may escape a slash.
    (b"iVBORw0KGgo", b"png"),
    (b"R0lGOD", b"gif"),
    (b"UklGR", b"webp"),
)
"""How base64 of a picture begins."""
_BYTES = (
    (b"\xff\xd8\xff", re.compile(rb"\xff\xd8\xff[\xc0\xdb\xe0-\xef\xfe]"), b"\xff\xd9", b"jpeg"),
    (b"\x89PNG", re.compile(rb"\x89PNG\r\n\x1a\n"), b"IEND\xaeB`\x82", b"png"),
)
"""How the bytes of one begin, at a glance and exactly, and end."""
_LONG = 4_096
_LONG_RUN = re.compile(rb"(?<![%b])[%b]{%d,}" % (_BASE64, _BASE64, _LONG))
"""Text that no measurement is: base64 of a format we do not know."""


class _Found(NamedTuple):
    """Where a picture stands: from ``begin`` to ``end``, which is not part of it."""

    begin: int
    end: int
    kind: bytes


def cut_all(messages: list[Message]) -> tuple[list[Message], int]:
    """Return messages without pictures, in order, and how many pictures were cut out.

    The very same list where there is none, which costs a look at the sizes.
    """
    if max([len(message.payload) for message in messages]) < SMALLEST:
        return messages, 0
    kept, count = [], 0
    for message in messages:
        payload, pictures = cut(message.payload)
        kept.append(msgspec.structs.replace(message, payload=payload) if pictures else message)
        count += pictures
    return kept, count


def cut(payload: bytes) -> tuple[bytes, int]:
    """Return a payload with every picture replaced by ``[kind size digest]``, and their number."""
    if len(payload) < SMALLEST:
        return payload, 0
    found: list[_Found] = []
    for sign, look in _LOOKS:
        if sign in payload:
            for begin, end in _gaps(found, len(payload)):  # Where none was found before.
                found += look(payload, begin, end)
            found.sort()
    if not found and len(payload) >= _LONG:
        found = [_Found(*run.span(), b"base64") for run in _LONG_RUN.finditer(payload)]
    if not found:
        return payload, 0
    pieces: list[bytes] = []
    after = 0
    for one in found:
        pieces += (payload[after : one.begin], _stand_in(payload[one.begin : one.end], one.kind))
        after = one.end
    return b"".join([*pieces, payload[after:]]), len(found)


def _gaps(found: Sequence[_Found], size: int) -> list[tuple[int, int]]:
    """Return what lies between pictures and is long enough for one."""
    edges = [0, *(edge for one in found for edge in (one.begin, one.end)), size]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(begin, end) for begin, end in pairs if end - begin >= SMALLEST]


def _in_text(
    run: re.Pattern[bytes], kind: bytes, payload: bytes, start: int, stop: int
) -> list[_Found]:
    return [_Found(*one.span(), kind) for one in run.finditer(payload, start, stop)]


def _in_bytes(
    beginning: re.Pattern[bytes], ending: bytes, kind: bytes, payload: bytes, start: int, stop: int
) -> list[_Found]:
    found = []
    match = beginning.search(payload, start, stop)
    while match:
        begin = match.start()
        part_ends = payload.find(b"\r\n--", begin, stop)  # Of a multipart body.
        limit = part_ends if part_ends >= 0 else stop
        last = payload.rfind(ending, begin, limit)
        end = last + len(ending) if last >= 0 else limit  # Without one, no later one ends here.
        if last >= 0 and end - begin >= SMALLEST:
            found.append(_Found(begin, end, kind))
        match = beginning.search(payload, end, stop)
    return found


def _run(beginning: bytes) -> re.Pattern[bytes]:
    """Return the pattern of a run of base64, lines broken or not, that begins like a picture."""
    more = SMALLEST - len(beginning)
    return re.compile(rb"%b[%b\\\r\n\t ]{%d,}" % (re.escape(beginning), _BASE64, more))


_LOOKS = (
    *((beginning, partial(_in_text, _run(beginning), kind)) for beginning, kind in _TEXTS),
    *((sign, partial(_in_bytes, begins, ends, kind)) for sign, begins, ends, kind in _BYTES),
)


def _stand_in(picture: bytes, kind: bytes) -> bytes:
    digest = hashlib.blake2b(picture, digest_size=_DIGEST_BYTES).hexdigest().encode()
    return b"[%s %d %s]" % (kind, len(picture), digest)
