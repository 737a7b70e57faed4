"""What the fever rule keeps of a key, as it is stored."""

import msgspec

from alerts.rules.fever_episode import Episode
from alerts.rules.readings import Reading
from devices.clock import DAY

ENTRIES = 512
"""Readings kept of a key: an hour and a half of a thermometer that speaks every ten seconds."""
KEEP = 7 * DAY
"""No device's time is believed beyond this, so an older repeat cannot come."""
WAITS = 32


class Wait(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A high infrared reading that waits for a recheck, and how old it was on arrival."""

    reading: Reading
    device_id: str
    position: int
    due: int
    age: int


class FeverState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the next reading of a key is judged with.

    Attributes:
        ring: The readings; see ``readings``.
        baseline: What is usual for a person; see ``baseline``.
        waits: High infrared readings that wait for a recheck.
        episodes: The incidents as the rule remembers them.
        origins: Of the readings whose payload named nobody; see ``origin``.
    """

    ring: bytes = b""
    baseline: bytes = b""
    waits: tuple[Wait, ...] = ()
    episodes: tuple[Episode, ...] = ()
    origins: bytes = b""
