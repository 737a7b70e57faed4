"""Where readings came from whose payload named nobody: what it takes to move one to a person.

Kept beside the ring of a household, and of a person who lives alone, in the order of arrival, for
as many readings as the ring holds. 17 bytes each: checksums of the reading and of its device, the
scale, the journal position.
"""

import struct
from typing import NamedTuple

_ENTRY = struct.Struct(">IIBQ")


class Origin(NamedTuple):
    """One entry.

    Attributes:
        identity: The reading's checksum, as in the ring.
        device: Checksum of the device's id; see ``readings.identify``.
        scale: Body site and the site it was adjusted to; see ``baseline.scale``.
        position: Journal position of its message.
    """

    identity: int
    device: int
    scale: int
    position: int


def add(
    origins: bytes, identity: int, device: int, scale: int, position: int, *, entries: int
) -> bytes:
    """Return the origins with one more, the latest ``entries`` of them; see :class:`Origin`."""
    start = max(0, len(origins) - (entries - 1) * _ENTRY.size)
    entry = _ENTRY.pack(identity, device, scale, position)
    return b"".join((memoryview(origins)[start:], entry))


def by_identity(origins: bytes) -> dict[int, Origin]:
    """Return the origins by the reading they are of."""
    return {entry[0]: Origin(*entry) for entry in _ENTRY.iter_unpack(origins)}
