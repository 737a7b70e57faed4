"""Who was paged and what became of it, read from an incident's timeline. Pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from alerts.timeline import Event, EventKind

_CALLS = frozenset({EventKind.STEP_BEGUN, EventKind.STEP_REPEATED})
_RESULTS = {
    EventKind.PAGE_SENT: "sent",
    EventKind.PAGE_FAILED: "failed",
    EventKind.PAGE_NOT_SENT: "cancelled",
}
_PAGING = _CALLS | {
    EventKind.ROUND_BEGUN,
    EventKind.STEP_SKIPPED,
    EventKind.STEP_FAILED,
    EventKind.PAGE_SENT,
    EventKind.PAGE_ATTEMPT_FAILED,
    EventKind.PAGE_FAILED,
    EventKind.PAGE_NOT_SENT,
}
_KEPT = 8
"""Of a long run of paging, so many lines stay at each end."""


class Paged(msgspec.Struct):
    """One worker's pages about one incident.

    Attributes:
        worker: Registry id.
        first_at: When they were first owed a page; milliseconds UTC.
        times: How often they were called.
        result: What became of the last call: ``owed``, ``sent``, ``failed`` or ``cancelled``.
        result_at: When; the last call's time while it is owed.
        channel: The channel that took the last page sent.
        failures: Attempts that a channel refused.
    """

    worker: str
    first_at: int
    times: int = 0
    result: str = "owed"
    result_at: int = 0
    channel: str = ""
    failures: int = 0


def summarise(events: Iterable[Event]) -> list[Paged]:
    """Return one line for each worker, in the order they were first called."""
    lines: dict[str, Paged] = {}
    for event in events:
        for worker in event.detail.get("workers", ()) if event.kind in _CALLS else ():
            line = lines.setdefault(worker, Paged(worker, event.at))
            line.times += 1
            line.result, line.result_at = "owed", event.at
        line_of_page = lines.get(event.detail.get("worker", ""))
        if line_of_page is not None:
            _note_result(line_of_page, event)
    return list(lines.values())


def fold(events: Iterable[Event]) -> list[Sequence[Event]]:
    """Return a timeline's lines in order: an event alone, or the middle of a long run of paging.

    A case that nobody answers is paged about again and again; what a person looks for, the first
    calls, the latest ones and everything that is not paging, must not drown in it.
    """
    lines: list[Sequence[Event]] = []
    for is_paging, run in groupby(events, lambda event: event.kind in _PAGING):
        alone = list(run)
        middle = alone[_KEPT:-_KEPT] if is_paging else []
        if len(middle) < 2:
            lines += [[event] for event in alone]
        else:
            ends = alone[:_KEPT], alone[-_KEPT:]
            lines += [*([event] for event in ends[0]), middle, *([event] for event in ends[1])]
    return lines


def _note_result(line: Paged, event: Event) -> None:
    if event.kind is EventKind.PAGE_ATTEMPT_FAILED:
        line.failures += 1
    if event.kind in _RESULTS:
        line.result, line.result_at = _RESULTS[event.kind], event.at
        line.channel = event.detail.get("channel", line.channel)
