"""What the operator is told of the service itself, and when it is over."""

from types import MappingProxyType

import msgspec
import pytest

from alerts.delivery import Delivery
from alerts.finding import Action, Finding, IncidentKind, Severity
from devices.clock import HOUR, MINUTE, SECOND
from gatehouse.self_watch import SelfWatch
from gatehouse.symptom import (
    AHEAD_AT_MOST,
    CHANNEL_FAILS,
    CONSOLE_SILENT_AFTER,
    DEAD_AT_LEAST,
    DISK_STALLED_AFTER,
    FOLLOWER_STUCK_AFTER,
    JUMP_TOLD_FOR,
    NOTHING_AFTER,
    PAGE_OVERDUE,
    RULES_BEHIND,
    SOURCE_LOST_AFTER,
    STEADY,
)
from ingest.status import ConsoleStatus, DiskStatus, ServiceStatus
from tests import told
from tests.told import NOW, Changes

WELL: Changes = MappingProxyType({})
AWAY: Changes = MappingProxyType({"connected": False})
REFUSED: Changes = MappingProxyType({"problem": "broker refuses the topic 'a/#'"})
HELD: Changes = MappingProxyType(
    {"cursor": 4, "durable": 4, "pending": 6, "held": "the database is away", "held_by": "database"}
)
BY_STORE: Changes = MappingProxyType(
    {"cursor": 4, "durable": 4, "pending": 6, "held": "the store answers 401", "held_by": "store"}
)
SLOW: Changes = MappingProxyType({"cursor": 4, "durable": 4, "pending": 6})
HELD_WITH_NOTHING_TO_DO: Changes = MappingProxyType({"held": "no database"})


def status(
    *,
    stored: int = 10,
    lost: int = 0,
    source: Changes = WELL,
    other_source: Changes = WELL,
    follower: Changes = WELL,
    alerts: Changes = WELL,
    at: int = 0,
    jump: int = 0,
    frontier: int = 0,
    service: Changes = WELL,
    pipeline: Changes = WELL,
    **journal: object,
) -> ServiceStatus:
    """Return a service that has taken in ten messages and accounted for so many.

    Args:
        at: Real time after NOW, in milliseconds; the community's stands still.
        jump: What the wall clock is ahead of that.
        frontier: What has been judged, in milliseconds after the community's time.
    """
    return told.status(
        counters={"stored": stored, "lost": lost},
        sources={"mqtt": source, "backup": other_source},
        series=follower,
        alerts=alerts,
        journal=journal,
        pipeline={"frontier": NOW + frontier, **pipeline},
        ticks=at,
        wall_at=NOW + at + jump,
        **service,
    )


def tell(*statuses: ServiceStatus) -> list[Finding]:
    """Return all that is told while one status follows on the other."""
    watch, findings = SelfWatch(), list[Finding]()
    for one in statuses:
        watch, found = watch.step(one, Delivery())
        findings += found
    return findings


def story(rule: str, *statuses: ServiceStatus) -> list[Action]:
    """Return what is told of one alarm from the first time that it is told to be wrong."""
    actions = [one.action for one in tell(*statuses) if one.rule == rule]
    return actions[actions.index(Action.OPEN) :] if Action.OPEN in actions else []


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
    _, after_a_restart = SelfWatch(lost_told=3).step(more, Delivery())
    assert "journal_damaged" not in [one.rule for one in after_a_restart]


def test_a_damaged_file_of_the_account_is_told_until_it_is_gone() -> None:
    """Each file is an alarm of its own; who has looked at the disk takes the damaged one away."""

    def beside(*names: str) -> ServiceStatus:
        return status(service={"disk": DiskStatus(2**40, 2**30, {}, names)})

    ledger, both = ("ledger.db.damaged",), ("dead_letters.db.damaged", "ledger.db.damaged")
    steps = [status(), beside(*ledger), beside(*ledger), beside(*both), beside(*ledger), status()]
    told = [one for one in tell(*steps) if one.rule == "account_damaged"][3:]
    assert [(one.action, one.key, one.evidence) for one in told] == [
        (Action.OPEN, "file:ledger.db", {"damaged": "ledger.db.damaged"}),
        (Action.OPEN, "file:dead_letters.db", {"damaged": "dead_letters.db.damaged"}),
        (Action.CLEAR, "file:dead_letters.db", {}),
        (Action.CLEAR, "file:ledger.db", {}),
    ]


def test_a_trouble_is_told_once_for_each_severity() -> None:
    """Second after second the same is one alarm; a journal that fills on is told again."""
    half, high = status(level="half"), status(level="high")
    told = [one.severity for one in tell(half, half, high, high) if one.action is Action.OPEN]
    assert told == [Severity.MINOR, Severity.MAJOR]
    assert over(status(level="half"), status(), status()).count("journal_filling") == 1


@pytest.mark.parametrize("source", [AWAY, REFUSED], ids=["away", "refused"])
def test_a_source_that_stays_away_is_told(source: Changes) -> None:
    """No connection, or a refused subscription, for five minutes is an alarm that names it."""
    early, late = SOURCE_LOST_AFTER - 1, SOURCE_LOST_AFTER
    assert wrong(status(source=source), status(source=source, at=early)) == {}
    found = wrong(status(source=source), status(source=source, at=late))["source_lost"]
    assert (found.severity, found.evidence) == (Severity.MAJOR, {"sources": "mqtt"})


def test_a_second_source_that_is_lost_is_told_by_its_name() -> None:
    """That one source is known to be away hides no other; each has an incident of its own."""
    one = [status(source=AWAY), status(source=AWAY, at=SOURCE_LOST_AFTER)]
    both = [
        status(source=AWAY, other_source=AWAY, at=at)
        for at in (SOURCE_LOST_AFTER + 1, 2 * SOURCE_LOST_AFTER + 1)
    ]
    one_back = status(other_source=AWAY, at=3 * SOURCE_LOST_AFTER)
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
        status(source=WELL if second % 30 < 2 else AWAY, at=second * SECOND)
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


def test_a_clock_that_steps_neither_hastens_nor_delays_an_alarm() -> None:
    """How long something lasts is by a clock that nobody sets."""
    early, late = SOURCE_LOST_AFTER - 1, SOURCE_LOST_AFTER
    for jump in (HOUR, -HOUR):
        begins = status(source=AWAY)
        assert "source_lost" not in wrong(begins, status(source=AWAY, at=early, jump=jump))
        assert "source_lost" in wrong(begins, status(source=AWAY, at=late, jump=jump))


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
def test_a_follower_that_stands_still_is_told(follower: Changes) -> None:
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
    moved = {**SLOW, "durable": 5}
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
    away = status(source=AWAY, other_source=AWAY, follower=BY_STORE, alerts=HELD)
    lasting = {"source_lost", "store_down", "follower_stuck"}
    told_of = [(one.rule, one.key) for one in tell(away)]
    assert {rule for rule, key in told_of if rule in lasting} == {"follower_stuck"}
    assert [key for rule, key in told_of if rule == "follower_stuck"] == ["follower:series"]
    assert {"journal_filling", "books_unbalanced", "clock_set_back"} <= set(over(away))
    assert lasting <= set(over(status()))


def test_a_store_that_is_down_is_told_as_such_and_not_twice() -> None:
    """What holds the series says which alarm it is; the other is over."""
    held = [status(follower=BY_STORE), status(follower=BY_STORE, at=FOLLOWER_STUCK_AFTER)]
    assert set(wrong(*held)) == {"store_down"}
    assert story("store_down", *held, status(at=FOLLOWER_STUCK_AFTER + 1)) == [
        Action.OPEN,
        Action.CLEAR,
    ]


def test_alerts_that_are_late_are_told_while_they_move() -> None:
    """The oldest message not judged is what a fever waits for; held ones are stuck instead."""
    late = {**SLOW, "oldest_at": NOW - RULES_BEHIND - 1}
    moving = [
        status(alerts={**late, "durable": second}, at=second * SECOND) for second in (1, 30, 61)
    ]
    found = wrong(*moving)["rules_behind"]
    assert found.evidence == {"waiting_minutes": "5"}
    assert "rules_behind" not in wrong(*moving[:2])
    held = {**late, **HELD}
    assert wrong(status(alerts=held), status(alerts=held, at=61 * SECOND)) == {}
    caught_up = [status(at=at) for at in (62 * SECOND, 3 * MINUTE)]
    assert story("rules_behind", *moving, *caught_up) == [Action.OPEN, Action.CLEAR]


def test_a_broker_that_drops_is_told_until_it_has_stopped() -> None:
    """What it dropped before we looked is none of ours; each source is an alarm of its own."""
    before, after = {"dropped_at_broker": 7}, {"dropped_at_broker": 9}
    dropping = [status(source=before), status(source=after, at=SECOND)]
    found = wrong(*dropping)["broker_dropping"]
    assert (found.key, found.evidence) == ("source:mqtt", {"sources": "mqtt"})
    assert wrong(status(source=before), status(source=before, at=SECOND)) == {}
    hovering = status(source=after, at=STEADY)
    assert story("broker_dropping", *dropping, hovering) == [Action.OPEN]
    stopped = status(source=after, at=SECOND + STEADY)
    assert story("broker_dropping", *dropping, hovering, stopped) == [Action.OPEN, Action.CLEAR]


def test_a_broker_that_was_restarted_counts_from_zero_and_drops_nothing() -> None:
    """A count that falls is none that rises."""
    counts = [status(source={"dropped_at_broker": n}, at=n) for n in (9, 0)]
    assert wrong(*counts) == {}


def test_messages_that_do_not_reach_the_disk_are_told() -> None:
    """A disk that hangs says nothing; one that refuses is the journal's alarm."""
    waiting = {"in_flight_bytes": 4_000}
    late = DISK_STALLED_AFTER
    stalled = [status(pipeline=waiting), status(pipeline=waiting, at=late)]
    assert set(wrong(*stalled)) == {"disk_stalled"}
    assert story("disk_stalled", *stalled, status(at=late + 1)) == [Action.OPEN, Action.CLEAR]
    moving = [status(pipeline=waiting, at=at, head=10 + at) for at in (0, late - 1, late, 2 * late)]
    assert "disk_stalled" not in wrong(*moving)
    full = [status(pipeline=waiting, problem="disk full", at=at) for at in (0, late)]
    assert set(wrong(*full)) == {"journal_filling"}


def test_a_disk_that_fills_is_told_before_the_intake_stops() -> None:
    """Below twice of what is left to others, over at two and a half times; full is another one."""

    def left(gib: float) -> ServiceStatus:
        disk = DiskStatus(free_bytes=int(gib * 2**30), wanted_bytes=2**30, files={})
        return status(service={"disk": disk})

    assert wrong(left(2.0)) == {}
    assert wrong(left(1.9))["disk_filling"].evidence == {"free_gib": "1.9"}
    assert "disk_filling" not in wrong(left(0.9))
    assert story("disk_filling", left(1.9), left(0.9), left(2.4)) == [Action.OPEN]
    assert story("disk_filling", left(1.9), left(2.4), left(2.5)) == [Action.OPEN, Action.CLEAR]


def busy(minutes: int, *, every: int = 1) -> list[ServiceStatus]:
    """Return so many minutes in which five a minute come, all of them every so many minutes."""
    return [
        status(at=minute * MINUTE, head=10 + minute // every * every * 5)
        for minute in range(minutes + 1)
    ]


def quiet(after: list[ServiceStatus], minutes: int, **other: object) -> ServiceStatus:
    """Return the service so many minutes later, with nothing new."""
    last = after[-1]
    at, head = last.ticks + minutes * MINUTE, last.pipeline.journal.head
    return status(at=at, head=head, **other)  # type: ignore[arg-type]


def test_a_lull_after_a_busy_hour_is_told() -> None:
    """Fifteen minutes without anything, where the hour before brought sixty messages."""
    hour, late = busy(70), NOTHING_AFTER // MINUTE
    assert "nothing_received" not in wrong(*hour, quiet(hour, late))
    found = wrong(*hour, quiet(hour, late + 1))["nothing_received"]
    assert found.evidence == {"silent_minutes": "16"}
    again = status(at=90 * MINUTE, head=1_000)
    assert story("nothing_received", *hour, quiet(hour, late + 1), again) == [
        Action.OPEN,
        Action.CLEAR,
    ]


@pytest.mark.parametrize(
    "before",
    [busy(50), busy(120, every=30), [status(at=n * MINUTE, head=10 + n // 2) for n in range(90)]],
    ids=["not known for an hour", "comes in bursts", "seldom anything"],
)
def test_a_lull_that_may_be_chance_is_not_told(before: list[ServiceStatus]) -> None:
    """Nothing is known yet; lulls as long were seen; or twenty minutes are nothing unusual."""
    assert "nothing_received" not in wrong(*before, quiet(before, 20))


def test_a_lull_while_a_source_is_away_is_the_sources_alarm() -> None:
    """One cause, one incident."""
    hour = busy(70)
    assert "nothing_received" not in wrong(*hour, quiet(hour, 30, source=AWAY))


def unreadable(minute: int, dead: int, *, stored: int = 0) -> ServiceStatus:
    """Return a service that has had so many dead letters."""
    counters = {"stored": 10 + stored, "dead:bad_json": dead}
    return told.status(
        counters=counters, position=10 + stored + dead, ticks=minute * MINUTE, wall_at=NOW
    )


def test_dead_letters_that_rise_are_told_until_they_have_stopped() -> None:
    """Fifty in ten minutes and one in twenty; over ten minutes after the last such moment."""
    before = unreadable(0, 400)
    flood = unreadable(1, 400 + DEAD_AT_LEAST)
    assert wrong(before, unreadable(1, 399 + DEAD_AT_LEAST)) == {}
    assert wrong(before, unreadable(1, 400 + DEAD_AT_LEAST, stored=2_000)) == {}
    assert wrong(before, flood)["dead_letters_rising"].evidence == {"dead": str(DEAD_AT_LEAST)}
    still = [unreadable(minute, 400 + DEAD_AT_LEAST) for minute in (5, 10, 12, 19)]
    assert story("dead_letters_rising", before, flood, *still) == [Action.OPEN]
    over_at = unreadable(20, 400 + DEAD_AT_LEAST)
    assert story("dead_letters_rising", before, flood, *still, over_at) == [
        Action.OPEN,
        Action.CLEAR,
    ]


def test_dead_letters_of_before_the_start_are_not_told_again() -> None:
    """What a restart finds is no flood."""
    assert wrong(unreadable(0, 5_000), unreadable(1, 5_000)) == {}


def test_a_console_that_does_not_answer_is_told_until_it_stays() -> None:
    """Also one that hangs, or dies each time it is started."""
    silent = {"console": ConsoleStatus("it ended with code 1", 3)}
    late = CONSOLE_SILENT_AFTER
    down = [status(service=silent, at=at) for at in (0, late - 1, late)]
    assert wrong(*down[:2]) == {}
    assert set(wrong(*down)) == {"console_silent"}
    back = [status(at=late + at) for at in (SECOND, MINUTE)]
    assert story("console_silent", *down, *back) == [Action.OPEN, Action.CLEAR]


def test_a_clock_that_jumps_ahead_is_told_for_an_hour() -> None:
    """A machine that slept, or a clock that was behind: silence may be seen where none was."""
    jump = AHEAD_AT_MOST + MINUTE
    jumped = [status(), status(at=SECOND, jump=jump)]
    assert wrong(status(), status(at=SECOND, jump=AHEAD_AT_MOST)) == {}
    assert wrong(*jumped)["clock_jumped"].evidence == {"jump_minutes": "6"}
    later = [status(at=at, jump=jump) for at in (JUMP_TOLD_FOR, SECOND + JUMP_TOLD_FOR)]
    assert story("clock_jumped", *jumped, later[0]) == [Action.OPEN]
    assert story("clock_jumped", *jumped, *later) == [Action.OPEN, Action.CLEAR]


def test_a_channel_that_fails_is_told_until_it_works() -> None:
    """Three failures in succession, each channel for itself."""
    failing = Delivery(failing={"mailtos": CHANNEL_FAILS, "json": 2})
    watch, found = SelfWatch().step(status(), failing)
    [opened] = [one for one in found if one.action is Action.OPEN]
    assert (opened.rule, opened.key) == ("channel_failing", "channel:mailtos")
    assert opened.evidence == {"channel": "mailtos"}
    _, found = watch.step(status(at=SECOND), Delivery(failing={"mailtos": 0, "json": 2}))
    assert [(one.action, one.key) for one in found] == [(Action.CLEAR, "channel:mailtos")]


def test_a_page_that_could_be_sent_and_is_not_is_told() -> None:
    """The same one for five minutes; a queue that moves is none, however long."""
    watch, told_of = SelfWatch(), list[tuple[Action, str]]()
    for at, waiting in (
        (0, Delivery(due=9, oldest=1)),
        (PAGE_OVERDUE - 1, Delivery(due=8, oldest=2)),
        (2 * PAGE_OVERDUE - 2, Delivery(due=8, oldest=2)),
        (2 * PAGE_OVERDUE - 1, Delivery(due=7, oldest=2)),
        (2 * PAGE_OVERDUE, Delivery()),
    ):
        watch, found = watch.step(status(at=at), waiting)
        told_of += [
            (one.action, one.evidence.get("pages", ""))
            for one in found
            if one.rule == "pages_overdue"
        ]
    assert told_of == [(Action.OPEN, "7"), (Action.CLEAR, "")]
