"""What the service has to tell the operator about itself: alarms of kind system.

Pure: one step a status, and what must be remembered between them is in :class:`SelfWatch`. The
journal is told at half of its room, at 80 % and when it is full, with the hours left; books that
do not balance and positions that were lost are told at once. What mostly passes by itself is told
when it has lasted, by real time: a source that is down, a follower that does not move.
"""

from collections.abc import Iterator, Mapping

import msgspec

from alerts import alarm
from alerts.finding import Finding, Severity
from devices.clock import MINUTE
from ingest.status import ServiceStatus

SOURCE_LOST_AFTER = 5 * MINUTE
"""A broker's restart or upgrade and our next attempt take less; nobody's fever should wait more."""
FOLLOWER_STUCK_AFTER = 10 * MINUTE
"""A store's restart or compaction takes less, and the journal holds what waits meanwhile."""
_LEVELS = {
    "half": ("50 %", Severity.MINOR),
    "high": ("80 %", Severity.MAJOR),
    "full": ("100 %", Severity.CRITICAL),
}
_LONG_H = 24 * 365


class SelfWatch(msgspec.Struct, frozen=True):
    """What is remembered from one status to the next; times are real, milliseconds UTC.

    Attributes:
        told: By alarm the severity last told, "" for well; one not yet told of is not in it.
        lost: By source, since when it has been away or granted less than it asked for.
        stuck: By follower that has something to do, its durable position and since when.
    """

    told: Mapping[str, str] = {}
    lost: Mapping[str, int] = {}
    stuck: Mapping[str, tuple[int, int]] = {}

    def step(self, status: ServiceStatus) -> tuple["SelfWatch", list[Finding]]:
        """Return what to remember, and what has become worse, better or well since the last."""
        lost, stuck = self._lost(status), self._stuck(status)
        told, findings = dict(self.told), []
        for rule, wrong in _verdicts(status, lost, stuck):
            severity = wrong.severity if wrong else ""
            if told.get(rule) != severity:
                findings.append(wrong or alarm.own_trouble_over(rule, now=status.at))
            told[rule] = severity
        return SelfWatch(told, lost, stuck), findings

    def _lost(self, status: ServiceStatus) -> dict[str, int]:
        return {
            source.name: self.lost.get(source.name, status.wall_at)
            for source in status.pipeline.sources
            if not source.connected or source.problem
        }

    def _stuck(self, status: ServiceStatus) -> dict[str, tuple[int, int]]:
        stuck: dict[str, tuple[int, int]] = {}
        for name, follower in status.pipeline.followers.items():
            if follower.held or follower.pending:
                here = (follower.durable, status.wall_at)
                before = self.stuck.get(name, here)
                stuck[name] = before if before[0] == follower.durable else here
        return stuck


def _verdicts(
    status: ServiceStatus, lost: Mapping[str, int], stuck: Mapping[str, tuple[int, int]]
) -> Iterator[tuple[str, Finding | None]]:
    """Yield each alarm with what is wrong, None for well.

    What is down but not for long yet is neither: its alarm is left out and stays as it was, so
    that a restart in the middle of an outage does not say that it is over.
    """
    yield alarm.JOURNAL_FILLING, _journal(status)
    yield alarm.BOOKS_UNBALANCED, _books(status)
    now = status.wall_at
    lost_long = sorted(name for name, since in lost.items() if now - since >= SOURCE_LOST_AFTER)
    if lost_long or not lost:
        yield alarm.SOURCE_LOST, _lasting(alarm.SOURCE_LOST, "sources", lost_long, status)
    stuck_long = sorted(
        name for name, (_, since) in stuck.items() if now - since >= FOLLOWER_STUCK_AFTER
    )
    if stuck_long or not stuck:
        yield alarm.FOLLOWER_STUCK, _lasting(alarm.FOLLOWER_STUCK, "readers", stuck_long, status)


def _journal(status: ServiceStatus) -> Finding | None:
    journal = status.pipeline.journal
    level = "full" if journal.problem else journal.level
    if not level:
        return None
    hours = journal.hours_left if level != "full" else 0.0
    filled, severity = _LEVELS[level]
    evidence = {"filled": filled}
    if hours is not None and hours < _LONG_H:
        evidence["hours_left"] = f"{hours:.0f}"
    return alarm.own_trouble(alarm.JOURNAL_FILLING, severity, evidence, now=status.at)


def _books(status: ServiceStatus) -> Finding | None:
    books = status.books
    if books.balanced and not books.lost:
        return None
    evidence = {"difference": str(books.difference), "lost": str(books.lost)}
    return alarm.own_trouble(alarm.BOOKS_UNBALANCED, Severity.MAJOR, evidence, now=status.at)


def _lasting(rule: str, word: str, names: list[str], status: ServiceStatus) -> Finding | None:
    if not names:
        return None
    evidence = {word: ", ".join(names)}
    return alarm.own_trouble(rule, Severity.MAJOR, evidence, now=status.at)
