"""The incident's life as a state machine: findings, people and time in any order."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import func, select

from alerts import incident as incidents
from alerts import record
from alerts.alarm import RULES
from alerts.finding import SEVERITIES, Action, IncidentKind, Severity
from alerts.incident import Disposition, EventKind, Incident, IncidentError, State
from alerts.page import PageState
from alerts.tables import incident as incident_table
from alerts.tables import page
from devices.clock import HOUR, MINUTE
from tests.office import Office, fever
from tests.state import open_state

KEYS = st.sampled_from(["subject:a", "device:b"])
AGES = st.sampled_from([0, MINUTE, 3 * HOUR, 30 * HOUR])
PEOPLE = st.sampled_from(["worker", "secretary"])


class IncidentLife(RuleBasedStateMachine):
    """Two keys, one of a person and one of a device; the model remembers what was last seen."""

    @initialize()
    def open_office(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.office = Office(open_state(Path(self.folder.name)))
        self.seen: dict[str, Incident] = {}
        self.taken_when_acknowledged: dict[str, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "office"):
            self.office.close()
            self.folder.cleanup()

    @rule(
        key=KEYS,
        age=AGES,
        action=st.sampled_from(Action),
        severity=st.sampled_from(Severity),
        watch=st.booleans(),
    )
    def find(self, key: str, age: int, action: Action, severity: Severity, watch: bool) -> None:
        kind = IncidentKind.FEVER if key.startswith("subject") else IncidentKind.DEVICE
        finding = fever(
            key=key,
            kind=kind,
            action=action,
            severity=severity,
            watch=watch,
            observed_at=self.office.clock.now() - age,
        )
        with self.office.database.begin() as connection:
            found = incidents.apply(
                connection,
                finding,
                now=self.office.clock.now(),
                registry=self.office.registry,
            )
            opens = action not in {Action.CLEAR, Action.WITHDRAW}
            assert found is not None or not opens
            if found and opens:
                after = incidents.show(connection, found)
                assert after.began_at <= finding.observed_at
                assert after.is_open or after.closed_at > finding.observed_at

    @rule(minutes=st.sampled_from([1, 6, 61, 25 * 60]))
    def wait(self, minutes: int) -> None:
        self.office.clock.advance(minutes * MINUTE)
        self.office.real.advance(minutes * MINUTE)
        self.office.paging.tick()

    @rule()
    def tick(self) -> None:
        self.office.paging.tick()

    @precondition(lambda self: self.seen)
    @rule(data=st.data(), who=PEOPLE, what=st.sampled_from(["acknowledge", "observe", "close"]))
    def act(self, data: st.DataObject, who: str, what: str) -> None:
        chosen = self.seen[data.draw(st.sampled_from(list(self.seen)))]
        target = {
            "acknowledge": State.ACKNOWLEDGED,
            "observe": State.OBSERVING,
            "close": State.CLOSED,
        }[what]
        extra = {"disposition": Disposition.OTHER} if what == "close" else {}
        try:
            self.office.act(getattr(incidents, what), chosen.id, actor=who, **extra)
        except IncidentError:
            assert (chosen.state, target) not in record.LEGAL
        else:
            assert (chosen.state, target) in record.LEGAL

    @invariant()
    def only_what_is_legal_happened(self) -> None:
        for after in self._read():
            before = self.seen.get(after.id)
            if before is not None and before != after:
                assert before.is_open or before.state is after.state
                assert after.version > before.version
                assert SEVERITIES.index(after.severity) >= SEVERITIES.index(before.severity)
                assert after.began_at <= before.began_at
                assert before.watch or not after.watch
            self.seen[after.id] = after

    @invariant()
    def one_is_open_of_a_rule_and_key(self) -> None:
        with self.office.database.connect() as connection:
            most = connection.scalar(
                select(func.count())
                .where(incident_table.c.state != State.CLOSED)
                .group_by(incident_table.c.rule, incident_table.c.key)
                .order_by(func.count().desc())
                .limit(1)
            )
        assert (most or 0) <= 1

    @invariant()
    def whoever_is_triggered_is_on_a_ladder(self) -> None:
        for one in self._read():
            climbing = one.state is State.TRIGGERED and not one.watch
            assert not climbing or (one.next_at is not None and one.standing.round >= 1)
            assert one.is_open or (one.next_at is None and one.disposition and one.closed_by)

    @invariant()
    def each_page_was_taken_once_and_told(self) -> None:
        """Pages sent, pages taken by a phone and pages in the timeline are the same number."""
        for one in self._read():
            told = self.office.events(one.id, EventKind.PAGE_SENT)
            taken = [got for got in self.office.phones.taken if got.text.incident == one.id]
            with self.office.database.connect() as connection:
                sent = connection.scalar(
                    select(func.count()).where(
                        page.c.incident == one.id, page.c.state == PageState.SENT
                    )
                )
            assert len(told) == len(taken) == sent

    def _read(self) -> list[Incident]:
        with self.office.database.connect() as connection:
            found = incidents.find(connection, limit=500)
        return [one for one in found if one.rule not in RULES]


TestIncidentLife = IncidentLife.TestCase
TestIncidentLife.settings = settings(max_examples=40, stateful_step_count=25)
