"""What InfluxDB's words say of a body it refuses: which lines never to send again, which to send.

A line is refused for good when the server names it, when it was alone, or when the server dropped
as many lines as there were. All others are sent again until they are accepted, in bodies chosen so
that those the words suspect come together: a thousand poison points cost three requests, not ten
each. What is suspected is only a guess; it costs requests when it is wrong, never a point.

Versions differ in what becomes of the good lines: 1.x stores them and says "partial write", 2.x
refuses the body where a line cannot be parsed, 3 always does. 1.x judges each shard of a body by
itself and tells of one only, so its count stands for all lines just where it is as high as that.

Source: InfluxDB 1.6.7 (tried), 2.7 documentation "Troubleshoot issues writing data", 3 Core
documentation "Use the v3 write_lp API", "Partial writes" (`data` with `line_number`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

_WORDS_MAX = 500
_PARTIAL = "partial write: "
_UNPARSED = "unable to parse '"
_DROPPED = re.compile(r" dropped=(\d+)\s*$")
_CONFLICT = re.compile(r'input field "(\w+)" on measurement "(\w+)" is type')
_RETENTION = "retention policy"


class Line(NamedTuple):
    """A line of a body: its point's place in what is written, its time in ns, its text."""

    place: int
    time: int
    text: str


class Refusal(msgspec.Struct, frozen=True):
    """What a server said of a body it has not, or not wholly, stored.

    Attributes:
        words: As it said them, never none.
        numbered: By row of the body from 0, its words on single lines.
    """

    words: str
    numbered: Mapping[int, str] = {}

    @property
    def is_of_lines(self) -> bool:
        """Whether it surely is about lines of the body, not about what asks or where it goes."""
        found = self.numbered or _UNPARSED in self.words or _DROPPED.search(self.words)
        return bool(found)


def read_refusal(answer: Any) -> Refusal | None:
    """Return the refusal in an answer's JSON, None where it is not one of InfluxDB's."""
    if not isinstance(answer, dict):
        return None
    words = str(answer.get("error") or answer.get("message") or "")
    data = answer.get("data")
    entries = data if isinstance(data, list) else [data]
    numbered = {
        entry["line_number"] - 1: str(entry.get("error_message", words))[:_WORDS_MAX]
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("line_number"), int)
    }
    return Refusal(words, numbered) if words else None


def sort_out(
    refusal: Refusal, part: Sequence[Line]
) -> tuple[list[tuple[Line, str]], list[Sequence[Line]]]:
    """Return what of a refused body is refused for good, with words, and the bodies to send now.

    Each of these has fewer lines than ``part``, so that asking ends.
    """
    named, told = _named(refusal.words), refusal.numbered
    reasons = [told.get(row) or named.get(line.text) for row, line in enumerate(part)]
    refused = [(line, why) for line, why in zip(part, reasons, strict=True) if why]
    rest = [line for line, why in zip(part, reasons, strict=True) if not why]
    found = _DROPPED.search(refusal.words)
    dropped = int(found[1]) if found else 0
    if refused:
        is_stored = _PARTIAL + _UNPARSED in refusal.words and len(refused) >= len(named)
        if not rest or is_stored:
            return refused, []
        return refused, [rest] if named else _halves(rest)
    if len(part) == 1 or dropped == len(part):
        return [(line, _reason(refusal.words)) for line in part], []
    suspected = _suspected(refusal.words, dropped, part)
    if 0 < len(suspected) < len(part):
        taken = {line.place for line in suspected}
        return [], [suspected, [line for line in part if line.place not in taken]]
    return [], _halves(part)


def _named(words: str) -> dict[str, str]:
    """Return the lines that could not be parsed, each with the reason, without what it says."""
    named = {}
    for said in _DROPPED.sub("", words).split("\n"):
        _, found, rest = said.partition(_UNPARSED)
        text, _, reason = rest.rpartition("': ")
        if found and text:
            named[text] = f"unable to parse: {reason}"[:_WORDS_MAX]
    return named


def _reason(words: str) -> str:
    """Return why, without how often."""
    return _DROPPED.sub("", words).replace(_PARTIAL, "")[:_WORDS_MAX]


def _suspected(words: str, dropped: int, part: Sequence[Line]) -> list[Line]:
    """Return the lines that the words seem to mean; may be all, none, or wrong."""
    conflict = _CONFLICT.search(words)
    if conflict:
        field, measurement = f"{conflict[1]}=", (f"{conflict[2]},", f"{conflict[2]} ")
        return [
            line
            for line in part
            if line.text.startswith(measurement)
            and (f" {field}" in line.text or f",{field}" in line.text)
        ]
    if _RETENTION in words:
        return sorted(part, key=lambda line: line.time)[:dropped]
    return []


def _halves(part: Sequence[Line]) -> list[Sequence[Line]]:
    """Return both halves by time: what a shard or a bound refuses comes together."""
    ordered = sorted(part, key=lambda line: line.time)
    half = len(ordered) // 2
    return [half for half in (ordered[:half], ordered[half:]) if half]
