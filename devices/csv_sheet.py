"""The rows of one table, from a CSV file or a sheet of a workbook, and every problem found.

The header is found below titles, its columns in any order and in either language. A problem is
told as its reader finds it: file and line, or sheet, row and column letter.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from devices import registry_words
from devices.cell_text import Cell, Reader, reader_of
from devices.import_words import column_told, label_told, told, wrong_value
from devices.registry_words import Language

MAX_ROWS = 500_000
TOLD_EVERY = 5_000
"""Rows between two words about how far the reading is."""
_TITLE_ROWS = 10
_TEXT_COLUMNS = {"phone", "plate"}

Row = TypeVar("Row", bound=BaseModel)
Record = tuple[int, Sequence[Cell]]
Progress = Callable[[str], None]
"""Is told now and then what is being done."""


def untold(_: str) -> None:
    """Tell nobody how far it is."""


class RefusedLine(Exception):
    """A file cannot be read on from a line; says why."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells as they lie in a file.

    Attributes:
        label: Names the file, or file and sheet, for its reader.
        title: By which its table is known.
        unit: How its reader counts: ``line`` or ``row``.
        records: Each row's number, from 1, and cells; may raise :class:`RefusedLine`.
        notes: What was noticed that is no problem.
    """

    label: str
    title: str
    unit: str
    records: Iterator[Record]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file is refused. ``column`` is empty where the whole line is meant."""

    file: str
    line: int
    column: str
    reason: str
    unit: str = "line"

    def __str__(self) -> str:
        column = f", column {self.column}" if self.column else ""
        return f"{self.file}, {self.unit} {self.line}{column}: {self.reason}"

    def told(self, language: Language) -> str:
        """Return the problem in a language."""
        if language is Language.ENGLISH:
            return str(self)
        column = f"，{column_told(self.column, language)} 列" if self.column else ""
        place = f"{label_told(self.file, language)}，第 {self.line} 行{column}"
        return f"{place}：{told(self.reason, language)}"


@dataclass(slots=True)
class Sheet(Generic[Row]):
    """A table's rows with their line numbers, in order, and what is wrong with them.

    Attributes:
        name: Of the registry file that it is, whatever it is called.
        label: As in :class:`Grid`, as is ``unit``.
        columns: How its reader knows each column.
    """

    name: str
    rows: list[tuple[int, Row]]
    problems: list[Problem]
    notes: list[str] = field(default_factory=list)
    label: str = ""
    unit: str = "line"
    columns: Mapping[str, str] = field(default_factory=dict)

    def refuse(self, line: int, column: str, reason: str) -> None:
        """Note a problem at a line and column of the table, as its reader finds it."""
        self.problems.append(self.located(Problem(self.name, line, column, reason)))

    def located(self, problem: Problem) -> Problem:
        """Return a problem with the table's rows as its reader finds it."""
        column = self.columns.get(problem.column, problem.column)
        return Problem(self.label or self.name, problem.line, column, problem.reason, self.unit)


@dataclass(frozen=True, slots=True)
class _Column:
    position: int
    name: str
    read: Reader


def read_sheet(grid: Grid, name: str, model: type[Row], progress: Progress = untold) -> Sheet[Row]:
    """Read a table's rows; each wrong one is a problem, and the others are read all the same.

    Args:
        grid: Is used up.
        name: Of the table.
        model: What a row may say.
        progress: Is told now and then how far it is.
    """
    sheet: Sheet[Row] = Sheet(name, [], [], list(grid.notes), grid.label, grid.unit)
    try:
        line, header, records = _find_header(grid, model)
        columns = _columns(line, header, model, sheet)
        if not sheet.problems:
            _read_rows(records, header, columns, model, sheet, progress)
    except RefusedLine as error:
        sheet.refuse(error.line, "", error.reason)
    return sheet


def _find_header(grid: Grid, model: type[BaseModel]) -> tuple[int, list[str], Iterator[Record]]:
    """Return the header's line and cells, and the records below it.

    That is the first line with every column a row must have; without one, the first of as many
    cells as there are such columns, or the first: what is missing there is told.
    """
    words = registry_words.columns_of(model)
    needed = {
        field.alias or name for name, field in model.model_fields.items() if field.is_required()
    }
    top = [(line, cells) for line, cells in itertools.islice(grid.records, _TITLE_ROWS)]
    best, most = 0, -1
    for index, (_, cells) in enumerate(top):
        found = {words.get(registry_words.plain(_shown(cell))) for cell in cells} - {None}
        if needed <= found:
            best = index
            break
        if len(found) > most:
            best, most = index, len(found)
    if not top:
        return 1, [], grid.records
    line, cells = top[best]
    header = [_shown(cell) for cell in cells]
    return line, header, itertools.chain(top[best + 1 :], grid.records)


def _shown(cell: Cell) -> str:
    return " ".join(str(cell).split())


def _columns(
    line: int, header: list[str], model: type[BaseModel], sheet: Sheet[Row]
) -> list[_Column]:
    """Return the columns that are read; note what is wrong with the header."""
    words = registry_words.columns_of(model)
    seen: dict[str, str] = {}
    columns: list[_Column] = []
    known = f"; known are {', '.join(dict.fromkeys(words.values()))}"
    for position, title in enumerate(header):
        name = words.get(registry_words.plain(title))
        here = f"{letter(position)} ({title})" if sheet.unit == "row" else title
        if not title:
            continue
        if name is None and registry_words.is_identity_number(title):
            note = "is not read: national id numbers are not needed; keep them out of the file"
            sheet.notes.append(f"column {here} {note}")
        elif name is None and registry_words.is_unread(title):
            sheet.notes.append(f"column {here} is not read")
        elif name is None:
            reason = "unknown column; put # before its name to leave it out" + known
            sheet.refuse(line, here, reason)
        elif name in seen:
            sheet.refuse(line, here, f"column given twice: {seen[name]} is {name} too")
        else:
            seen[name] = here
            columns.append(_Column(position, name, reader_of(name)))
    sheet.columns = seen
    for name, description in model.model_fields.items():
        column = description.alias or name
        if description.is_required() and column not in seen:
            sheet.refuse(line, column, "missing column" + known)
    return columns


def letter(position: int) -> str:
    """Return how Excel calls a column, counted from 0: A to Z, AA and so on."""
    letters = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _read_rows(
    records: Iterator[Record],
    header: list[str],
    columns: list[_Column],
    model: type[Row],
    sheet: Sheet[Row],
    progress: Progress,
) -> None:
    width = max((index + 1 for index, title in enumerate(header) if title), default=0)
    untitled = [position for position, title in enumerate(header[:width]) if not title]
    numbers: dict[str, int] = {}
    for line, cells in records:
        if not (cells and cells[0]) and _is_blank(cells):
            continue
        if len(sheet.rows) >= MAX_ROWS:
            sheet.refuse(line, "", f"more than {MAX_ROWS} rows; split the file")
            return
        if len(cells) != width or untitled:
            loose = [*(cells[index] for index in untitled if index < len(cells)), *cells[width:]]
            if len(cells) < width or not _is_blank(loose):
                reason = f"{len(cells)} cells under {width} columns"
                sheet.refuse(line, "", "a cell under no column's name" if untitled else reason)
                continue
        _read_row(line, cells, columns, model, sheet)
        if len(sheet.rows) % TOLD_EVERY == 0:
            progress(f"{sheet.label}: {len(sheet.rows):,} rows read")
        if sheet.unit == "row":
            _count_numbers(cells, columns, numbers)
    for name, count in numbers.items():
        note = f"{count} cells are numbers: zeros they began with are lost; format it as text"
        sheet.notes.append(f"column {sheet.columns[name]}: {note}")


def _is_blank(cells: Sequence[Cell]) -> bool:
    return not any(cell.strip() if isinstance(cell, str) else True for cell in cells)


def _count_numbers(cells: Sequence[Cell], columns: list[_Column], numbers: dict[str, int]) -> None:
    """Count the numbers in columns whose texts may begin with zeros; mobile phones never do."""
    for column in columns:
        cell = cells[column.position]
        if (
            type(cell) in {int, float}
            and (column.name in _TEXT_COLUMNS or column.name == "id")
            and not 13_000_000_000 <= float(cell) < 20_000_000_000  # type: ignore[arg-type]
        ):
            numbers[column.name] = numbers.get(column.name, 0) + 1


def _read_row(
    line: int, cells: Sequence[Cell], columns: list[_Column], model: type[Row], sheet: Sheet[Row]
) -> None:
    said: dict[str, str] = {}
    for column in columns:
        try:
            said[column.name] = column.read(cells[column.position])
        except ValueError as error:
            sheet.refuse(line, column.name, str(error))
    if len(said) < len(columns):
        return
    try:
        row = model.model_validate(said)
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            column_name = str(problem["loc"][0]) if problem["loc"] else ""
            cell = said.get(column_name, "")
            sheet.refuse(line, column_name, wrong_value(problem, column_name, cell))
        return
    if sheet.rows:  # All rows say the same columns: one set for all, half of a row's memory.
        object.__setattr__(row, "__pydantic_fields_set__", sheet.rows[0][1].model_fields_set)
    sheet.rows.append((line, row))
