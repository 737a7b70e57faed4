"""Pictures are cut out of payloads before the journal: nobody here may keep a face. Pure.

A gate terminal sends 30 to 200 KB of face with every event, as base64 in JSON or in a form, or as
the bytes themselves in a multipart body. They are found by how the file format begins, without
reading the rest of the message, and replaced by what they were: kind, size and a digest, which
tells two pictures apart and shows neither. The time taken grows with the payload's size and no
faster, whatever it says: anybody may have written it, and the event loop waits.

Source: JPEG, ITU-T T.81 annex B (SOI, a marker, EOI); PNG, RFC 2083 section 3; GIF89a; RIFF WebP;
base64, RFC 4648 section 4, whose first characters follow from a format's first bytes; multipart
boundaries, RFC 2046 section 5.1.1; percent-encoding, RFC 3986 section 2.1.
"""

import hashlib
import re
from collections.abc import Sequence
from string import ascii_letters, digits
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
_FORM_TEXTS = (
    (b"%2F9j%", rb"(?:%5C)?%2F9j(?:%5C)?%2F", b"jpeg"),
    (b"%2f9j%", rb"(?:%5c)?%2f9j(?:%5c)?%2f", b"jpeg"),
)
"""How it begins percent-encoded, as in a form; the other formats begin with letters and digits."""
_GLANCES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"WEBP")
_BYTES = re.compile(
    rb"(?P<jpeg>\xff\xd8\xff[\xc0\xdb\xe0-\xef\xfe])"
    rb"|(?P<png>\x89PNG\r\n\x1a\n)"
    rb"|(?P<gif>GIF8[79]a(?=[\s\S]{0,6}\x00))"
    rb"|(?P<webp>RIFF[\s\S]{4}WEBP)"
)
"""How the bytes of a picture begin, after a glance. Each has a zero in its header, and no text."""
_END_MARKS = {"jpeg": b"\xff\xd9", "png": b"IEND\xaeB`\x82"}
_BOUNDARY = re.compile(rb"(?:\r?\n)?(--[^\r\n]{1,70}?)[ \t]{0,9}(\r?\n)")
"""The first line of a multipart body (RFC 2046 section 5.1.1) and how it breaks lines."""
_LONG = 4_096
_BLOCK = _LONG // 2
_GLANCE = 64
_LETTERS = f"{ascii_letters}{digits}+/=-_".encode()
_LONG_RUN = re.compile(rb"(?<![%b])[%b]{%d,}" % (_BASE64, _BASE64, _LONG))
"""Text that no measurement is: base64 of a format we do not know."""
_ESCAPED = rb"%(?:2[FfBb]|3[Dd])"
_LONG_FORM = re.compile(rb"(?<![%b%%])[%b%%]{%d,}" % (_BASE64, _BASE64, _LONG))
_FORM_RUN = re.compile(
    rb"%%(?!2[FfBb]|3[Dd])[0-9A-Fa-f]{2}|((?:[A-Za-z0-9+/\-_]++|%b)++={0,2}+)" % _ESCAPED
)
"""A field percent-encoded, and in it a run of base64 or an escape that is not of one."""


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
    if b"\0" in payload and any(glance in payload for glance in _GLANCES):
        found = _in_bytes(payload)
    form = b"%" in payload
    for sign, run, kind in _FORM_LOOKS if form else _LOOKS:
        if sign in payload:
            for begin, end in _gaps(found, len(payload)):  # Where none was found before.
                found += _in_text(run, kind, payload, begin, end)
            found.sort()
    if not found and _may_hold_a_run(payload, form=form):
        found = _unknown(payload, form=form)
    if not found:
        return payload, 0
    pieces: list[bytes] = []
    after = 0
    for one in found:
        pieces += (payload[after : one.begin], _stand_in(payload[one.begin : one.end], one.kind))
        after = one.end
    return b"".join([*pieces, payload[after:]]), len(found)


def _may_hold_a_run(payload: bytes, *, form: bool) -> bool:
    """Return whether a block is nothing but base64; a long run holds a whole one."""
    letters = _LETTERS + b"%" * form
    for start in range(0, len(payload) - _BLOCK + 1, _BLOCK):
        glance = payload[start : start + _GLANCE].translate(None, letters)
        if not glance and not payload[start : start + _BLOCK].translate(None, letters):
            return True
    return False


def _gaps(found: Sequence[_Found], size: int) -> list[tuple[int, int]]:
    """Return what lies between pictures and is long enough for one."""
    edges = [0, *(edge for one in found for edge in (one.begin, one.end)), size]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(begin, end) for begin, end in pairs if end - begin >= SMALLEST]


def _in_text(
    run: re.Pattern[bytes], kind: bytes, payload: bytes, start: int, stop: int
) -> list[_Found]:
    runs = (one.span() for one in run.finditer(payload, start, stop))
    return [_Found(begin, end, kind) for begin, end in runs if end - begin >= SMALLEST]


def _unknown(payload: bytes, *, form: bool) -> list[_Found]:
    """Return the long runs of base64."""
    if not form:
        return [_Found(*run.span(), b"base64") for run in _LONG_RUN.finditer(payload)]
    fields = (field.span() for field in _LONG_FORM.finditer(payload))
    runs = (run.span(1) for field in fields for run in _FORM_RUN.finditer(payload, *field))
    return [_Found(begin, end, b"base64") for begin, end in runs if end - begin >= _LONG]


def _in_bytes(payload: bytes) -> list[_Found]:
    """Return the pictures that stand as bytes; none reaches beyond its part of a multipart body."""
    first_line = _BOUNDARY.match(payload)
    boundary = first_line[2] + first_line[1] if first_line else b""
    found = []
    limit = 0
    match = _BYTES.search(payload)
    while match:
        begin = match.start()
        if begin >= limit:  # Looked for once a part, however many begin in it.
            limit = payload.find(boundary, begin) if boundary else -1
            limit = limit if limit >= 0 else len(payload)
        kind = match.lastgroup or ""
        end = _end(payload, kind, begin, limit)
        if end - begin >= SMALLEST:
            found.append(_Found(begin, end, kind.encode()))
        match = _BYTES.search(payload, end)
    return found


def _end(payload: bytes, kind: str, begin: int, limit: int) -> int:
    """Return where a picture ends: as its format says, or with its part where it does not say."""
    if kind == "webp":
        size = int.from_bytes(payload[begin + 4 : begin + 8], "little")
        return min(begin + 8 + size, limit) if size >= SMALLEST else limit
    mark = _END_MARKS.get(kind)
    last = payload.rfind(mark, begin, limit) if mark else -1
    return last + len(mark) if mark and last >= 0 else limit


def _run(beginning: bytes) -> re.Pattern[bytes]:
    """Return the pattern of a run of base64 that begins like a picture.

    Its lines may be broken and its characters percent-encoded. What is clearly too short is not
    found; the rest is to be measured.
    """
    broken = _BASE64 + rb"\\\r\n\t "
    return re.compile(
        rb"(?:%b)(?=[%b%%]{%d})(?:[%b]++|%b|%%(?:0[DdAa]|5[Cc]))*+"
        % (beginning, broken, SMALLEST - 16, broken, _ESCAPED)
    )


_LOOKS = tuple((sign, _run(re.escape(sign)), kind) for sign, kind in _TEXTS)
_FORM_LOOKS = (*((sign, _run(beginning), kind) for sign, beginning, kind in _FORM_TEXTS), *_LOOKS)


def _stand_in(picture: bytes, kind: bytes) -> bytes:
    digest = hashlib.blake2b(picture, digest_size=_DIGEST_BYTES).hexdigest().encode()
    return b"[%s %d %s]" % (kind, len(picture), digest)
