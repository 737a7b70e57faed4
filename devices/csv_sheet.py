"""Reading one CSV file into rows, with the line of each and every problem found."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

MAX_BYTES = 64 * 1024 * 1024
MAX_ROWS = 500_000
_HEADER_LINE = 1

Row = TypeVar("Row", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file is refused. ``column`` is empty where the whole line is meant."""

    file: str
    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}"
        return (
            f"{place}, column {self.column}: {self.reason}"
            if self.column
            else (f"{place}: {self.reason}")
        )


@dataclass(slots=True)
class Sheet(Generic[Row]):
    """A file's rows with their line numbers, in order, and what is wrong with it."""

    name: str
    rows: list[tuple[int, Row]]
    problems: list[Problem]


def read_sheet(path: Path, model: type[Row]) -> Sheet[Row]:
    """Read a file of comma-separated values: UTF-8, with or without a byte order mark."""
    sheet: Sheet[Row] = Sheet(path.name, [], [])
    content = _read_text(path, sheet)
    if content is None:
        return sheet
    records = _records(content)
    try:
        _, header = next(records, (_HEADER_LINE, []))
        if _header_is_right(header, model, sheet):
            _read_rows(records, header, model, sheet)
    except _BadRecordError as error:
        sheet.problems.append(Problem(path.name, error.line, "", error.reason))
    return sheet


class _BadRecordError(Exception):
    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


def _records(content: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line it begins on."""
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            yield line, [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise _BadRecordError(line, str(error)) from error


def _read_text(path: Path, sheet: Sheet[Row]) -> str | None:
    """Return the file's text, or None with the problem noted."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        reason = f"larger than {MAX_BYTES // 1024 // 1024} MiB; split it"
        sheet.problems.append(Problem(path.name, _HEADER_LINE, "", reason))
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        reason = "not UTF-8; save it as CSV UTF-8"
        sheet.problems.append(Problem(path.name, line, "", reason))
        return None


def _header_is_right(header: list[str], model: type[Row], sheet: Sheet[Row]) -> bool:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    wrong = [(name, "unknown column") for name in header if name not in fields]
    wrong += [
        (name, "missing column")
        for name, field in fields.items()
        if field.is_required() and name not in header
    ]
    wrong += [(name, "column given twice") for name in set(header) if header.count(name) > 1]
    known = f"; known are {', '.join(fields)}"
    sheet.problems += [
        Problem(sheet.name, _HEADER_LINE, name, reason + known) for name, reason in wrong
    ]
    return not wrong


def _read_rows(
    records: Iterator[tuple[int, list[str]]],
    header: list[str],
    model: type[Row],
    sheet: Sheet[Row],
) -> None:
    for line, cells in records:
        if not any(cells):
            continue
        if len(sheet.rows) >= MAX_ROWS:
            reason = f"more than {MAX_ROWS} rows; split the file"
            sheet.problems.append(Problem(sheet.name, line, "", reason))
            return
        if len(cells) != len(header):
            reason = f"{len(cells)} cells under {len(header)} columns"
            sheet.problems.append(Problem(sheet.name, line, "", reason))
            continue
        _read_row(line, dict(zip(header, cells, strict=True)), model, sheet)


def _read_row(line: int, cells: dict[str, str], model: type[Row], sheet: Sheet[Row]) -> None:
    try:
        sheet.rows.append((line, model.model_validate(cells)))
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            column = str(problem["loc"][0]) if problem["loc"] else ""
            reason = problem["msg"].removeprefix("Value error, ")
            sheet.problems.append(Problem(sheet.name, line, column, reason))
