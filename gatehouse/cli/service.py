"""``gatehouse check`` and ``doctor``: whether the service can run."""

import json
import sys
from typing import Annotated

import typer

from gatehouse.check import check_everything
from gatehouse.failure import FAILED, WRONG_USE
from gatehouse.settings import load

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")]


def register(parent: typer.Typer) -> None:
    """Add the commands to the command line."""
    parent.command("check")(check)
    parent.command("doctor")(doctor)


def check(as_json: AsJson = False) -> None:
    """Validate settings, profiles with their examples, and rules; connect to nothing.

    Example: gatehouse check && systemctl restart gatehouse
    """
    problems = check_everything()
    if as_json:
        print(json.dumps({"problems": problems}, ensure_ascii=False))
    elif not problems:
        print("settings, profiles and rules are right")
    else:
        print("\n".join(problems), file=sys.stderr)
    if problems:
        raise typer.Exit(WRONG_USE)


def doctor(as_json: AsJson = False) -> None:
    """Connect to everything and say in one line each what is wrong and what to do.

    A line begins with ok, with warn where it works but something should be done, or with WRONG.
    Exits 1 where anything is wrong. Takes no longer than a minute and a half, whatever hangs.

    Example: gatehouse doctor --json
    """
    from gatehouse.doctor import examine  # noqa: PLC0415 - channels import a hundred services

    findings = examine(load())
    if as_json:
        print(json.dumps([finding.as_json() for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            print(finding.line)
    if not all(finding.well for finding in findings):
        raise typer.Exit(FAILED)
