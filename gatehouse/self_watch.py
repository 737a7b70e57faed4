"""What the service has to tell the operator about itself: alarms of kind system.

Pure. The journal is told at half of its room, at 80 % and when it is full, with the hours left;
books that do not balance and positions that were lost are told at once.
"""

from alerts import alarm
from alerts.finding import Finding, Severity
from ingest.status import ServiceStatus

_LEVELS = {
    "half": ("50 %", Severity.MINOR),
    "high": ("80 %", Severity.MAJOR),
    "full": ("100 %", Severity.CRITICAL),
}
_LONG_H = 24 * 365


def alarms_of(status: ServiceStatus) -> dict[str, Finding]:
    """Return what is wrong at this moment, by the name of its alarm."""
    found: dict[str, Finding] = {}
    journal, books, now = status.pipeline.journal, status.books, status.at
    level = "full" if journal.problem else journal.level
    if level:
        hours = journal.hours_left if level != "full" else 0.0
        filled, severity = _LEVELS[level]
        evidence = {"filled": filled}
        if hours is not None and hours < _LONG_H:
            evidence["hours_left"] = f"{hours:.0f}"
        found[alarm.JOURNAL_FILLING] = alarm.own_trouble(
            alarm.JOURNAL_FILLING, severity, evidence, now=now
        )
    if not books.balanced or books.lost:
        evidence = {"difference": str(books.difference), "lost": str(books.lost)}
        found[alarm.BOOKS_UNBALANCED] = alarm.own_trouble(
            alarm.BOOKS_UNBALANCED, Severity.MAJOR, evidence, now=now
        )
    return found
