"""What crashes, races and hanging channels cost the outbox: at most one repeat, and it says so."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts import incident as incidents
from alerts.attempt import Result
from alerts.claim import LEASE_MS
from alerts.finding import Severity
from alerts.incident import EventKind
from alerts.outbox import Paging
from alerts.page_text import PageText
from alerts.settlement import BACKOFF_CAP_MS, backoff
from devices.clock import MINUTE
from tests.office import Office
from tests.phones import BUSY, GONE
from tests.servers import PATIENCE, wait_until
from tests.state import open_state


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """An office whose writers wait for each other on a slow disk too."""
    monkeypatch.setattr("gatehouse.database.BUSY_TIMEOUT_S", PATIENCE)
    office = Office(open_state(tmp_path))
    yield office
    office.close()


class _Killed(BaseException):
    """Stands for SIGKILL between the attempt's commit and its result."""


def test_a_crash_while_sending_costs_one_marked_repeat(office: Office) -> None:
    """The attempt found open is sent again once, same number, saying that it may be a repeat."""
    office.open_fever()

    def die(_: PageText) -> None:
        raise _Killed

    office.phones.before_taking = die
    with pytest.raises(_Killed):
        office.paging.tick()
    office.phones.before_taking = lambda _: None
    restarted = office.open_paging()
    assert restarted.tick() == 0, "the lease of whoever may still be sending is respected"
    office.real.advance(LEASE_MS)
    assert restarted.tick() == 1
    assert restarted.tick() == 0
    restarted.close()
    attempts = office.attempts()
    assert [(one.number, one.result, one.possible_repeat) for one in attempts] == [
        (1, Result.UNFINISHED, False),
        (1, Result.SENT, True),
    ]
    assert "received this page before" in office.phones.taken[0].text.body


def test_a_crash_before_an_acknowledgement_is_not_repeated_after_it(office: Office) -> None:
    """An attempt left open is let go when somebody has acknowledged meanwhile."""
    opened = office.open_fever()

    def die(_: PageText) -> None:
        raise _Killed

    office.phones.before_taking = die
    with pytest.raises(_Killed):
        office.paging.tick()
    office.phones.before_taking = lambda _: None
    office.act(incidents.acknowledge, opened, actor="worker")
    office.real.advance(LEASE_MS)
    restarted = office.open_paging()
    restarted.tick()
    restarted.close()
    assert office.told() == []


def test_a_page_settled_by_its_first_sender_is_not_failed_by_the_second(office: Office) -> None:
    """A slow send that outlives its lease and succeeds stands, whatever the repeat does."""
    office.open_fever()
    other = office.open_paging()

    def outlive(_: PageText) -> None:
        office.phones.before_taking = lambda _: None
        office.phones.breaks("phone://worker", GONE)
        office.real.advance(LEASE_MS)
        other.tick()

    office.phones.before_taking = outlive
    office.paging.tick()
    other.close()
    assert [one.result for one in office.attempts() if one.page == 1] == ["sent", "failed"]
    assert [one.rule for one in office.find_open()] == ["fever"]


def test_a_hanging_channel_holds_nobody_else(office: Office) -> None:
    """While one person's channel hangs, the others are told and the ladder is climbed."""
    hanging = threading.Event()
    office.open_fever(severity=Severity.MAJOR)
    office.phones.before_taking = lambda text: (
        hanging.wait(PATIENCE) if text.worker == "worker" else None
    )
    office.paging.tick()
    assert office.told() == [(0, "secretary")]
    office.clock.advance(15 * MINUTE)
    office.paging.tick()
    assert office.told() == [(0, "secretary"), (15, "street")]
    hanging.set()
    wait_until(lambda: office.paging.tick() or len(office.told()) == 3)
    assert office.told()[-1] == (15, "worker")


def test_a_hanging_channel_does_not_hold_up_the_end(office: Office) -> None:
    """Closing leaves a send that hangs; the attempt stays open for the next start to repeat."""
    hanging = threading.Event()
    office.open_fever()
    office.phones.before_taking = lambda _: hanging.wait(PATIENCE) and None
    office.paging.tick()
    office.paging.close()
    assert [one.result for one in office.attempts()] == [Result.BEGUN]
    hanging.set()
    wait_until(lambda: [one.result for one in office.attempts()] == [Result.SENT])


def test_an_acknowledgement_during_a_send_stops_what_follows(office: Office) -> None:
    """What is already on its way arrives; its retry after a failure does not."""
    opened = office.open_fever()

    def acknowledge(_: PageText) -> None:
        office.phones.before_taking = lambda _: None
        office.act(incidents.acknowledge, opened, actor="worker")

    office.phones.before_taking = acknowledge
    office.phones.breaks("phone://worker", BUSY)
    office.paging.tick()
    office.retry()
    assert office.told() == []
    assert office.events(opened, EventKind.PAGE_NOT_SENT)


def test_two_pagings_on_one_database_send_each_page_once(office: Office) -> None:
    """Two processes' worth of senders and ladders race: nothing is paged twice, nothing is left."""
    incidents_open = 30
    for number in range(incidents_open):
        office.open_fever(key=f"subject:{number}", severity=Severity.MAJOR)
    rivals = [office.paging, office.open_paging()]
    stop = threading.Event()

    def tick(paging: Paging) -> None:
        while not stop.is_set():
            paging.tick()

    threads = [threading.Thread(target=tick, args=(rival,)) for rival in rivals]
    for thread in threads:
        thread.start()
    for step in range(1, 5):
        pages = step * 2 * incidents_open - (incidents_open if step == 4 else 0)
        wait_until(lambda wanted=pages: len(office.phones.taken) >= wanted)
        if step < 4:
            office.clock.advance(5 * MINUTE)
    stop.set()
    for thread in threads:
        thread.join()
    rivals[1].close()
    taken = [(one.text.incident, one.text.worker, one.at) for one in office.phones.taken]
    assert len(taken) == len(set(taken)) == 7 * incidents_open
    assert {one.number for one in office.attempts()} == {1}
    assert not any(one.possible_repeat for one in office.attempts())


def _die_while_sending(folder: Path) -> None:
    office = Office(open_state(folder))
    office.phones.before_taking = lambda _: os._exit(9)
    office.paging.tick()


def test_a_killed_process_costs_one_marked_repeat(tmp_path: Path) -> None:
    """The same with a real process that dies between the attempt's commit and the send."""
    office = Office(open_state(tmp_path))
    office.open_fever()
    child = multiprocessing.get_context("spawn").Process(
        target=_die_while_sending, args=(tmp_path,)
    )
    child.start()
    child.join(60)
    assert child.exitcode == 9
    assert [one.result for one in office.attempts()] == [Result.BEGUN]
    office.real.advance(LEASE_MS)
    office.paging.tick()
    office.paging.tick()
    assert [(one.number, one.result) for one in office.attempts()] == [
        (1, Result.UNFINISHED),
        (1, Result.SENT),
    ]
    assert len(office.phones.of("worker")) == 1
    office.close()


@pytest.mark.parametrize("tried", range(1, 20))
def test_backoff_is_bounded(tried: int) -> None:
    """However often a channel failed, the wait has a cap; full jitter may make it short."""
    assert 0 <= backoff(tried) < min(BACKOFF_CAP_MS, 2_000 * 2 ** (tried - 1))
