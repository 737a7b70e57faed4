"""``gatehouse dead-letters``: what could not be used, and sending it through again."""

import getpass
import hashlib
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from dashboards import audit
from dashboards.audit import Action
from dashboards.masked import mask
from devices.clock import rfc3339
from devices.outcome import DeadLetterReason
from devices.registry_store import load as load_registry
from gatehouse.database import open_database
from gatehouse.decoding import decode_beside
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.parts import make_decoder
from gatehouse.printable import printable, printable_text
from gatehouse.settings import Settings, load
from ingest import dead_letter
from ingest.dead_letter import Group, Letter, Selection
from ingest.folder_lock import is_locked
from ingest.journal import LOCK
from ingest.ledger_file import NAME
from ingest.letter_file import LetterState

WAIT_S = 10.0
REASON_CHARACTERS = 200

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")]
ById = Annotated[int | None, typer.Option("--id", min=1, help="Only this letter.")]
ByReason = Annotated[
    DeadLetterReason | None, typer.Option("--reason", help="Only letters with this reason.")
]
ByTopic = Annotated[
    str, typer.Option("--topic", help="Only this topic; `gate/#` for all that begin with `gate/`.")
]
ByDevice = Annotated[str, typer.Option("--device", help="Only letters of this device.")]

_letters = typer.Typer(help="What could not be used, and why.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(_letters, name="dead-letters")


@_letters.command("list")
def list_(
    reason: ByReason = None,
    topic: ByTopic = "",
    device: ByDevice = "",
    state: Annotated[LetterState, typer.Option(help="What became of them.")] = LetterState.OPEN,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = dead_letter.GROUPS,
    as_json: AsJson = False,
) -> None:
    """List dead letters by topic, device and reason, the newest first.

    Those of which no payload is kept are `--state expired`.

    Example: gatehouse dead-letters list --reason unknown_topic
    """
    selection = _narrowed(None, reason, topic, device, state=state)
    found = dead_letter.groups(_ledger(load()), selection, limit=limit)
    if as_json:
        shown = [_readable(msgspec.to_builtins(group)) for group in found]
        print(msgspec.json.encode(shown).decode())
        return
    for group in found:
        print(_line(group))
    if not found:
        print("no dead letters")


@_letters.command("show")
def show(
    number: Annotated[int, typer.Argument(metavar="ID", min=1, help="As `list` names it.")],
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the payload itself. It is recorded who did.")
    ] = False,
    because: Annotated[str, typer.Option(help="Why it has to be revealed.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show one dead letter; of its payload the structure, with values masked.

    Examples: gatehouse dead-letters show 17
    gatehouse dead-letters show 17 --reveal --because "the vendor asks what the field is called"
    """
    settings = load()
    letter = dead_letter.letter(_ledger(settings), number)
    if letter is None:
        raise Failure(f"there is no dead letter {number}: `gatehouse dead-letters list` names them")
    if reveal:
        _record(settings, Action.REVEALED_LETTER, letter, reason=_why(because))
    shown = _shown(letter, revealed=reveal)
    if as_json:
        print(msgspec.json.encode(shown).decode())
        return
    for name, value in shown.items():
        print(f"{name:<14} {printable_text(str(value))}")


@_letters.command("replay")
def replay(
    number: ById = None,
    reason: ByReason = None,
    topic: ByTopic = "",
    device: ByDevice = "",
    everything: Annotated[bool, typer.Option("--all", help="Every open letter.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would give.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters through today's profiles and registry again.

    The running service does it; what it finds goes to the time series and pages nobody. Letters
    of which a part was stored are left alone.

    Example: gatehouse dead-letters replay --topic 'gate/#' --dry-run
    """
    settings = load()
    selection = _selection(number, reason, topic, device, everything=everything)
    counts = _dry_run(settings, selection) if dry_run else _replay(settings, selection)
    if as_json:
        print(msgspec.json.encode(counts).decode())
        return
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    print((said or "nothing to replay") + _rest(sum(counts.values())))


@_letters.command("discard")
def discard(
    because: Annotated[str, typer.Option(help="Why; stays with the letters.")],
    number: ById = None,
    reason: ByReason = None,
    topic: ByTopic = "",
    device: ByDevice = "",
    everything: Annotated[bool, typer.Option("--all", help="Every open letter.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give up dead letters for good: their payloads are deleted, their number stays in the books.

    Example: gatehouse dead-letters discard --topic test/# --because "tests of the installer"
    """
    selection = _selection(number, reason, topic, device, everything=everything)
    why, settings = _why(because), load()
    _record_all(settings, Action.DISCARDED_LETTERS, selection, reason=why)
    discarded = dead_letter.discard(_ledger(settings), selection, note=why)
    said = f"{discarded} discarded{_rest(discarded)}"
    print(f'{{"discarded": {discarded}}}' if as_json else said)


def _replay(settings: Settings, selection: Selection) -> dict[str, int]:
    ledger = _ledger(settings)
    running = is_locked(settings.data_dir / "journal" / LOCK)
    _record_all(settings, Action.REPLAYED_LETTERS, selection)
    ids = dead_letter.request_replay(ledger, selection)
    if ids and not running:
        raise Failure(
            f"{len(ids)} letters are marked, but no service runs on {settings.data_dir}: "
            "they are replayed as soon as `gatehouse run` is started"
        )
    result = dead_letter.await_replay(ledger, ids, seconds=WAIT_S)
    return {name: count for name, count in msgspec.to_builtins(result).items() if count}


def _dry_run(settings: Settings, selection: Selection) -> dict[str, int]:
    decoder, _ = make_decoder(settings)
    database = open_database(settings)
    try:
        registry = load_registry(database)
    finally:
        database.dispose()
    decode = decode_beside(settings.data_dir, decoder, lambda: registry)
    counts = dead_letter.rehearse(_ledger(settings), selection, decode)
    return {_would(name): count for name, count in counts.items()}


def _would(outcome: str) -> str:
    kind, _, reason = outcome.partition(":")
    said = {"stored": "would be stored", "ignored": "would be ignored", "dead": "would stay"}[kind]
    return f"{said}: {reason}" if reason else said


def _rest(count: int) -> str:
    """Return what to do about letters beyond those that one command touches."""
    return "; say it again for the rest" if count == dead_letter.AT_ONCE else ""


def _why(because: str) -> str:
    """Return a reason that fits the audit."""
    why = because.strip()
    if not 3 <= len(why) <= REASON_CHARACTERS:
        raise Failure(f"say why, in 3 to {REASON_CHARACTERS} letters: --because", code=WRONG_USE)
    return why


def _record_all(
    settings: Settings, action: Action, selection: Selection, *, reason: str = ""
) -> None:
    """Record who settles letters, under the newest of them as the console does."""
    letters = msgspec.structs.replace(selection, state=LetterState.OPEN)
    for newest in dead_letter.letters(_ledger(settings), letters, limit=1):
        _record(settings, action, newest, reason=reason)


def _record(settings: Settings, action: Action, letter: Letter, *, reason: str) -> None:
    """Record who does something to a letter, before it is done."""
    database = open_database(settings)
    try:
        with database.begin() as connection:
            audit.record(
                connection,
                action,
                account=f"cli:{getpass.getuser()}",
                now=settings.clock.now(),
                about=f"dead_letter:{letter.position}",
                reason=reason,
            )
    finally:
        database.dispose()


def _selection(
    number: int | None,
    reason: DeadLetterReason | None,
    topic: str,
    device: str,
    *,
    everything: bool,
) -> Selection:
    selection = _narrowed(number, reason, topic, device)
    if selection == Selection() and not everything:
        raise Failure("say which: --id, --reason, --topic, --device or --all", code=WRONG_USE)
    return selection


def _narrowed(
    number: int | None,
    reason: DeadLetterReason | None,
    topic: str,
    device: str,
    *,
    state: LetterState | None = None,
) -> Selection:
    begins = topic.endswith("#")
    return Selection(
        position=number,
        reason=reason,
        topic=None if begins else topic or None,
        topic_begins=topic[:-1] if begins else None,
        device=device or None,
        state=state,
    )


def _ledger(settings: Settings) -> Path:
    return settings.data_dir / NAME


def _line(group: Group) -> str:
    span = f"{rfc3339(group.first_at)} to {rfc3339(group.last_at)}"
    where = printable(group.topic) or "(many topics)"
    device = f" {printable(group.device)}" if group.device else ""
    return f"{group.count:>7}  {group.reason:<15} {where}{device}  {span}  newest {group.newest}"


def _shown(letter: Letter, *, revealed: bool) -> dict[str, Any]:
    fields = {name: getattr(letter, name) for name in letter.__struct_fields__}
    kept = letter.payload
    shown = {"id": letter.position, **_readable(fields)}
    shown["digest"] = hashlib.sha256(kept).hexdigest()[:16] if kept else ""
    shown["payload"] = "not kept"
    if kept:
        shown["payload"] = kept.decode(errors="backslashreplace") if revealed else mask(kept)
    return shown


def _readable(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: rfc3339(value) if name.endswith("_at") else value for name, value in fields.items()
    }
