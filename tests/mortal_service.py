"""The service in a child process that is killed at a commit point, the moment before or after it.

Functions of the program are wrapped in the child only; the kill is a real SIGKILL of a process
with all its threads. The children are forked from one that has imported everything already.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from typing import Any, NamedTuple

from sqlalchemy.engine.default import DefaultDialect

from alerts import claim, incident
from devices.clock import SECOND
from gatehouse import app
from gatehouse.app import Service
from gatehouse.settings import load
from gatehouse.signals import until_stopped
from ingest import journal_file, ledger
from ingest.ledger import Ledger
from ingest.mqtt_source import MqttSource
from ingest.sqlite_series import SqliteStore

LEASE_MS = 5 * SECOND
"""Of a page's claim, in the children: a page left unfinished is sent again so soon."""
_CALLS = {
    "journal": (journal_file, "append"),
    "acks": (MqttSource, "ack"),
    "series": (SqliteStore, "write"),
    "letters": (ledger, "transaction"),
    "ledger": (Ledger, "commit"),
}
_NO_COMMIT = "letters"
"""Dead letters are on disk and the ledger's transaction is about to begin."""
_PAGE = ("page claimed", "page taken", "page settled")
"""The commits of a sending thread for one page; the second is the demonstration's phone's own."""
_COMMITS = ("incident", "rule state", *_PAGE)


class Point(NamedTuple):
    """Where the process ends: before or after a commit."""

    commit: str
    after: bool

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {self.commit}"


POINTS = tuple(
    Point(commit, after)
    for commit in (*_CALLS, *_COMMITS)
    for after in (False, True)
    if commit != _NO_COMMIT or not after
)


def spawn(environment: Mapping[str, str], point: Point | None) -> ForkServerProcess:
    """Start a service that ends at the point; None: one that stays until it is stopped."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.mortal_service"])
    child = context.Process(target=_run, args=(dict(environment), point))
    child.start()
    return child


def _run(environment: Mapping[str, str], point: Point | None) -> None:
    app.ConsoleProcess.keep = _no_console
    claim.LEASE_MS = LEASE_MS
    if point is not None and point.commit in _CALLS:
        owner, name = _CALLS[point.commit]
        setattr(owner, name, _fatal(getattr(owner, name), after=point.after))
    elif point is not None:
        _end_at_commit(point)
    with Service(load(environment)) as service:
        asyncio.run(until_stopped(service.run()))


async def _no_console(_: object) -> None:
    await asyncio.Event().wait()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fatal(call: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    """Return the call with its process's death just before or just after it."""

    def dies(*arguments: Any, **more: Any) -> Any:
        if after:
            call(*arguments, **more)
        _die()

    return dies


def _end_at_commit(point: Point) -> None:
    """End at a commit of the state database, told apart by its thread and what it commits."""
    commit, apply = DefaultDialect.do_commit, incident.apply
    done = threading.local()

    def note(*arguments: Any, **more: Any) -> Any:
        done.incident = True
        return apply(*arguments, **more)

    def kind() -> str:
        name = threading.current_thread().name
        if name == "follower alerts":
            return "incident" if getattr(done, "incident", False) else "rule state"
        if name == "page-sender":
            done.commits = getattr(done, "commits", -1) + 1
            return _PAGE[done.commits % len(_PAGE)]
        return ""

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        ends = kind() == point.commit
        if ends and not point.after:
            _die()
        commit(dialect, connection)
        if ends:
            _die()
        done.incident = False

    incident.apply = note
    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]
