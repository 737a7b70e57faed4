"""``gatehouse dashboards``: Grafana's dashboards as files, checked, and pushed."""

from pathlib import Path
from typing import Annotated

import typer

from dashboards.grafana.catalogue import GENERATED, build, check, dashboards
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.settings import load

Folder = Annotated[Path, typer.Option("--folder", help="Where the files are.")]


def register(parent: typer.Typer) -> None:
    """Add the commands to the command line."""
    group = typer.Typer(no_args_is_help=True, help="Build, check and push Grafana's dashboards.")
    group.command("build")(build_)
    group.command("check")(check_)
    group.command("push")(push_)
    parent.add_typer(group, name="dashboards")


def build_(folder: Folder = GENERATED) -> None:
    """Write the dashboards as files that Grafana loads, with the thresholds of the settings.

    Example: gatehouse dashboards build
    """
    for file in build(folder, load().thresholds):
        print(file)


def check_(folder: Folder = GENERATED) -> None:
    """Say whether the files are what the code and the settings give, and lack nothing.

    Example: gatehouse dashboards check
    """
    found = check(folder, load().thresholds)
    if found:
        raise Failure("; ".join(found))
    print("the dashboards are right")


def push_(
    url: Annotated[str, typer.Argument(help="Like https://grafana.example:3000")],
    token: Annotated[
        str | None, typer.Option(envvar="GRAFANA_TOKEN", help="Of a service account (editor).")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="A file that holds the token.")] = None,
) -> None:
    """Create or overwrite the dashboards in a Grafana that is already there.

    Example: gatehouse dashboards push https://grafana.example:3000 --token-file token
    """
    if token_file:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"{token_file} cannot be read: {error}", code=WRONG_USE) from error
    if not token:
        raise Failure("no token: give --token-file or set GRAFANA_TOKEN", code=WRONG_USE)
    try:
        from dashboards.grafana.push import PushRefused, push  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        sentence = f"{error.name} is not installed: pip install 'gatehouse[grafana]'"
        raise Failure(sentence) from error
    try:
        for address in push(url, token, dashboards(load().thresholds)):
            print(address)
    except PushRefused as error:
        raise Failure(str(error)) from error
