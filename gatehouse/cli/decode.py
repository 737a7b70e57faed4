"""``gatehouse decode``: what a payload says, without a broker and a store; or what arrives."""

import json
import sys
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from devices.clock import WallClock, parse_rfc3339
from devices.decoder import MAX_PAYLOAD
from devices.matcher import Matcher
from devices.observation import as_json
from devices.outcome import DeadLetter, Ignored, Outcome
from gatehouse.failure import FAILED, WRONG_USE, Failure
from gatehouse.parts import make_decoder
from gatehouse.settings import load

LONGEST_S = 24 * 3600

Topics = Annotated[
    list[str] | None,
    typer.Option(
        "--topic", help="The topic it was published on; with --from-broker a filter, or several."
    ),
]
Family = Annotated[str | None, typer.Option(help="Read it as this family (see profiles).")]
At = Annotated[str | None, typer.Option(help="When it arrived, RFC 3339; now otherwise.")]
Source = Annotated[Path | None, typer.Argument(metavar="[FILE or -]", help="The payload.")]
FromBroker = Annotated[
    bool, typer.Option("--from-broker", help="Show what arrives at the broker of the settings.")
]
Name = Annotated[str, typer.Option("--source", help="Which source's broker, where there are more.")]
Seconds = Annotated[
    float | None, typer.Option(min=0.1, max=LONGEST_S, help="Stop after so many seconds.")
]
Count = Annotated[int | None, typer.Option(min=1, help="Stop after so many messages.")]
Reveal = Annotated[
    bool, typer.Option("--reveal", help="Show payloads, and what is measured of a body.")
]
AsJson = Annotated[bool, typer.Option("--json", help="An object a line, for scripts.")]


def register(parent: typer.Typer) -> None:
    """Add the command to the command line."""
    parent.command("decode")(decode)


def decode(  # noqa: PLR0913, PLR0917 - an option each
    topic: Topics = None,
    profile: Family = None,
    at: At = None,
    source: Source = None,
    from_broker: FromBroker = False,
    source_name: Name = "",
    seconds: Seconds = None,
    count: Count = None,
    reveal: Reveal = False,
    as_lines: AsJson = False,
) -> None:
    """Decode one payload: a JSON observation a line, or why there is none; or what arrives.

    A payload exits 0 when it was understood or knowingly ignored, 1 when it would be a dead letter.
    With --from-broker nothing is taken from the service: it listens with a client id of its own,
    until Ctrl-C.

    Examples: echo '{"temperature":21.4}' | gatehouse decode --topic zigbee2mqtt/bedroom
    gatehouse decode --from-broker --topic 'tele/#' --seconds 60
    """
    settings = load()
    decoder, profiles = make_decoder(settings)
    names = [known.name for known in profiles]
    if profile is not None and profile not in names:
        raise Failure(f"--profile {profile}: none of {', '.join(names)}", code=WRONG_USE)
    if from_broker:
        if at is not None or source is not None:
            raise Failure("--from-broker takes neither a file nor --at", code=WRONG_USE)
        from gatehouse.cli import listen  # noqa: PLC0415 - brings the console's words with it

        look = listen.Look(profile, reveal, as_lines, seconds, count, ZoneInfo(settings.zone))
        seen = listen.Seen(decoder, Matcher(decoder, profiles), look)
        listen.listen(settings, source_name, topic or (), seen, look)
        return
    if not topic or len(topic) > 1:
        raise Failure("say the topic it was published on: --topic", code=WRONG_USE)
    outcome = decoder.decode(
        topic[0], _read(source or Path("-")), received_at=_time(at), profile=profile
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
