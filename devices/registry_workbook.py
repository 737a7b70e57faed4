"""Writing the registry's tables as an Excel workbook: an export to import again, or a template.

Every cell is text: nothing becomes a formula, a date, or a number that lost its zeros, also not
what somebody types in later. The heads of columns explain themselves, closed ones have a list.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from xlsxwriter import Workbook  # type: ignore[import-untyped]
from xlsxwriter.format import Format  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

from devices import registry_words
from devices.cell_text import guard
from devices.registry_help import help_for
from devices.registry_words import Language

_LAST_ROW = 1_048_575
"""Counted from 0. Source: Microsoft, Excel specifications and limits."""
_WIDTH = 16


def write_workbook(
    path: Path,
    models: Mapping[str, type[BaseModel]],
    records: Mapping[str, Iterable[Mapping[str, Any]]],
    *,
    language: Language,
) -> int:
    """Write a workbook, private to the user: it may hold names, phones and channel addresses.

    Args:
        path: Is overwritten.
        models: The tables, a sheet each, in their order.
        records: Rows of each table; keys that are no columns are left out, missing ones blank.
        language: Of titles, explanations and closed words.

    Returns:
        How many rows were written.
    """
    path.touch(mode=0o600)
    written = 0
    with Workbook(str(path), {"constant_memory": True}) as workbook:
        text = workbook.add_format({"num_format": "@"})
        head = workbook.add_format({"num_format": "@", "bold": True, "bg_color": "#DDE7F0"})
        for name, model in models.items():
            sheet = workbook.add_worksheet(registry_words.table_title(name, language))
            columns = [field.alias or key for key, field in model.model_fields.items()]
            _write_head(sheet, name, columns, head, text, language)
            written += _write_rows(sheet, columns, records.get(name, ()), text, language)
    return written


def _write_head(
    sheet: Worksheet,
    name: str,
    columns: list[str],
    head: Format,
    text: Format,
    language: Language,
) -> None:
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(columns) - 1, _WIDTH, text)
    for position, column in enumerate(columns):
        title = registry_words.column_title(name, column, language)
        sheet.write_string(0, position, title, head)
        sheet.write_comment(0, position, help_for(column, language))
        choices = registry_words.choices(column, language)
        if choices:
            rule = {"validate": "list", "source": choices}
            sheet.data_validation(1, position, _LAST_ROW, position, rule)


def _write_rows(
    sheet: Worksheet,
    columns: list[str],
    records: Iterable[Mapping[str, Any]],
    text: Format,
    language: Language,
) -> int:
    row = 0
    for row, record in enumerate(records, start=1):
        for position, column in enumerate(columns):
            value = record.get(column)
            if value is None or value == "":
                continue
            said = registry_words.value_title(column, str(value), language)
            sheet.write_string(row, position, guard(said), text)
    return row
