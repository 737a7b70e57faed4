"""The readings a fever is judged by, as bytes sorted by time of observation.

There is such a ring for each resident, household and checkpoint, a hundred thousand of them, so a
reading takes 15 bytes: milliseconds UTC, tenths of a degree, marks, and a checksum of its identity.
"""

import struct
from bisect import bisect_right
from typing import NamedTuple
from zlib import crc32

_ENTRY = struct.Struct(">qhBI")
_IDENTITY = struct.Struct(">I")
_IDENTITY_AT = _ENTRY.size - _IDENTITY.size


CONTACT = 1
"""Armpit, mouth or ear (or a rectal one that is a fever's)."""
CHECKPOINT = 2
UNTIMED = 4
"""It waited somewhere: evidence, but never part of an interval."""
LOW = 8
ASKS_AGAIN = 16
"""High enough for its instrument that the person has to be measured again."""
NEXT_PERSON = 32
"""No reading: whoever was measured before is gone."""
ELSEWHERE = 64
"""Somebody said that it is another's: kept to know a repeat, and judged no more."""
ATTRIBUTED = 128
"""Somebody said afterwards whose it is: evidence, but it never pages."""


class Reading(NamedTuple):
    """One entry of the ring; ``marks`` are those above, added up."""

    observed_at: int
    tenths: int
    marks: int
    identity: int

    @property
    def celsius(self) -> float:
        """The temperature, already rounded."""
        return self.tenths / 10


def identify(words: str) -> int:
    """Return a checksum of what makes a reading the same one when it is sent again."""
    return crc32(words.encode())


def insert(ring: bytes, reading: Reading, *, keep: int, entries: int) -> bytes:
    """Return the ring with a reading in its place.

    Args:
        ring: Entries sorted by time.
        reading: The new one; goes behind those of the same instant.
        keep: Entries older than the newest by more than this, in milliseconds, are dropped.
        entries: At most so many are kept, the newest.
    """
    entry, newest = _ENTRY.pack(*reading), reading.observed_at
    if ring and _time(ring, len(ring) - _ENTRY.size) > newest:
        times = [time for time, *_ in _ENTRY.iter_unpack(ring)]
        place = bisect_right(times, newest) * _ENTRY.size
        ring, entry, newest = ring[:place] + entry + ring[place:], b"", times[-1]
    start = max(0, len(ring) + len(entry) - entries * _ENTRY.size)
    while start < len(ring) and _time(ring, start) < newest - keep:
        start += _ENTRY.size
    return b"".join((memoryview(ring)[start:], entry))


def count(ring: bytes) -> int:
    """Return how many entries a ring has."""
    return len(ring) // _ENTRY.size


def every(ring: bytes) -> list[Reading]:
    """Return all entries, in order of time."""
    return [Reading(*entry) for entry in _ENTRY.iter_unpack(ring)]


def find(ring: bytes, identity: int) -> Reading | None:
    """Return the reading of an identity, or None."""
    place = _find(ring, identity)
    return Reading(*_ENTRY.unpack_from(ring, place)) if place >= 0 else None


def mark(ring: bytes, identity: int, marks: int) -> bytes:
    """Return the ring with other marks on the reading of an identity, which is in it."""
    place = _find(ring, identity)
    time, tenths, _, _ = _ENTRY.unpack_from(ring, place)
    entry = _ENTRY.pack(time, tenths, marks, identity)
    return ring[:place] + entry + ring[place + _ENTRY.size :]


def is_known(ring: bytes, reading: Reading, *, entries: int, is_event: bool) -> bool:
    """Return whether a reading is a repeat, or so old that nobody can tell any more.

    Args:
        ring: Entries sorted by time.
        reading: The one that may be a repeat.
        entries: As many are kept.
        is_event: Its identity is the device's own, so that it may come again with another time;
            else its time is part of it, and what is newer than every entry is new.
    """
    if not ring or (not is_event and _time(ring, len(ring) - _ENTRY.size) < reading.observed_at):
        return False
    if len(ring) >= entries * _ENTRY.size and reading.observed_at < _time(ring, 0):
        return True
    return _find(ring, reading.identity) >= 0


def ends_with(ring: bytes, mark: int, *, until: int) -> bool:
    """Return whether the last entry carries a mark and is no newer than an instant."""
    if not ring:
        return False
    time, _, marks, _ = _ENTRY.unpack_from(ring, len(ring) - _ENTRY.size)
    return bool(marks & mark) and time <= until


def around(ring: bytes, at: int, *, reach: int) -> list[Reading]:
    """Return the readings at most ``reach`` milliseconds from an instant, in order of time."""
    found: list[Reading] = []
    start = len(ring)
    while start and _time(ring, start - _ENTRY.size) >= at - reach:
        start -= _ENTRY.size
    for time, tenths, marks, identity in _ENTRY.iter_unpack(ring[start:]):
        if time > at + reach:
            break
        found.append(Reading(time, tenths, marks, identity))
    return found


def _find(ring: bytes, identity: int) -> int:
    """Return where the entry of an identity begins, -1 where there is none."""
    wanted = _IDENTITY.pack(identity)
    found = ring.find(wanted)
    while found >= 0:
        if found % _ENTRY.size == _IDENTITY_AT:
            return found - _IDENTITY_AT
        found = ring.find(wanted, found + 1)
    return -1


def _time(ring: bytes, place: int) -> int:
    time: int = _ENTRY.unpack_from(ring, place)[0]
    return time
