"""The broker's password and ACL file: written whole from the registry, and read again by it.

The registry is the truth. Each file is replaced as a whole and synced; one writer at a time reads
the registry and writes both, so that nobody puts an older state back. A crash leaves each file old
or new, never half: a device that stands in only one of them can do nothing. The next write mends
it, and ``gatehouse doctor`` tells of it.
"""

import fcntl
import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from devices.broker_file import (
    BrokerFileError,
    Grant,
    acl_part,
    check_acl_file,
    check_password_file,
    password_part,
    replace_part,
    user_name,
)
from devices.broker_rights import BrokerRights, speakers
from devices.clock import Clock
from devices.credential import read_broker_hashes
from devices.standing import read_devices, read_standing
from gatehouse.enrolment_settings import EnrolmentSettings

LOCK = "broker_access.lock"
"""In the data folder."""
_LOCK_S = 30.0
_RELOAD_S = 30.0
_MAX_BYTES = 64 * 1024 * 1024
_PROC = Path("/proc")


class BrokerAccessError(Exception):
    """The broker's files, or the broker, cannot be brought up to date; says what to do."""


class Parts(NamedTuple):
    """Our parts of both files, and the users in them."""

    passwords: bytes
    acl: bytes
    users: frozenset[str]


def make_parts(connection: Connection, rights: BrokerRights, *, now: int) -> Parts:
    """Return what the registry says that our parts should be.

    A device that stands nowhere any more gives its gateway no rights.

    Args:
        connection: On the state database.
        rights: Of the families.
        now: Milliseconds UTC.
    """
    hashes = read_broker_hashes(connection)
    devices, standing = read_devices(connection), read_standing(connection, now=now)
    behind = speakers(devices)
    passwords, grants = dict[str, str](), dict[str, Grant]()
    for device, kept in hashes.items():
        children = (one for one in behind.get(device, ()) if one.id in standing)
        granted = rights.of(devices[device], children)
        passwords[user_name(device)] = kept
        grants[user_name(device)] = Grant(granted.write, granted.read)
    return Parts(password_part(passwords), acl_part(grants), frozenset(passwords))


class BrokerAccess:
    """The files that the settings name.

    Args:
        settings: With both files.
        data_dir: For the lock.
        rights: Say which topics are whose.
        clock: Says what is now.
    """

    def __init__(
        self, settings: EnrolmentSettings, data_dir: Path, rights: BrokerRights, clock: Clock
    ) -> None:
        if settings.password_file is None or settings.acl_file is None:
            raise ValueError("no files are named")
        self._settings = settings
        self._passwords = settings.password_file.resolve()
        self._acl = settings.acl_file.resolve()
        self._lock = data_dir / LOCK
        self._rights = rights
        self._clock = clock

    def rehearse(self, connection: Connection) -> None:
        """Refuse what could not be written, before a change of the registry is committed.

        Raises:
            BrokerAccessError: A file cannot be read or replaced, or is not as it should be.
        """
        for path in (self._passwords, self._acl):
            if not os.access(path.parent, os.W_OK | os.X_OK):
                raise BrokerAccessError(
                    f"{path.parent}: files in it cannot be replaced: give the folder to this user"
                )
        self._differing(connection)

    def write(self, engine: Engine, *, is_always_told: bool = True) -> str:
        """Bring both files to what the registry says, and have the broker read them again.

        Args:
            engine: Of the state database.
            is_always_told: The broker is told also where nothing has changed: who wrote the files
                may have been killed before telling it.

        Returns:
            What was done, and where nothing tells the broker, what to do.

        Raises:
            BrokerAccessError: A file was not written, or the broker could not be told.
        """
        with self._alone():
            with engine.connect() as connection:
                changed = self._differing(connection)
            for path, content in changed.items():
                _replace(path, content)
        if not changed and not is_always_told:
            return "the broker's files are as they should be"
        return f"the broker's files are written; {self._tell()}"

    def differing(self, connection: Connection) -> list[Path]:
        """Return the files that are not what the registry says.

        Raises:
            BrokerAccessError: One cannot be read, or is not as it should be.
        """
        return list(self._differing(connection))

    def _differing(self, connection: Connection) -> dict[Path, bytes]:
        """Return what the files should say that do not: our part anew, the rest as it is."""
        parts = make_parts(connection, self._rights, now=self._clock.now())
        said = {path: _read(path) for path in (self._passwords, self._acl)}
        path = self._passwords
        try:
            check_password_file(said[path], parts.users)
            path = self._acl
            check_acl_file(said[path])
        except BrokerFileError as error:
            raise BrokerAccessError(f"{path}, {error}") from error
        wanted = {self._passwords: parts.passwords, self._acl: parts.acl}
        whole = {path: replace_part(said[path], part) for path, part in wanted.items()}
        return {path: content for path, content in whole.items() if content != said[path]}

    def _tell(self) -> str:
        """Have the broker read its files again; return what was done."""
        if self._settings.pid_file is not None:
            return _signal(self._settings.pid_file)
        if self._settings.reload_command is None:
            return (
                "now let the broker read its files again (systemctl reload mosquitto), or name "
                "pid_file or reload_command in [enrolment]"
            )
        if not self._settings.reload_command:
            return "the broker watches its files"
        return _run(self._settings.reload_command)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait for the turn to read the registry and write the files."""
        deadline = time.monotonic() + _LOCK_S
        with self._lock.open("ab") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > deadline:
                        raise BrokerAccessError(
                            f"{self._lock} has been held for {_LOCK_S:g} s by another command: see "
                            "whether one hangs, then `gatehouse credentials write`"
                        ) from error
                    time.sleep(0.05)
            yield


def _read(path: Path) -> bytes:
    """Return a file's content; a file that is not there is empty."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise BrokerAccessError(
            f"{path}: {error.strerror}: let this user read and replace it"
        ) from error
    if len(content) > _MAX_BYTES:
        raise BrokerAccessError(f"{path} is larger than {_MAX_BYTES >> 20} MiB: is it the file?")
    return content


def _replace(path: Path, content: bytes) -> None:
    """Replace a file as a whole, keeping its owner and group, open to nobody else."""
    draft = path.with_name(f"{path.name}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            if path.exists():
                was = path.stat()
                os.fchown(descriptor, was.st_uid, was.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(was.st_mode) & 0o640 | 0o600)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise BrokerAccessError(
            f"{path} was not written: {error.strerror}: let this user replace it with the owner "
            "and group that it has, then `gatehouse credentials write`"
        ) from error


def _signal(pid_file: Path) -> str:
    """Send SIGHUP to the process that a file names, if it is a broker."""
    again = "then `gatehouse credentials write`"
    try:
        pid = int(pid_file.read_text(encoding="ascii")[:20])
        name = (_PROC / str(pid) / "comm").read_text().strip() if _PROC.is_dir() else "mosquitto"
        if "mosquitto" not in name:
            raise BrokerAccessError(
                f"the files are written, but {pid_file} names process {pid}, which is {name!r} and "
                f"no mosquitto: correct it, {again}"
            )
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it holds no process id"
        raise BrokerAccessError(
            f"the files are written, but the broker was not told ({pid_file}: {why}): see whether "
            f"it runs, {again}"
        ) from error
    return "the broker was told (SIGHUP)"


def _run(command: tuple[str, ...]) -> str:
    """Run the command that makes the broker read its files again."""
    again = "mend it, then `gatehouse credentials write`"
    try:
        done = subprocess.run(command, capture_output=True, timeout=_RELOAD_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        why = getattr(error, "strerror", None) or f"not done within {_RELOAD_S:g} s"
        raise BrokerAccessError(
            f"the files are written, but {command[0]} could not tell the broker: {why}: {again}"
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0][:200]
        raise BrokerAccessError(
            f"the files are written, but {command[0]} ended with {done.returncode}: {said}; {again}"
        )
    return f"the broker was told ({command[0]})"
