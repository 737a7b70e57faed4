"""What doctor makes of what it sees: well, well with a warning, or wrong."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import msgspec
import pytest

from alerts.escalation import DEFAULT_POLICIES
from devices.clock import DAY, MINUTE, SECOND, parse_rfc3339
from devices.registry import Registry
from gatehouse.doctor.broker import window
from gatehouse.doctor.clock import OUTLIVED, WRITTEN, judge_clock
from gatehouse.doctor.people import judge_rota
from gatehouse.doctor.service import (
    judge_books,
    judge_damage,
    judge_followers,
    judge_journal,
    judge_missing,
    judge_service,
)
from ingest.numbering import Cause
from ingest.numbering_table import Missing
from ingest.status import DiskStatus
from tests import told
from tests.office import make_registry

NOW = parse_rfc3339("2026-12-01T08:00:00Z")


@pytest.mark.parametrize(
    ("now", "ran_at", "stores", "said"),
    [
        (NOW, None, None, ""),
        (NOW, NOW - DAY, NOW - MINUTE, ""),
        (NOW, NOW + MINUTE, NOW + MINUTE, ""),
        (WRITTEN - 1, None, None, "set it, and keep it with NTP"),
        (OUTLIVED, None, OUTLIVED, "set it, and keep it with NTP"),
        (NOW, NOW + MINUTE + SECOND, None, "61 s ahead when the service last ran"),
        (NOW, None, NOW - 61 * SECOND, "61 s ahead of the series store's"),
        (NOW, None, NOW + DAY, "86400 s behind the series store's"),
    ],
    ids=[
        "alone",
        "as the others",
        "just as the others",
        "never set",
        "of another century",
        "set back",
        "ahead",
        "behind",
    ],
)
def test_a_clock_is_wrong_by_itself_or_beside_another(
    now: int, ran_at: int | None, stores: int | None, said: str
) -> None:
    """It lies within the program's life, does not go back, and agrees with the store's."""
    found = judge_clock(now, ran_at=ran_at, stores=stores)
    assert found.well is (not said)
    assert said in found.sentence


@pytest.mark.parametrize(
    ("protocol", "receive_maximum", "mark", "advice"),
    [
        ("5", 2_000, "ok", ""),
        ("5", 100, "ok", ""),
        ("5", 99, "warn", "[mqtt] receive_maximum"),
        ("3.1.1", 2_000, "warn", "max_inflight_messages"),
    ],
)
def test_a_small_window_is_warned_of(
    protocol: str, receive_maximum: int, mark: str, advice: str
) -> None:
    """Few messages ahead of acks slow the intake and break nothing: the line says what to do."""
    found = window(protocol, receive_maximum)
    assert found.well
    assert found.line.split()[0] == mark
    assert advice in found.line


@pytest.mark.parametrize(
    ("is_up", "seconds_ago", "version", "mark", "said"),
    [
        (True, 1, "1", "ok", "runs, version 1"),
        (True, 11, "1", "WRONG", "has said nothing for 11 s"),
        (True, 1, "0", "warn", "version 0 runs and 1 is installed: start it again"),
        (False, 600, "1", "warn", "start it by `gatehouse run`"),
        (False, None, "1", "ok", "has not run here yet"),
        (True, None, "1", "ok", "has just begun"),
    ],
    ids=["well", "hangs", "of another version", "ended", "never ran", "begins"],
)
def test_a_service_is_alive_while_it_tells_of_itself(
    is_up: bool, seconds_ago: int | None, version: str, mark: str, said: str
) -> None:
    """A lock without a fresh status is one that hangs; a status without a lock one that ended."""
    status = None
    if seconds_ago is not None:
        status = told.status(version=version, wall_at=NOW - seconds_ago * SECOND)
    found = judge_service(status, is_up=is_up, now=NOW, installed="1")
    assert (found.line.split()[0], said in found.sentence) == (mark, True), found.line


@pytest.mark.parametrize(
    ("journal", "mark"),
    [
        ({}, "ok"),
        ({"level": "half", "unread_bytes": 51}, "warn"),
        ({"level": "full", "problem": "no space left on the disk: free some"}, "WRONG"),
    ],
)
def test_a_journal_that_fills_is_warned_of_and_one_that_takes_nothing_is_wrong(
    journal: dict[str, object], mark: str
) -> None:
    """What is in the way is said in the journal's own words."""
    found = judge_journal(told.status(journal=journal).pipeline.journal)
    assert found.line.split()[0] == mark
    assert str(journal.get("problem", "")) in found.sentence


@pytest.mark.parametrize(
    ("device", "broker", "us", "line"),
    [
        (0, 0, 0, "ok    numbered messages: none is missing of 3 counters"),
        (5, 0, 0, "ok    numbered messages: missing are 5 by device: look at the devices' network"),
        (
            1,
            2_000,
            7,
            "warn  numbered messages: missing are 1 by device, 2,000 by broker, 7 by us: raise the "
            "broker's queue limits (in mosquitto.conf max_queued_messages 1000000000)",
        ),
        (
            0,
            0,
            7,
            "warn  numbered messages: missing are 7 by us: see `gatehouse dead-letters list` and "
            "`gatehouse journal verify`",
        ),
    ],
)
def test_missing_numbers_are_a_warning_where_they_were_lost_behind_the_device(
    device: int, broker: int, us: int, line: str
) -> None:
    """What a device never sent is told, and no fault of broker or service; nothing without any."""
    lost = {Cause.DEVICE: device, Cause.BROKER: broker, Cause.US: us}
    assert [one.line for one in judge_missing(Missing(3, lost, 0))] == [line]
    assert list(judge_missing(Missing(0, lost, 0))) == []


def test_damaged_files_that_were_set_aside_are_named() -> None:
    """The service goes on without them; the disk that damaged them may be ill."""
    assert list(judge_damage(DiskStatus(0, 0, {}))) == []
    (found,) = judge_damage(DiskStatus(0, 0, {}, ("ledger.db.damaged",)))
    assert found.line == (
        "warn  damaged files: set aside were ledger.db.damaged: look at the disk, then delete them "
        "or move them away"
    )


def test_followers_that_wait_and_books_that_do_not_balance_are_wrong() -> None:
    """Each says what it waits for, or what to run; dead letters are a warning."""
    held = told.status(series={"pending": 6, "held": "the store answers 401; check its token"})
    (waits,) = judge_followers(held.pipeline)
    assert waits.line == (
        "WRONG follower series: 6 messages wait: the store answers 401; check its token"
    )
    well = told.status().books
    assert [one.line.split()[0] for one in judge_books(well)] == ["ok"]
    ill = msgspec.structs.replace(well, stored=well.stored - 3, dead_open=2)
    assert [one.line for one in judge_books(ill)] == [
        "WRONG books: not accounted for are 1 messages: run `gatehouse journal verify`",
        "warn  dead letters: 2 wait for a person: see `gatehouse dead-letters list`",
    ]
    ill = msgspec.structs.replace(well, points_encoded=well.points_encoded + 7, letters_missing=3)
    (line,) = (one.line for one in judge_books(ill))
    assert line.startswith("WRONG books: not accounted for are 7 points, 3 dead letters: run ")


@pytest.mark.parametrize(
    ("absent", "said"),
    [
        ((), ["ok    on call: somebody is, on every ladder of 1 sites"]),
        (("worker",), ["ok    on call: somebody is, on every ladder of 1 sites"]),
        (
            ("guard", "secretary"),
            ["WRONG on call: at east nobody is, for strangers: complete the rota and"],
        ),
        (
            ("operator", "secretary", "street"),
            [
                "WRONG on call: at east nobody is, for device: complete the rota and",
                "WRONG on call: nobody is, for alarms of Gatehouse itself:",
            ],
        ),
    ],
    ids=["all there", "another step", "a ladder bare", "nobody for ourselves"],
)
def test_a_ladder_on_which_nobody_stands_now_is_named(
    absent: Sequence[str], said: Sequence[str]
) -> None:
    """One person anywhere on a ladder is enough for a page to reach somebody."""
    registry = make_registry(absent=absent)
    lines = [one.line for one in judge_rota(registry, DEFAULT_POLICIES, now=NOW)]
    assert len(lines) == len(said), lines
    assert all(line.startswith(begin) for line, begin in zip(lines, said, strict=True)), lines


def test_a_site_without_a_rota_is_named() -> None:
    """Somebody on call at one site does not cover another."""
    registry = Registry(
        zones={"east": ZoneInfo("Asia/Shanghai"), "west": ZoneInfo("Asia/Urumqi")},
        rota=make_registry().rota,
    )
    (found,) = judge_rota(registry, DEFAULT_POLICIES, now=NOW)
    assert found.line.startswith("WRONG on call: at west nobody is, for fever_at_checkpoint,")
