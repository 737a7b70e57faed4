"""``gatehouse decode``: what a payload says, without a broker and without a store."""

import json
import sys
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from devices.clock import WallClock, parse_rfc3339
from devices.decoder import MAX_PAYLOAD, Decoder
from devices.observation import as_json
from devices.outcome import DeadLetter, Ignored, Outcome
from devices.profile import built_in, load_profiles
from gatehouse.failure import FAILED, WRONG_USE, Failure
from gatehouse.settings import load

Topic = Annotated[str, typer.Option(help="The topic it was published on.")]
Family = Annotated[str | None, typer.Option(help="Read it as this family (see profiles).")]
At = Annotated[str | None, typer.Option(help="When it arrived, RFC 3339; now otherwise.")]
Source = Annotated[Path, typer.Argument(metavar="[FILE or -]", help="The payload.")]


def register(parent: typer.Typer) -> None:
    """Add the command to the command line."""
    parent.command("decode")(decode)


def decode(topic: Topic, profile: Family = None, at: At = None, source: Source = Path("-")) -> None:
    """Decode one payload: a JSON observation a line, or why there is none.

    Exits 0 when it was understood or knowingly ignored, 1 when it would be a dead letter.

    Example: echo '{"temperature":21.4}' | gatehouse decode --topic zigbee2mqtt/bedroom
    """
    settings = load()
    folders = [settings.profiles_dir] if settings.profiles_dir else []
    profiles = load_profiles(built_in(), *folders)
    names = [known.name for known in profiles]
    if profile is not None and profile not in names:
        raise Failure(f"--profile {profile}: none of {', '.join(names)}", code=WRONG_USE)
    outcome = Decoder(profiles, default_zone=ZoneInfo(settings.zone)).decode(
        topic, _read(source), received_at=_time(at), profile=profile
    )
    for line in lines(outcome):
        print(line)
    if isinstance(outcome, DeadLetter):
        raise typer.Exit(FAILED)


def lines(outcome: Outcome) -> list[str]:
    """Return an outcome as the command prints it."""
    if isinstance(outcome, Ignored):
        return [json.dumps({"ignored": outcome.reason})]
    if isinstance(outcome, DeadLetter):
        return [json.dumps({"dead_letter": outcome.reason, "detail": outcome.detail})]
    return [json.dumps(as_json(observation), ensure_ascii=False) for observation in outcome]


def _read(source: Path) -> bytes:
    """Return the payload, or as much of it as shows that it is too large."""
    if source == Path("-"):
        return sys.stdin.buffer.read(MAX_PAYLOAD + 1)
    try:
        with source.open("rb") as file:
            return file.read(MAX_PAYLOAD + 1)
    except OSError as error:
        raise Failure(f"{source}: {error.strerror}", code=WRONG_USE) from error


def _time(text: str | None) -> int:
    if text is None:
        return WallClock().now()
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise Failure(f"--at: {error}", code=WRONG_USE) from error
