"""``gatehouse registry show``: what is registered of one thing, now or as of a time."""

import json
from typing import Annotated

import typer

from dashboards import audit
from dashboards.audit import Action
from devices.clock import parse_rfc3339
from devices.registry_record import KINDS, find_record
from gatehouse.cli.candidates import account_name
from gatehouse.database import open_database
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.settings import load

At = Annotated[
    str | None, typer.Option("--at", help="Only what was so then: 2020-02-14T18:00:00+08:00.")
]


def moment(text: str | None) -> int | None:
    """Return what ``--at`` says in milliseconds UTC.

    Raises:
        Failure: It is no time.
    """
    try:
        return None if text is None else parse_rfc3339(text)
    except ValueError as error:
        raise Failure(f"--at {text}: {error}", code=WRONG_USE) from error


def show(
    kind: Annotated[str, typer.Argument(help=", ".join(KINDS))],
    identity: Annotated[str, typer.Argument(metavar="ID", help="As in the files; SITE/GATE.")],
    at: At = None,
    names: Annotated[
        bool, typer.Option("--names", help="With names, phones, flats and plates; on record.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why --names; on record.")] = "",
) -> None:
    """Show what is registered of one thing, as JSON: all that ever was so, or what was so then.

    Examples: gatehouse registry show device a0:e6:f8:50:72:53 --at 2020-01-15T12:00:00+08:00
    gatehouse registry show resident r-002 --names --reason "asked by the doctor on call"
    """
    if kind not in KINDS:
        raise Failure(f"{kind!r} is none of {', '.join(KINDS)}", code=WRONG_USE)
    if names and not reason.strip():
        raise Failure("--names needs --reason, which is recorded", code=WRONG_USE)
    when, settings = moment(at), load()
    engine = open_database(settings)
    try:
        with engine.begin() as connection:
            record = find_record(connection, kind, identity, at=when, personal=names)
            if record is None:
                raise Failure(f"there is no {kind} {identity!r}")
            if names:
                audit.record(
                    connection,
                    Action.OPENED_PERSON,
                    account=account_name(),
                    now=settings.clock.now(),
                    about=f"{kind}:{identity}",
                    reason=reason.strip()[:200],
                )
    finally:
        engine.dispose()
    typer.echo(json.dumps(record, ensure_ascii=False, indent=2))
