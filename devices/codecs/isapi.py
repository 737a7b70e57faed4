"""Hikvision's ISAPI event notifications: JSON or XML, alone or as a part of a multipart body.

The first part that is JSON or XML is the event; pictures come behind it. An XML element becomes an
object of its children by their names, or its text; several of one name become an array. Namespaces
and attributes are left out, and so is the outer ``EventNotificationAlert``, which JSON mostly comes
without, and the ``data`` of an MQTT bridge (Hikvision-Addons), whose text is the event. XML is
UTF-8, and a document type is refused: entities can stand for gigabytes.

Source: Hikvision, Intelligent Security API (General Application) Developer Guide, 2019, Receive
Alarm/Event in Listening Mode; multipart, RFC 2046, 5.1.1 and RFC 7578.
"""

import re
from xml.parsers.expat import ExpatError, ParserCreate

from devices.codecs.plain import read_json
from devices.outcome import DeadLetterReason, DecodeError

OUTER = "EventNotificationAlert"
MAX_DEPTH = MAX_PARTS = 64
_BOUNDARY = re.compile(rb"^--([^\r\n]{1,70}?)[ \t]*\r?$", re.MULTILINE)
_HEAD_ENDS = re.compile(rb"\r?\n\r?\n")

_Members = dict[str, object]


def read_event(payload: bytes) -> object:
    """Return an event as JSON would have it.

    Raises:
        DecodeError: As :func:`read_json`; BAD_ENCODING where it is neither JSON nor XML nor a
            multipart body with a part that is one of these.
    """
    document = _read(payload)
    bridged = document.get("data") if isinstance(document, dict) else None
    if isinstance(bridged, str):
        document = _read(bridged.encode())
    inner = document.get(OUTER) if isinstance(document, dict) else None
    return inner if isinstance(inner, dict) else document


def _read(payload: bytes) -> object:
    event = _first_event(payload)
    return _read_xml(event) if event.startswith(b"<") else read_json(event)


def _first_event(payload: bytes) -> bytes:
    body = _bare(payload)
    if not body.startswith(b"--"):
        return body
    boundary = _BOUNDARY.search(body)
    parts = body.split(b"--" + boundary[1], MAX_PARTS) if boundary else []
    for part in parts:
        content = _bare(_HEAD_ENDS.split(part, 1)[-1])
        if content.startswith((b"{", b"<")):
            return content
    raise DecodeError(DeadLetterReason.BAD_ENCODING, "multipart without JSON or XML")


def _bare(content: bytes) -> bytes:
    return content.removeprefix(b"\xef\xbb\xbf").strip()


def _read_xml(text: bytes) -> _Members:
    parser = ParserCreate("utf-8")
    parser.buffer_text = True
    document: _Members = {}
    members: list[_Members] = [document]
    texts: list[list[str]] = [[]]

    def begin(_name: str, _attributes: dict[str, str]) -> None:
        if len(members) > MAX_DEPTH:
            raise DecodeError(DeadLetterReason.TOO_DEEP, "nested too deep")
        members.append({})
        texts.append([])

    def end(name: str) -> None:
        children, said = members.pop(), "".join(texts.pop()).strip()
        _put(members[-1], name.rpartition(":")[2], children or said)

    def read(said: str) -> None:
        texts[-1].append(said)

    def refuse(*_: object) -> None:
        raise DecodeError(DeadLetterReason.BAD_ENCODING, "XML with a document type")

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = read, refuse
    try:
        parser.Parse(text, True)
    except ExpatError as error:
        where = f"not XML at line {error.lineno}"
        raise DecodeError(DeadLetterReason.BAD_ENCODING, where) from None
    return document


def _put(members: _Members, name: str, value: object) -> None:
    """Put a member in; the second of a name makes an array of both."""
    if name not in members:
        members[name] = value
        return
    known = members[name]
    if isinstance(known, list):
        known.append(value)
    else:
        members[name] = [known, value]
