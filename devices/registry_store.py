"""The registry in SQL: read into a snapshot, shared by everybody who looks things up.

Whoever changes a registry table calls :func:`bump` in the same transaction and names what changed.
A snapshot never sees half of a change, and follows by reading what was named since. Where that is
not known any more, or was not said, it is read whole beside the one in use.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import structlog
from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import OperationalError

from devices.outage import Outage
from devices.registry import Registry
from devices.registry_reader import read_all, read_changed
from devices.tables import registry_change, registry_version

CHECK_EVERY_S = 0.5
"""A change is to be seen within a second, reading it included."""
KEPT_CHANGES = 5_000
"""Read one by one they take a tenth of the time of everything."""
_ONLY_ROW = 1

log = structlog.get_logger()


def version(engine: Engine) -> int:
    """Return the number of the registry's last change; 0 before the first."""
    with engine.connect() as connection:
        return _state(connection)[0]


def bump(connection: Connection, changes: Iterable[tuple[str, str]] | None = None) -> None:
    """Tell every snapshot what changed, when this transaction commits.

    Args:
        connection: In the transaction of the change.
        changes: A table's name and the key of the thing whose rows changed, as
            :func:`devices.registry_reader.change_key` gives it; None if not known.
    """
    present = _raise_version(connection)
    named = None if changes is None else set(changes)
    if named is None or len(named) > KEPT_CHANGES:
        _forget_changes(connection, up_to=present)
        return
    if named:
        rows = [{"version": present, "kind": kind, "key": key} for kind, key in named]
        connection.execute(insert(registry_change), rows)
    column = registry_change.c.version
    oldest = select(column).order_by(column.desc()).offset(KEPT_CHANGES).limit(1)
    too_old = connection.execute(oldest).scalar()
    if too_old is not None:
        _forget_changes(connection, up_to=too_old)


def load(engine: Engine) -> Registry:
    """Read the whole registry as one consistent snapshot."""
    with _consistent(engine) as connection:
        return read(connection)


def read(connection: Connection) -> Registry:
    """Read the whole registry as one transaction sees it, with what it has changed itself."""
    return read_all(connection, Registry(), version=_state(connection)[0])


class RegistryCache:
    """The present snapshot, for any thread, following the registry once its version has changed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._registry = load(engine)
        self._check_at = time.monotonic() + CHECK_EVERY_S
        self._checking = threading.Lock()
        self._outage = Outage("registry")
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="registry")
        self._loading: Future[Registry] | None = None

    def current(self) -> Registry:
        """Return the snapshot; at most twice a second one caller looks whether it is the latest.

        While the database does not answer, or everything is read anew, the snapshot stays the one
        that was read last.
        """
        if time.monotonic() >= self._check_at and self._checking.acquire(blocking=False):
            try:
                self._check()
            finally:
                self._checking.release()
        return self._registry

    def refresh(self) -> None:
        """Look now whether the snapshot is the latest: for what follows from a change of it."""
        with self._checking:
            self._check()
            if self._loading is not None:
                self._loading.exception()
                self._check()

    def _check(self) -> None:
        self._check_at = time.monotonic() + CHECK_EVERY_S
        try:
            self._follow()
        except OperationalError as error:
            self._outage.begin(type(error.orig).__name__)
        else:
            self._outage.end()

    def _follow(self) -> None:
        if self._loading is not None:
            if not self._loading.done():
                return
            loaded, self._loading = self._loading, None
            self._registry = loaded.result()
            log.info("registry_loaded", version=self._registry.version)
        with _consistent(self._engine) as connection:
            present, changes_after = _state(connection)
            base = self._registry
            if present == base.version:
                return
            if changes_after <= base.version < present:
                changes = _changes(connection, after=base.version)
                self._registry = read_changed(connection, base, changes, version=present)
                changed = sum(map(len, changes.values()))
                log.info("registry_followed", version=present, changed=changed)
                return
        self._loading = self._loader.submit(self._load, base)

    def _load(self, base: Registry) -> Registry:
        with _consistent(self._engine) as connection:
            return read_all(connection, base, version=_state(connection)[0])


@contextmanager
def _consistent(engine: Engine) -> Iterator[Connection]:
    """Open a transaction all of whose reads see one state."""
    # SQLite's readers see one snapshot anyway; PostgreSQL's default is one for each statement.
    postgresql = engine.dialect.name == "postgresql"
    options = {"isolation_level": "REPEATABLE READ"} if postgresql else {}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


def _state(connection: Connection) -> tuple[int, int]:
    """Return the version, and after which one all changes are kept."""
    columns = registry_version.c
    row = connection.execute(select(columns.version, columns.changes_after)).first()
    return (0, 0) if row is None else (row.version, row.changes_after)


def _changes(connection: Connection, *, after: int) -> dict[str, set[str]]:
    columns = registry_change.c
    changes: dict[str, set[str]] = {}
    for kind, key in connection.execute(
        select(columns.kind, columns.key).where(columns.version > after)
    ):
        changes.setdefault(kind, set()).add(key)
    return changes


def _raise_version(connection: Connection) -> int:
    """Count the version up and return it; who does so at the same time waits for the commit."""
    raised = (
        update(registry_version)
        .where(registry_version.c.id == _ONLY_ROW)
        .values(version=registry_version.c.version + 1)
        .returning(registry_version.c.version)
    )
    present: int | None = connection.execute(raised).scalar()
    if present is not None:
        return present
    connection.execute(insert(registry_version).values(id=_ONLY_ROW, version=1))
    return 1


def _forget_changes(connection: Connection, *, up_to: int) -> None:
    connection.execute(delete(registry_change).where(registry_change.c.version <= up_to))
    connection.execute(update(registry_version).values(changes_after=up_to))
