"""What a rule says: the words between rules, engine and incidents."""

from enum import StrEnum
from typing import Any

import msgspec


class IncidentKind(StrEnum):
    """What an incident is about; with the severity it chooses the escalation policy."""

    FEVER = "fever"
    FEVER_AT_CHECKPOINT = "fever_at_checkpoint"
    EMPTY_FLAT = "empty_flat"
    STRANGERS = "strangers"
    DEVICE = "device"
    SYSTEM = "system"


class Severity(StrEnum):
    """How bad; only ever rises. Order: :data:`SEVERITIES`."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


SEVERITIES = (Severity.MINOR, Severity.MAJOR, Severity.CRITICAL)


class Action(StrEnum):
    """What a finding asks for."""

    OPEN = "open"
    """Open a watch or an incident, or make a watch an incident (then it starts its ladder)."""
    ATTACH = "attach"
    """More evidence for what is open."""
    RAISE = "raise"
    """Evidence of a higher severity: a higher one starts its own ladder at once."""
    WITHDRAW = "withdraw"
    """A person said that evidence is another's: told, and nothing closes by it."""
    CLEAR = "clear"
    """The cause has gone: closes by itself (devices and the system only, never a person)."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a rule concluded from one observation or one due time.

    Attributes:
        action: What is asked for.
        rule: The rule's name.
        key: What the rule keeps its state by: ``subject:…``, ``household:…``, ``device:…``.
            At most one incident of a rule and key is open.
        kind: What it is about.
        severity: How bad this evidence is.
        watch: True for an incident without a ladder.
        observed_at: Time of the evidence; milliseconds UTC.
        position: Journal position of the evidence; 0 for a due time.
        device_id: Device that gave the evidence.
        site, grid, building, household, gate, subject: Where and who, as registry ids as of
            ``observed_at``; None where it does not apply. Never a name.
        late: True where the evidence is older than five minutes on arrival.
        evidence: Numbers and words for the timeline, e.g. ``{"celsius": 37.9}``.
    """

    action: Action
    rule: str
    key: str
    kind: IncidentKind
    severity: Severity = Severity.MINOR
    watch: bool = False
    observed_at: int
    position: int
    device_id: str = ""
    site: str | None = None
    grid: str | None = None
    building: str | None = None
    household: str | None = None
    gate: str | None = None
    subject: str | None = None
    late: bool = False
    evidence: dict[str, Any] = msgspec.field(default_factory=dict)
