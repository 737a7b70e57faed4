"""Alarms of the service about itself: into the database, to the operator, over by themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from alerts.delivery import Delivery, look, totals
from alerts.escalation import DEFAULT_POLICIES
from alerts.finding import IncidentKind
from alerts.settlement import ATTEMPTS_PER_CHANNEL
from devices.clock import MINUTE
from gatehouse.own_alarms import OwnAlarms
from gatehouse.symptom import CHANNEL_FAILS
from tests import told
from tests.office import Office
from tests.phones import BUSY


@pytest.fixture
def office(state_database: Engine) -> Iterator[Office]:
    office = Office(state_database)
    yield office
    office.close()


def watch(office: Office, data_dir: Path) -> OwnAlarms:
    """Return the watch of a service that has just begun."""
    return OwnAlarms(
        data_dir=data_dir,
        database=office.database,
        registry=lambda: office.registry,
        clock=office.clock,
        policies=DEFAULT_POLICIES,
        wall=office.real.now,
    )


def delivery(office: Office) -> Delivery:
    with office.database.connect() as connection:
        return look(connection, wall=office.real.now())


def test_the_operator_is_told_once_and_that_it_is_over(office: Office, tmp_path: Path) -> None:
    """An incident of kind system, whose first page is the operator's; it closes by itself."""
    watching = watch(office, tmp_path)
    filling = told.status(journal={"level": "half", "unread_bytes": 51})
    for _ in range(3):
        watching.step(filling)
        office.paging.tick()
    [opened] = office.find_open()
    assert (opened.rule, opened.kind) == ("journal_filling", IncidentKind.SYSTEM)
    assert office.told() == [(0, "operator")]
    watching.step(told.status())
    assert office.find_open() == []


def test_a_restart_closes_what_is_over_meanwhile(office: Office, tmp_path: Path) -> None:
    """What was wrong when the service ended and is well when it begins is no alarm any more."""
    watch(office, tmp_path).step(told.status(counters={"stored": 9}))
    assert [one.rule for one in office.find_open()] == ["books_unbalanced"]
    watch(office, tmp_path).step(told.status())
    assert office.find_open() == []


def test_a_channel_that_fails_is_an_alarm_until_it_works(office: Office, tmp_path: Path) -> None:
    """Tries that failed are counted from the last that succeeded, for each kind of channel."""
    watching = watch(office, tmp_path)
    office.phones.breaks("phone://worker", *[BUSY] * CHANNEL_FAILS)
    office.open_fever()
    office.paging.tick()
    assert delivery(office).failing == {"phone": 1}
    for _ in range(CHANNEL_FAILS - 1):
        office.retry()
    assert delivery(office).failing == {"phone": CHANNEL_FAILS}
    watching.step(told.status())
    assert "channel_failing" in [one.rule for one in office.find_open()]
    office.retry()
    assert delivery(office).failing == {"phone": 0}
    watching.step(told.status())
    assert "channel_failing" not in [one.rule for one in office.find_open()]


def test_what_failed_long_ago_says_nothing(office: Office) -> None:
    """A channel nobody has used for an hour is not failing."""
    office.phones.breaks("phone://worker", *[BUSY] * ATTEMPTS_PER_CHANNEL)
    office.open_fever()
    office.paging.tick()
    office.real.advance(61 * MINUTE)
    assert delivery(office).failing == {"phone": 0}


def test_a_page_is_due_until_it_is_sent_or_waits_for_its_next_try(office: Office) -> None:
    """What nobody could send now is not counted as waiting."""
    office.phones.breaks("phone://worker", BUSY)
    office.open_fever()
    waiting = delivery(office)
    assert (waiting.due, waiting.oldest > 0) == (1, True)
    office.paging.tick()
    office.retry()
    assert (delivery(office).due, delivery(office).oldest) == (0, 0)


def test_pages_and_attempts_are_counted_by_what_became_of_them(office: Office) -> None:
    """Each page once, each try once."""
    office.phones.breaks("phone://worker", BUSY)
    office.open_fever()
    office.paging.tick()
    office.retry()
    with office.database.connect() as connection:
        counted = totals(connection)
    assert counted.pages == {"sent": 1}
    assert counted.attempts == {("phone", "failed"): 1, ("phone", "sent"): 1}
