"""What the pipeline process says of itself, and how old that is. Read only."""

from pathlib import Path

import msgspec
import structlog

from devices.clock import SECOND, wall_now
from ingest.books import Books
from ingest.follower import FollowerStatus
from ingest.journal_room import JournalStatus
from ingest.source import SourceStatus
from ingest.status import STALE_S, read_status

log = structlog.get_logger()
Number = int | float


class Progress(msgspec.Struct, frozen=True):
    """A long thing under way."""

    label: str
    done: int
    total: int


class Status(msgspec.Struct, frozen=True):
    """The content of ``status.json``; ``at`` is the community's time."""

    at: int
    version: str
    broker: str
    sources: tuple[SourceStatus, ...]
    journal: JournalStatus
    followers: dict[str, FollowerStatus]
    books: Books
    counters: dict[str, Number | dict[str, Number]] = {}
    pages: dict[str, Number] = {}
    progress: Progress | None = None


class Pipeline(msgspec.Struct, frozen=True):
    """The pipeline as seen from here.

    Attributes:
        status: Its last word; None when it never ran or cannot be read.
        age: Real milliseconds since then.
    """

    status: Status | None
    age: int = 0

    @property
    def is_alive(self) -> bool:
        """Whether it has told of itself just now."""
        return self.status is not None and self.age <= STALE_S * SECOND


def read_pipeline(data_dir: Path) -> Pipeline:
    """Read the pipeline's last word; one that cannot be read counts as none, and is logged."""
    try:
        found = read_status(data_dir)
        if found is None:
            return Pipeline(None)
        written_at = (data_dir / "status.json").stat().st_mtime_ns // 1_000_000
        status = msgspec.convert(found, Status)
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("status_unreadable", error=type(error).__name__)
        return Pipeline(None)
    return Pipeline(status, max(0, wall_now() - written_at))
