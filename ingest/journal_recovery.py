"""What a journal's folder holds at a start, whatever was done to it.

Of each file the last row's time is read, of the newest its last row: a start costs the same
whether much or little waits. A file that cannot be read is renamed ``….damaged`` and passed over.
"""

from itertools import pairwise
from pathlib import Path

import msgspec
import structlog

from devices.clock import SECOND
from ingest.journal_file import FileDamaged, JournalFile, list_files
from ingest.journal_room import Part

log = structlog.get_logger()


class Recovered(msgspec.Struct, frozen=True):
    """What can be gone on with.

    Attributes:
        parts: In order; the last is the one to be written.
        head: The last position given, or one that none given is beyond.
    """

    parts: tuple[Part, ...]
    head: int


def recover(folder: Path, *, reserved: int, now: float) -> Recovered:
    """Look into a folder; the caller owns it.

    Args:
        folder: The journal's.
        reserved: The mark that no given position is beyond.
        now: Of the clock that nobody sets, seconds.

    Raises:
        sqlite3.OperationalError: The disk is full or refuses.
    """
    files = list_files(folder)
    parts, arrivals, damaged = [], [], []
    for file in files:
        try:
            if file is files[-1]:
                file.open_writer().close()  # SQLite mends what a crash left.
            arrival = file.last_arrival()
            parts.append(Part.found(file, newest=file is files[-1]))
            arrivals.append(arrival)
        except FileDamaged as error:
            damaged.append((file, error))
    for part, arrival in zip(parts, arrivals, strict=True):  # As far as arrivals tell.
        part.begun_at = part.written_at = now - max(0, arrivals[-1] - arrival) / SECOND
    if parts and parts[-1].file is files[-1] and not parts[-1].torn:
        head = parts[-1].last
    else:
        head = max(reserved, *(file.base for file in files), 0)
        parts.append(Part(JournalFile(folder, head + 1), now))
    for part, following in pairwise(parts):
        part.last = following.base - 1
    for file, damage in damaged:
        set_aside(file, damage)
    return Recovered(tuple(parts), head)


def set_aside(file: JournalFile, damage: FileDamaged) -> None:
    """Rename a file out of the journal, for a person to look at, and say so."""
    target = file.set_aside()
    log.error("journal_file_set_aside", file=target.name, first=file.base, problem=str(damage))
