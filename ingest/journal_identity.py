"""``journal.json``: the journal's random id, the number of its format, and a high-water mark.

The mark is set ahead of the positions given, a hundred thousand at a time: when the newest file
is lost, and with it the only record of how far it went, the next position lies beyond the mark.
There are two copies, the second written first: while one can be read, no start fails.
"""

import os
import secrets
from pathlib import Path
from typing import Self

import msgspec

from ingest.journal_file import FORMAT, list_files, sync_folder

_NAME = "journal.json"
_COPY = "journal.copy.json"


class JournalError(Exception):
    """What is wrong with the journal, or with a cursor in it, as a sentence."""


class JournalRefused(JournalError):
    """The journal cannot be used, and waiting does not help; the sentence says what to do."""


class Identity(msgspec.Struct, frozen=True):
    """Which journal this is.

    Attributes:
        id: What a cursor names, so that it is never taken for a position in another journal.
        format: Of the files.
        reserved: No position beyond it has been given.
    """

    id: str
    format: int
    reserved: int = 0

    @classmethod
    def new(cls) -> Self:
        """Return the identity of a new journal."""
        return cls(secrets.token_hex(16), FORMAT)


def read_identity(folder: Path) -> Identity | None:
    """Return the identity of the journal in a folder; None: there is no journal.

    Raises:
        JournalRefused: A newer Gatehouse wrote it, or both copies are damaged or missing beside
            their positions.
    """
    identity = _read(folder / _NAME) or _read(folder / _COPY)
    if identity is None:
        if list_files(folder):
            raise JournalRefused(
                f"{folder / _NAME} is missing or damaged, and so is its copy: restore one from the "
                "backup, or move the folder away to begin a new journal"
            )
        return None
    if identity.format > FORMAT:
        raise JournalRefused(
            f"{folder} was written by a newer Gatehouse (format {identity.format}, this one "
            f"knows {FORMAT}): upgrade, or give this one its own GATEHOUSE_DATA_DIR"
        )
    return identity


def is_whole(folder: Path) -> bool:
    """Return whether both copies can be read."""
    return all(_read(folder / name) for name in (_NAME, _COPY))


def write_identity(folder: Path, identity: Identity) -> None:
    """Replace both copies; durable on return.

    Raises:
        OSError: The disk refuses; of each copy stands what stood there, or the new one.
    """
    for name in (_COPY, _NAME):
        draft = folder / f"{name}.new"
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(identity))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / name)
    sync_folder(folder)


def _read(path: Path) -> Identity | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Identity)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
