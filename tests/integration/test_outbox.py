"""The outbox with fake phones, on both databases: who is told, when, how often, and why not."""

from collections.abc import Iterator
from unittest.mock import Mock

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from alerts import evidence
from alerts import incident as incidents
from alerts.attempt import Result
from alerts.finding import Severity
from alerts.incident import Disposition, EventKind, IncidentError
from alerts.settlement import ATTEMPTS_PER_CHANNEL
from devices.clock import HOUR, MINUTE
from tests.office import NOW, Office, make_registry
from tests.phones import BUSY, GONE


@pytest.fixture
def office(state_database: Engine) -> Iterator[Office]:
    office = Office(state_database)
    yield office
    office.close()


def test_an_unacknowledged_fever_climbs(office: Office) -> None:
    """Worker at once and every five minutes, secretary at 15, street at 45, nobody in between."""
    office.open_fever()
    office.paging.tick()
    office.wait(46)
    assert office.told() == [
        *((0, "worker"), (5, "worker"), (10, "worker")),
        *((15, "secretary"), (20, "secretary"), (25, "secretary"), (30, "secretary")),
        (45, "street"),
    ]


def test_an_acknowledgement_stops_everything(office: Office) -> None:
    """After it nobody is paged until it lapses; then the first step is paged again."""
    opened = office.open_fever()
    office.paging.tick()
    office.wait(3)
    office.act(incidents.acknowledge, opened, actor="worker")
    office.wait(119)
    assert office.told() == [(0, "worker")]
    office.wait(2)
    assert office.told()[1:] == [(123, "worker")]
    lapsed = office.events(opened, EventKind.LAPSED)
    assert [event.detail["acknowledged_by"] for event in lapsed] == ["worker"]


def test_a_recheck_that_nobody_makes_pages_again(office: Office) -> None:
    """A case that is observed is triggered again when its time ends, not before."""
    opened = office.open_fever()
    office.paging.tick()
    office.act(incidents.acknowledge, opened, actor="worker")
    office.act(incidents.observe, opened, actor="worker", until=NOW + HOUR)
    office.wait(59)
    assert len(office.told()) == 1
    office.wait(2)
    assert office.told()[1:] == [(60, "worker")]


def test_closing_ends_the_ladder(office: Office) -> None:
    """Once closed, nothing is owed any more, however long one waits."""
    opened = office.open_fever()
    office.paging.tick()
    end = {"actor": "worker", "disposition": Disposition.HOSPITAL}
    office.act(incidents.close, opened, **end)
    office.wait(100)
    assert office.told() == [(0, "worker")]


def test_an_owed_page_does_not_leave_after_an_acknowledgement(office: Office) -> None:
    """A page owed and not yet sent is let go, and the timeline says why."""
    opened = office.open_fever()
    office.act(incidents.acknowledge, opened, actor="secretary")
    office.paging.tick()
    assert office.told() == []
    let_go = office.events(opened, EventKind.PAGE_NOT_SENT)
    assert [(event.detail["worker"], event.detail["reason"]) for event in let_go] == [
        ("worker", "acknowledged")
    ]


def test_a_failed_page_is_retried_while_the_ladder_goes_on(office: Office) -> None:
    """The worker's broken channel does not keep the secretary waiting, nor the other way round."""
    office.open_fever(severity=Severity.MAJOR)
    office.phones.breaks("phone://worker", BUSY, BUSY)
    office.paging.tick()
    assert office.told() == [(0, "secretary")]
    office.retry()
    office.retry()
    assert office.told() == [(0, "secretary"), (0, "worker")]
    attempts = office.attempts()
    assert sorted((one.number, one.result) for one in attempts if one.page == 1) == [
        (1, Result.FAILED),
        (2, Result.FAILED),
        (3, Result.SENT),
    ]


def test_a_repeat_overtakes_a_page_that_is_still_failing(office: Office) -> None:
    """When the channel is mended, one page arrives and not all that were owed meanwhile."""
    opened = office.open_fever()
    office.phones.breaks("phone://worker", BUSY)
    office.paging.tick()
    office.wait(5.5)
    office.retry()
    assert office.told() == [(5, "worker")]
    let_go = office.events(opened, EventKind.PAGE_NOT_SENT)
    assert [event.detail["reason"] for event in let_go] == ["superseded"]


def test_a_dead_channel_gives_way_to_the_next(office: Office) -> None:
    """A permanent failure goes to the worker's second address at once."""
    addresses = {"worker": ("phone://old", "phone://new")}
    office.registry = make_registry(channels=addresses)
    office.open_fever()
    office.phones.breaks("phone://old", GONE)
    office.paging.tick()
    assert [taken.address for taken in office.phones.of("worker")] == ["phone://new"]


def test_a_channel_is_tried_a_bounded_number_of_times(office: Office) -> None:
    """A channel that only ever says "later" counts as dead after its last attempt."""
    office.registry = make_registry(channels={"worker": ("phone://slow", "phone://new")})
    office.open_fever()
    office.phones.breaks("phone://slow", *[BUSY] * 50)
    for _ in range(ATTEMPTS_PER_CHANNEL):
        assert office.told() == []
        office.retry()
    assert [taken.address for taken in office.phones.of("worker")] == ["phone://new"]


def test_a_page_that_reached_nobody_pages_the_next_step_and_the_operator(office: Office) -> None:
    """The secretary is told at once instead of after 15 minutes, and the operator why: once."""
    opened = office.open_fever()
    office.phones.breaks("phone://worker", *[GONE] * 10)
    office.paging.tick()
    office.paging.tick()
    assert sorted(office.told()) == [(0, "operator"), (0, "secretary")]
    assert office.events(opened, EventKind.STEP_FAILED)
    alarms = [one for one in office.find_open() if one.rule == "page_undelivered"]
    assert [alarm.key for alarm in alarms] == ["worker:worker"]
    office.open_fever(key="subject:other")
    office.paging.tick()
    assert len([one for one in office.find_open() if one.rule == "page_undelivered"]) == 1


def test_the_alarm_about_a_page_ends_when_one_arrives(office: Office) -> None:
    """A channel that works again closes the alarm by itself."""
    office.open_fever()
    office.phones.breaks("phone://worker", GONE)
    office.paging.tick()
    office.open_fever(key="subject:other")
    office.paging.tick()
    assert [one.rule for one in office.find_open()] == ["fever", "fever"]


def test_a_worker_without_a_channel_is_a_page_that_reached_nobody(office: Office) -> None:
    """Nobody's missing phone number is passed over in silence."""
    office.registry = make_registry(channels={"worker": ()})
    opened = office.open_fever()
    office.paging.tick()
    office.paging.tick()
    assert [event.detail["worker"] for event in office.events(opened, EventKind.PAGE_FAILED)] == [
        "worker"
    ]
    assert "secretary" in [worker for _, worker in office.told()]


def test_an_unreachable_operator_does_not_raise_alarms_about_alarms(office: Office) -> None:
    """When the alarm's own page fails, the alarm climbs; it does not breed."""
    nobody = dict.fromkeys(("worker", "secretary", "street", "operator"), ())
    office.registry = make_registry(channels=nobody)
    office.open_fever()
    for _ in range(20):
        office.paging.tick()
    rules = sorted(one.rule for one in office.find_open())
    assert rules == ["fever", "page_undelivered", "page_undelivered", "page_undelivered"]


def test_late_evidence_tells_who_closed_the_case(office: Office) -> None:
    """The page leaves although the case is closed, and says what it is about."""
    opened = office.open_fever()
    end = {"actor": "secretary", "disposition": Disposition.NO_FEVER}
    office.clock.advance(HOUR)
    office.act(incidents.close, opened, **end)
    office.open_fever(observed_at=NOW + MINUTE, late=True)
    office.paging.tick()
    assert [(one.text.worker, one.text.incident) for one in office.phones.taken] == [
        ("secretary", opened)
    ]
    assert "after you closed it" in office.phones.taken[0].text.title


def test_a_move_that_cannot_be_taken_is_told_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried with each tick, four times a second; the log has it when it begins."""
    office.open_fever()
    office.paging.tick()
    office.clock.advance(5 * MINUTE)
    refused = Mock(side_effect=IncidentError("somebody else has just changed it"))
    with monkeypatch.context() as patched, capture_logs() as logged:
        patched.setattr(evidence, "climb", refused)
        for _ in range(3):
            office.paging.tick()
    assert refused.call_count == 3
    assert [one["event"] for one in logged] == ["move_postponed"]
    office.paging.tick()
    assert len(office.told()) == 2
