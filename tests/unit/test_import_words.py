"""What an import says, in Chinese."""

import re
from pathlib import Path

import pytest

from devices import registry_summary
from devices.csv_import import ImportRefused, read_files
from devices.csv_sheet import Problem
from devices.import_words import note_told, summary_told
from devices.registry import HouseholdState, ResidentClass
from devices.registry_words import Language

ZH = Language.CHINESE


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (
            Problem("a.xlsx, sheet 居民", 7, "B (住户)", "there is no household 'h-9'", "row"),
            "a.xlsx，工作表 居民，第 7 行，B (住户) 列：没有编号为 'h-9' 的住户",
        ),
        (
            Problem("名单.csv", 1, "name", "missing column; known are building, flat, name"),
            "名单.csv，第 1 行，名称 列：缺少这一列；可用的列：楼栋、房号、名称",
        ),
        (
            Problem("h.csv", 3, "状态", "must be 'occupied', 'empty' or 'away'"),
            "h.csv，第 3 行，状态 列：应为在住、空置、外出",
        ),
        (
            Problem("d.csv", 2, "", "column gate must be blank when place is household"),
            "d.csv，第 2 行：安装位置为“住户”时“大门”列必须留空",
        ),
        (Problem("x.csv", 2, "", "never heard of {this}"), "x.csv，第 2 行：never heard of {this}"),
    ],
)
def test_a_refusal_is_told_with_its_place(problem: Problem, words: str) -> None:
    """Columns and closed values by their Chinese names, the office's own as they are; what the
    table does not know stays English."""
    assert problem.told(ZH) == words
    assert problem.told(Language.ENGLISH) == str(problem)


def test_more_reasons_than_are_shown_are_counted() -> None:
    """Twenty are shown, in either language."""
    refused = ImportRefused([Problem("x.csv", 2, "", "must be given")] * 25)
    assert refused.told(ZH).splitlines()[-1] == "还有 5 条"
    assert str(refused).splitlines()[-1] == "and 5 more"


@pytest.mark.parametrize("many", [0, 1])
def test_every_sentence_of_a_summary_is_told(many: int) -> None:
    """Things and histories, one and many of them, and whatever flats and people become."""
    verbs = [("is new", "are new"), ("changes", "change"), ("goes", "go")]
    verbs += [("is corrected", "are corrected")]
    for _, moves, ends in registry_summary._HISTORIES.values():
        verbs += [words for words in (moves, ends) if words]
    values = [*HouseholdState, *ResidentClass]
    plain = ["without a class" if one == "none" else one.replace("_", " ") for one in values]
    verbs += [(f"becomes {value}", f"become {value}") for value in plain]
    things = [*registry_summary._THINGS.values(), ("vehicle", "vehicles"), ("trip", "trips")]
    for thing in things:
        for verb in verbs:
            told = summary_told(f"{3 if many else 1} {thing[many]} {verb[many]}", ZH)
            assert not re.search("[a-z]", told), told
    assert summary_told("3 residents become home isolation", ZH) == "居民变为“居家隔离”：3"


def test_notes_are_told(tmp_path: Path) -> None:
    """What was left out, and in which encoding it was read."""
    file = tmp_path / "居民.csv"
    file.write_bytes("序号,编号,住户,姓名,身份证号\n1,r-9,h,张三,4\n".encode("gb18030"))
    assert [note_told(note, ZH) for note in read_files(file).notes] == [
        "居民.csv：按 GB 18030 读取",
        "居民.csv：没有读取“序号”列",
        "居民.csv：没有读取“身份证号”列：不需要身份证号，请不要放在文件里",
    ]
    assert note_told("o.xlsx, sheet 说明 is not read: no table has this name", ZH) == (
        "o.xlsx，工作表 说明 没有读取：没有叫这个名称的表"
    )
