"""What the service has to tell the operator about itself: alarms of kind system.

Pure: one step a status, and what must be remembered between them is in :class:`SelfWatch`. What can
be wrong is symptom.py's business; here it is told once for each severity, when it has lasted, and
told to be over when it has stayed away. Each source, follower and channel is an alarm of its own:
that one is known to be down hides no other.
"""

from collections.abc import Mapping

import msgspec

from alerts import alarm
from alerts.delivery import Delivery
from alerts.finding import Finding
from gatehouse.past import Past
from gatehouse.symptom import Symptom, Told, symptoms
from ingest.status import ServiceStatus


class Since(msgspec.Struct, frozen=True):
    """Since when something has been wrong, by a clock that nobody sets; milliseconds.

    Attributes:
        first: When it began.
        last: When it was last seen.
        mark: As the symptom has it.
    """

    first: int
    last: int
    mark: int


class SelfWatch(msgspec.Struct, frozen=True):
    """What is remembered from one status to the next.

    Attributes:
        told: What has been told; what has not yet been told of, wrong or well, is not in it.
        since: By alarm and part what is wrong, or was just now.
        past: Of the statuses before.
        lost_told: How many lost positions have been told of, also before a restart.
    """

    told: Told = {}
    since: Mapping[tuple[str, str], Since] = {}
    past: Past = Past()
    lost_told: int = 0

    def step(self, status: ServiceStatus, delivery: Delivery) -> tuple["SelfWatch", list[Finding]]:
        """Return what to remember, and what has become worse, better or well since the last.

        What is wrong but not for long yet is neither wrong nor well: it stays as it was told, so
        that a restart in the middle of an outage does not say that it is over.
        """
        told, since, findings = dict(self.told), dict[tuple[str, str], Since](), list[Finding]()
        for symptom in symptoms(status, delivery, self.past, self.told, self.lost_told):
            name = symptom.rule, symptom.part
            lasting = _lasting(symptom, self.since.get(name), status.ticks)
            if lasting is not None:
                since[name] = lasting
                if symptom.severity is None or status.ticks - lasting.first < symptom.lasts:
                    continue
            severity = symptom.severity or ""
            if told.get(name) != severity or symptom.again:
                findings.append(_finding(symptom, status.at))
            told[name] = severity
        lost_told = max(self.lost_told, status.books.lost)
        return SelfWatch(told, since, self.past.then(status), lost_told), findings


def _lasting(symptom: Symptom, before: Since | None, ticks: int) -> Since | None:
    """Return since when a symptom lasts; None: it is well, and has been for long enough."""
    if symptom.severity is not None:
        goes_on = before is not None and before.mark == symptom.mark
        return Since(before.first if before and goes_on else ticks, ticks, symptom.mark)
    if before is not None and ticks - before.last < symptom.steady:
        return before
    return None


def _finding(symptom: Symptom, now: int) -> Finding:
    rule, part = symptom.rule, symptom.part
    if symptom.severity is None:
        return alarm.own_trouble_over(rule, now=now, of=part)
    return alarm.own_trouble(rule, symptom.severity, symptom.evidence, now=now, of=part)
