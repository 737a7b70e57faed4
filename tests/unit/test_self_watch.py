"""What the operator is told of the service itself, and when it is over."""

import msgspec
import pytest

from alerts.finding import Action, Finding, IncidentKind, Severity
from devices.clock import HOUR, MINUTE, SECOND
from gatehouse.self_watch import AHEAD_AT_MOST, FOLLOWER_STUCK_AFTER, SOURCE_LOST_AFTER, SelfWatch
from ingest.answer import AnswerStatus
from ingest.books import balance
from ingest.follower import FollowerStatus
from ingest.journal_room import JournalStatus
from ingest.ledger_file import Account
from ingest.pipeline import PipelineStatus
from ingest.source_status import SourceStatus
from ingest.status import ServiceStatus

NOW = 1_581_681_600_000
JOURNAL = JournalStatus(
    id="j",
    base=1,
    head=10,
    bytes=1,
    max_bytes=100,
    unread_bytes=1,
    limit_bytes=100,
    level="",
    hours_left=71.6,
    problem="",
    files=1,
    damaged_files=0,
    damaged_rows=0,
)


SOURCE = SourceStatus(
    name="mqtt",
    connected=True,
    protocol="5",
    session=1,
    since=NOW,
    granted={"#": 1},
    received=10,
    unguarded=0,
    acks=10,
    reconnects=0,
    problem="",
    draining=False,
)
OTHER = msgspec.structs.replace(SOURCE, name="backup")
OTHER_AWAY = msgspec.structs.replace(OTHER, connected=False)
AWAY = msgspec.structs.replace(SOURCE, connected=False)
REFUSED = msgspec.structs.replace(SOURCE, problem="broker refuses the topic 'a/#'")
WELL = FollowerStatus(cursor=10, durable=10, pending=0, held="")
HELD = FollowerStatus(cursor=4, durable=4, pending=6, held="the store answers 401")
SLOW = FollowerStatus(cursor=4, durable=4, pending=6, held="")
HELD_WITH_NOTHING_TO_DO = FollowerStatus(cursor=10, durable=10, pending=0, held="no database")


def status(
    *,
    stored: int = 10,
    lost: int = 0,
    source: SourceStatus = SOURCE,
    other_source: SourceStatus = OTHER,
    follower: FollowerStatus = WELL,
    alerts: FollowerStatus = WELL,
    at: int = 0,
    frontier: int = 0,
    **journal: object,
) -> ServiceStatus:
    """Return a service that has taken in ten messages and accounted for so many.

    Args:
        at: Real time after NOW, in milliseconds; the community's stands still.
        frontier: What has been judged, in milliseconds after the community's time.
    """
    parts = PipelineStatus(
        sources=[source, other_source],
        journal=msgspec.structs.replace(JOURNAL, **journal),
        followers={"series": follower, "alerts": alerts},
        answers=AnswerStatus(0, 0, 0),
        repeats=0,
        in_flight_bytes=0,
        paused=False,
        problem="",
        frontier=NOW + frontier,
    )
    account = Account("j", 10, {"stored": stored, "lost": lost})
    return ServiceStatus(
        at=NOW,
        wall_at=NOW + at,
        version="0",
        pipeline=parts,
        books=balance(account, head=10),
        judged={},
    )


def tell(*statuses: ServiceStatus) -> list[Finding]:
    """Return all that is told while one status follows on the other."""
    watch, told = SelfWatch(), []
    for one in statuses:
        watch, findings = watch.step(one)
        told += findings
    return told


def wrong(*statuses: ServiceStatus) -> dict[str, Finding]:
    """Return what is told to be wrong, by the name of its alarm."""
    return {one.rule: one for one in tell(*statuses) if one.action is Action.OPEN}


def over(*statuses: ServiceStatus) -> list[str]:
    """Return the alarms that are told to be over, in order."""
    return [one.rule for one in tell(*statuses) if one.action is Action.CLEAR]


def test_a_service_that_is_well_raises_nothing() -> None:
    """Balanced books and an empty journal are no alarm."""
    assert wrong(status()) == {}


@pytest.mark.parametrize(
    ("level", "filled", "severity"),
    [
        ("half", "50 %", Severity.MINOR),
        ("high", "80 %", Severity.MAJOR),
        ("full", "100 %", Severity.CRITICAL),
    ],
)
def test_a_filling_journal_rises_with_its_level(
    level: str, filled: str, severity: Severity
) -> None:
    """The operator is told at 50 %, 80 % and when it is full, with the hours left."""
    found = wrong(status(level=level))["journal_filling"]
    assert (found.action, found.kind, found.severity) == (
        Action.OPEN,
        IncidentKind.SYSTEM,
        severity,
    )
    assert found.evidence == {"filled": filled, "hours_left": "0" if level == "full" else "72"}


def test_a_journal_that_takes_nothing_is_full_whatever_its_level() -> None:
    """A disk that refuses to write is as urgent as a bound that is reached."""
    found = wrong(status(problem="no space left"))["journal_filling"]
    assert found.severity is Severity.CRITICAL


def test_a_level_is_left_only_when_it_is_left_clearly() -> None:
    """A backlog that hovers about a level pages once; one that goes is over."""
    half = status(level="half", unread_bytes=51)
    hovering = [half, status(unread_bytes=49), half, status(unread_bytes=41), half]
    assert [one.action for one in tell(*hovering) if one.rule == "journal_filling"] == [Action.OPEN]
    assert "journal_filling" in over(half, status(unread_bytes=39))
    high = status(level="high", unread_bytes=80)
    eased = [high, status(level="half", unread_bytes=75), status(level="half", unread_bytes=69)]
    severities = [one.severity for one in tell(*eased) if one.action is Action.OPEN]
    assert severities == [Severity.MAJOR, Severity.MINOR]


def test_books_that_do_not_balance_are_told() -> None:
    """A message that is nowhere is an alarm."""
    assert set(wrong(status(stored=9))) == {"books_unbalanced"}


@pytest.mark.parametrize(
    ("change", "evidence"),
    [
        ({"points_encoded": 7}, {"difference": "0", "points_difference": "7"}),
        ({"letters_missing": 3}, {"difference": "3"}),
        ({"stored": 9}, {"difference": "1"}),
    ],
)
def test_what_is_missing_in_the_books_is_said(
    change: dict[str, int], evidence: dict[str, str]
) -> None:
    """Messages, points and dead letters: each is an alarm by itself, over when it is found."""
    well = status()
    ill = msgspec.structs.replace(well, books=msgspec.structs.replace(well.books, **change))
    assert wrong(ill)["books_unbalanced"].evidence == evidence
    assert "books_unbalanced" in over(ill, well)


@pytest.mark.parametrize("damage", [{"damaged_files": 1}, {"damaged_rows": 3}])
def test_damage_to_the_journal_is_told_until_it_is_gone(damage: dict[str, int]) -> None:
    """A file set aside, though everything in it had been read, says that the disk is ill."""
    found = wrong(status(**damage))["journal_damaged"]
    assert found.severity is Severity.MAJOR
    assert "journal_damaged" in over(status(**damage), status())


def test_each_loss_is_told_once_and_stays_until_a_person_closes_it() -> None:
    """What is lost is told when it is lost, not at each start, and is never over by itself."""
    lost, more = status(stored=9, lost=1), status(stored=7, lost=3)
    steps = [lost, lost, more, more]
    told = [one for one in tell(*steps) if one.rule == "journal_damaged"]
    assert [(one.action, one.evidence["lost"]) for one in told] == [
        (Action.OPEN, "1"),
        (Action.OPEN, "3"),
    ]
    _, after_a_restart = SelfWatch(lost_told=3).step(more)
    assert "journal_damaged" not in [one.rule for one in after_a_restart]


def test_a_trouble_is_told_once_for_each_severity() -> None:
    """Second after second the same is one alarm; a journal that fills on is told again."""
    half, high = status(level="half"), status(level="high")
    told = [one.severity for one in tell(half, half, high, high) if one.action is Action.OPEN]
    assert told == [Severity.MINOR, Severity.MAJOR]
    assert over(status(level="half"), status(), status()).count("journal_filling") == 1


@pytest.mark.parametrize("source", [AWAY, REFUSED], ids=["away", "refused"])
def test_a_source_that_stays_away_is_told(source: SourceStatus) -> None:
    """No connection, or a refused subscription, for five minutes is an alarm that names it."""
    early, late = SOURCE_LOST_AFTER - 1, SOURCE_LOST_AFTER
    assert wrong(status(source=source), status(source=source, at=early)) == {}
    found = wrong(status(source=source), status(source=source, at=late))["source_lost"]
    assert (found.severity, found.evidence) == (Severity.MAJOR, {"sources": "mqtt"})


def test_a_second_source_that_is_lost_is_told_by_its_name() -> None:
    """That one source is known to be away hides no other; each has an incident of its own."""
    one = [status(source=AWAY), status(source=AWAY, at=SOURCE_LOST_AFTER)]
    both = [
        status(source=AWAY, other_source=OTHER_AWAY, at=at)
        for at in (SOURCE_LOST_AFTER + 1, 2 * SOURCE_LOST_AFTER + 1)
    ]
    one_back = status(other_source=OTHER_AWAY, at=3 * SOURCE_LOST_AFTER)
    told = [one for one in tell(*one, *both, one_back) if one.rule == "source_lost"]
    assert [(one.action, one.key, one.evidence.get("sources")) for one in told] == [
        (Action.CLEAR, "source:backup", None),
        (Action.OPEN, "source:mqtt", "mqtt"),
        (Action.OPEN, "source:backup", "backup"),
        (Action.CLEAR, "source:mqtt", None),
    ]


def test_a_source_that_comes_and_goes_is_told_until_it_stays() -> None:
    """Two seconds in every thirty are no connection; a minute without a break is one."""
    flapping = [
        status(source=SOURCE if second % 30 < 2 else AWAY, at=second * SECOND)
        for second in range(2, 3600, 2)
    ]
    steady = [status(at=3600 * SECOND + second * SECOND) for second in (0, 57, 58, 59)]
    told = [one for one in tell(*flapping, *steady) if one.key == "source:mqtt"]
    assert [one.action for one in told] == [Action.OPEN, Action.CLEAR]
    assert "source:mqtt" not in [
        one.key for one in tell(*flapping, *steady[:2]) if one.action is Action.CLEAR
    ]


def test_a_source_that_is_just_back_is_not_told_to_be_lost() -> None:
    """An outage that ended before its five minutes is none, though it is not forgotten yet."""
    almost = SOURCE_LOST_AFTER - SECOND
    steps = [status(source=AWAY), status(source=AWAY, at=almost), status(at=SOURCE_LOST_AFTER)]
    assert wrong(*steps) == {}


def test_a_clock_that_was_ahead_delays_no_loss() -> None:
    """A source lost while the clock was an hour ahead is told five minutes after it is right."""
    ahead = status(source=AWAY, at=HOUR)
    right = [status(source=AWAY), status(source=AWAY, at=SOURCE_LOST_AFTER)]
    assert set(wrong(ahead, *right)) == {"source_lost"}


def test_a_source_that_is_back_is_told_and_waits_anew() -> None:
    """The alarm ends with the connection, and the next outage has its own five minutes."""
    away = [status(source=AWAY), status(source=AWAY, at=SOURCE_LOST_AFTER)]
    back = status(at=6 * MINUTE)
    again = [status(source=AWAY, at=7 * MINUTE), status(source=AWAY, at=11 * MINUTE)]
    told = [one.action for one in tell(*away, back, *again) if one.key == "source:mqtt"]
    assert told == [Action.OPEN, Action.CLEAR]


@pytest.mark.parametrize(
    "follower", [HELD, SLOW, HELD_WITH_NOTHING_TO_DO], ids=["held", "slow", "idle and held"]
)
def test_a_follower_that_stands_still_is_told(follower: FollowerStatus) -> None:
    """One that is held, or has work and does not move, for ten minutes is an alarm."""
    early, late = FOLLOWER_STUCK_AFTER - 1, FOLLOWER_STUCK_AFTER
    assert wrong(status(follower=follower), status(follower=follower, at=early)) == {}
    found = wrong(status(follower=follower), status(follower=follower, at=late))["follower_stuck"]
    assert (found.severity, found.evidence) == (Severity.MAJOR, {"readers": "series"})


def test_a_second_follower_that_stands_still_is_told_by_its_name() -> None:
    """That the series are known to be held hides no held alerts."""
    first = [status(follower=HELD), status(follower=HELD, at=FOLLOWER_STUCK_AFTER)]
    both = [
        status(follower=HELD, alerts=HELD, at=at)
        for at in (FOLLOWER_STUCK_AFTER + 1, 2 * FOLLOWER_STUCK_AFTER + 1)
    ]
    told = [one for one in tell(*first, *both) if one.action is Action.OPEN]
    assert [(one.key, one.evidence["readers"]) for one in told] == [
        ("follower:series", "series"),
        ("follower:alerts", "alerts"),
    ]


def test_a_follower_that_moves_is_not_stuck() -> None:
    """However far behind, one whose durable position rises is working; its time begins anew."""
    moved = msgspec.structs.replace(SLOW, durable=5)
    steps = [
        status(follower=SLOW),
        status(follower=moved, at=FOLLOWER_STUCK_AFTER - 1),
        status(follower=moved, at=2 * FOLLOWER_STUCK_AFTER - 2),
    ]
    assert wrong(*steps) == {}


def test_a_follower_that_goes_on_is_told() -> None:
    """The alarm ends when nothing waits any more."""
    held = [status(follower=HELD), status(follower=HELD, at=FOLLOWER_STUCK_AFTER)]
    assert "follower_stuck" in over(*held, status(at=FOLLOWER_STUCK_AFTER + 1))


def test_a_clock_that_was_set_back_is_told_until_it_has_caught_up() -> None:
    """What is judged may be ahead of the clock by five minutes; more is silence unnoticed."""
    assert wrong(status(frontier=AHEAD_AT_MOST)) == {}
    ahead = [status(frontier=HOUR), status(frontier=HOUR - SECOND)]
    found = wrong(*ahead)["clock_set_back"]
    assert (found.severity, found.evidence) == (Severity.MAJOR, {"ahead_minutes": "60"})
    told = [one for one in tell(*ahead, status(frontier=AHEAD_AT_MOST)) if one.rule == found.rule]
    assert [one.action for one in told] == [Action.OPEN, Action.CLEAR]


def test_a_restart_in_an_outage_does_not_say_that_it_is_over() -> None:
    """What is down but not for long is not told of at all; what is well is told to be over."""
    away = status(source=AWAY, other_source=OTHER_AWAY, follower=HELD, alerts=HELD)
    assert over(away) == [
        "journal_filling",
        "journal_damaged",
        "books_unbalanced",
        "clock_set_back",
    ]
    assert {"source_lost", "follower_stuck"} <= set(over(status()))
