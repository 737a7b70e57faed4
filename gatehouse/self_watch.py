"""What the service has to tell the operator about itself: alarms of kind system.

Pure: one step a status, and what must be remembered between them is in :class:`SelfWatch`. The
journal is told at half of its room, at 80 % and when it is full, with the hours left, and to be
better only when it is so by a tenth of its room; damage to it, positions that were lost, and books
that do not balance are told at once, and that the clock was set back behind what has been judged:
silence is not noticed until it has caught up. What mostly passes by itself is told
when it has lasted, by real time: a source that is down, a follower that does not move. Each source
and each follower is an alarm of its own: that one is known to be down hides no other.
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
SOURCE_BACK_AFTER = MINUTE
"""A source that comes and goes more often than this is not back: it counts as away throughout."""
FOLLOWER_STUCK_AFTER = 10 * MINUTE
"""A store's restart or compaction takes less, and the journal holds what waits meanwhile."""
AHEAD_AT_MOST = 5 * MINUTE
"""Time servers correct less unseen; silence, which is judged in hours, can wait so long."""
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
        told: By alarm and part the severity last told, "" for well; one not yet told of is not in
            it.
        lost: By source, since when and when last it was away or granted less than it asked for.
        stuck: By follower that has something to do, its durable position and since when.
        lost_told: How many lost positions have been told of, also before a restart.
    """

    told: Mapping[tuple[str, str], str] = {}
    lost: Mapping[str, tuple[int, int]] = {}
    stuck: Mapping[str, tuple[int, int]] = {}
    lost_told: int = 0

    def step(self, status: ServiceStatus) -> tuple["SelfWatch", list[Finding]]:
        """Return what to remember, and what has become worse, better or well since the last."""
        lost, stuck = self._lost(status), self._stuck(status)
        told, findings = dict(self.told), []
        has_lost = status.books.lost > self.lost_told
        service = (
            *self._journal(status),
            (alarm.BOOKS_UNBALANCED, _books(status)),
            (alarm.CLOCK_SET_BACK, _clock(status)),
        )
        verdicts = [(rule, alarm.SERVICE, wrong) for rule, wrong in service]
        for rule, part, wrong in (*verdicts, *_lasting(status, lost, stuck)):
            severity = wrong.severity if wrong else ""
            if told.get((rule, part)) != severity or (has_lost and rule == alarm.JOURNAL_DAMAGED):
                findings.append(wrong or alarm.own_trouble_over(rule, now=status.at, of=part))
            told[rule, part] = severity
        return SelfWatch(told, lost, stuck, max(self.lost_told, status.books.lost)), findings

    def _journal(self, status: ServiceStatus) -> Iterator[tuple[str, Finding | None]]:
        """Yield the journal's alarms. What is lost stays lost: a person closes that one."""
        journal, lost = status.pipeline.journal, status.books.lost
        before = self.told.get((alarm.JOURNAL_FILLING, alarm.SERVICE), "")
        yield alarm.JOURNAL_FILLING, _filling(status, before)
        damaged = journal.damaged_files + journal.damaged_rows
        if damaged or lost > self.lost_told:
            yield alarm.JOURNAL_DAMAGED, _damage(status)
        elif not lost:
            yield alarm.JOURNAL_DAMAGED, None

    def _lost(self, status: ServiceStatus) -> dict[str, tuple[int, int]]:
        lost, now = {}, status.wall_at
        for source in status.pipeline.sources:
            since, last = self.lost.get(source.name, (now, None))
            if not source.connected or source.problem:
                lost[source.name] = (min(since, now), now)
            elif last is not None and 0 <= now - last < SOURCE_BACK_AFTER:
                lost[source.name] = (since, last)
        return lost

    def _stuck(self, status: ServiceStatus) -> dict[str, tuple[int, int]]:
        stuck: dict[str, tuple[int, int]] = {}
        for name, follower in status.pipeline.followers.items():
            if follower.held or follower.pending:
                here = (follower.durable, status.wall_at)
                before = self.stuck.get(name, here)
                stuck[name] = before if before[0] == follower.durable else here
        return stuck


def _lasting(
    status: ServiceStatus,
    lost: Mapping[str, tuple[int, int]],
    stuck: Mapping[str, tuple[int, int]],
) -> Iterator[tuple[str, str, Finding | None]]:
    """Yield each alarm about a source or a follower with what is wrong, None for well.

    What is down but not for long yet is neither: its alarm is left out and stays as it was, so
    that a restart in the middle of an outage does not say that it is over.
    """
    for source in status.pipeline.sources:
        since, last = lost.get(source.name, (0, 0))
        if last - since >= SOURCE_LOST_AFTER or source.name not in lost:
            part, evidence = f"source:{source.name}", {"sources": source.name}
            wrong = (
                _part(alarm.SOURCE_LOST, part, evidence, status) if source.name in lost else None
            )
            yield alarm.SOURCE_LOST, part, wrong
    for name in status.pipeline.followers:
        _, since = stuck.get(name, (0, status.wall_at))
        if status.wall_at - since >= FOLLOWER_STUCK_AFTER or name not in stuck:
            part, evidence = f"follower:{name}", {"readers": name}
            wrong = _part(alarm.FOLLOWER_STUCK, part, evidence, status) if name in stuck else None
            yield alarm.FOLLOWER_STUCK, part, wrong


def _part(rule: str, part: str, evidence: Mapping[str, str], status: ServiceStatus) -> Finding:
    return alarm.own_trouble(rule, Severity.MAJOR, evidence, now=status.at, of=part)


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
    evidence = {"difference": str(books.difference or books.letters_missing)}
    if books.points_difference:
        evidence["points_difference"] = str(books.points_difference)
    return alarm.own_trouble(alarm.BOOKS_UNBALANCED, Severity.MAJOR, evidence, now=status.at)


def _clock(status: ServiceStatus) -> Finding | None:
    ahead = status.pipeline.frontier - status.at
    if ahead <= AHEAD_AT_MOST:
        return None
    evidence = {"ahead_minutes": str(ahead // MINUTE)}
    return alarm.own_trouble(alarm.CLOCK_SET_BACK, Severity.MAJOR, evidence, now=status.at)
