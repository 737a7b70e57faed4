"""Every table, column and closed word has one meaning in each language."""

from enum import StrEnum
from typing import get_args

import pytest
from pydantic.fields import FieldInfo

from devices import registry_words
from devices.cell_text import reader_of
from devices.csv_import import MODELS
from devices.registry_help import help_for
from devices.registry_words import COLUMNS, TABLES, VALUES, Language

COLUMNS_OF = [
    (name, field.alias or key, field)
    for name, model in MODELS.items()
    for key, field in model.model_fields.items()
]


def closed(field: FieldInfo) -> type[StrEnum] | None:
    for choice in (field.annotation, *get_args(field.annotation)):
        if isinstance(choice, type) and issubclass(choice, StrEnum):
            return choice
    return None


@pytest.mark.parametrize("name", MODELS)
def test_a_table_is_found_by_each_of_its_names(name: str) -> None:
    """Whatever a file or sheet is called, it is this table and no other."""
    for title in (name, name.removesuffix(".csv").capitalize(), *TABLES[name]):
        assert registry_words.table_named(title) == name


@pytest.mark.parametrize(("name", "column"), [(name, column) for name, column, _ in COLUMNS_OF])
def test_a_column_is_found_by_each_of_its_names(name: str, column: str) -> None:
    """No word means two columns of one table, and each column is explained."""
    words = registry_words.columns_of(MODELS[name])
    for title in (column, column.replace("_", " ").title(), *COLUMNS[column]):
        assert words[registry_words.plain(title)] == column
    for language in Language:
        assert help_for(column, language)
        assert (
            words[registry_words.plain(registry_words.column_title(name, column, language))]
            == column
        )


@pytest.mark.parametrize(
    ("column", "kind"),
    dict.fromkeys(
        (column, kind) for _, column, field in COLUMNS_OF if (kind := closed(field)) is not None
    ),
)
def test_every_closed_word_is_read_in_each_language(column: str, kind: type[StrEnum]) -> None:
    """No word means two values of one column."""
    assert list(VALUES[column]) == [value.value for value in kind]
    for value, words in VALUES[column].items():
        assert words
        for word in (value, value.upper(), *words):
            assert reader_of(column)(f" {word} ") == value


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("周一至周五、周日", "mon-fri sun"),
        ("星期一到五", "mon-fri"),
        ("每天", "mon-sun"),
        ("工作日，周六", "mon-fri sat"),
        ("周一周三", "mon wed"),
        ("Mon - Fri, sun", "Mon-Fri sun"),
        ("someday", "someday"),
    ],
)
def test_weekdays_are_read_in_each_language(text: str, days: str) -> None:
    """What is not understood stays as it is, and is refused by its row."""
    assert reader_of("weekdays")(text) == days


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2020/2/14", "2020-02-14"),
        ("2020年2月14日", "2020-02-14"),
        ("2020.02.14", "2020-02-14"),
        ("２０２０-２-１４", "2020-02-14"),
        ("2020-2-14 8:30", "2020-02-14T08:30:00"),
        ("2020-02-14T18:00:00+08:00", "2020-02-14T18:00:00+08:00"),
        ("14/2/2020", "14/2/2020"),
        ("43875", "43875"),
    ],
)
def test_dates_are_read_as_they_are_written_in_china(text: str, iso: str) -> None:
    """The year comes first; what could be read in two ways is left to be refused."""
    assert reader_of("since")(text) == iso
