"""``journal.json``: the journal's random id, the number of its format, and a high-water mark.

The mark is set ahead of the positions given, a hundred thousand at a time: when the newest file
is lost, and with it the only record of how far it went, the next position lies beyond the mark.
"""

import os
import secrets
from pathlib import Path
from typing import Self

import msgspec

from ingest.journal_file import FORMAT, list_files, sync_folder

_NAME = "journal.json"


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
        JournalRefused: A newer Gatehouse wrote it, or the file is missing beside its positions.
    """
    path = folder / _NAME
    try:
        identity = msgspec.json.decode(path.read_bytes(), type=Identity)
    except FileNotFoundError:
        if list_files(folder):
            raise JournalRefused(
                f"{path} is missing beside the journal's files: restore it from the backup, "
                "or move the folder away to begin a new journal"
            ) from None
        return None
    except msgspec.DecodeError as error:
        raise JournalRefused(f"{path} is damaged ({error}): restore it from the backup") from error
    if identity.format > FORMAT:
        raise JournalRefused(
            f"{folder} was written by a newer Gatehouse (format {identity.format}, this one "
            f"knows {FORMAT}): upgrade, or give this one its own GATEHOUSE_DATA_DIR"
        )
    return identity


def write_identity(folder: Path, identity: Identity) -> None:
    """Replace the file; durable on return.

    Raises:
        OSError: The disk refuses; what stood there still stands.
    """
    path = folder / _NAME
    draft = path.with_suffix(".new")
    with draft.open("wb") as file:
        file.write(msgspec.json.encode(identity))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(folder)
