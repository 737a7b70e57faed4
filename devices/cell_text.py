"""What one cell says, as the text that a row's model reads; nothing that Excel changed passes.

A cell is text, or what a workbook keeps instead: number, truth, date, time or span of time.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from devices import registry_words


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cell that says nothing certain."""

    reason: str

    def __str__(self) -> str:
        return ""


MERGED = Unreadable("cells are merged over several columns; unmerge them")
"""What an area over several columns covers beside its first cell."""

Cell = str | float | bool | date | time | timedelta | Unreadable
Reader = Callable[[Cell], str]

_EXACT = 10**15
"""Excel keeps 15 digits of a number.

Source: Microsoft, Excel specifications and limits, Number precision.
"""
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_MOMENTS = {"since", "until", "class_since", "class_until"}
_TIMES_OF_DAY = {"begins", "ends"}


def guard(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe before it.

    Source: OWASP, CSV Injection.
    """
    return "'" + text if _FORMULA.match(text) else text


def reader_of(column: str) -> Reader:
    """Return what reads a cell of a registry column.

    It raises ValueError for what no such cell can say; the model's row refuses the rest.
    """
    if column in _MOMENTS:
        return _read_moment
    if column in _TIMES_OF_DAY:
        return _read_time_of_day
    if column == "weekdays":
        return lambda cell: registry_words.weekdays(_read_text(cell))
    values = registry_words.values_of(column)
    return _word_reader(values) if values else _read_text


def _word_reader(values: dict[str, str]) -> Reader:
    def read(cell: Cell) -> str:
        text = _read_text(cell)
        return values.get(text) or values.get(registry_words.plain(text), text)

    return read


def _read_text(cell: Cell) -> str:
    if type(cell) is str:
        text = cell.strip()
        return text[1:] if text[:1] == "'" and _GUARDED.match(text) else text
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, Unreadable):
        raise ValueError(cell.reason)  # noqa: TRY004 - what a row's model takes for a problem
    if isinstance(cell, float | int):
        if abs(cell) >= _EXACT:
            raise ValueError("a number of so many digits is rounded by Excel; type it as text")
        return str(int(cell)) if cell == int(cell) else repr(cell)
    raise ValueError(
        "Excel has made a date or time of this; format the column as text and type it again"
    )


def _read_moment(cell: Cell) -> str:
    if cell == "":
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    text = _read_text(cell)
    return registry_words.moment(text) if text else text


def _read_time_of_day(cell: Cell) -> str:
    if isinstance(cell, date) and cell.year <= 1900:  # How Excel shows 24:00 in a cell of times.
        return "24:00"
    if isinstance(cell, timedelta):
        minutes = round(cell.total_seconds() / 60)
        return f"{minutes // 60:02}:{minutes % 60:02}"
    if isinstance(cell, time):
        return cell.strftime("%H:%M")
    if isinstance(cell, float) and cell in {0.0, 1.0}:
        return "24:00" if cell else "00:00"
    return registry_words.time_of_day(_read_text(cell))
