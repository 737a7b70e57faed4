"""One reading before the judge: everything looked up for it, and what is said of it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from alerts.finding import SEVERITIES, Action, Finding, IncidentKind
from alerts.rules.fever_episode import Episode
from alerts.rules.fever_reading import RAISED_CLASSES, is_guarded, severity
from alerts.rules.fever_verdict import Verdict
from alerts.rules.readings import ATTRIBUTED, Reading
from alerts.rules.where import locate
from alerts.thresholds import FeverThresholds
from devices.clock import HOUR
from devices.observation import BodySite
from devices.registry import Place, Registry

RULE = "fever"


class Case(msgspec.Struct, frozen=True):
    """One reading on the bench, and everything that is looked up for it."""

    key: str
    reading: Reading
    device_id: str
    position: int
    received_at: int
    is_late: bool
    place: Place | None
    registry: Registry
    limits: FeverThresholds
    evidence: dict[str, Any]

    @property
    def is_person(self) -> bool:
        """Whether the key is a resident's or a household's, not a device's."""
        return not self.key.startswith("device:")

    @property
    def subject(self) -> str | None:
        """Who it is, where that is known."""
        kind, _, subject = self.key.partition(":")
        return subject if kind == "subject" else None


def is_fresh(case: Case, verdict: Verdict) -> bool:
    """Return whether the newest evidence of a verdict arrived in time to page.

    What somebody said afterwards to be a person's never is: the flat it came from was paged about.
    """
    if case.reading.marks & ATTRIBUTED:
        return False
    newest = max(reading.observed_at for reading in verdict.readings)
    hours = case.limits.late_hours_at_gate if is_guarded(case.place) else case.limits.late_hours
    return case.received_at - newest <= hours * HOUR


def level_of(case: Case, evidence: Sequence[Reading]) -> int:
    """Return the severity of some readings of a case as an index of SEVERITIES."""
    at = case.reading.observed_at
    kind, _, name = case.key.partition(":")
    if kind == "household":
        people: Sequence[str] = case.registry.residents(name, at)
    else:
        people = (name,) if kind == "subject" else ()
    raised = any(case.registry.resident_class(each, at) in RAISED_CLASSES for each in people)
    worst = max(reading.tenths for reading in evidence)
    return SEVERITIES.index(severity(worst, case.limits, raised=raised))


def describe(reading: Reading, site: BodySite, adjusted_to: BodySite | None) -> dict[str, Any]:
    """Return what the timeline says of a reading."""
    described = {"celsius": reading.celsius, "body_site": site.value}
    if adjusted_to is not None:
        described["adjusted_to"] = adjusted_to.value
    return described


def reasons(verdict: Verdict) -> dict[str, Any]:
    """Return what the timeline says of a verdict."""
    return {
        "because": verdict.because.value,
        "readings": [reading.celsius for reading in verdict.readings],
    }


def find_late(case: Case, episode: Episode) -> Finding:
    """Return evidence from before a closing, for the incident that was closed."""
    level = level_of(case, (case.reading,))
    return find(case, Action.ATTACH, episode, level=level, watch=True, evidence=case.evidence)


def find(
    case: Case,
    action: Action,
    episode: Episode,
    *,
    level: int,
    watch: bool,
    evidence: dict[str, Any],
) -> Finding:
    """Return a finding about a case."""
    at = case.reading.observed_at
    guarded = is_guarded(case.place)
    return Finding(
        action=action,
        rule=RULE,
        key=episode.key,
        kind=IncidentKind.FEVER_AT_CHECKPOINT if guarded else IncidentKind.FEVER,
        severity=SEVERITIES[level],
        watch=watch,
        observed_at=at,
        position=case.position,
        device_id=case.device_id,
        late=case.is_late,
        evidence=evidence,
        **locate(case.registry, case.place, at, subject=case.subject),
    )
