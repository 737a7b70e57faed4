"""Rebuilding the time series from the journal, and putting the embedded store in place.

What always holds
    The store in use is not touched while it is built anew, and neither are journal and ledger.
    How far it is, is noted behind what is written: cut off anywhere, it goes on there.
    The rebuilt file takes its place only when it holds everything up to the series follower's
    cursor, and while no service runs; so the service goes on where the rebuild ended. The file
    that was keeps its content under another name.
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from devices.clock import rfc3339
from devices.outcome import Outcome
from devices.registry_store import load as load_registry
from gatehouse.database import open_database
from gatehouse.failure import Failure
from gatehouse.parts import make_decoder, open_series
from gatehouse.settings import Settings
from ingest.batch_descriptions import BatchDescriptions
from ingest.decode_stage import decode_all
from ingest.description_store import NAME as DESCRIPTIONS
from ingest.description_store import DescriptionStore
from ingest.folder_lock import FolderLock, FolderLocked
from ingest.journal import LOCK
from ingest.journal_identity import read_identity
from ingest.ledger_file import NAME as LEDGER
from ingest.ledger_file import connect, read_cursor
from ingest.message import Message
from ingest.reading import END_OF_TIME
from ingest.rebuild import Account, Progress, Write, read_progress, rebuild, write_progress
from ingest.series_merge import InUse, adopt, take_place
from ingest.sqlite_series import SqliteStore

IN_USE, REBUILT, ASIDE = "series.db", "rebuilt.db", "series-before-rebuild.db"
NOTE, OWNER = "rebuild.json", "rebuild.lock"
_TOLD_EVERY_S = 2.0


class Rebuild:
    """One rebuild: with today's profiles and registry, from where an equal one was cut off."""

    def __init__(
        self, settings: Settings, *, to: str, anew: bool, tell: Callable[[str], None]
    ) -> None:
        """Look at what there is; change nothing.

        Args:
            settings: Of the service.
            to: Address of the store to write to; empty: a new embedded one.
            anew: Begin at the journal's first position.
            tell: Is told now and then how far it is.

        Raises:
            Failure: There is nothing to rebuild from.
        """
        self._settings, self._to, self._tell = settings, to, tell
        self._folder = settings.data_dir
        self._journal = self._folder / "journal"
        self._decoder, profiles = make_decoder(settings)
        database = open_database(settings)
        self._registry = load_registry(database)
        database.dispose()
        identity = read_identity(self._journal) if self._journal.is_dir() else None
        if identity is None or not (self._folder / LEDGER).exists():
            raise Failure(f"{self._journal} is not there: no Gatehouse has stored anything yet")
        wholly = [version("gatehouse"), *(profile.model_dump_json() for profile in profiles)]
        digest = hashlib.sha256("".join(wholly).encode()).hexdigest()
        self._progress = Progress(identity.id, digest, _named(to))
        found = read_progress(self._folder / NOTE)
        if found is not None and not anew and _is_same(found, self._progress):
            self._progress = found
        self._told_at = time.monotonic()

    def rehearse(self) -> Account:
        """Decode all that the journal covers, and write nothing."""
        _, account = self._decode(
            msgspec.structs.replace(self._progress, position=0), lambda _: [], note=False
        )
        return account

    def run(self) -> tuple[Account, str]:
        """Write; return what it came to, and what is to be done next in a sentence.

        Raises:
            Failure: Another rebuild is under way, or a file is in the way.
            StoreHeld: The store cannot take it now; a later run goes on from there.
        """
        try:
            owner = FolderLock(self._folder / OWNER)
        except FolderLocked as error:
            raise Failure(f"a rebuild is under way already (process {error.owner})") from error
        try:
            return self._into_other() if self._to else self._into_embedded()
        finally:
            owner.release()

    def _into_other(self) -> tuple[Account, str]:
        settings = self._settings.model_copy(update={"series_url": self._to})
        with closing(open_series(settings)) as store:
            store.check()
            self._progress, account = self._decode(self._progress, store.write, note=True)
        if self._progress.target == _named(self._settings.series_url or ""):
            return account, "done; points that today's profiles no longer give have stayed"
        return account, (
            f"what was observed before {self._covered()} is in the other store only: "
            "`gatehouse series export --until` it and load it here; then set GATEHOUSE_SERIES_URL, "
            "start the service again, and run this again: it writes what came since"
        )

    def _into_embedded(self) -> tuple[Account, str]:
        aside = self._folder / ASIDE
        if aside.exists():
            raise Failure(f"{aside} is of an earlier rebuild: move it away, or delete it")
        service = self._keep_stopped()
        try:
            account = self._build()
            if service is None:
                return account, (
                    f"built up to position {self._progress.position}; a service runs, so it is not "
                    "in use yet: stop the service and run the same again, then start it"
                )
            self._put_in_place()
        finally:
            if service is not None:
                service.release()
        return account, f"in use from the next start on; the file that was is {aside.name}"

    def _keep_stopped(self) -> FolderLock | None:
        """Keep a service from starting; None: one runs."""
        try:
            return FolderLock(self._journal / LOCK)
        except FolderLocked:
            return None

    def _build(self) -> Account:
        path = self._folder / REBUILT
        if not path.exists() or not self._progress.position:
            _delete(path)
            self._progress = msgspec.structs.replace(self._progress, position=0, covered_from=0)
            self._expect_room()
        with closing(SqliteStore(path)) as store:
            store.check()
            self._progress, account = self._decode(self._progress, store.write, note=True)
        return account

    def _expect_room(self) -> None:
        with suppress(FileNotFoundError):
            size = (self._folder / IN_USE).stat().st_size
            if shutil.disk_usage(self._folder).free < size:
                raise Failure(f"{self._folder} has no room for a second {IN_USE}: free some")

    def _put_in_place(self) -> None:
        old, new = self._folder / IN_USE, self._folder / REBUILT
        try:
            added = 0
            if old.exists():
                for rows in adopt(old, new, before=self._progress.covered_from):
                    added += rows
                    self._say(f"{added:,} rows taken over from before {self._covered()}")
            take_place(old, new, aside=self._folder / ASIDE)
        except InUse as error:
            raise Failure(str(error)) from error
        (self._folder / NOTE).unlink()

    def _decode(self, progress: Progress, write: Write, *, note: bool) -> tuple[Progress, Account]:
        """Decode what lies between the progress and the series follower's cursor."""
        with closing(connect(self._folder / LEDGER, read_only=True)) as ledger:
            journal, until = read_cursor(ledger) or (progress.journal, 0)
        if journal != progress.journal:
            raise Failure("the ledger belongs to another journal: restore both from one backup")

        store = DescriptionStore.copy(self._folder / DESCRIPTIONS)

        def decode(positions: Sequence[int], messages: Sequence[Message]) -> list[Outcome]:
            descriptions = BatchDescriptions(store, positions)
            outcomes = decode_all(messages, self._decoder, self._registry, descriptions)
            descriptions.keep(self._registry.devices)
            return outcomes

        def kept(now: Progress, account: Account) -> None:
            if note:
                write_progress(self._folder / NOTE, now)
            self._say(f"position {now.position:,} of {until:,}, {account.messages:,} messages")

        with closing(store):
            return rebuild(
                self._journal,
                progress,
                until=until,
                decode=decode,
                registry=self._registry,
                write=write,
                kept=kept,
            )

    def _covered(self) -> str:
        at = self._progress.covered_from
        return "now" if at >= END_OF_TIME else rfc3339(at)

    def _say(self, sentence: str) -> None:
        if time.monotonic() - self._told_at > _TOLD_EVERY_S:
            self._told_at = time.monotonic()
            self._tell(sentence)


def _named(address: str) -> str:
    """Return an address without what is secret in it."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _is_same(found: Progress, wanted: Progress) -> bool:
    names = ("journal", "profiles", "target")
    return all(getattr(found, name) == getattr(wanted, name) for name in names)


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
