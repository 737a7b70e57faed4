"""An Excel workbook (.xlsx, .xls) as grids of cells, a sheet each.

A merged area of one column says its value in each of its rows, as it does on the screen; one over
several columns of data is refused. So is a cell that holds an error or a formula nobody computed,
because both would read as blank. Whatever the file claims, what it unpacks to is bounded before it
is read: cells are kept as a rectangle, so one in the last corner of a sheet would fill the memory.
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from devices.cell_text import MERGED, Cell
from devices.csv_sheet import Grid, Record, RefusedLine, letter

MAX_BYTES = 64 * 1024 * 1024
MAX_UNPACKED = 512 * 1024 * 1024
MAX_SHEETS = 100
MAX_WIDTH = 256
"""Columns: all that .xls has; the widest table here has 12."""
MAX_HEIGHT = 510_000
_CHUNK = 1024 * 1024
_OVERLAP = 4096
_CELL = re.compile(rb'<(?:\w+:)?c\s(?:[^>]*?\s)?r=["\']([A-Z]{1,3})(\d{1,7})["\'][^>/]*>')
_WRONG = re.compile(
    rb'<(?:\w+:)?c\s(?:[^>]*?\s)?r=["\']([A-Z]{1,3}\d{1,7})["\'](?:'
    rb'[^>]*?\st=["\']e["\'][^>]*>|'
    rb"(?![^>]*\st=)[^>]*><f\b[^>]*(?:/>|>[^<]*</f>)(?:<v\s*/>|<v>\s*</v>)?</c>)"
)


@dataclass(slots=True)
class _Extent:
    """How far a worksheet's cells reach, and which of them say nothing that can be read."""

    columns: set[bytes] = field(default_factory=set)
    height: int = 0
    wrong: list[str] = field(default_factory=list)

    def look(self, chunk: bytes) -> None:
        """Look at a piece of the worksheet's XML."""
        for column, row in _CELL.findall(chunk):
            self.columns.add(column)
            self.height = max(self.height, int(row))
        self.wrong += [cell.decode() for cell in _WRONG.findall(chunk)]


def read_workbook(path: Path) -> list[Grid]:
    """Read the sheets of a workbook that have any cell.

    Raises:
        RefusedLine: It is no workbook, has a password, or is too large in any way.
    """
    if path.stat().st_size > MAX_BYTES:
        raise RefusedLine(1, f"larger than {MAX_BYTES // 1024 // 1024} MiB; split it")
    if zipfile.is_zipfile(path):
        _check_package(path)
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        if len(workbook.sheet_names) > MAX_SHEETS:
            raise RefusedLine(1, f"more than {MAX_SHEETS} sheets; remove those that are not meant")
        sheets = [workbook.get_sheet_by_name(name) for name in workbook.sheet_names]
    except CalamineError as error:
        reason = f"cannot be read as a workbook ({error}); open it in Excel and save it as .xlsx"
        raise RefusedLine(1, reason) from error
    return [_grid(path, sheet) for sheet in sheets if sheet.end is not None]


def _check_package(path: Path) -> None:
    """Refuse a package of which a part is damaged, or that unpacks to too much."""
    try:
        with zipfile.ZipFile(path) as package:
            parts = package.infolist()
            if sum(part.file_size for part in parts) > MAX_UNPACKED:
                raise RefusedLine(1, "unpacks to too much; remove what is not meant, or split it")
            for part in parts:
                if part.filename.startswith("xl/worksheets/") and part.filename.endswith(".xml"):
                    _check_worksheet(package, part)
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise RefusedLine(1, f"is damaged or cut off ({error}); save it anew") from error


def _check_worksheet(package: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    extent, tail, unpacked = _Extent(), b"", 0
    with package.open(part) as content:
        while chunk := content.read(_CHUNK):
            unpacked += len(chunk)
            if unpacked > MAX_UNPACKED:
                raise RefusedLine(1, "unpacks to more than it says; it is no honest workbook")
            extent.look(tail + chunk)
            tail = chunk[-_OVERLAP:]
    name = Path(part.filename).name
    if extent.height > MAX_HEIGHT or any(map(_is_far, extent.columns)):
        reason = f"{name}: cells beyond column {letter(MAX_WIDTH - 1)} or row {MAX_HEIGHT:,}"
        raise RefusedLine(1, f"{reason}; delete the columns and rows behind the table")
    if extent.wrong:
        cells = ", ".join(dict.fromkeys(extent.wrong[:5]))
        reason = f"{name}: {cells} hold an error (#N/A …) or a formula that was never computed"
        raise RefusedLine(1, f"{reason}; paste values instead, or save it in Excel once")


def _is_far(column: bytes) -> bool:
    position = 0
    for sign in column:
        position = position * 26 + sign - ord("A") + 1
    return position > MAX_WIDTH


def _grid(path: Path, sheet: CalamineSheet) -> Grid:
    label = f"{path.name}, sheet {sheet.name}"
    return Grid(label, sheet.name, "row", _records(sheet), [])


def _records(sheet: CalamineSheet) -> Iterator[Record]:
    """Yield each row's number as Excel shows it and its cells from column A on."""
    beginning: dict[int, list[_Area]] = {}
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        beginning.setdefault(top, []).append(_Area(top, bottom, left, min(right, MAX_WIDTH)))
    start = sheet.start
    pad: list[Cell] = [""] * (start[1] if start else 0)
    covering: list[_Area] = []
    for index, row in enumerate(sheet.iter_rows()):
        cells: list[Cell] = [*pad, *row]
        if covering or index in beginning:
            covering += beginning.get(index, ())
            for area in covering:
                area.cover(index, cells)
            covering = [area for area in covering if area.bottom > index]
        yield index + 1, cells


@dataclass(slots=True)
class _Area:
    """A merged area; rows and columns from 0, all included."""

    top: int
    bottom: int
    left: int
    right: int
    value: Cell = ""

    def cover(self, row: int, cells: list[Cell]) -> None:
        """Put into a row what the area says there."""
        if row == self.top and self.left < len(cells):
            self.value = cells[self.left]
        if self.value == "":
            return
        for column in range(self.left, min(self.right + 1, len(cells))):
            if self.left == self.right:
                cells[column] = self.value
            elif (row, column) != (self.top, self.left):
                cells[column] = MERGED
