"""``gatehouse registry``: places and people, in and out as CSV files."""

import itertools
import json
from pathlib import Path
from typing import Annotated

import typer

from devices.csv_export import export_folder
from devices.csv_import import import_folder, plan
from devices.registry_draft import Difference
from gatehouse.database import open_database
from gatehouse.settings import load

SHOWN_LINES = 100

app = typer.Typer(help="Places, people and devices as CSV files.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(app, name="registry")


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="Holds sites.csv, households.csv, ….")],
    dry_run: Annotated[bool, typer.Option(help="Say what would change; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Counts and lines as JSON.")] = False,
) -> None:
    """Bring the folder's files into the registry: all of it, or nothing with every reason."""
    settings = load()
    engine = open_database(settings)
    now = settings.clock.now()
    try:
        if dry_run:
            with engine.connect() as connection:
                difference = plan(connection, folder, now=now)
        else:
            difference = import_folder(engine, folder, now=now)
    finally:
        engine.dispose()
    _report(difference, dry_run=dry_run, as_json=as_json)


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="Written to; made if it is not there.")],
) -> None:
    """Write the registry as the files that import takes. They hold names and phones."""
    engine = open_database(load())
    with engine.connect() as connection:
        written = export_folder(connection, folder)
    engine.dispose()
    typer.echo(f"{written} rows written to {folder}")


def _report(difference: Difference, *, dry_run: bool, as_json: bool) -> None:
    counts = difference.counts()
    if as_json:
        answer = {**counts, "dry_run": dry_run, "lines": list(difference.lines())}
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    for line in itertools.islice(difference.lines(), SHOWN_LINES):
        typer.echo(line)
    more = sum(counts.values()) - SHOWN_LINES
    if more > 0:
        typer.echo(f"… and {more} more; --json shows all")
    words = ", ".join(f"{count} {what}" for what, count in counts.items())
    typer.echo(f"{words}; nothing was changed" if dry_run else words)
