"""Bring a registry's files into the registry: all of it, or nothing with every reason.

The files are a folder of CSV files, one workbook, or one list of people. A row says what is so;
what the registry knows and the files do not mention stays. The rota is replaced whole where the
files have any duty, and a worker's channels where they have any of the worker's. Histories are
kept: a changed state, residence, class or place closes the fact before it.

Imports come one after the other, and after every other change of the registry: what is written was
planned on what was there. Nobody is kept waiting while files are read and compared.
"""

import gc
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pydantic import BaseModel
from sqlalchemy import Connection, Engine

from devices import registry_words
from devices.csv_file import read_csv
from devices.csv_merge import Merge
from devices.csv_rows import FILES
from devices.csv_sheet import (
    Grid,
    Problem,
    Progress,
    RefusedLine,
    Sheet,
    read_sheet,
    untold,
)
from devices.import_words import told
from devices.registry_draft import Difference, Rows, compare, read_rows, write
from devices.registry_lock import changing, read_version, reading
from devices.registry_words import ROLL, Language
from devices.roll import Roll, RollRow

SHOWN_PROBLEMS = 20
WORKBOOKS = (".xlsx", ".xlsm", ".xls")


class ImportRefused(Exception):
    """Nothing was imported. Says each reason by file, line and column, up to a bound."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__()
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return self.told(Language.ENGLISH)

    def told(self, language: Language) -> str:
        """Return the reasons in a language, a line each."""
        lines = [problem.told(language) for problem in self.problems[:SHOWN_PROBLEMS]]
        if len(self.problems) > SHOWN_PROBLEMS:
            lines.append(told(f"and {len(self.problems) - SHOWN_PROBLEMS} more", language))
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Files:
    """What was read: tables in the order in which they refer to each other, each row right.

    Attributes:
        sheets: Those with rows; a table without any says nothing.
        notes: What was noticed that is no problem, a sentence each.
    """

    sheets: list[Sheet[BaseModel]]
    notes: list[str] = field(default_factory=list)


def random_subject() -> str:
    """Return a new random id standing for a resident."""
    return secrets.token_hex(8)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Spare Python's look for cycles, of which millions of rows have none: a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_uncollected()
def read_files(path: Path, progress: Progress = untold) -> Files:
    """Read a folder of CSV files, a workbook, or one CSV file.

    Raises:
        ImportRefused: Any row is wrong, or there is no table.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    tables = _tables(path, problems, notes)
    read: dict[str, Sheet[BaseModel]] = {}
    for name, grid in tables.items():
        sheet = read_sheet(grid, name, MODELS[name], progress)
        problems += sheet.problems
        notes += [f"{sheet.label}: {note}" for note in sheet.notes]
        if sheet.rows:
            read[name] = sheet
    if ROLL in read and read.keys() & {"households.csv", "residents.csv"}:
        reason = "is a list of people beside households or residents; keep one of the two forms"
        problems.append(Problem(read[ROLL].label, 1, "", reason, read[ROLL].unit))
    if problems:
        raise ImportRefused(problems)
    return Files([read[name] for name in MODELS if name in read], notes)


@_uncollected()
def plan(
    connection: Connection,
    files: Files,
    *,
    now: int,
    new_subject: Callable[[], str] = random_subject,
    progress: Progress = untold,
) -> Difference:
    """Work out what importing the files would change, touching nothing.

    Args:
        connection: On the state database; should see one moment of it.
        files: As read.
        now: From when changes count whose row does not say; milliseconds UTC.
        new_subject: Makes the random ids of residents seen for the first time.
        progress: Is told what is being done.

    Raises:
        ImportRefused: A row contradicts another, or refers to what there is not.
    """
    progress("reading the registry")
    before = read_rows(connection)
    merge = Merge(before, now=now, new_subject=new_subject)
    parts: dict[str, Sheet[BaseModel]] = {}
    problems: list[Problem] = []
    for sheet in files.sheets:
        progress(f"comparing {sheet.label}: {len(sheet.rows):,} rows")
        for part in _parts(sheet, merge.rows, problems):
            parts[part.name] = part
            merge.take(part)
    after = merge.finish()
    problems += [parts[problem.file].located(problem) for problem in merge.problems]
    if problems:
        raise ImportRefused(problems)
    return compare(before, after)


@_uncollected()
def import_files(
    engine: Engine,
    files: Files,
    *,
    now: int,
    waits: Callable[[], None] = lambda: None,
    progress: Progress = untold,
) -> Difference:
    """Plan and write what the files change, all in one transaction; return it.

    Args:
        engine: Of the state database.
        files: As read.
        now: As in :func:`plan`.
        waits: Is called once if somebody else is changing the registry.
        progress: As in :func:`plan`.

    Raises:
        ImportRefused: As in :func:`plan`; nothing has changed.
    """
    with reading(engine) as connection:
        seen = read_version(connection)
        difference = plan(connection, files, now=now, progress=progress)
    if not difference:
        return difference
    with changing(engine, waits) as (connection, version):
        if version != seen:
            difference = plan(connection, files, now=now, progress=progress)
        progress(f"writing {sum(difference.counts().values()):,} rows")
        write(connection, difference)
    return difference


def import_folder(engine: Engine, path: Path, *, now: int) -> Difference:
    """Read and import a folder, workbook or file.

    Raises:
        ImportRefused: Anything is wrong; nothing has changed.
    """
    return import_files(engine, read_files(path), now=now)


MODELS: dict[str, type[BaseModel]] = {}
for _name, _model in FILES.items():
    MODELS[_name] = _model
    if _name == "residents.csv":
        MODELS[ROLL] = RollRow
"""What a row of each table may say, in the order in which they refer to each other."""


def _parts(
    sheet: Sheet[BaseModel], rows: Mapping[str, Rows], problems: list[Problem]
) -> Sequence[Sheet[BaseModel]]:
    """Return a table as the registry has it: a list of people is two."""
    if sheet.name != ROLL:
        return (sheet,)
    tables = Roll(cast("Sheet[RollRow]", sheet), rows).tables()
    problems += sheet.problems
    return tables


def _tables(path: Path, problems: list[Problem], notes: list[str]) -> dict[str, Grid]:
    """Return what holds each table; note what holds none, and what cannot be read."""
    tables: dict[str, Grid] = {}
    unnamed = []
    for grid in _grids(path, problems, notes):
        name = registry_words.table_named(grid.title)
        if name is None:
            unnamed.append(grid)
        elif name in tables:
            reason = f"is the same table as {tables[name].label}; keep one of them"
            problems.append(Problem(grid.label, 1, "", reason, grid.unit))
        else:
            tables[name] = grid
    if len(unnamed) == 1 and not tables:
        return {ROLL: unnamed[0]}
    notes += [f"{grid.label} is not read: no table has this name" for grid in unnamed]
    if not tables and not problems:
        known = registry_words.known_tables(MODELS)
        problems.append(Problem(str(path), 1, "", f"holds none of the tables {known}"))
    return tables


def _grids(path: Path, problems: list[Problem], notes: list[str]) -> list[Grid]:
    """Return what is in a folder, workbook or file."""
    if path.suffix.lower() in WORKBOOKS and path.is_file():
        from devices.workbook import read_workbook  # noqa: PLC0415 - a large library, rarely needed

        try:
            return read_workbook(path)
        except RefusedLine as error:
            problems.append(Problem(path.name, error.line, "", error.reason))
            return []
    files = [path]
    if path.is_dir():
        files = sorted(path.glob("*.csv"))
        others = [file for file in files if registry_words.table_named(file.stem) is None]
        notes += [f"{file.name} is not read: no table has this name" for file in others]
        files = [file for file in files if file not in others]
    grids = []
    for file in files:
        try:
            grids.append(read_csv(file))
        except RefusedLine as error:
            problems.append(Problem(file.name, error.line, "", error.reason))
    return grids
