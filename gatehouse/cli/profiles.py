"""``gatehouse profiles``: which device families are understood."""

import json
from typing import Annotated

import typer

from devices.profile import built_in, load_profiles
from devices.profile_table import as_markdown, as_rows, as_text
from gatehouse.settings import load

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="As the table in devices/README.md.")]


def register(parent: typer.Typer) -> None:
    """Add the command to the command line."""
    parent.command("profiles")(profiles)


def profiles(as_json: AsJson = False, markdown: AsMarkdown = False) -> None:
    """List the device families that are understood, built in and your own.

    Example: gatehouse profiles --json
    """
    settings = load()
    folders = [settings.profiles_dir] if settings.profiles_dir else []
    known = load_profiles(built_in(), *folders)
    if as_json:
        print(json.dumps(as_rows(known), ensure_ascii=False, indent=2))
    else:
        print(as_markdown(known) if markdown else as_text(known))
