"""Files that only their owner may read, whatever the process's umask is."""

import os
import sqlite3
from pathlib import Path


def make_private(path: Path) -> None:
    """Make a database's file for its owner only, where it is missing, before SQLite does.

    SQLite gives the same rights to the log and the index that it puts beside it. A file that is
    there keeps its rights, and is not opened: closing it would let go of this process's locks.

    Raises:
        sqlite3.OperationalError: It cannot be made.
    """
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        return
    except OSError as error:
        raise sqlite3.OperationalError(
            f"unable to open database file: {error.strerror or error}"
        ) from error


def replace_private(path: Path, content: bytes, *, synced: bool = False) -> None:
    """Replace a file as a whole.

    Args:
        path: The file; a draft lies beside it meanwhile.
        content: What it is to say.
        synced: Whether that is on disk before the name is changed.

    Raises:
        OSError: The disk refuses; there stands what stood there.
    """
    draft = path.with_name(f"{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        if synced:
            file.flush()
            os.fsync(descriptor)
    draft.replace(path)
