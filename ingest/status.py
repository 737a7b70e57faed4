"""``status.json``: what the pipeline process tells the console, the demo's screen and doctor.

Replaced whole once a second, readable only by its owner. A file older than :data:`STALE_S` means
that the pipeline is not running, or hangs.
"""

from contextlib import suppress
from pathlib import Path

import msgspec

from ingest.books import Books
from ingest.durations import Durations
from ingest.journal_room import free_bytes
from ingest.letter_file import DAMAGED
from ingest.pipeline import PipelineStatus
from ingest.private_file import replace_private

STALE_S = 10.0
_NAME = "status.json"


class DiskStatus(msgspec.Struct, frozen=True):
    """The data folder's disk.

    Attributes:
        free_bytes: What is left for us.
        wanted_bytes: What the journal leaves to others; with less, nothing is taken in.
        files: What each database in the folder takes, by its name, like "ledger"; bytes.
        damaged: Names of databases that were damaged and set aside, in order.
    """

    free_bytes: int
    wanted_bytes: int
    files: dict[str, int]
    damaged: tuple[str, ...] = ()


class PollStatus(msgspec.Struct, frozen=True):
    """How many questions to devices that only answer were due since the start, and were asked."""

    due: int
    asked: int


class ConsoleStatus(msgspec.Struct, frozen=True):
    """The console's process.

    Attributes:
        problem: Why people cannot use it, a sentence; "" if they can, or it has just been started.
        starts: How often it was started.
    """

    problem: str
    starts: int


class ServiceStatus(msgspec.Struct, frozen=True):
    """The service at one moment.

    Attributes:
        at: The community's time; milliseconds UTC.
        wall_at: Real time; milliseconds UTC.
        version: Of the program.
        pipeline: From the sockets to the followers.
        books: Where every received message is.
        judged: The alerts follower's own books, by name.
        lost_told: How many of the lost positions the operator has been told of.
        durations: How long writes took, by where to: "store", "ledger".
        ticks: Of a clock that nobody sets; milliseconds.
        disk, polls, console: As each says.
    """

    at: int
    wall_at: int
    version: str
    pipeline: PipelineStatus
    books: Books
    judged: dict[str, int]
    lost_told: int = 0
    durations: dict[str, Durations] = {}
    ticks: int = 0
    disk: DiskStatus = DiskStatus(0, 0, {})
    polls: PollStatus = PollStatus(0, 0)
    console: ConsoleStatus = ConsoleStatus("", 0)


def look_at_disk(data_dir: Path, *, wanted_bytes: int) -> DiskStatus:
    """Ask what is left of the disk, what the databases take, and which were set aside."""
    files: dict[str, int] = {}
    for path in data_dir.glob("*.db*"):  # With the write-ahead log and its index.
        with suppress(FileNotFoundError):
            name = path.name.partition(".")[0]
            files[name] = files.get(name, 0) + path.stat().st_size
    set_aside = (path.name for path in data_dir.glob(f"*.db{DAMAGED}*"))
    damaged = tuple(sorted(name for name in set_aside if not name.endswith(("-wal", "-shm"))))
    return DiskStatus(free_bytes(data_dir), wanted_bytes, files, damaged)


def write_status(data_dir: Path, status: ServiceStatus) -> None:
    """Replace the file."""
    replace_private(data_dir / _NAME, msgspec.json.encode(status))


def read_status(data_dir: Path) -> ServiceStatus | None:
    """Return the last status, or None where no service has run.

    Raises:
        OSError: It cannot be read.
        msgspec.DecodeError: It is damaged, or another version of the program wrote it.
    """
    try:
        content = (data_dir / _NAME).read_bytes()
    except FileNotFoundError:
        return None
    return msgspec.json.decode(content, type=ServiceStatus)
