"""``journal.json``: the journal's random id, the number of its format, and a high-water mark.

The mark is set ahead of the positions given, a hundred thousand at a time: when the newest file
is lost, and with it the only record of how far it went, the next position lies beyond the mark.
There are two copies, each with a CRC-32 of its other fields, the second written first: while one
is sound, no start fails, and none is made with an id or a mark that a disk has made up.
A copy without a CRC-32 is of a Gatehouse that wrote none, and is taken where neither has one that
is right. That one passes over fields it does not know, so the number of the format has stayed.
"""

import secrets
import zlib
from pathlib import Path
from typing import Any, Self

import msgspec

from ingest.journal_file import FORMAT, list_files, sync_folder
from ingest.private_file import replace_private

_NAME = "journal.json"
_COPY = "journal.copy.json"
_CHECKSUM = "crc32"
_FORMAT_WITHOUT_CHECKSUM = 1
"""Whoever writes a later format writes a checksum: without one, such a number is damage."""


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
    copies = [_read(folder / name) for name in (_NAME, _COPY)]
    sound = [identity for identity, is_checked in copies if identity and is_checked]
    found = sound or [identity for identity, _ in copies if identity]
    if not found:
        if list_files(folder):
            raise JournalRefused(
                f"{folder / _NAME} is missing or damaged, and so is its copy: restore one from the "
                "backup, or move the folder away to begin a new journal"
            )
        return None
    identity = max(found, key=lambda one: (one.format, one.reserved))
    if identity.format > FORMAT:
        raise JournalRefused(
            f"{folder} was written by a newer Gatehouse (format {identity.format}, this one "
            f"knows {FORMAT}): upgrade, or give this one its own GATEHOUSE_DATA_DIR"
        )
    return identity


def is_whole(folder: Path) -> bool:
    """Return whether both copies are sound and say the same."""
    first, second = (_read(folder / name) for name in (_NAME, _COPY))
    return first == second and first[1]


def write_identity(folder: Path, identity: Identity) -> None:
    """Replace both copies; durable on return.

    Raises:
        OSError: The disk refuses; of each copy stands what stood there, or the new one.
    """
    fields = msgspec.to_builtins(identity)
    content = msgspec.json.encode({**fields, _CHECKSUM: _checksum(fields)})
    for name in (_COPY, _NAME):
        replace_private(folder / name, content, synced=True)
    sync_folder(folder)


def _read(path: Path) -> tuple[Identity | None, bool]:
    """Return what a copy says, None where it is missing or damaged, and whether a CRC-32 is right.

    The checksum is of all other fields, those too that only a newer Gatehouse knows.
    """
    try:
        fields = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        identity = msgspec.convert(fields, Identity)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, False
    if _CHECKSUM in fields:
        is_right = fields.pop(_CHECKSUM) == _checksum(fields)
        return (identity, True) if is_right else (None, False)
    return (identity if identity.format == _FORMAT_WITHOUT_CHECKSUM else None), False


def _checksum(fields: dict[str, Any]) -> int:
    return zlib.crc32(msgspec.json.encode(fields, order="sorted"))
