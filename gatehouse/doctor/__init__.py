"""``gatehouse doctor``: connect to everything once, and say what is wrong and what to do.

Every check runs, whatever becomes of the others, in a thread of its own, and has
:data:`PATIENCE_S` seconds; one that hangs is left behind and said. The data folder comes first:
others need it.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from threading import Thread

from gatehouse.doctor import access, broker, clock, database, machine, people, service, store
from gatehouse.doctor.found import Found
from gatehouse.settings import Settings

__all__ = ["Found", "examine"]

PATIENCE_S = 45.0
"""More than the longest wait within a check: an InfluxDB's answer has 30 seconds."""

Check = Callable[[Settings], Iterable[Found]]
FIRST: tuple[tuple[str, Check], ...] = (("data folder", machine.folder),)
CHECKS: tuple[tuple[str, Check], ...] = (
    ("broker", broker.brokers),
    ("intake", service.intake),
    ("series store", store.store),
    ("retention", store.retention),
    ("state database", database.database),
    ("broker's files", access.access),
    ("people", people.people),
    ("service", service.running),
    ("console", service.console),
    ("clock", clock.clock),
    ("open files", machine.open_files),
)
"""By what each is called where it fails itself; in the order in which they are shown."""


def examine(settings: Settings, *, patience_s: float = PATIENCE_S) -> list[Found]:
    """Examine everything that the settings name, and what the service tells of itself."""
    return [
        found
        for checks in (FIRST, CHECKS)
        for found in _examine_at_once(checks, settings, patience_s)
    ]


def _examine_at_once(
    checks: Sequence[tuple[str, Check]], settings: Settings, patience_s: float
) -> list[Found]:
    """Run checks side by side; return what they find in their order."""
    begun = [(subject, _begin(check, settings)) for subject, check in checks]
    deadline = time.monotonic() + patience_s
    found: list[Found] = []
    for subject, future in begun:
        try:
            found += future.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            found.append(Found.wrong(subject, f"no answer in {patience_s:g} s: does it hang?"))
        except Exception as error:  # noqa: BLE001 - a check that breaks must not hide the others
            said = f"could not be examined ({type(error).__name__}: {error}): please report this"
            found.append(Found.wrong(subject, said))
    return found


def _begin(check: Check, settings: Settings) -> Future[list[Found]]:
    """Run a check in a daemon thread: one that hangs does not keep the command from ending."""
    future: Future[list[Found]] = Future()

    def run() -> None:
        try:
            future.set_result(list(check(settings)))
        except BaseException as error:  # noqa: BLE001 - raised again by who waits for it
            future.set_exception(error)

    Thread(target=run, name=f"doctor {check.__name__}", daemon=True).start()
    return future
