"""The stories of the community, from the observation to the person who closed the case."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.finding import IncidentKind
from alerts.incident import Disposition, EventKind, State
from tests.scenario.community import Community


@pytest.fixture
def community(tmp_path: Path) -> Iterator[Community]:
    community = Community(tmp_path)
    yield community
    community.stop()


def test_the_night_guard_pages_on_the_fourth_reading(community: Community) -> None:
    """36.9, 37.0, 37.7, 37.9: guard, worker and secretary are told on the last one, not before."""
    community.at("20:00")
    for celsius in (36.9, 37.0, 37.7):
        community.gun().reads(celsius)
        community.clock.advance(15_000)
        community.live()
        assert community.phones.taken == []
    community.gun().reads(37.9)
    (fever,) = community.incidents()
    assert fever.kind is IncidentKind.FEVER_AT_CHECKPOINT
    for told in ("guard", "secretary", "worker-3", "worker-4"):
        assert community.phone(told).times == ["20:00"]
        assert community.phone(told).last.incident == fever.id
    assert community.phone("street").pages == []


def test_the_night_guards_case_is_worked_to_its_end(community: Community) -> None:
    """Acknowledged, kept watch over, asked for again the next day, closed: all of it is told."""
    community.at("20:00")
    for celsius in (37.7, 37.9):
        community.gun().reads(celsius)
        community.clock.advance(15_000)
    (fever,) = community.incidents()
    community.at("20:03").acknowledge(fever.id, "secretary")
    community.at("20:30").observes(fever.id, "secretary", "Zhang measures at the door")
    community.at("19:00")
    assert community.phone("street").pages == [], "nobody is asked again before the time ends"
    assert community.phone("guard").times == ["20:00"]
    community.at("20:35")
    assert community.phone("secretary").times == ["20:00", "20:30", "20:35"]
    community.acknowledge(fever.id, "secretary")
    community.close(fever.id, "secretary", Disposition.HOSPITAL, "taken in at 20:40")
    community.at("23:00")
    assert community.phone("street").pages == []
    told = [
        (event.kind, event.actor)
        for event in community.timeline(fever.id)
        if event.kind not in (EventKind.PAGE_SENT, EventKind.EVIDENCE)
    ]
    assert told == [
        ("opened", "system"),
        ("round_begun", "system"),
        ("step_begun", "system"),
        ("acknowledged", "secretary"),
        ("observing", "secretary"),
        ("recheck_due", "system"),
        ("round_begun", "system"),
        ("step_begun", "system"),
        ("step_repeated", "system"),
        ("acknowledged", "secretary"),
        ("closed", "secretary"),
    ]


def test_ms_suns_first_reading_is_only_a_watch(community: Community) -> None:
    """37.5 once is seen on the screen and pages nobody."""
    community.at("07:40").thermometer("sun").reads(37.5)
    community.at("07:54")
    (watch,) = community.incidents(watches=True)
    assert watch.watch
    assert community.phones.taken == []


def test_ms_suns_second_reading_tells_her_worker(community: Community) -> None:
    """37.6 fifteen minutes later makes the same case an incident; only her own worker is told."""
    community.at("07:40").thermometer("sun").reads(37.5)
    community.at("07:55").thermometer("sun").reads(37.6)
    assert community.phone("worker-3").last.kind is IncidentKind.FEVER
    assert community.phone("worker-3").times == ["07:55"]
    assert community.phone("worker-4").pages == []
    assert community.phone("secretary").pages == []
    assert len(community.incidents(watches=True)) == 1


def test_an_unacknowledged_fever_reaches_secretary_and_street(community: Community) -> None:
    """Without an answer the secretary is told after 15 minutes, the street after 45."""
    community.at("07:40").thermometer("sun").reads(37.5)
    community.at("07:55").thermometer("sun").reads(37.6)
    community.at("08:09")
    assert community.phone("secretary").pages == []
    community.at("08:10")
    assert community.phone("secretary").last.kind is IncidentKind.FEVER
    community.at("08:39")
    assert community.phone("street").pages == []
    community.at("08:40")
    assert community.phone("street").last.kind is IncidentKind.FEVER
    assert community.phone("worker-3").times == ["07:55", "08:00", "08:05"]
    assert community.phone("secretary").times == ["08:10", "08:15", "08:20", "08:25"]


def test_ms_suns_worker_answers_and_nobody_else_is_woken(community: Community) -> None:
    """Acknowledged from the phone and handed over to hospital: the story ends with one page."""
    community.at("07:40").thermometer("sun").reads(37.5)
    community.at("07:55").thermometer("sun").reads(37.6)
    fever = community.phone("worker-3").last.incident
    community.at("07:58").acknowledge(fever, "worker-3")
    community.at("09:30").close(fever, "worker-3", Disposition.HOSPITAL)
    community.at("20:00")
    assert len(community.phones.taken) == 1
    (case,) = community.incidents()
    assert (case.state, case.disposition) == (State.CLOSED, Disposition.HOSPITAL)


def test_a_worsening_fever_starts_its_own_ladder(community: Community) -> None:
    """38.2 after the acknowledgement: worker and secretary at once, the street after 15 min."""
    community.at("07:40").thermometer("sun").reads(37.5)
    community.at("07:55").thermometer("sun").reads(37.6)
    fever = community.phone("worker-3").last.incident
    community.acknowledge(fever, "worker-3")
    community.at("08:30").thermometer("sun").reads(38.2)
    assert community.phone("worker-3").times == ["07:55", "08:30"]
    assert community.phone("secretary").times == ["08:30"]
    community.at("08:45")
    assert community.phone("street").times == ["08:45"]
    assert len(community.incidents()) == 1


def test_a_forgotten_acknowledgement_comes_back(community: Community) -> None:
    """Two hours after the acknowledgement of a minor fever its worker is asked again."""
    community.at("07:40").thermometer("sun").reads(37.5)
    community.at("07:55").thermometer("sun").reads(37.6)
    fever = community.phone("worker-3").last.incident
    community.acknowledge(fever, "worker-3")
    community.at("09:54")
    assert community.phone("worker-3").times == ["07:55"]
    community.at("09:55")
    assert community.phone("worker-3").times == ["07:55", "09:55"]


def test_a_reading_that_arrives_after_the_closing_tells_who_closed_it(
    community: Community,
) -> None:
    """It attaches to the closed case; no second case, no ladder, one page to the closer."""
    community.at("07:40").thermometer("sun").reads(37.5)
    community.at("07:55").thermometer("sun").reads(37.6)
    fever = community.phone("worker-3").last.incident
    community.acknowledge(fever, "worker-3")
    community.at("09:00").close(fever, "worker-3", Disposition.NO_FEVER)
    community.at("09:30").thermometer("sun").reads(38.4, minutes_ago=60)
    assert community.phone("worker-3").times == ["07:55", "09:30"]
    assert "after you closed it" in community.phone("worker-3").last.title
    assert len(community.incidents(watches=True)) == 1


def test_a_fever_after_the_closing_is_a_new_case(community: Community) -> None:
    """The next day's fever links to the closed case and climbs its own ladder."""
    community.at("07:40").thermometer("sun").reads(38.1)
    (first,) = community.incidents()
    community.at("08:00").close(first.id, "worker-3", Disposition.NO_FEVER)
    community.at("07:40").thermometer("sun").reads(38.1)
    second = community.incidents()[-1]
    assert second.id != first.id
    assert second.previous == first.id
    assert community.phone("worker-3").last.incident == second.id


def test_the_turning_meter_sends_the_worker_to_knock(community: Community) -> None:
    """A cooker and lights two evenings of three: one incident, paged by day, and closed."""
    community.meter_means(1_200, from_="18:00", to="21:00")
    community.meter_means(20, from_="22:00", to="23:30")
    assert community.incidents() == []
    assert community.phones.taken == []
    community.at("00:30").meter_means(20, from_="01:00", to="06:00")
    community.meter_means(1_200, from_="18:00", to="21:00")
    community.meter_means(20, from_="21:00", to="23:50")
    community.at("10:00")
    (flat,) = community.incidents()
    assert flat.kind is IncidentKind.EMPTY_FLAT
    assert flat.building == "building-9"
    pages = community.phone("worker-3").pages
    assert pages
    assert all("08" <= page.at[:2] < "21" for page in pages), "nobody is sent to knock at night"
    community.acknowledge(flat.id, "worker-3")
    community.close(flat.id, "worker-3", Disposition.REGISTERED, "a family of three")
    (closed,) = community.incidents()
    assert closed.disposition == Disposition.REGISTERED


def test_the_outsider_pages_the_guard_on_the_third_try(community: Community) -> None:
    """An unknown face three times in ten minutes; a single one pages nobody."""
    community.at("22:00").camera().sees_a_stranger()
    community.at("22:03").camera().sees_a_stranger()
    assert community.phones.taken == []
    community.at("22:06").camera().sees_a_stranger()
    assert community.phone("guard").last.kind is IncidentKind.STRANGERS
    assert community.phone("guard").times == ["22:06"]
    assert "south" in community.phone("guard").last.title
    community.at("22:35")
    assert community.phone("secretary").pages == []
    community.at("22:36")
    assert community.phone("secretary").times == ["22:36"]


def test_a_restart_pages_nobody_again(community: Community) -> None:
    """Engine and paging begin anew on the database: the ladder goes on where it was."""
    community.at("07:40").thermometer("sun").reads(37.5)
    community.at("07:55").thermometer("sun").reads(37.6)
    community.at("08:02")
    community.paging.close()
    community.start()
    community.at("08:10")
    assert community.phone("worker-3").times == ["07:55", "08:00", "08:05"]
    assert community.phone("secretary").times == ["08:10"]
    assert len(community.incidents()) == 1
