"""What the machine gives: the data folder, its disk, and how many files may be open."""

import os
import resource
import shutil
import stat
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gatehouse.doctor.found import Found
from gatehouse.settings import Settings, SettingsError
from ingest.journal_room import GIB

SLOW_SYNC_MS = 50.0
"""Every acknowledgement waits for a sync: with this, 20 messages a second."""
SYNCS = 10
SYNCING_S = 2.0
"""No more syncs are tried after so many seconds."""
FILES = 1_024
"""256 terminals, brokers, a dozen databases and the console's visitors, and as many to spare."""
_MOUNTS = Path("/proc/mounts")
_SHARED = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph", "fuse.glusterfs")
_FORGETFUL = ("tmpfs", "ramfs")


def folder(settings: Settings) -> Iterator[Found]:
    """Make the data folder where it is missing; look at its rights, its room and its disk."""
    name, path = "data folder", settings.data_dir.absolute()
    try:
        settings.make_data_dir()
    except SettingsError as error:
        yield Found.wrong(name, str(error))
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    free, wanted = shutil.disk_usage(path).free / GIB, settings.journal.min_free_gib
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        said = f"{path} is open to others (mode {mode:o}): chmod -R go= {path}"
        yield Found.wrong(name, said)
    elif free < wanted:
        yield Found.wrong(
            name,
            f"its disk has {free:.2f} GiB left and [journal] min_free_gib leaves {wanted:g} to "
            "others, so nothing is taken in: free some",
        )
    else:
        yield Found.fine(name, f"{path}, {free:,.1f} GiB free")
    yield _disk(path)


def _disk(path: Path) -> Found:
    name, kind = "disk", _kind_of(path)
    if kind in _SHARED:
        said = f"{path} is on {kind}, over which SQLite keeps nothing safe: put it on a local disk"
        return Found.wrong(name, said)
    try:
        sync_ms = statistics.median(_syncs(path))
    except OSError as error:
        return Found.wrong(name, f"{path} cannot be written ({error.strerror}): see its disk")
    said = f"a sync takes {sync_ms:.1f} ms"
    if kind in _FORGETFUL:
        advice = "nothing acknowledged would survive a power cut: put it on a disk"
        return Found.doubtful(name, f"{path} is in memory ({kind}): {advice}")
    if sync_ms >= SLOW_SYNC_MS:
        advice = "and every acknowledgement waits for one: use a faster disk, or one of its own"
        return Found.doubtful(name, f"{said}, {advice}")
    return Found.fine(name, said)


def _syncs(path: Path) -> list[float]:
    """Return how long some small writes took to reach the disk, in milliseconds."""
    took: list[float] = []
    begun = time.perf_counter()
    with tempfile.TemporaryFile(dir=path) as file:
        while len(took) < SYNCS and time.perf_counter() - begun < SYNCING_S:
            file.write(bytes(4096))
            file.flush()
            before = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - before) * 1_000)
    return took


def _kind_of(path: Path) -> str:
    """Return the kind of file system a folder is on; "" where the system does not say."""
    try:
        mounts = [line.split() for line in _MOUNTS.read_text().splitlines()]
    except OSError:
        return ""
    real = path.resolve()
    on = [(len(at), kind) for _, at, kind, *_ in mounts if real.is_relative_to(at)]
    return max(on, default=(0, ""))[1]


def open_files(_: Settings) -> list[Found]:
    """Say whether as many files may be open as the service may need."""
    name, (soft, _hard) = "open files", resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FILES:
        return [Found.fine(name, "no limit" if soft < 0 else f"{soft:,} allowed")]
    advice = f"allow {FILES:,} (ulimit -n, LimitNOFILE= in a systemd unit)"
    return [Found.doubtful(name, f"{soft:,} allowed, and terminals take one each: {advice}")]
