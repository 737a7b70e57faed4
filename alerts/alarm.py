"""Gatehouse's alarms about itself, as findings that open incidents like any other."""

from collections.abc import Mapping

from alerts.finding import Action, Finding, IncidentKind, Severity
from alerts.record import Incident

UNDELIVERED = "page_undelivered"
UNATTENDED = "nobody_on_call"
JOURNAL_FILLING = "journal_filling"
JOURNAL_DAMAGED = "journal_damaged"
ACCOUNT_DAMAGED = "account_damaged"
BOOKS_UNBALANCED = "books_unbalanced"
SOURCE_LOST = "source_lost"
BROKER_DROPPING = "broker_dropping"
NOTHING_RECEIVED = "nothing_received"
DISK_STALLED = "disk_stalled"
DISK_FILLING = "disk_filling"
DEAD_LETTERS_RISING = "dead_letters_rising"
STORE_DOWN = "store_down"
FOLLOWER_STUCK = "follower_stuck"
RULES_BEHIND = "rules_behind"
CLOCK_SET_BACK = "clock_set_back"
CLOCK_JUMPED = "clock_jumped"
CONSOLE_SILENT = "console_silent"
CHANNEL_FAILING = "channel_failing"
PAGES_OVERDUE = "pages_overdue"
OWN_TROUBLES = (
    SOURCE_LOST,
    NOTHING_RECEIVED,
    BROKER_DROPPING,
    DISK_STALLED,
    DISK_FILLING,
    JOURNAL_FILLING,
    JOURNAL_DAMAGED,
    ACCOUNT_DAMAGED,
    BOOKS_UNBALANCED,
    DEAD_LETTERS_RISING,
    STORE_DOWN,
    FOLLOWER_STUCK,
    RULES_BEHIND,
    CHANNEL_FAILING,
    PAGES_OVERDUE,
    CONSOLE_SILENT,
    CLOCK_SET_BACK,
    CLOCK_JUMPED,
)
"""What the service tells of itself, as a message passes it."""
SERVICE = "service"
RULES = frozenset({UNDELIVERED, UNATTENDED, *OWN_TROUBLES})


def undelivered(incident: Incident, worker: str, *, now: int) -> Finding:
    """Return the alarm that a page reached nobody: every channel of a worker failed for good."""
    return Finding(
        action=Action.OPEN,
        rule=UNDELIVERED,
        key=f"worker:{worker}",
        kind=IncidentKind.SYSTEM,
        severity=Severity.MAJOR,
        observed_at=now,
        position=0,
        site=incident.site,
        evidence={"incident": incident.id, "worker": worker},
    )


def delivered(worker: str, *, now: int) -> Finding:
    """Return the end of that alarm: a channel of the worker took a page again."""
    return Finding(
        action=Action.CLEAR,
        rule=UNDELIVERED,
        key=f"worker:{worker}",
        kind=IncidentKind.SYSTEM,
        observed_at=now,
        position=0,
        evidence={"worker": worker},
    )


def unattended(incident: Incident, *, now: int) -> Finding:
    """Return the alarm that a ladder has nobody on call on any of its steps."""
    return Finding(
        action=Action.OPEN,
        rule=UNATTENDED,
        key=f"site:{incident.site or ''}",
        kind=IncidentKind.SYSTEM,
        severity=Severity.MAJOR,
        observed_at=now,
        position=0,
        site=incident.site,
        evidence={"incident": incident.id, "policy": incident.policy},
    )


def own_trouble(
    rule: str, severity: Severity, evidence: Mapping[str, str], *, now: int, of: str = SERVICE
) -> Finding:
    """Return the alarm that the service itself, or a part of it, is in trouble; of no site.

    Each part has an incident of its own: a second one in trouble pages again.
    """
    return Finding(
        action=Action.OPEN,
        rule=rule,
        key=of,
        kind=IncidentKind.SYSTEM,
        severity=severity,
        observed_at=now,
        position=0,
        evidence=dict(evidence),
    )


def own_trouble_over(rule: str, *, now: int, of: str = SERVICE) -> Finding:
    """Return the end of that alarm."""
    return Finding(
        action=Action.CLEAR,
        rule=rule,
        key=of,
        kind=IncidentKind.SYSTEM,
        observed_at=now,
        position=0,
    )
