"""What the pipeline process says of itself, and how old that is. Read only."""

from pathlib import Path

import msgspec

from devices.clock import SECOND, wall_now
from devices.outage import Outage
from ingest.status import STALE_S, ServiceStatus, read_status

_outage = Outage("status")


class Word(msgspec.Struct, frozen=True):
    """The pipeline's last word.

    Attributes:
        status: None when it never ran here, or what it wrote cannot be read.
        age: Real milliseconds since it was said.
    """

    status: ServiceStatus | None
    age: int = 0

    @property
    def is_fresh(self) -> bool:
        """Whether the pipeline has told of itself just now."""
        return self.status is not None and self.age <= STALE_S * SECOND


def hear_pipeline(data_dir: Path) -> Word:
    """Return the pipeline's last word; one that cannot be read counts as none, and is logged."""
    try:
        status = read_status(data_dir)
    except (OSError, msgspec.MsgspecError) as error:
        _outage.begin(str(error))
        return Word(None)
    _outage.end()
    return Word(status, max(0, wall_now() - status.wall_at) if status is not None else 0)
