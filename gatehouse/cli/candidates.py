"""``gatehouse devices candidates`` and ``ignore``: what unknown devices look like."""

import getpass
import gettext
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from sqlalchemy import Engine

from dashboards import candidates
from dashboards.candidates import Candidate, Candidates, copy_command
from dashboards.console.given import given_speaker
from dashboards.console.language import age
from devices import registry_store
from devices.clock import MINUTE, SECOND, rfc3339
from devices.matcher import Match, Matcher
from gatehouse.database import open_database
from gatehouse.failure import Failure
from gatehouse.parts import make_decoder
from gatehouse.printable import printable, printable_text
from gatehouse.settings import Settings, load
from ingest.ledger_file import NAME

ALSO = 3
"""Further families that are named of one candidate."""
_ENGLISH = gettext.NullTranslations()
_SAY = given_speaker(_ENGLISH)

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="As `devices candidates` names it.")]


def register(devices: typer.Typer) -> None:
    """Add the commands to those about devices."""
    devices.command("candidates")(list_)
    devices.command("ignore")(ignore)


def list_(
    ignored: Annotated[
        bool, typer.Option("--ignored", help="Those that were set to be left alone.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what unknown devices look like: family, messages, last heard, what they would give.

    They are made of the dead letters of unknown topics and devices. What is measured of a body is
    not shown.

    Example: gatehouse devices candidates --json
    """
    settings = load()
    with state(settings) as engine:
        found = _find(settings, engine)
    shown = [one for one in found.found if one.is_ignored == ignored]
    if as_json:
        print(json.dumps([_as_json(one) for one in shown], ensure_ascii=False))
        return
    now = settings.clock.now()
    for one in shown:
        print("\n".join(_lines(one, now)))
    print(f"{len(shown)} unknown devices{_cut(found)}")


def ignore(
    candidate_id: Id,
    undo: Annotated[bool, typer.Option("--undo", help="Propose it again.")] = False,
) -> None:
    """Leave an unknown device out of what is proposed; its dead letters stay.

    Example: gatehouse devices ignore neighbour/router/+
    """
    settings = load()
    with state(settings) as engine:
        candidate = find_one(settings, engine, candidate_id)
        act = candidates.restore if undo else candidates.ignore
        with engine.begin() as connection:
            act(connection, candidate, account=account_name(), now=settings.clock.now())
    print(f"{candidate.id} is {'proposed again' if undo else 'left alone; --undo proposes it'}")


@contextmanager
def state(settings: Settings) -> Iterator[Engine]:
    """Open the state database."""
    engine = open_database(settings)
    try:
        yield engine
    finally:
        engine.dispose()


def _find(settings: Settings, engine: Engine) -> Candidates:
    registry = registry_store.load(engine)
    with engine.connect() as connection:
        ignored = candidates.read_ignored(connection)
    matcher = Matcher(*make_decoder(settings))
    return candidates.find_candidates(settings.data_dir / NAME, matcher, registry, ignored)


def find_one(settings: Settings, engine: Engine, candidate_id: str) -> Candidate:
    """Return the unknown device of an id.

    Raises:
        Failure: There is none.
    """
    found = _find(settings, engine)
    for one in found.found:
        if one.id == candidate_id:
            return one
    raise Failure(
        f"{printable(candidate_id)!r} is no unknown device: `gatehouse devices candidates` names "
        "them; what has sent nothing yet comes by `gatehouse registry import`"
    )


def account_name() -> str:
    """Return how the audit names whoever runs a command."""
    return f"cli:{getpass.getuser()}"


def _lines(candidate: Candidate, now: int) -> Iterator[str]:
    heard = f"{candidate.messages} messages, last {_ago(candidate.last_at, now)}"
    if not candidate.matches:
        yield f"{printable(candidate.id)}  looks like nothing that is known: {heard}"
    else:
        best = candidate.matches[0]
        given = "; ".join(map(_SAY, best.gives))
        yield f"{printable(candidate.id)}  looks like {best.family}: {heard}, would give {given}"
        counted = f"understood {best.understood} of {candidate.sampled} looked at"
        also = ", ".join(dict.fromkeys(one.family for one in candidate.matches[1 : ALSO + 1]))
        yield f"    {counted}{f'; also like {also}' if also else ''}"
        if best.prefix:
            yield f"    {_beginning(best)}: {copy_line(best)}"
    yield f"    {', '.join(map(printable, candidate.topics))}"


def _beginning(match: Match) -> str:
    found, expected = printable(match.prefix.found), match.prefix.expected
    place = f"in the place of {expected}" if expected else "before"
    return f"its topics have {found} {place}"


def copy_line(match: Match) -> str:
    """Return the command that makes a profile of the operator's topics."""
    return f"{printable_text(copy_command(match))} > PROFILES_DIR/{match.family}_own.toml"


def _ago(at: int, now: int) -> str:
    passed = max(0, now - at)
    return (
        f"{passed // SECOND} s ago" if passed < MINUTE else age(at, now=now, translations=_ENGLISH)
    )


def _cut(found: Candidates) -> str:
    return "; there are more topics than were looked at" if found.is_cut else ""


def _as_json(candidate: Candidate) -> dict[str, Any]:
    return {
        "id": candidate.id,
        "device_id": candidate.device or None,
        "topics": candidate.topics,
        "messages": candidate.messages,
        "looked_at": candidate.sampled,
        "first_at": rfc3339(candidate.first_at),
        "last_at": rfc3339(candidate.last_at),
        "ignored": candidate.is_ignored,
        "looks_like": [
            {
                "profile": one.family,
                "prefix": one.prefix.found,
                "instead_of": one.prefix.expected,
                "understood": one.understood,
                "measured": one.measured,
                "gives": one.gives,
            }
            for one in candidate.matches
        ],
    }
