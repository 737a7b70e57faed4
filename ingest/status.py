"""``status.json``: what the pipeline process tells the console, the demo's screen and doctor.

Replaced whole once a second, readable only by its owner. A file older than :data:`STALE_S` means
that the pipeline is not running, or hangs.
"""

import os
from pathlib import Path
from typing import Any

import msgspec

STALE_S = 10.0
_NAME = "status.json"


def write_status(data_dir: Path, status: dict[str, Any]) -> None:
    """Replace the file."""
    draft = data_dir / f".{_NAME}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(status))
    draft.replace(data_dir / _NAME)


def read_status(data_dir: Path) -> dict[str, Any] | None:
    """Return the last status, or None where no service has run."""
    try:
        content = (data_dir / _NAME).read_bytes()
    except FileNotFoundError:
        return None
    status: dict[str, Any] = msgspec.json.decode(content)
    return status
