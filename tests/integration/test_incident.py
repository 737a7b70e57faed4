"""Incidents on both real databases: what findings and people do to them."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select

from alerts import incident as incidents
from alerts import record
from alerts.finding import Action, Finding, IncidentKind, Severity
from alerts.incident import Disposition, EventKind, Incident, IncidentError, State
from alerts.tables import fact, page
from devices.clock import HOUR, MINUTE
from devices.registry import Registry
from tests.office import fever, make_registry

NOW = 1_581_681_600_000
"""14 February 2020, 20:00 in Wuhan."""


@pytest.fixture
def database(state_database: Engine) -> Engine:
    return state_database


@pytest.fixture
def connection(database: Engine) -> Iterator[Connection]:
    with database.begin() as connection:
        yield connection


def put(
    connection: Connection, finding: Finding, *, now: int = NOW, registry: Registry | None = None
) -> str:
    found = incidents.apply(connection, finding, now=now, registry=registry or make_registry())
    assert found is not None
    return found


def open_fever(connection: Connection, **changes: Any) -> str:
    return put(connection, fever(**{"observed_at": NOW, **changes}))


def shown(connection: Connection, incident_id: str) -> Incident:
    return incidents.show(connection, incident_id)


def kinds(connection: Connection, incident_id: str) -> list[str]:
    return [event.kind for event in incidents.timeline(connection, incident_id)]


def owed(connection: Connection, incident_id: str) -> list[str]:
    rows = connection.execute(
        select(page.c.worker).where(page.c.incident == incident_id).order_by(page.c.id)
    )
    return list(rows.scalars())


def test_a_finding_opens_an_incident_and_owes_its_page(connection: Connection) -> None:
    """Incident, first page and the timeline of both are there before the transaction ends."""
    opened = open_fever(connection)
    incident = shown(connection, opened)
    assert (incident.state, incident.watch, incident.policy) == ("triggered", False, "fever_minor")
    assert owed(connection, opened) == ["worker"]
    events = incidents.timeline(connection, opened)
    assert [event.kind for event in events] == ["opened", "evidence", "round_begun", "step_begun"]
    assert events[1].position == 7
    assert events[1].detail["evidence"] == {"celsius": 37.9}


def test_a_rollback_leaves_neither_incident_nor_page(database: Engine) -> None:
    """Cause and effect share one transaction: when it fails, nobody is paged for nothing."""
    with database.connect() as connection, connection.begin() as transaction:
        open_fever(connection)
        transaction.rollback()
    with database.connect() as connection:
        assert incidents.find(connection) == []
        assert connection.execute(select(page)).all() == []


def test_ids_can_be_read_out_over_a_phone(connection: Connection) -> None:
    """Ids are short, random, and without letters that look or sound like digits."""
    ids = {open_fever(connection, key=f"subject:{number}") for number in range(50)}
    assert len(ids) == 50
    assert all(len(one) == 5 and not set(one) & set("01OILBSUVZ") for one in ids)


def test_a_watch_has_no_ladder(connection: Connection) -> None:
    """A watch is seen, and nobody is paged for it."""
    watch = open_fever(connection, watch=True)
    assert shown(connection, watch).next_at is None
    assert owed(connection, watch) == []


def test_a_watch_that_becomes_an_incident_starts_its_ladder(connection: Connection) -> None:
    """The second reading makes the same case an incident; its pages are owed in that moment."""
    watch = open_fever(connection, watch=True)
    assert put(connection, fever(observed_at=NOW + 15 * MINUTE)) == watch
    assert not shown(connection, watch).watch
    assert owed(connection, watch) == ["worker"]
    assert "became_incident" in kinds(connection, watch)


def test_more_evidence_feeds_the_open_incident(connection: Connection) -> None:
    """A second finding of the rule and key joins the first: one cause, one incident, one page."""
    opened = open_fever(connection)
    later = fever(action=Action.ATTACH, observed_at=NOW + MINUTE, position=9)
    assert put(connection, later) == opened
    assert owed(connection, opened) == ["worker"]
    assert kinds(connection, opened).count("evidence") == 2


def test_an_earlier_observation_moves_the_beginning(connection: Connection) -> None:
    """What is measured earlier and arrives late moves when it began; later evidence does not."""
    opened = open_fever(connection)
    put(connection, fever(observed_at=NOW - HOUR))
    put(connection, fever(observed_at=NOW + HOUR))
    assert shown(connection, opened).began_at == NOW - HOUR


def test_severity_only_rises(connection: Connection) -> None:
    """A cooler reading never lowers it, and pages nobody."""
    opened = open_fever(connection, severity=Severity.MAJOR)
    pages = owed(connection, opened)
    put(connection, fever(observed_at=NOW + MINUTE, severity=Severity.MINOR))
    assert shown(connection, opened).severity is Severity.MAJOR
    assert owed(connection, opened) == pages


def test_a_higher_severity_starts_its_own_ladder_at_once(connection: Connection) -> None:
    """Also when somebody had acknowledged the milder one: worker and secretary are paged now."""
    opened = open_fever(connection)
    incidents.acknowledge(connection, opened, actor="worker", now=NOW + MINUTE)
    raised = fever(action=Action.RAISE, observed_at=NOW + 2 * MINUTE, severity=Severity.MAJOR)
    put(connection, raised, now=NOW + 2 * MINUTE)
    incident = shown(connection, opened)
    assert (incident.state, incident.policy) == ("triggered", "fever_major")
    assert incident.standing.round == 2
    assert owed(connection, opened) == ["worker", "worker", "secretary"]


def test_old_evidence_does_not_raise_an_incident(connection: Connection) -> None:
    """Evidence that is only worth a watch feeds an open incident without a new ladder."""
    opened = open_fever(connection)
    old = fever(observed_at=NOW - 13 * HOUR, severity=Severity.CRITICAL, watch=True, late=True)
    put(connection, old)
    assert shown(connection, opened).severity is Severity.MINOR
    assert owed(connection, opened) == ["worker"]


def test_acknowledging_holds_until_it_lapses(connection: Connection) -> None:
    """The acknowledgement carries who and when, and a time at which it lapses."""
    opened = open_fever(connection)
    incidents.acknowledge(connection, opened, actor="worker", now=NOW + MINUTE)
    incident = shown(connection, opened)
    assert (incident.state, incident.acknowledged_by) == (State.ACKNOWLEDGED, "worker")
    assert incident.next_at == NOW + MINUTE + 2 * HOUR


def test_a_second_acknowledgement_says_who_was_first(connection: Connection) -> None:
    """Two people tapping at once: one has it, the other is told who."""
    opened = open_fever(connection)
    incidents.acknowledge(connection, opened, actor="worker", now=NOW)
    with pytest.raises(IncidentError, match="already acknowledged by worker"):
        incidents.acknowledge(connection, opened, actor="secretary", now=NOW)


def test_observing_ends_at_a_time(connection: Connection) -> None:
    """Without another end a case that is observed asks for a recheck the next day."""
    opened = open_fever(connection)
    incidents.acknowledge(connection, opened, actor="worker", now=NOW)
    incidents.observe(connection, opened, actor="worker", now=NOW, note="Li measures at the door")
    assert shown(connection, opened).state is State.OBSERVING
    assert shown(connection, opened).next_at == NOW + 24 * HOUR
    with pytest.raises(IncidentError, match="future"):
        incidents.observe(connection, opened, actor="worker", now=NOW, until=NOW)


def test_closing_needs_a_disposition_and_leaves_the_engine_a_fact(connection: Connection) -> None:
    """The rule that found it learns that a person ended it."""
    opened = open_fever(connection)
    incidents.close(
        connection, opened, actor="worker", disposition=Disposition.HOSPITAL, now=NOW + HOUR
    )
    incident = shown(connection, opened)
    assert (incident.state, incident.closed_by, incident.disposition, incident.next_at) == (
        "closed",
        "worker",
        "hospital",
        None,
    )
    left = connection.execute(select(fact)).one()
    assert (left.rule, left.key, left.kind, left.at) == (
        "fever",
        "subject:s1",
        "closed",
        NOW + HOUR,
    )


@pytest.mark.parametrize("action", ["acknowledge", "observe", "close"])
def test_a_closed_incident_is_never_reopened(connection: Connection, action: str) -> None:
    """Whatever is asked of it, a closed incident stays closed."""
    opened = open_fever(connection)
    end = {"actor": "worker", "disposition": Disposition.NO_FEVER, "now": NOW + MINUTE}
    incidents.close(connection, opened, **end)
    asked = end if action == "close" else {"actor": "street", "now": NOW + HOUR}
    with pytest.raises(IncidentError):
        getattr(incidents, action)(connection, opened, **asked)
    assert shown(connection, opened).closed_by == "worker"


def test_a_note_can_be_added_to_a_closed_case(connection: Connection) -> None:
    """What is learnt later is written down where it belongs; the bound is said."""
    opened = open_fever(connection)
    incidents.close(connection, opened, actor="worker", disposition=Disposition.HOSPITAL, now=NOW)
    incidents.note(connection, opened, actor="worker", note=" tested negative ", now=NOW + HOUR)
    last = incidents.timeline(connection, opened)[-1]
    assert (last.kind, last.actor, last.detail) == (
        "note",
        "worker",
        {"note": "tested negative"},
    )
    with pytest.raises(IncidentError, match="2000 characters"):
        incidents.note(connection, opened, actor="worker", note="x" * 2_001, now=NOW)


def closed_at(connection: Connection, at: int, *, actor: str = "worker") -> str:
    opened = open_fever(connection)
    incidents.close(connection, opened, actor=actor, disposition=Disposition.NO_FEVER, now=at)
    return opened


def test_evidence_from_before_the_closing_goes_to_the_closed_case(connection: Connection) -> None:
    """It opens nothing, and who closed the case is told once, however much arrives."""
    closed = closed_at(connection, NOW + HOUR)
    for minute in (10, 20):
        late = fever(observed_at=NOW + minute * MINUTE, late=True, severity=Severity.MAJOR)
        assert put(connection, late, now=NOW + 2 * HOUR) == closed
    assert [one.id for one in incidents.find(connection)] == [closed]
    told = [
        event.detail["told"]
        for event in incidents.timeline(connection, closed)
        if event.kind is EventKind.EVIDENCE_AFTER_CLOSING
    ]
    assert told == ["worker", None]
    assert owed(connection, closed) == ["worker", "worker"]


def test_evidence_from_after_the_closing_opens_a_linked_one(connection: Connection) -> None:
    """One episode, one id: the next one links to it."""
    closed = closed_at(connection, NOW + HOUR)
    opened = put(connection, fever(observed_at=NOW + 2 * HOUR), now=NOW + 2 * HOUR)
    assert opened != closed
    assert shown(connection, opened).previous == closed


def test_evidence_between_two_episodes_finds_its_own(connection: Connection) -> None:
    """While a second episode is open, what belongs to the first still goes to the first."""
    first = closed_at(connection, NOW + HOUR)
    second = put(connection, fever(observed_at=NOW + 2 * HOUR), now=NOW + 2 * HOUR)
    assert put(connection, fever(observed_at=NOW + 30 * MINUTE), now=NOW + 3 * HOUR) == first
    assert shown(connection, second).began_at == NOW + 2 * HOUR


DEVICE = {
    "rule": "device_silent",
    "key": "device:meter-1",
    "kind": IncidentKind.DEVICE,
    "subject": None,
}


def test_a_device_that_speaks_again_closes_its_incident(connection: Connection) -> None:
    """Devices and the system close by themselves, at the time of the clearing observation."""
    opened = open_fever(connection, **DEVICE)
    spoke = fever(**DEVICE, action=Action.CLEAR, observed_at=NOW + HOUR)
    put(connection, spoke, now=NOW + 3 * HOUR)
    incident = shown(connection, opened)
    assert (incident.state, incident.closed_by, incident.closed_at) == (
        "closed",
        "system",
        NOW + HOUR,
    )
    again = put(connection, fever(**DEVICE, observed_at=NOW + 2 * HOUR), now=NOW + 3 * HOUR)
    assert again != opened


def test_a_person_is_never_closed_by_a_rule(connection: Connection) -> None:
    """One cool reading does not end a fever; the timeline says what the rule said."""
    opened = open_fever(connection)
    put(connection, fever(action=Action.CLEAR, observed_at=NOW + HOUR))
    assert shown(connection, opened).is_open
    assert kinds(connection, opened)[-1] == "cause_gone"


def test_clearing_nothing_is_nothing(connection: Connection) -> None:
    """A clearing finding without an open incident opens none."""
    cleared = fever(**DEVICE, action=Action.CLEAR)
    assert incidents.apply(connection, cleared, now=NOW, registry=make_registry()) is None


def test_nobody_on_call_is_an_alarm(connection: Connection) -> None:
    """A ladder without anybody says which steps it skipped, and pages the operator."""
    alone = make_registry(absent=("worker", "secretary", "street"))
    opened = put(connection, fever(observed_at=NOW), registry=alone)
    assert kinds(connection, opened).count("step_skipped") == 3
    alarm = next(one for one in incidents.find(connection) if one.id != opened)
    assert (alarm.kind, alarm.rule) == (IncidentKind.SYSTEM, "nobody_on_call")
    assert owed(connection, alarm.id) == ["operator"]


def test_finding_pages_through_all_of_them_once(connection: Connection) -> None:
    """Going on after the last id gives every incident once, the latest first."""
    opened = [open_fever(connection, key=f"subject:{number}") for number in range(7)]
    seen: list[str] = []
    while batch := incidents.find(connection, limit=3, before=seen[-1] if seen else None):
        seen += [one.id for one in batch]
    assert sorted(seen) == sorted(opened)


def test_a_grid_sees_its_own_and_the_gates(connection: Connection) -> None:
    """Incidents of other grids are left out, those outside every grid are not."""
    mine = open_fever(connection, key="subject:a")
    open_fever(connection, key="subject:b", grid="g2")
    gate = open_fever(connection, key="gate:south", grid=None)
    found = incidents.find(connection, grids=["g1"], open_only=True)
    assert {one.id for one in found} == {mine, gate}


def test_two_writers_open_one_incident(database: Engine) -> None:
    """Two threads with the same cause at the same moment: one incident, both pieces of evidence."""
    ready = threading.Barrier(2)
    found: list[str] = []

    def write() -> None:
        ready.wait()
        with database.begin() as connection:
            found.append(open_fever(connection))

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with database.connect() as connection:
        assert len(set(found)) == len(incidents.find(connection)) == 1
        assert kinds(connection, found[0]).count("evidence") == 2
        assert owed(connection, found[0]) == ["worker"]


def test_the_database_itself_allows_one_open_incident(connection: Connection) -> None:
    """The unique index holds even where two writers have both seen none."""
    first = record.add(connection, fever(observed_at=NOW), now=NOW)
    assert first is not None
    assert record.add(connection, fever(observed_at=NOW), now=NOW) is None


def test_a_change_of_what_was_not_seen_is_refused(connection: Connection) -> None:
    """A conditional UPDATE on the version fails for whoever read an older one."""
    opened = open_fever(connection)
    stale = record.load(connection, opened)
    incidents.acknowledge(connection, opened, actor="worker", now=NOW)
    with pytest.raises(IncidentError, match="somebody else"):
        record.change(connection, stale, began_at=0)
