"""The running service: whether it runs, what it says of itself, and whether it answers."""

import sqlite3
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version

import msgspec

from devices.clock import SECOND, rfc3339, wall_now
from gatehouse.address import reachable, split_bind, url_of_bind
from gatehouse.console_process import ask_console
from gatehouse.doctor.found import Found
from gatehouse.settings import Settings
from ingest.books import Books
from ingest.folder_lock import is_locked
from ingest.http_connection import SERVER
from ingest.journal import LOCK
from ingest.journal_room import JournalStatus
from ingest.ledger_file import NAME as LEDGER
from ingest.ledger_file import LedgerRefused
from ingest.numbering import Cause
from ingest.numbering_table import Missing, read_missing
from ingest.pipeline import PipelineStatus
from ingest.status import STALE_S, DiskStatus, ServiceStatus, read_status

PATIENCE_S = 10.0


def running(settings: Settings) -> Iterator[Found]:
    """Say whether the service runs, and what it says of journal, followers and books."""
    try:
        told = read_status(settings.data_dir)
    except (OSError, msgspec.DecodeError):
        told = None  # Damaged, or another version's: a service that runs replaces it.
    yield judge_service(told, is_up=is_up(settings), now=wall_now(), installed=version("gatehouse"))
    if told is not None:
        yield judge_journal(told.pipeline.journal)
        yield from judge_followers(told.pipeline)
        yield from judge_books(told.books)
        yield from judge_damage(told.disk)
        try:
            yield from judge_missing(read_missing(settings.data_dir / LEDGER))
        except (LedgerRefused, sqlite3.Error) as error:
            yield Found.wrong("ledger", f"cannot be read: {error}")


def judge_missing(missing: Missing) -> Iterator[Found]:
    """Say what is missing of what devices number, and whose fault it is."""
    if not missing.counters:
        return
    name, lost = "numbered messages", missing.by_cause
    said = ", ".join(f"{count:,} by {cause.value}" for cause, count in lost.items() if count)
    if not missing.total:
        yield Found.fine(name, f"none is missing of {missing.counters:,} counters")
    elif lost[Cause.BROKER] or lost[Cause.US]:
        advice = (
            "raise the broker's queue limits (in mosquitto.conf max_queued_messages 1000000000)"
            if lost[Cause.BROKER]
            else "see `gatehouse dead-letters list` and `gatehouse journal verify`"
        )
        yield Found.doubtful(name, f"missing are {said}: {advice}")
    else:
        yield Found.fine(name, f"missing are {said}: look at the devices' network")


def is_up(settings: Settings) -> bool:
    """Return whether a process owns the data folder."""
    return is_locked(settings.data_dir / "journal" / LOCK)


def judge_service(told: ServiceStatus | None, *, is_up: bool, now: int, installed: str) -> Found:
    """Say whether the service is alive.

    Args:
        told: What it last said of itself; None: nothing that can be read.
        is_up: Whether a process owns the data folder.
        now: Real time; milliseconds UTC.
        installed: The version of this program.
    """
    name = "service"
    if told is None:
        said = "has just begun" if is_up else "has not run here yet: start it by `gatehouse run`"
        return Found.fine(name, said)
    if not is_up:
        since = rfc3339(told.wall_at // SECOND * SECOND)
        return Found.doubtful(name, f"does not run since {since}: start it by `gatehouse run`")
    age_s = (now - told.wall_at) / SECOND
    if age_s > STALE_S:
        advice = "it hangs, or its disk does: see its log, and start it again"
        return Found.wrong(name, f"runs and has said nothing for {age_s:.0f} s: {advice}")
    if told.version != installed:
        said = f"version {told.version} runs and {installed} is installed: start it again"
        return Found.doubtful(name, said)
    return Found.fine(name, f"runs, version {told.version}")


def judge_journal(journal: JournalStatus) -> Found:
    """Say how much room is left in the journal."""
    name = "journal"
    said = f"{journal.unread_bytes / journal.limit_bytes:.0%} of its room is taken"
    if journal.hours_left is not None:
        said += f", {journal.hours_left:.0f} h left at the present rate"
    if journal.problem:
        return Found.wrong(name, f"takes nothing, and nothing is acknowledged: {journal.problem}")
    if journal.level:
        advice = "mend what its followers wait for, or raise [journal] max_gib"
        return Found.doubtful(name, f"{said}: {advice}")
    return Found.fine(name, said)


def judge_followers(pipeline: PipelineStatus) -> Iterator[Found]:
    """Yield each follower that waits for something."""
    for name, follower in pipeline.followers.items():
        if follower.held:
            said = f"{follower.pending:,} messages wait: {follower.held}"
            yield Found.wrong(f"follower {name}", said)


def judge_books(books: Books) -> Iterator[Found]:
    """Yield whether every message is accounted for, and whether dead letters wait for a person."""
    if books.balanced:
        yield Found.fine("books", f"{books.received:,} messages, all accounted for")
    else:
        said = ", ".join(f"{count:,} {name}" for name, count in books.unaccounted.items())
        yield Found.wrong("books", f"not accounted for are {said}: run `gatehouse journal verify`")
    if books.dead_open:
        said = f"{books.dead_open:,} wait for a person"
        yield Found.doubtful("dead letters", f"{said}: see `gatehouse dead-letters list`")


def judge_damage(disk: DiskStatus) -> Iterator[Found]:
    """Yield whether files of the account were damaged and set aside."""
    if disk.damaged:
        said = f"set aside were {', '.join(disk.damaged)}"
        advice = "look at the disk, then delete them or move them away"
        yield Found.doubtful("damaged files", f"{said}: {advice}")


def console(settings: Settings) -> Iterator[Found]:
    """Say, while the service runs, whether the console answers, and at the address in pages too."""
    if not is_up(settings):
        return
    at = url_of_bind(settings.console_bind)
    problem = ask_console(at, seconds=PATIENCE_S)
    if problem:
        said = f"does not answer at {at} ({problem}): see the service's log for console_ended"
        yield Found.wrong("console", said)
        return
    yield Found.fine("console", f"answers at {at}")
    if settings.console_url:
        problem = ask_console(settings.page_url, seconds=PATIENCE_S)
        said = f"{settings.page_url}, to which pages link"
        advice = "check GATEHOUSE_CONSOLE_URL and the proxy, also from a phone"
        yield (
            Found.doubtful("console's address", f"{said}, fails from here ({problem}): {advice}")
            if problem
            else Found.fine("console's address", f"{said}, leads here")
        )


def intake(settings: Settings) -> list[Found]:
    """Say whether terminals can post, where that is opened."""
    if settings.intake_bind is None:
        return []
    name = "intake"
    host, port = split_bind(settings.intake_bind)
    where = f"http://{settings.intake_bind}/intake/"
    connection = HTTPConnection(reachable(host), port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/intake/")
        answer = connection.getresponse()
    except ConnectionRefusedError:
        said = f"nothing listens at {where}; the service does while it runs"
        return [Found.doubtful(name, said)]
    except (HTTPException, OSError) as error:
        return [Found.wrong(name, f"{where} does not answer ({error}): see its address")]
    finally:
        connection.close()
    if answer.headers["Server"] != SERVER:
        return [Found.wrong(name, f"another program listens at {where}: choose another port")]
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        said = f"all connections to {where} are taken: the log says who came in vain"
        return [Found.wrong(name, f"{said}, `ss -tn` who holds them")]
    return [Found.fine(name, f"terminals can post to {where}")]
