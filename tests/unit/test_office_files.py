"""Files as offices have them: what is read, what is refused, and how it is told."""

import datetime as dt
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter  # type: ignore[import-untyped]
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.pool import StaticPool

from devices import csv_file, tables, workbook
from devices.csv_export import export_folder, export_records
from devices.csv_file import read_csv
from devices.csv_import import MODELS, ImportRefused, import_files, import_folder, read_files
from devices.import_words import told
from devices.registry_words import Language
from devices.registry_workbook import write_workbook
from devices.workbook import read_workbook

SAMPLE = Path(tables.__file__).parent / "sample_community"
NOW = 1_581_674_400_000
HEADER = "编号,住户,姓名,电话\n"
Fill = Callable[[Any, Any], None]


@pytest.fixture(scope="module")
def imported() -> Engine:
    """The sample community, which no test changes: what is imported here is refused, or planned."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    tables.metadata.create_all(engine)
    import_folder(engine, SAMPLE, now=NOW)
    return engine


@pytest.fixture
def community(imported: Engine) -> Iterator[Engine]:
    """The sample community; what a test changes is taken back."""
    with imported.connect() as connection:
        source = connection.connection.driver_connection
        assert source is not None
        kept = source.serialize()
        yield imported
        source.deserialize(kept)


def csv_of(tmp_path: Path, content: bytes, name: str = "居民.csv") -> Path:
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


def book_of(tmp_path: Path, *sheets: tuple[str, list[list[Any]]], fill: Fill | None = None) -> Path:
    """Write a workbook whose cells are what Excel would make of them, not text."""
    path = tmp_path / "office.xlsx"
    with xlsxwriter.Workbook(str(path), {"strings_to_formulas": False}) as book:
        date = book.add_format({"num_format": "yyyy/m/d"})
        for title, rows in sheets:
            sheet = book.add_worksheet(title)
            for row, cells in enumerate(rows):
                for column, cell in enumerate(cells):
                    is_time = isinstance(cell, dt.date | dt.time)
                    sheet.write(row, column, cell, *([date] if is_time else []))
            if fill:
                fill(sheet, book)
    return path


def refusals(path: Path) -> str:
    """Return why a file is refused; each reason can be told in Chinese too."""
    with pytest.raises(ImportRefused) as refused:
        read_files(path)
    for problem in refused.value.problems:
        assert told(problem.reason, Language.CHINESE) != problem.reason
    return str(refused.value)


def residents(engine: Engine) -> dict[str, tuple[str, str]]:
    person = tables.resident.c
    with engine.connect() as connection:
        rows = connection.execute(select(person.external_id, person.name, person.phone))
        return {row.external_id: (row.name, row.phone) for row in rows}


TEXT = HEADER + "r-9,h-1-201,张三丰,13800138000\n"


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (TEXT.encode(), None),
        (TEXT.encode("utf-8-sig"), None),
        (TEXT.encode("gb18030"), "居民.csv: read as GB 18030"),
        (TEXT.replace(",", "\t").encode("utf-16"), "居民.csv: read as UTF-16"),
        (TEXT.replace(",", ";").replace("\n", "\r\n").encode(), None),
        (("光明小区居民名册,,,\n,,,\n" + TEXT).encode(), None),
        ((TEXT + "\n,,,\n").encode(), None),
        (TEXT.replace("编号,住户,姓名,电话", "ID,Household,姓 名,手机（必填）").encode(), None),
        (TEXT.replace("\n", ",\n").encode(), None),
    ],
    ids=["utf-8", "bom", "gb18030", "utf-16", "semicolons", "title", "blank", "words", "extra"],
)
def test_a_csv_file_is_read_whoever_saved_it(
    community: Engine, tmp_path: Path, content: bytes, note: str | None
) -> None:
    """Encoding, separator, titles and words may be an office's own; what is not usual is said."""
    files = read_files(csv_of(tmp_path, content))
    assert files.notes == ([note] if note else [])
    import_files(community, files, now=NOW)
    assert residents(community)["r-9"] == ("张三丰", "13800138000")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            TEXT.encode() + "r-8,h-1-201,李四,1\n".encode("gb18030"),
            "line 3: not UTF-8, though other",
        ),
        (TEXT.encode()[:-14], "line 2: not UTF-8, though other lines are"),
        (TEXT.encode()[:-13], "line 2: 3 cells under 4 columns"),
        (TEXT.encode("gb18030") + b"\xff\n", "line 3: neither UTF-8 nor GB 18030"),
        ("id,household,name\nr-9,h-1-201,Müller\n".encode("latin-1"), "line 2: n"),
        (TEXT.encode("utf-16-le"), "is UTF-16 without its mark"),
        (TEXT.encode("utf-16")[:-1], "is cut off or no UTF-16"),
        (b"PK\x03\x04 ...", "is an Excel workbook, not CSV"),
        ("编号,姓名\nr-9,张三\n".encode(), "line 1, column household: missing column"),
        ("编号,住户,姓名,微信\n".encode(), "line 1, column 微信: unknown column; put # before"),
        ("编号,住户,姓名,名字\n".encode(), "column 名字: column given twice: 姓名 is name too"),
        ((TEXT + 'r-8,h-1-201,"李四,1\n').encode(), "line 3: unexpected end of data"),
        ((TEXT + "r-8,h-1-201,李四,1,嗯\n").encode(), "line 3: 5 cells under 4 columns"),
        (
            "姓名,编号,住户\nr-9,张 三,h-1-201\n".encode(),
            "line 2, column 编号: write letters, digits and",
        ),
        (b"", "missing column"),
    ],
    ids=[
        *("mixed", "cut-in-a-sign", "cut-in-a-line", "cut-gb18030", "latin-1", "utf-16-no-mark"),
        *("cut-utf-16", "workbook", "missing", "unknown", "twice", "quote", "wide", "swapped"),
        "empty",
    ],
)
def test_a_broken_csv_file_is_refused_where_it_breaks(
    tmp_path: Path, content: bytes, told: str
) -> None:
    """Nothing of it is taken, and the line or column is named as it stands there."""
    assert told in refusals(csv_of(tmp_path, content))


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bound on bytes holds before anything is decoded, and one on rows."""
    monkeypatch.setattr(csv_file, "MAX_BYTES", 50)
    assert "larger than" in refusals(csv_of(tmp_path, TEXT.encode() * 2))
    monkeypatch.undo()
    monkeypatch.setattr("devices.csv_sheet.MAX_ROWS", 2)
    rows = "".join(f"r-{number},h-1-201,张三,\n" for number in range(3))
    assert "line 4: more than 2 rows" in refusals(csv_of(tmp_path, (HEADER + rows).encode()))


def test_contradictions_and_unknown_places_are_told_by_row_and_column(
    community: Engine, tmp_path: Path
) -> None:
    """What only the registry tells is placed as Excel shows it, like what a cell tells."""
    rows = [["编号", "住户", "姓名"], ["r-9", "h-1-201", "张三"], ["r-9", "h-1-201", "李四"]]
    rows += [["r-8", "h-99", "王五"]]
    with pytest.raises(ImportRefused) as refused:
        import_folder(community, book_of(tmp_path, ("居民", rows)), now=NOW)
    told = str(refused.value).splitlines()
    assert told[0].startswith("office.xlsx, sheet 居民, row 3: contradicts line 2")
    assert told[1] == (
        "office.xlsx, sheet 居民, row 4, column B (住户): there is no household 'h-99'"
    )


def test_what_excel_makes_of_cells_is_read(community: Engine, tmp_path: Path) -> None:
    """Numbers without .0, dates, times, 24:00, and a note where zeros may be lost."""
    people = [["居民名册", "", "", "", ""], ["编号", "住户", "姓名", "电话", "开始日期"]]
    people += [[9, "h-1-201", "张三", 13800138000, dt.date(2020, 2, 10)]]
    duty = [["工作人员", "岗位", "小区", "星期", "上班时间", "下班时间"]]
    duty += [["secretary", "书记", "lakeside", "周一至周五、周日", dt.time(8, 30), 1.0]]
    files = read_files(book_of(tmp_path, ("居民", people), ("值班", duty), ("说明", [["随便"]])))
    assert files.notes == [
        "office.xlsx, sheet 说明 is not read: no table has this name",
        "office.xlsx, sheet 居民: column A (编号): 1 cells are numbers: zeros they began with are "
        "lost; format it as text",
    ]
    import_files(community, files, now=NOW)
    assert residents(community)["9"] == ("张三", "13800138000")
    with community.connect() as connection:
        rota = tables.rota.c
        [duty_row] = connection.execute(select(rota.weekdays, rota.begins, rota.ends)).all()
        since = connection.execute(
            select(tables.residence.c.since)
            .join(tables.resident, tables.resident.c.subject == tables.residence.c.subject)
            .where(tables.resident.c.external_id == "9")
        ).scalar()
    assert tuple(duty_row) == ("0,1,2,3,4,6", 8 * 60 + 30, 24 * 60)
    assert since == 1_581_264_000_000  # Midnight in Wuhan.


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            ["r-9", "h-1-201", "张三", dt.date(2020, 1, 2)],
            "row 2, column D (电话): Excel has made a date",
        ),
        (["r-9", "h-1-201", "张三", 4.2e17], "row 2, column D (电话): a number of so many digits"),
        (["r-9", "h-1-201", "", "1"], "row 2, column C (姓名): must be given"),
    ],
)
def test_a_cell_that_excel_has_changed_is_refused(
    tmp_path: Path, row: list[Any], told: str
) -> None:
    """What cannot be told back with certainty is not guessed."""
    book = book_of(tmp_path, ("居民", [["编号", "住户", "姓名", "电话"], row]))
    assert told in refusals(book)


def test_a_merged_column_says_its_value_in_each_row(community: Engine, tmp_path: Path) -> None:
    """A family under one merged flat is in that flat; an area over several columns is refused."""
    rows = [["编号", "住户", "姓名"], ["r-8", "h-1-201", "张三"], ["r-9", "", "李四"]]

    def merge(sheet: Any, _: Any) -> None:
        sheet.merge_range(1, 1, 2, 1, "h-1-201")

    import_folder(community, book_of(tmp_path, ("居民", rows), fill=merge), now=NOW)
    assert residents(community).keys() >= {"r-8", "r-9"}

    def merge_wide(sheet: Any, _: Any) -> None:
        sheet.merge_range(2, 1, 2, 2, "h-1-201")

    told = refusals(book_of(tmp_path, ("居民", rows), fill=merge_wide))
    assert "row 3, column C (姓名): cells are merged over several columns" in told


def test_errors_and_formulas_nobody_computed_are_refused(tmp_path: Path) -> None:
    """Both would read as blank, so they are named by their cells."""
    rows = [["编号", "住户", "姓名"], ["r-8", "h-1-201", "张三"]]
    wrong = book_of(
        tmp_path,
        ("居民", rows),
        fill=lambda sheet, _: sheet.write_formula("D2", "=NA()", None, "#N/A"),
    )
    assert "D2 hold an error" in refusals(wrong)
    unknown = book_of(
        tmp_path, ("居民", rows), fill=lambda sheet, _: sheet.write_formula("E2", "=A2", None, "")
    )
    assert "E2 hold an error" in refusals(unknown)


def test_a_workbook_that_would_fill_the_memory_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell in the last corner, or zeros without end, are refused before they are read."""
    rows = [["编号", "住户", "姓名"]]
    corner = book_of(tmp_path, ("居民", rows), fill=lambda sheet, _: sheet.write("XFD1048576", 1))
    assert "cells beyond column IV or row 510,000" in refusals(corner)
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("xl/worksheets/sheet1.xml", b"0" * 3_000_000)
    monkeypatch.setattr(workbook, "MAX_UNPACKED", 2_000_000)
    assert "unpacks to too much" in refusals(bomb)


def test_half_a_workbook_and_what_is_none_are_refused(tmp_path: Path) -> None:
    """A download that broke off, and a text with a workbook's name."""
    book = book_of(tmp_path, ("居民", [["编号", "住户", "姓名"]]))
    book.write_bytes(book.read_bytes()[:-200])
    assert "office.xlsx, line 1: cannot be read as a workbook" in refusals(book)
    book.write_bytes(b"id,household,name\n")
    assert "cannot be read as a workbook" in refusals(book)


def test_national_id_numbers_are_left_out_and_said_to_be(community: Engine, tmp_path: Path) -> None:
    """They are never taken over, whatever else an office's list holds beside."""
    content = "序号,编号,住户,姓名,身份证号,#微信\n1,r-9,h-1-201,张三,420102199001011234,w\n"
    files = read_files(csv_of(tmp_path, content.encode()))
    assert files.notes == [
        "居民.csv: column 序号 is not read",
        "居民.csv: column 身份证号 is not read: national id numbers are not needed; keep them out "
        "of the file",
        "居民.csv: column #微信 is not read",
    ]
    import_files(community, files, now=NOW)
    assert residents(community)["r-9"] == ("张三", "")


def test_a_formula_is_text_all_the_way(community: Engine, tmp_path: Path) -> None:
    """What would compute in a spreadsheet is a name here, and leaves guarded."""
    content = HEADER + 'r-9,h-1-201,"=HYPERLINK(""http://x"",1)",\'+86 138\n'
    import_files(community, read_files(csv_of(tmp_path, content.encode())), now=NOW)
    assert residents(community)["r-9"] == ('=HYPERLINK("http://x",1)', "+86 138")
    with community.connect() as connection:
        export_folder(connection, tmp_path / "out")
        records = export_records(connection)
        write_workbook(tmp_path / "out.xlsx", MODELS, records, language=Language.CHINESE)
    [book] = [grid for grid in read_workbook(tmp_path / "out.xlsx") if grid.title == "居民"]
    for grid in (read_csv(tmp_path / "out" / "residents.csv"), book):
        [cells] = [cells for _, cells in grid.records if cells[0] == "r-9"]
        assert cells[2:4] == ['\'=HYPERLINK("http://x",1)', "'+86 138"]


@pytest.mark.parametrize("language", Language)
def test_a_template_as_it_is_says_nothing(tmp_path: Path, language: Language) -> None:
    """Every table is found by its title, no column is unknown, and nothing is replaced."""
    path = tmp_path / "template.xlsx"
    write_workbook(path, MODELS, {}, language=language)
    files = read_files(path)
    assert (files.sheets, files.notes) == ([], [])
    assert path.stat().st_mode & 0o077 == 0


def test_two_files_of_one_table_are_refused(tmp_path: Path) -> None:
    """Which of them holds is not guessed."""
    csv_of(tmp_path, TEXT.encode())
    csv_of(tmp_path, TEXT.encode(), "residents.csv")
    assert "is the same table as" in refusals(tmp_path)
