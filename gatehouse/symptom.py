"""What can be wrong with the service, seen in one of its statuses and compared with those before.

Pure. A :class:`Symptom` says what is wrong now, or that it is well; how long it must last before it
is told, and be away before it is over, is decided from it in self_watch.py. Durations are by a
clock that nobody sets.
"""

from collections.abc import Iterator, Mapping

import msgspec

from alerts import alarm
from alerts.delivery import Delivery
from alerts.finding import Severity
from devices.clock import HOUR, MINUTE
from gatehouse.past import Past
from ingest.description_store import NAME as DESCRIPTIONS
from ingest.follower import FollowerStatus
from ingest.journal_room import GIB, level_of
from ingest.ledger_file import LETTERS
from ingest.ledger_file import NAME as LEDGER
from ingest.letter_file import DAMAGED
from ingest.status import ServiceStatus

SOURCE_LOST_AFTER = 5 * MINUTE
"""A broker's restart or upgrade and our next attempt take less; nobody's fever should wait more."""
SOURCE_BACK_AFTER = MINUTE
"""A source that comes and goes more often than this is not back: it counts as away throughout."""
FOLLOWER_STUCK_AFTER = 10 * MINUTE
"""A store's restart or compaction takes less, and the journal holds what waits meanwhile."""
RULES_BEHIND = 5 * MINUTE
"""As long as a source may be away: what is judged so late could as well not have come in."""
DISK_STALLED_AFTER = MINUTE
"""Brokers give up a client that acknowledges nothing for longer."""
AHEAD_AT_MOST = 5 * MINUTE
"""Time servers correct less unseen; silence, which is judged in hours, can wait so long."""
JUMP_TOLD_FOR = HOUR
"""A jump is over at once; its alarm stays so long, for a person to see when it was."""
NOTHING_AFTER = 15 * MINUTE
"""At sixty messages an hour, so long a lull comes by chance once in three million times (e⁻¹⁵)."""
BUSY = 60
"""Messages in the hour before a lull; with fewer, nothing follows from one."""
DEAD_WITHIN = 10 * MINUTE
DEAD_AT_LEAST = 50
DEAD_SHARE = 0.05
"""A device of one kind that was upgraded makes more of a community's messages unreadable."""
STEADY = 10 * MINUTE
"""What comes in bursts is over when there was none for so long."""
CONSOLE_SILENT_AFTER = 2 * MINUTE
"""Its start takes seconds, and it is asked every ten."""
PAGE_OVERDUE = 5 * MINUTE
"""A page's channel has ten seconds, and its claim is repeated after thirty."""
CHANNEL_FAILS = 3
"""In succession; one failure is a bad moment, and is tried again."""
DISK_FACTOR, DISK_EASE = 2.0, 2.5
"""Free disk, as a multiple of what the journal leaves to others; with once that, intake stops."""
_LEVELS = {
    "half": ("50 %", Severity.MINOR),
    "high": ("80 %", Severity.MAJOR),
    "full": ("100 %", Severity.CRITICAL),
}
_ORDER = ("", *_LEVELS)
_EASE = 0.1
"""A level is left when so much more of the room is free: a backlog that hovers pages once."""
_LONG_H = 24 * 365
_NEVER = 2**63

Told = Mapping[tuple[str, str], str]
"""By alarm and part the severity last told, "" for well."""


class Symptom(msgspec.Struct, frozen=True):
    """One thing that can be wrong.

    Attributes:
        rule: The alarm's name.
        part: Of the service; each has an incident of its own.
        severity: None: it is well.
        evidence: What the incident shows.
        lasts: How long it must have been wrong before it is told; milliseconds.
        steady: How long it must have been well before it is over; milliseconds.
        mark: Where this differs from before, it begins to last anew.
        again: It is told though it was told already.
    """

    rule: str
    part: str = alarm.SERVICE
    severity: Severity | None = None
    evidence: Mapping[str, str] = {}
    lasts: int = 0
    steady: int = 0
    mark: int = 0
    again: bool = False


def symptoms(
    status: ServiceStatus, delivery: Delivery, past: Past, told: Told, lost_told: int
) -> Iterator[Symptom]:
    """Yield everything that can be wrong, each once, wrong or well.

    What is neither, and stays as it was, is left out.

    Args:
        status: The service's newest.
        delivery: How pages get through.
        past: Of the statuses before.
        told: What has been told, for what is left later than it is entered.
        lost_told: How many lost positions have been told of.
    """
    yield _filling(status, told.get((alarm.JOURNAL_FILLING, alarm.SERVICE), ""))
    yield from _damage(status, lost_told)
    yield from _account(status)
    yield _books(status)
    yield _set_back(status)
    yield _jumped(status, past)
    yield from _disk(status, told.get((alarm.DISK_FILLING, alarm.SERVICE), ""))
    yield _stalled(status)
    yield _nothing(status, past)
    yield _dead(status, past)
    yield _console(status)
    yield _overdue(delivery)
    yield from _sources(status, past)
    yield from _followers(status)
    yield from _channels(delivery)


def _wrong(
    rule: str,
    is_wrong: bool,
    evidence: Mapping[str, str],
    *,
    part: str = alarm.SERVICE,
    lasts: int = 0,
    steady: int = 0,
    mark: int = 0,
    again: bool = False,
) -> Symptom:
    severity = Severity.MAJOR if is_wrong else None
    return Symptom(rule, part, severity, evidence, lasts, steady, mark, again)


def _filling(status: ServiceStatus, told: str) -> Symptom:
    journal = status.pipeline.journal
    before = next((one for one, (_, severity) in _LEVELS.items() if severity == told), "")
    eased = level_of(journal.unread_bytes / journal.limit_bytes + _EASE)
    now = "full" if journal.problem else journal.level
    level = max(now, min(before, eased, key=_ORDER.index), key=_ORDER.index)
    if not level:
        return Symptom(alarm.JOURNAL_FILLING)
    hours = journal.hours_left if level != "full" else 0.0
    filled, severity = _LEVELS[level]
    evidence = {"filled": filled}
    if hours is not None and hours < _LONG_H:
        evidence["hours_left"] = f"{hours:.0f}"
    return Symptom(alarm.JOURNAL_FILLING, severity=severity, evidence=evidence)


def _damage(status: ServiceStatus, lost_told: int) -> Iterator[Symptom]:
    """Yield whether the journal is damaged. What is lost stays lost: a person closes that one."""
    journal, lost = status.pipeline.journal, status.books.lost
    damaged = bool(journal.damaged_files + journal.damaged_rows)
    evidence = {"damaged": str(journal.damaged_files)} | ({"lost": str(lost)} if lost else {})
    if damaged or lost > lost_told or not lost:
        more = lost > lost_told
        yield _wrong(alarm.JOURNAL_DAMAGED, damaged or more, evidence, again=more)


def _account(status: ServiceStatus) -> Iterator[Symptom]:
    """Yield of each file of the account whether one that was damaged still lies beside it."""
    for name in (LEDGER, LETTERS, DESCRIPTIONS):
        beside = [one for one in status.disk.damaged if one.startswith(name + DAMAGED)]
        evidence = {"damaged": ", ".join(beside)}
        yield _wrong(alarm.ACCOUNT_DAMAGED, bool(beside), evidence, part=f"file:{name}")


def _books(status: ServiceStatus) -> Symptom:
    books = status.books
    evidence = {"difference": str(books.difference or books.letters_missing)}
    if books.points_difference:
        evidence["points_difference"] = str(books.points_difference)
    return _wrong(alarm.BOOKS_UNBALANCED, not books.balanced, evidence)


def _set_back(status: ServiceStatus) -> Symptom:
    ahead = status.pipeline.frontier - status.at
    evidence = {"ahead_minutes": str(ahead // MINUTE)}
    return _wrong(alarm.CLOCK_SET_BACK, ahead > AHEAD_AT_MOST, evidence)


def _jumped(status: ServiceStatus, past: Past) -> Symptom:
    jump = status.wall_at - status.ticks - past.wall_less_ticks if past.head >= 0 else 0
    evidence = {"jump_minutes": str(jump // MINUTE)}
    return _wrong(alarm.CLOCK_JUMPED, jump > AHEAD_AT_MOST, evidence, steady=JUMP_TOLD_FOR)


def _disk(status: ServiceStatus, told: str) -> Iterator[Symptom]:
    """Yield whether the disk fills; one that is full is told as a journal that takes nothing."""
    disk = status.disk
    if disk.free_bytes >= disk.wanted_bytes:
        few = disk.free_bytes < disk.wanted_bytes * (DISK_EASE if told else DISK_FACTOR)
        evidence = {"free_gib": f"{disk.free_bytes / GIB:.1f}"}
        yield _wrong(alarm.DISK_FILLING, few, evidence)


def _stalled(status: ServiceStatus) -> Symptom:
    """Judge whether what came in does not reach the disk, though nothing says why."""
    parts = status.pipeline
    return _wrong(
        alarm.DISK_STALLED,
        parts.in_flight_bytes > 0 and not parts.journal.problem,
        {},
        lasts=DISK_STALLED_AFTER,
        mark=parts.journal.head,
    )


def _nothing(status: ServiceStatus, past: Past) -> Symptom:
    """Judge a lull by the hour before it, and by the longest so far; a source that is away is not.

    Whatever was a lull once is none to be told of again: nights are quiet.
    """
    is_quiet = status.pipeline.journal.head == past.head
    lull = status.ticks - past.moved_at if is_quiet else 0
    is_known = past.came_before_lull >= BUSY and all(
        one.connected for one in status.pipeline.sources
    )
    evidence = {"silent_minutes": str(lull // MINUTE)}
    wrong = is_known and lull > max(NOTHING_AFTER, 2 * past.lull)
    return _wrong(alarm.NOTHING_RECEIVED, wrong, evidence)


def _dead(status: ServiceStatus, past: Past) -> Symptom:
    books = status.books
    begun = past.mark_before(status.ticks - DEAD_WITHIN)
    handled, dead = books.received - books.pending, sum(books.dead.values())
    if begun is not None:
        handled, dead = handled - begun.handled, dead - begun.dead
    many = begun is not None and dead >= max(DEAD_AT_LEAST, DEAD_SHARE * handled)
    return _wrong(alarm.DEAD_LETTERS_RISING, many, {"dead": str(dead)}, steady=STEADY)


def _console(status: ServiceStatus) -> Symptom:
    return _wrong(
        alarm.CONSOLE_SILENT,
        bool(status.console.problem),
        {},
        lasts=CONSOLE_SILENT_AFTER,
        steady=MINUTE,
    )


def _overdue(delivery: Delivery) -> Symptom:
    evidence = {"pages": str(delivery.due)}
    return _wrong(
        alarm.PAGES_OVERDUE,
        delivery.due > 0,
        evidence,
        lasts=PAGE_OVERDUE,
        mark=delivery.oldest,
    )


def _sources(status: ServiceStatus, past: Past) -> Iterator[Symptom]:
    for source in status.pipeline.sources:
        part, evidence = f"source:{source.name}", {"sources": source.name}
        yield _wrong(
            alarm.SOURCE_LOST,
            not source.connected or bool(source.problem),
            evidence,
            part=part,
            lasts=SOURCE_LOST_AFTER,
            steady=SOURCE_BACK_AFTER,
        )
        if source.dropped_at_broker is not None:
            rose = source.dropped_at_broker > past.dropped.get(source.name, _NEVER)
            yield _wrong(alarm.BROKER_DROPPING, rose, evidence, part=part, steady=STEADY)


def _followers(status: ServiceStatus) -> Iterator[Symptom]:
    """Yield what each follower is: held by the store, stuck otherwise, or moving and too late."""
    for name, follower in status.pipeline.followers.items():
        by_store = follower.held_by == "store"
        yield _stuck(alarm.FOLLOWER_STUCK, name, follower, is_this=not by_store)
        if name == "series":
            yield _stuck(alarm.STORE_DOWN, name, follower, is_this=by_store)
        if name == "alerts":
            age = follower.age(status.at)
            yield _wrong(
                alarm.RULES_BEHIND,
                age > RULES_BEHIND and not follower.held,
                {"waiting_minutes": str(age // MINUTE)},
                lasts=MINUTE,
                steady=MINUTE,
            )


def _stuck(rule: str, name: str, follower: FollowerStatus, *, is_this: bool) -> Symptom:
    return _wrong(
        rule,
        is_this and bool(follower.held or follower.pending),
        {"readers": name},
        part=f"follower:{name}",
        lasts=FOLLOWER_STUCK_AFTER,
        mark=follower.durable,
    )


def _channels(delivery: Delivery) -> Iterator[Symptom]:
    for channel, failed in delivery.failing.items():
        part, evidence = f"channel:{channel}", {"channel": channel}
        yield _wrong(alarm.CHANNEL_FAILING, failed >= CHANNEL_FAILS, evidence, part=part)
