"""``gatehouse profiles``: which device families are understood, and one of them whole."""

import json
from pathlib import Path
from typing import Annotated

import typer

from devices.profile import Profile, built_in, load_profiles
from devices.profile_copy import with_prefix
from devices.profile_table import as_markdown, as_page, as_rows, as_text
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.settings import load

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="As the table in devices/README.md.")]

app = typer.Typer(help="The device families that are understood.")


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(app, name="profiles")


@app.callback(invoke_without_command=True)
def profiles(context: typer.Context, as_json: AsJson = False, markdown: AsMarkdown = False) -> None:
    """List the device families that are understood, built in and your own.

    Example: gatehouse profiles --json
    """
    if context.invoked_subcommand is not None:
        return
    known = _load()
    if as_json:
        print(json.dumps(as_rows(known), ensure_ascii=False, indent=2))
    else:
        print(as_markdown(known) if markdown else as_text(known))


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Of the family.")],
    toml: Annotated[
        bool, typer.Option("--toml", help="The profile's file itself, to copy and change.")
    ] = False,
    prefix: Annotated[
        str, typer.Option(help="With --toml: levels that your topics begin with, like home/b3.")
    ] = "",
    instead_of: Annotated[
        str, typer.Option(help="With --prefix: the levels that it takes the place of.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show one family: its topics, what it gives, its examples and where they come from.

    Examples: gatehouse profiles show tasmota_energy
    gatehouse profiles show zigbee2mqtt_plug --toml --prefix z2m --instead-of zigbee2mqtt
    """
    known = {profile.name: profile for profile in _load()}
    if name not in known:
        raise Failure(f"there is no profile {name}: one of {', '.join(known)}", code=WRONG_USE)
    if not toml and (prefix or instead_of):
        raise Failure("--prefix and --instead-of change the file: add --toml", code=WRONG_USE)
    if toml:
        print(_text(known[name], prefix, instead_of), end="")
    elif as_json:
        print(json.dumps(as_rows([known[name]])[0], ensure_ascii=False, indent=2))
    else:
        print(as_page(known[name]))


def _load() -> tuple[Profile, ...]:
    settings = load()
    return load_profiles(built_in(), *([settings.profiles_dir] if settings.profiles_dir else []))


def _text(profile: Profile, prefix: str, instead_of: str) -> str:
    text = Path(profile.file).read_text(encoding="utf-8")
    if not prefix and not instead_of:
        return text
    try:
        return with_prefix(text, prefix, instead_of=instead_of)
    except ValueError as error:
        raise Failure(f"--prefix: {error}", code=WRONG_USE) from error
