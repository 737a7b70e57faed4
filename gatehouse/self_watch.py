"""What the service has to tell the operator about itself: alarms of kind system.

Pure: one step a status, and what must be remembered between them is in :class:`SelfWatch`. The
journal is told at half of its room, at 80 % and when it is full, with the hours left, and to be
better only when it is so by a tenth of its room; damage to it, positions that were lost, and books
that do not balance are told at once. What mostly passes by itself is told
when it has lasted, by real time: a source that is down, a follower that does not move.
"""

from collections.abc import Iterator, Mapping

import msgspec

from alerts import alarm
from alerts.finding import Finding, Severity
from devices.clock import MINUTE
from ingest.journal_room import level_of
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
_ORDER = ("", *_LEVELS)
_EASE = 0.1
"""A level is left when so much more of the room is free: a backlog that hovers pages once."""
_LONG_H = 24 * 365


class SelfWatch(msgspec.Struct, frozen=True):
    """What is remembered from one status to the next; times are real, milliseconds UTC.

    Attributes:
        told: By alarm the severity last told, "" for well; one not yet told of is not in it.
        lost: By source, since when it has been away or granted less than it asked for.
        stuck: By follower that has something to do, its durable position and since when.
        lost_told: How many lost positions have been told of, also before a restart.
    """

    told: Mapping[str, str] = {}
    lost: Mapping[str, int] = {}
    stuck: Mapping[str, tuple[int, int]] = {}
    lost_told: int = 0

    def step(self, status: ServiceStatus) -> tuple["SelfWatch", list[Finding]]:
        """Return what to remember, and what has become worse, better or well since the last."""
        lost, stuck = self._lost(status), self._stuck(status)
        told, findings = dict(self.told), []
        has_lost = status.books.lost > self.lost_told
        for rule, wrong in (*self._journal(status), *_verdicts(status, lost, stuck)):
            severity = wrong.severity if wrong else ""
            if told.get(rule) != severity or (has_lost and rule == alarm.JOURNAL_DAMAGED):
                findings.append(wrong or alarm.own_trouble_over(rule, now=status.at))
            told[rule] = severity
        return SelfWatch(told, lost, stuck, max(self.lost_told, status.books.lost)), findings

    def _journal(self, status: ServiceStatus) -> Iterator[tuple[str, Finding | None]]:
        """Yield the journal's alarms. What is lost stays lost: a person closes that one."""
        journal, lost = status.pipeline.journal, status.books.lost
        yield alarm.JOURNAL_FILLING, _filling(status, self.told.get(alarm.JOURNAL_FILLING, ""))
        damaged = journal.damaged_files + journal.damaged_rows
        if damaged or lost > self.lost_told:
            yield alarm.JOURNAL_DAMAGED, _damage(status)
        elif not lost:
            yield alarm.JOURNAL_DAMAGED, None

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


def _filling(status: ServiceStatus, told: str) -> Finding | None:
    journal = status.pipeline.journal
    before = next((one for one, (_, severity) in _LEVELS.items() if severity == told), "")
    eased = level_of(journal.unread_bytes / journal.limit_bytes + _EASE)
    now = "full" if journal.problem else journal.level
    level = max(now, min(before, eased, key=_ORDER.index), key=_ORDER.index)
    if not level:
        return None
    hours = journal.hours_left if level != "full" else 0.0
    filled, severity = _LEVELS[level]
    evidence = {"filled": filled}
    if hours is not None and hours < _LONG_H:
        evidence["hours_left"] = f"{hours:.0f}"
    return alarm.own_trouble(alarm.JOURNAL_FILLING, severity, evidence, now=status.at)


def _damage(status: ServiceStatus) -> Finding:
    evidence = {"damaged": str(status.pipeline.journal.damaged_files)}
    if status.books.lost:
        evidence["lost"] = str(status.books.lost)
    return alarm.own_trouble(alarm.JOURNAL_DAMAGED, Severity.MAJOR, evidence, now=status.at)


def _books(status: ServiceStatus) -> Finding | None:
    books = status.books
    if books.balanced:
        return None
    evidence = {"difference": str(books.difference)}
    return alarm.own_trouble(alarm.BOOKS_UNBALANCED, Severity.MAJOR, evidence, now=status.at)


def _lasting(rule: str, word: str, names: list[str], status: ServiceStatus) -> Finding | None:
    if not names:
        return None
    evidence = {word: ", ".join(names)}
    return alarm.own_trouble(rule, Severity.MAJOR, evidence, now=status.at)
