"""``gatehouse journal``: what the journal holds, and whether the books are right."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from dashboards.masked import mask
from devices.clock import HOUR, rfc3339
from gatehouse.failure import FAILED, Failure
from gatehouse.printable import printable
from gatehouse.settings import Settings, load
from ingest.books import Books, balance
from ingest.folder_lock import is_locked
from ingest.journal import LOCK
from ingest.journal_file import FileDamaged, find_message
from ingest.journal_room import GIB, Bounds, JournalStatus, look
from ingest.ledger_file import NAME, Account, account_of
from ingest.message import BACKLOG, RETAIN
from ingest.status import ServiceStatus, read_status
from ingest.verification import Verification
from ingest.verification import verify as verify_books

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")]

_journal = typer.Typer(help="What was taken in, and what became of it.", no_args_is_help=True)


class _Shown(msgspec.Struct, frozen=True):
    """What ``journal status`` tells."""

    running: bool
    journal: JournalStatus
    followers: dict[str, int]
    books: Books
    balanced: bool


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(_journal, name="journal")


@_journal.command("status")
def status(as_json: AsJson = False) -> None:
    """Show how full the journal is, how far its followers are, and the books.

    Works beside the running service.

    Example: gatehouse journal status --json
    """
    shown = _look(load())
    if as_json:
        print(msgspec.json.encode(shown).decode())
        return
    journal = shown.journal
    full = f"{journal.unread_bytes / journal.limit_bytes:.0%} full"
    left = "" if journal.hours_left is None else f", {journal.hours_left:.0f} h left"
    print(f"service    {'running' if shown.running else 'not running'}")
    print(f"journal    {journal.id}, positions {journal.base} to {journal.head}")
    print(f"room       {journal.bytes / GIB:.2f} GiB in {journal.files} files, {full}{left}")
    if journal.damaged_files or journal.damaged_rows:
        print(
            f"damaged    {journal.damaged_files} files were set aside, {journal.damaged_rows} rows "
            "passed over: `gatehouse journal verify` says what is lost"
        )
    for name, position in shown.followers.items():
        print(f"{name:<10} at {position}, {max(0, journal.head - position)} behind")
    print(_books_text(shown.books))


@_journal.command("show")
def show(
    position: Annotated[int, typer.Argument(min=1, help="As a case's timeline names it.")],
    as_json: AsJson = False,
) -> None:
    """Show one message: where it came from and when; of its payload the structure only.

    Works beside the running service, as long as the journal keeps the message.

    Example: gatehouse journal show 63012
    """
    folder = _folder(load())
    try:
        message = find_message(folder, position)
    except FileDamaged as error:
        raise Failure(f"{error}: `gatehouse journal verify` says what is lost") from error
    if message is None:
        raise Failure(
            f"position {position} is not held: it was never given, or all have read it and it was "
            "trimmed ([journal] keep_hours); `gatehouse journal status` says what is held"
        )
    shown = {
        "position": position,
        "topic": message.topic if as_json else printable(message.topic),
        "source": message.source,
        "received_at": rfc3339(message.received_at),
        "qos": message.qos,
        "retained": bool(message.flags & RETAIN),
        "waited": bool(message.flags & BACKLOG),
        "bytes": len(message.payload),
        "payload": mask(message.payload),
    }
    if as_json:
        print(msgspec.json.encode(shown).decode())
        return
    for name, value in shown.items():
        print(f"{name:<12} {value}")


@_journal.command("verify")
def verify(as_json: AsJson = False) -> None:
    """Read every row, compute every checksum, and add the books up again.

    Works beside the running service. Exits 1 when something does not fit.

    Example: gatehouse journal verify
    """
    settings = load()
    found = verify_books(_folder(settings), settings.data_dir / NAME)
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        _print_verification(found)
    if found.problems:
        raise typer.Exit(FAILED)


def _look(settings: Settings) -> _Shown:
    folder, ledger = _folder(settings), settings.data_dir / NAME
    account = account_of(ledger) if ledger.exists() else Account(None, 0, {})
    running, told = is_locked(folder / LOCK), _told(settings)
    followers = {name: one.durable for name, one in told.pipeline.followers.items()} if told else {}
    followers["series"] = account.position
    bounds = Bounds(
        max_bytes=int(settings.journal.max_gib * GIB),
        min_free_bytes=int(settings.journal.min_free_gib * GIB),
        keep_ms=int(settings.journal.keep_hours * HOUR),
    )
    journal = look(folder, read=min(followers.values()), bounds=bounds)
    missing = 0
    if running and told:
        seen, missing = told.pipeline.journal, told.books.letters_missing
        journal = msgspec.structs.replace(
            journal, hours_left=seen.hours_left, damaged_rows=seen.damaged_rows
        )
    books = balance(account, head=journal.head, letters_missing=missing)
    return _Shown(running, journal, followers, books, books.balanced)


def _told(settings: Settings) -> ServiceStatus | None:
    """Return what only the service knows, as it told it last: cursors, and the present rate."""
    try:
        return read_status(settings.data_dir)
    except msgspec.DecodeError as error:
        raise Failure(
            "status.json is damaged or another version's: restart the service, or delete the file"
        ) from error


def _folder(settings: Settings) -> Path:
    folder = settings.data_dir / "journal"
    if not folder.is_dir():
        raise Failure(f"{folder} is not there: no Gatehouse has taken anything in yet")
    return folder


def _print_verification(found: Verification) -> None:
    print(f"journal    {found.journal}: {found.files} files, {found.rows} rows read")
    print(f"messages   {found.messages} from position {found.base} to {found.head}")
    if found.base > 1:
        print(f"trimmed    positions 1 to {found.base - 1}: for them the ledger's word stands")
    for first, last in found.lost:
        print(f"lost       positions {first} to {last}")
    print(_books_text(found.books))
    for problem in found.problems:
        print(f"wrong      {problem}")


def _books_text(books: Books) -> str:
    ignored = sum(books.ignored.values())
    letters = f"{books.dead_open} dead letters, {books.dead_discarded} discarded"
    gone = f"{books.expired} expired, {books.lost} lost"
    points = f"{books.points_accepted} accepted + {books.points_rejected} rejected"
    wrong = ", ".join(f"{count} {name}" for name, count in books.unaccounted.items())
    verdict = f"not accounted for are {wrong}" if wrong else "they balance"
    return (
        f"books      {books.received} received = {books.stored} stored + {ignored} ignored"
        f" + {letters}, {gone}, {books.pending} pending: {verdict}\n"
        f"points     {books.points_encoded} encoded = {points}"
    )
