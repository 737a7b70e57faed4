"""``status.json``: what the pipeline process tells the console, the demo's screen and doctor.

Replaced whole once a second, readable only by its owner. A file older than :data:`STALE_S` means
that the pipeline is not running, or hangs.
"""

import os
from pathlib import Path

import msgspec

from ingest.books import Books
from ingest.pipeline import PipelineStatus

STALE_S = 10.0
_NAME = "status.json"


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
    """

    at: int
    wall_at: int
    version: str
    pipeline: PipelineStatus
    books: Books
    judged: dict[str, int]
    lost_told: int = 0


def write_status(data_dir: Path, status: ServiceStatus) -> None:
    """Replace the file."""
    draft = data_dir / f".{_NAME}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(status))
    draft.replace(data_dir / _NAME)


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
