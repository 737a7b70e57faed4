"""One owner for a folder: an advisory lock that the kernel lets go when its process ends."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path


class FolderLocked(Exception):
    """Another process owns the folder; ``owner`` is its process id, where it could be read."""

    def __init__(self, path: Path, owner: str) -> None:
        super().__init__(f"{path.parent} is in use by process {owner or 'unknown'}")
        self.owner = owner


class FolderLock:
    """Held from construction to :meth:`release`."""

    def __init__(self, path: Path) -> None:
        """Take the lock at once or not at all.

        Raises:
            FolderLocked: Somebody else holds it.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise FolderLocked(path, owner) from error
        with suppress(OSError):  # On a full disk the lock holds without the owner's name.
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let it go; a second time does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def is_locked(path: Path) -> bool:
    """Return whether a process owns the folder of this lock file; takes nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
