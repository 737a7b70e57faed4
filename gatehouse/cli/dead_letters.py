"""``gatehouse dead-letters``: what could not be used, and sending it through again."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from dashboards.masked import mask
from devices.clock import rfc3339
from devices.outcome import DeadLetter, DeadLetterReason, Ignored, Outcome
from devices.registry import Registry
from devices.registry_store import load as load_registry
from gatehouse.database import open_database
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.parts import make_decoder
from gatehouse.printable import printable
from gatehouse.settings import Settings, load
from ingest import dead_letter
from ingest.dead_letter import Letter, Selection
from ingest.folder_lock import is_locked
from ingest.journal import LOCK
from ingest.ledger_file import NAME
from ingest.message import BACKLOG, RETAIN

WAIT_S = 10.0

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")]
ById = Annotated[int | None, typer.Option("--id", help="Only this letter.")]
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
    state: Annotated[str, typer.Option(help="open, replayed, discarded, expired.")] = "open",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = dead_letter.GROUPS,
    as_json: AsJson = False,
) -> None:
    """List dead letters by topic, device and reason, the newest first.

    Example: gatehouse dead-letters list --reason unknown_topic
    """
    selection = Selection(reason=reason or "", topic=topic, device=device, state=state)
    found = dead_letter.groups(_ledger(load()), selection, limit=limit)
    if as_json:
        shown = [_readable(msgspec.to_builtins(group)) for group in found]
        print(msgspec.json.encode(shown).decode())
        return
    for group in found:
        span = f"{rfc3339(group.first_at)} to {rfc3339(group.last_at)}"
        topic = printable(group.topic)
        print(f"{group.count:>7}  {group.reason:<15} {topic}  {span}  newest {group.newest}")
    if not found:
        print("no dead letters")


@_letters.command("show")
def show(
    number: Annotated[int, typer.Argument(metavar="ID", help="As `list` names it.")],
    as_json: AsJson = False,
) -> None:
    """Show one dead letter; its payload by its structure only, values are masked.

    Example: gatehouse dead-letters show 17
    """
    letter = dead_letter.letter(_ledger(load()), number)
    if letter is None:
        raise Failure(f"there is no dead letter {number}: `gatehouse dead-letters list` names them")
    shown = _shown(letter)
    if as_json:
        print(msgspec.json.encode(shown).decode())
        return
    for name, value in shown.items():
        print(f"{name:<14} {value}")


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
    else:
        print(", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing to replay")


@_letters.command("discard")
def discard(
    note: Annotated[str, typer.Option("--because", help="Why; stays in the ledger.")],
    number: ById = None,
    reason: ByReason = None,
    topic: ByTopic = "",
    device: ByDevice = "",
    everything: Annotated[bool, typer.Option("--all", help="Every open letter.")] = False,
) -> None:
    """Give up dead letters for good: their payloads are deleted, their number stays in the books.

    Example: gatehouse dead-letters discard --topic test/# --because "tests of the installer"
    """
    selection = _selection(number, reason, topic, device, everything=everything)
    discarded = dead_letter.discard(_ledger(load()), selection, note=note)
    print(f"{discarded} discarded")


def _replay(settings: Settings, selection: Selection) -> dict[str, int]:
    ledger = _ledger(settings)
    running = is_locked(settings.data_dir / "journal" / LOCK)
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
    registry = _registry(settings)
    counts: Counter[str] = Counter()
    for letter in dead_letter.replayable(_ledger(settings), selection):
        outcome = decoder.decode(
            letter.topic,
            letter.payload,
            received_at=letter.arrived_at,
            retained=bool(letter.flags & RETAIN),
            backlog=bool(letter.flags & BACKLOG),
            registry=registry,
        )
        counts[_would(outcome)] += 1
    return dict(counts)


def _would(outcome: Outcome) -> str:
    if isinstance(outcome, DeadLetter):
        return f"would stay: {outcome.reason.value}"
    if isinstance(outcome, Ignored):
        return f"would be ignored: {outcome.reason.value}"
    return "would be stored"


def _registry(settings: Settings) -> Registry:
    database = open_database(settings)
    try:
        return load_registry(database)
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
    selection = Selection(id=number, reason=reason or "", topic=topic, device=device)
    if selection == Selection() and not everything:
        raise Failure("say which: --id, --reason, --topic, --device or --all", code=WRONG_USE)
    return selection


def _ledger(settings: Settings) -> Path:
    return settings.data_dir / NAME


def _shown(letter: Letter) -> dict[str, Any]:
    fields = _readable({name: getattr(letter, name) for name in letter.__struct_fields__})
    kept = letter.payload
    fields["payload"] = mask(kept) if kept else "not kept"
    fields["digest"] = hashlib.sha256(kept).hexdigest()[:16] if kept else ""
    return fields


def _readable(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: rfc3339(value) if name.endswith("_at") else value for name, value in fields.items()
    }
