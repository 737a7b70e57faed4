"""What findings do to incidents: open, feed, raise, withdraw, clear, and start the ladder.

Everything happens inside the caller's transaction, the one that also writes the state of the rule
behind the finding: cause, incident and pages owed commit together or not at all.
"""

from typing import Any

import structlog
from sqlalchemy import Connection

from alerts import alarm, ladder, page, record
from alerts.disposition import Disposition
from alerts.escalation import DEFAULT_POLICIES, Policies
from alerts.finding import SEVERITIES, Action, Finding, IncidentKind
from alerts.ladder import Climbed, Moment
from alerts.record import Incident, IncidentError, State
from alerts.timeline import SYSTEM, EventKind, add_event
from devices.registry import Registry

log = structlog.get_logger()
_CLEARS_ITSELF = frozenset({IncidentKind.DEVICE, IncidentKind.SYSTEM})


def apply(
    connection: Connection,
    finding: Finding,
    *,
    now: int,
    registry: Registry,
    policies: Policies = DEFAULT_POLICIES,
) -> str | None:
    """Let a finding open, feed, raise or clear an incident, and owe the pages that follow from it.

    Evidence observed before the closing of an incident of its rule and key belongs to that one;
    later evidence belongs to the open one, or opens one that is linked to the last.

    Returns:
        The incident's id; None where a finding that opens nothing finds none.
    """
    return judge(connection, finding, Moment(now, registry, policies))


def judge(connection: Connection, finding: Finding, moment: Moment) -> str | None:
    """As :func:`apply`."""
    if finding.action is Action.CLEAR:
        return _clear(connection, finding, moment)
    if finding.action is Action.WITHDRAW:
        return _withdraw(connection, finding, moment)
    closed = record.find_closed_after(connection, finding.rule, finding.key, finding.observed_at)
    if closed is not None:
        return _attach_after_closing(connection, closed, finding, moment)
    found = record.find_open(connection, finding.rule, finding.key)
    if found is None:
        opened = record.add(connection, finding, now=moment.now)
        if opened is not None:
            return _open(connection, opened, finding, moment)
        found = record.find_open(connection, finding.rule, finding.key)
        if found is None:
            raise IncidentError("another writer opened and closed this incident: apply it again")
    return _attach(connection, found, finding, moment)


def climb(
    connection: Connection, incident: Incident, moment: Moment, *, step_failed: bool = False
) -> None:
    """Take what is due on a triggered incident's ladder; a ladder without anybody is an alarm."""
    climbed = ladder.climb(connection, incident, moment, step_failed=step_failed)
    _sound(connection, climbed, moment)


def trigger_again(connection: Connection, incident: Incident, moment: Moment) -> None:
    """Trigger an incident whose acknowledgement has lapsed, or whose recheck is due."""
    detail: dict[str, Any] = {"until": incident.next_at}
    kind = EventKind.RECHECK_DUE
    if incident.state is State.ACKNOWLEDGED:
        detail = {"acknowledged_by": incident.acknowledged_by}
        kind = EventKind.LAPSED
    add_event(connection, incident.id, kind, now=moment.now, **detail)
    if incident.watch:
        record.change(connection, incident, state=State.TRIGGERED, next_at=None)
    else:
        _start(connection, incident, moment)


def _open(connection: Connection, opened: Incident, finding: Finding, moment: Moment) -> str:
    add_event(
        connection,
        opened.id,
        EventKind.OPENED,
        now=moment.now,
        severity=opened.severity,
        watch=opened.watch,
        previous=opened.previous,
    )
    _add_evidence(connection, opened, finding, now=moment.now)
    if not opened.watch:
        _start(connection, opened, moment)
    log.info("incident_opened", incident=opened.id, rule=opened.rule, watch=opened.watch)
    return opened.id


def _attach(connection: Connection, found: Incident, finding: Finding, moment: Moment) -> str:
    """Feed an open incident; a watch that becomes one, and a higher severity, start a ladder."""
    _add_evidence(connection, found, finding, now=moment.now)
    becomes_incident = found.watch and not finding.watch
    is_higher = SEVERITIES.index(finding.severity) > SEVERITIES.index(found.severity)
    rises = is_higher and (found.watch or not finding.watch)
    changes: dict[str, Any] = {}
    if finding.observed_at < found.began_at:
        changes["began_at"] = finding.observed_at
    if rises:
        changes["severity"] = finding.severity
        add_event(
            connection,
            found.id,
            EventKind.RAISED,
            now=moment.now,
            severity=finding.severity,
            was=found.severity,
        )
    if becomes_incident:
        changes |= {"watch": False, "kind": finding.kind}
        add_event(
            connection,
            found.id,
            EventKind.BECAME_INCIDENT,
            now=moment.now,
            severity=changes.get("severity", found.severity),
        )
    starts = becomes_incident or (rises and not found.watch)
    if starts:
        changes["late"] = finding.late
    changed = record.change(connection, found, **changes) if changes else found
    if starts:
        _start(connection, changed, moment)
    return found.id


def _attach_after_closing(
    connection: Connection, closed: Incident, finding: Finding, moment: Moment
) -> str:
    """Attach evidence from before a closing to the closed incident and tell who closed it, once."""
    if finding.observed_at < closed.began_at:
        closed = record.change(connection, closed, began_at=finding.observed_at)
    closer = closed.closed_by or SYSTEM
    told = bool(moment.registry.channels(closer)) and page.owe_late_evidence(
        connection, closed.id, closer, now=moment.now
    )
    _add_evidence(
        connection,
        closed,
        finding,
        now=moment.now,
        kind=EventKind.EVIDENCE_AFTER_CLOSING,
        told=closer if told else None,
    )
    return closed.id


def _clear(connection: Connection, finding: Finding, moment: Moment) -> str | None:
    """Close what closes by itself; about a person, only say that the cause has gone."""
    found = record.find_open(connection, finding.rule, finding.key)
    if found is None or finding.observed_at < found.began_at:
        return None
    _add_evidence(connection, found, finding, now=moment.now, kind=EventKind.CAUSE_GONE)
    if found.kind in _CLEARS_ITSELF:
        end(
            connection,
            found,
            actor=SYSTEM,
            disposition=Disposition.CAUSE_GONE,
            at=finding.observed_at,
            now=moment.now,
        )
    return found.id


def _withdraw(connection: Connection, finding: Finding, moment: Moment) -> str | None:
    """Say that a reading is another's; what it opened stays until a person closes it."""
    found = record.find_closed_after(connection, finding.rule, finding.key, finding.observed_at)
    found = found or record.find_open(connection, finding.rule, finding.key)
    if found is None or finding.observed_at < found.began_at:
        return None
    _add_evidence(connection, found, finding, now=moment.now, kind=EventKind.EVIDENCE_MOVED)
    return found.id


def end(
    connection: Connection,
    incident: Incident,
    *,
    actor: str,
    disposition: Disposition,
    at: int,
    now: int,
    note: str = "",
) -> None:
    """Close an incident; evidence observed before ``at`` belongs to it."""
    record.change(
        connection,
        incident,
        state=State.CLOSED,
        closed_at=at,
        closed_by=actor,
        disposition=disposition,
        next_at=None,
    )
    add_event(
        connection,
        incident.id,
        EventKind.CLOSED,
        now=now,
        actor=actor,
        disposition=disposition,
        note=note,
    )
    log.info("incident_closed", incident=incident.id, disposition=disposition.value)


def _start(connection: Connection, incident: Incident, moment: Moment) -> None:
    _sound(connection, ladder.start(connection, incident, moment), moment)


def _sound(connection: Connection, climbed: Climbed, moment: Moment) -> None:
    """Raise the alarm that nobody is on call; about an alarm itself there is only the log."""
    incident = climbed.incident
    if not climbed.unattended:
        return
    log.error("nobody_on_call", incident=incident.id, policy=incident.policy)
    if incident.kind is not IncidentKind.SYSTEM:
        judge(connection, alarm.unattended(incident, now=moment.now), moment)


def _add_evidence(
    connection: Connection,
    incident: Incident,
    finding: Finding,
    *,
    now: int,
    kind: EventKind = EventKind.EVIDENCE,
    **also: Any,
) -> None:
    add_event(
        connection,
        incident.id,
        kind,
        now=now,
        position=finding.position or None,
        observed_at=finding.observed_at,
        device=finding.device_id or None,
        severity=finding.severity,
        late=finding.late,
        evidence=finding.evidence,
        **also,
    )
