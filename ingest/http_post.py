"""Posts and their answers: what a request's head and body must be like. Pure.

Source: RFC 9110 (status codes and fields), RFC 9112, 3.2 (targets), RFC 2046, 5.1.1 (multipart).
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from python_multipart.multipart import parse_options_header

PREFIX = b"/intake/"
BODY_BYTES = 8 * 1024 * 1024
"""A terminal sends up to three pictures with an event, seldom a megabyte together."""
RETRY_AFTER_S = 10
_ORIGIN = re.compile(rb"^https?://[^/]+", re.IGNORECASE)
"""What a target in absolute form says before its path (RFC 9112, 3.2.2)."""
_NOT_READ = (b"image/", b"audio/", b"video/")
"""Nothing but a picture, a sound or a film: no profile reads that, and nobody here may keep it."""


class Answer(NamedTuple):
    """What a client gets.

    Attributes:
        status: HTTP status code.
        body: JSON that the terminal waits for, or a sentence for whoever looks; may be empty.
        headers: Beside the usual ones.
        is_counted: False for a refusal that belongs to the protocol: a challenge.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    is_counted: bool = True


class Post(NamedTuple):
    """A post whose head is accepted: whose it is, and what its content is said to be."""

    device: str
    content_type: str


def busy(why: str) -> Answer:
    """Return the answer that makes a terminal keep its post and send it again."""
    return Answer(503, f"{why}; send it again".encode(), (("retry-after", str(RETRY_AFTER_S)),))


def too_large() -> Answer:
    """Return the answer to a body above the bound."""
    return Answer(413, f"more than {BODY_BYTES} bytes".encode())


def device_of(target: bytes) -> str | None:
    """Return the device that a request's target names; None where it is no path of ours."""
    path = _ORIGIN.sub(b"", target.partition(b"?")[0])
    if not path.startswith(PREFIX):
        return None
    try:
        device = unquote_to_bytes(path.removeprefix(PREFIX).removesuffix(b"/")).decode()
    except UnicodeDecodeError:
        return None
    return device if device and "/" not in device else None


def read_head(device: str, headers: Mapping[bytes, bytes]) -> Post | Answer:
    """Return the post that a head begins, or why its body is not wanted."""
    if int(headers.get(b"content-length", b"0")) > BODY_BYTES:
        return too_large()
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        return Answer(415, b"send it without Content-Encoding")
    kind = headers.get(b"content-type", b"")
    media, options = parse_options_header(kind)
    if media.lower().startswith(_NOT_READ):
        return Answer(415, b"send JSON, XML or multipart")
    if media.lower().startswith(b"multipart/") and not options.get(b"boundary"):
        return Answer(400, b"multipart without a boundary")
    return Post(device, kind.decode("latin-1"))


def refuse_body(post: Post, body: bytes) -> Answer | None:
    """Return why a body cannot be read; None for one that may go on."""
    if not body.strip():
        return Answer(400, b"nothing was sent")
    boundary = parse_options_header(post.content_type)[1].get(b"boundary")
    if boundary and b"--" + boundary not in body:
        return Answer(400, b"multipart without its boundary")
    return None
