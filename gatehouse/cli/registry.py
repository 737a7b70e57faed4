"""``gatehouse registry``: places, people and devices, in and out as CSV files or a workbook."""

import csv
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Self

import typer
from sqlalchemy import Engine

import devices
from devices.csv_export import export_folder, export_records
from devices.csv_import import MODELS, Files, ImportRefused, import_files, plan, read_files
from devices.csv_rows import FILES
from devices.import_words import note_told, summary_told, told
from devices.registry_draft import Difference
from devices.registry_lock import reading
from devices.registry_summary import summary
from devices.registry_words import Language
from gatehouse.cli.registry_show import At, moment, show
from gatehouse.database import open_database
from gatehouse.enrolment import follow
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.settings import Settings, load

SHOWN_LINES = 100
TOLD_AFTER_S = 1.0
SAMPLE = Path(devices.__file__).parent / "sample_community"

app = typer.Typer(
    help="Places, people and devices as CSV files or an Excel workbook.", no_args_is_help=True
)
In = Annotated[Language, typer.Option(help="Of titles and closed words.")]


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    app.command("show")(show)
    parent.add_typer(app, name="registry")


@app.command("import")
def import_(
    path: Annotated[
        Path, typer.Argument(help="A folder of CSV files, a workbook, or one list of people.")
    ],
    dry_run: Annotated[bool, typer.Option(help="Say what would change; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Counts and lines as JSON.")] = False,
) -> None:
    """Bring files into the registry: all of it, or nothing with every reason.

    Examples: gatehouse registry import office.xlsx --dry-run
    gatehouse registry import devices/sample_community
    """
    if not path.exists():
        raise Failure(f"{path}: there is no such file or folder", code=WRONG_USE)
    settings = load()
    language = Language(settings.language)
    try:
        with _Progress() as progress:
            files = read_files(path, progress)
            engine = open_database(settings)
            try:
                difference = _import(engine, files, settings, progress, dry_run=dry_run)
                if not dry_run:
                    follow(settings, engine)
            finally:
                engine.dispose()
    except ImportRefused as error:
        raise Failure(error.told(language)) from error
    if as_json:
        _report_json(difference, files.notes, dry_run=dry_run)
    else:
        _report(difference, files.notes, language, dry_run=dry_run)


def _import(
    engine: Engine, files: Files, settings: Settings, progress: "_Progress", *, dry_run: bool
) -> Difference:
    now = settings.clock.now()
    if dry_run:
        with reading(engine) as connection:
            return plan(connection, files, now=now, progress=progress)
    return import_files(engine, files, now=now, waits=_say_waiting, progress=progress)


@app.command("export")
def export(
    path: Annotated[Path, typer.Argument(help="A folder, or a workbook: FILE.xlsx.")],
    language: In = Language.ENGLISH,
    at: At = None,
) -> None:
    """Write the registry as what import takes. It holds names, phones and addresses of channels.

    Examples: gatehouse registry export out.xlsx --language zh
    gatehouse registry export january --at 2020-01-15T12:00:00+08:00
    """
    when = moment(at)
    engine = open_database(load())
    try:
        with reading(engine) as connection:
            if path.suffix.lower() == ".xlsx":
                written = _write(path, export_records(connection, at=when), language)
            else:
                written = export_folder(connection, path, at=when, language=language)
    finally:
        engine.dispose()
    typer.echo(f"{written} rows written to {path}")


@app.command("template")
def template(
    path: Annotated[Path, typer.Argument(help="To write: FILE.xlsx.")],
    language: In = Language.ENGLISH,
    sample: Annotated[
        bool, typer.Option(help="With the rows of the sample community, all made up.")
    ] = False,
    force: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
) -> None:
    """Write a workbook to fill in and import: a sheet for each table, explained.

    Example: gatehouse registry template office.xlsx --language zh
    """
    if path.suffix.lower() != ".xlsx":
        raise Failure(f"{path}: let its name end with .xlsx", code=WRONG_USE)
    if path.exists() and not force:
        raise Failure(f"{path} is there already; --force writes over it")
    _write(path, _sample() if sample else {}, language)
    typer.echo(f"{path} written; fill it in, then try: gatehouse registry import {path} --dry-run")


def _write(path: Path, records: Any, language: Language) -> int:
    from devices.registry_workbook import write_workbook  # noqa: PLC0415 - large, rarely needed

    return write_workbook(path, MODELS, records, language=language)


def _sample() -> dict[str, list[dict[str, str]]]:
    records = {}
    for name in FILES:
        with (SAMPLE / name).open(encoding="utf-8", newline="") as file:
            records[name] = list(csv.DictReader(file))
    return records


def _say_waiting() -> None:
    print("somebody else is changing the registry: waiting ...", file=sys.stderr)


class _Progress:
    """One line on a terminal that says what is being done, from a second on."""

    def __init__(self) -> None:
        self._shows = sys.stderr.isatty()
        self._next = time.monotonic() + TOLD_AFTER_S
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __call__(self, sentence: str) -> None:
        if self._shows and time.monotonic() >= self._next:
            self._next, self._shown = time.monotonic() + 0.2, True
            print(f"\r\x1b[K{sentence} ...", end="", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        """Take the line away."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _report_json(difference: Difference, notes: list[str], *, dry_run: bool) -> None:
    answer = {
        **difference.counts(),
        "dry_run": dry_run,
        "notes": notes,
        "summary": summary(difference),
        "lines": list(difference.lines()),
    }
    typer.echo(json.dumps(answer, ensure_ascii=False))


def _report(difference: Difference, notes: list[str], language: Language, *, dry_run: bool) -> None:
    for note in notes:
        typer.echo(told(f"note: {note_told(note, language)}", language))
    for sentence in summary(difference):
        typer.echo(summary_told(sentence, language))
    for line in itertools.islice(difference.lines(), SHOWN_LINES):
        typer.echo(f"  {line}")
    counts = difference.counts()
    more = sum(counts.values()) - SHOWN_LINES
    if more > 0:
        typer.echo("  " + told(f"… and {more} more; --json shows all", language))
    words = ", ".join(f"{count} {what}" for what, count in counts.items())
    typer.echo(told(f"{words}; nothing was changed" if dry_run else words, language))
