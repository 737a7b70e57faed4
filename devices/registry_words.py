"""The words by which people name the registry's tables, columns and values, English and Chinese.

The first word of each language is the one that templates and exports write; all are understood.
How a word is written does not matter: capitals, spaces, full-width signs and what stands behind
it in brackets.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel

ROLL = "people.csv"
"""The one list with building, flat and name that many offices have instead of tables."""


class Language(StrEnum):
    """In which the words of a template or an export are written."""

    ENGLISH = "en"
    CHINESE = "zh"


TABLES: Mapping[str, tuple[str, ...]] = {
    "sites.csv": ("小区",),
    "grids.csv": ("网格",),
    "buildings.csv": ("楼栋", "楼"),
    "gates.csv": ("大门", "出入口", "卡口", "卡点"),
    "workers.csv": ("工作人员", "员工"),
    "households.csv": ("住户", "户"),
    "residents.csv": ("居民",),
    "vehicles.csv": ("车辆",),
    "trips.csv": ("外出审批", "外出", "出行"),
    "channels.csv": ("通知方式", "联系方式"),
    "rota.csv": ("值班", "值班表", "排班"),
    "devices.csv": ("设备",),
    ROLL: ("名册", "居民名册", "住户名册", "花名册", "人员名单", "roll", "list"),
}
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("编号", "代码"),
    "site": ("小区", "小区编号", "小区名称"),
    "grid": ("网格", "网格编号"),
    "building": ("楼栋", "楼号", "栋号", "楼栋号", "楼栋编号", "楼", "栋", "幢"),
    "household": ("住户", "住户编号", "户号"),
    "gate": ("大门", "出入口", "卡口", "卡点"),
    "worker": ("工作人员", "人员"),
    "resident": ("居民", "居民编号"),
    "gateway": ("网关",),
    "renamed_from": ("原编号",),
    "name": ("名称", "姓名", "名字"),
    "district": ("区", "城区", "区县"),
    "street": ("街道",),
    "community": ("社区",),
    "zone": ("时区",),
    "flat": ("房号", "门牌", "门牌号", "室号", "房间号", "室"),
    "state": ("居住状态", "状态", "入住状态", "居住情况"),
    "since": ("开始日期", "起始日期", "入住日期", "起始", "开始"),
    "until": ("结束日期", "截止日期", "搬离日期", "截止", "结束"),
    "phone": ("电话", "手机", "手机号", "手机号码", "电话号码", "联系电话", "联系方式"),
    "class": ("人员类别", "类别", "健康状况", "健康状态"),
    "class_since": ("类别开始日期", "类别起始日期"),
    "class_until": ("类别结束日期", "类别截止日期"),
    "plate": ("车牌", "车牌号", "车牌号码"),
    "reason": ("事由", "原因"),
    "rank": ("顺序", "次序", "优先级"),
    "url": ("通知地址", "地址"),
    "role": ("岗位", "职责", "角色"),
    "weekdays": ("星期", "值班日"),
    "begins": ("上班时间", "开始时间"),
    "ends": ("下班时间", "结束时间"),
    "profile": ("设备类型", "型号", "设备型号"),
    "place": ("安装位置", "位置"),
    "kind": ("类型", "种类"),
    "entry_limit": ("限流人数", "人数上限"),
}
_PEOPLE = {"workers.csv", "residents.csv", ROLL}
"""Tables whose ``name`` is a person's, which Chinese has a word of its own for."""
VALUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "state": {
        "occupied": ("在住", "常住", "有人", "自住", "出租", "租住"),
        "empty": ("空置", "空房", "无人", "空"),
        "away": ("外出", "离家", "不在"),
    },
    "class": {
        "none": ("无", "正常", "健康"),
        "fever": ("发热", "发烧"),
        "close_contact": ("密切接触者", "密接", "密切接触"),
        "suspected": ("疑似", "疑似病例"),
        "confirmed": ("确诊", "确诊病例"),
        "recovered": ("已康复", "康复", "治愈", "治愈出院"),
        "home_isolation": ("居家隔离", "居家观察", "隔离"),
        "lone_elderly": ("独居老人", "孤寡老人"),
        "away": ("外出", "离家"),
    },
    "role": {
        "guard": ("门岗", "门卫", "保安"),
        "grid_worker": ("网格员",),
        "secretary": ("社区书记", "书记"),
        "street_command": ("街道指挥部", "指挥部"),
        "operator": ("运维人员", "运维"),
    },
    "place": {
        "gate": ("大门", "出入口", "门"),
        "checkpoint": ("卡点", "卡口", "检查点", "测温点"),
        "household": ("住户", "家", "户内", "入户"),
        "worker": ("工作人员", "网格员"),
        "site": ("小区", "公共区域"),
    },
    "kind": {
        "gate": ("大门", "出入口", "门"),
        "checkpoint": ("卡点", "卡口", "检查点", "测温点"),
        "shop": ("商店", "超市", "便利店"),
    },
}
UNREAD = (
    *("序号", "备注", "性别", "年龄", "出生日期", "民族", "籍贯", "户籍", "户主", "与户主关系"),
    *("关系", "职业", "工作单位", "单位", "面积", "人数", "no.", "remarks", "notes", "sex", "age"),
)
"""Columns that office lists have and the registry has no use for: left out, and said to be."""
IDENTITY_NUMBERS = ("身份证", "身份证号", "身份证号码", "证件号", "证件号码", "national id")
"""Never needed, and never taken over."""

_DAYS = dict(
    zip("一二三四五六日天", ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "sun"), strict=True)
)
_SPANS = {"每天": "mon-sun", "每日": "mon-sun", "工作日": "mon-fri", "周末": "sat-sun"}
_DATE = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T ]?(\d{1,2}):(\d{2})(?::(\d{2}))?)?"
)


def plain(word: str) -> str:
    """Return a word without what does not tell it from others."""
    text = re.sub(r"[\s_]", "", unicodedata.normalize("NFKC", word).casefold())
    return re.sub(r"(?:\([^()]*\)|[*:])+$", "", text)


def table_named(title: str) -> str | None:
    """Return the registry file that a file's or a sheet's name means, None if it means none."""
    return _tables().get(plain(title.removesuffix(".csv")))


@lru_cache(maxsize=1)
def _tables() -> dict[str, str]:
    return {
        plain(word): name
        for name, words in TABLES.items()
        for word in (name.removesuffix(".csv"), *words)
    }


def columns_of(model: type[BaseModel]) -> dict[str, str]:
    """Return the column of a model for each plain word that means it there."""
    names = [field.alias or name for name, field in model.model_fields.items()]
    return {plain(word): name for name in names for word in (name, *COLUMNS.get(name, ()))}


def is_unread(header: str) -> bool:
    """Return whether a column is left out: one marked with #, or of no use here."""
    return header.startswith(("#", "＃")) or plain(header) in _unread()


def is_identity_number(header: str) -> bool:
    """Return whether a column holds people's national id numbers."""
    return plain(header) in {plain(word) for word in IDENTITY_NUMBERS}


@lru_cache(maxsize=1)
def _unread() -> frozenset[str]:
    return frozenset(plain(word) for word in UNREAD)


@lru_cache(maxsize=64)
def values_of(column: str) -> dict[str, str]:
    """Return the value for each plain word that means it in a column; empty for free text."""
    return {
        plain(word): value
        for value, words in VALUES.get(column, {}).items()
        for word in (value, *words)
    }


def weekdays(text: str) -> str:
    """Return ``mon-fri sun`` of 周一至周五、周日; what is not understood stays as it is."""
    text = unicodedata.normalize("NFKC", text)
    for word, days in _SPANS.items():
        text = text.replace(word, f" {days} ")
    text = re.sub(r"周|星期|礼拜", " ", text)
    text = re.sub("[一二三四五六日天]", lambda day: f" {_DAYS[day[0]]} ", text)
    text = re.sub(r"\s*(?:至|到|~|—|–)\s*", "-", re.sub(r"[、,;]", " ", text))
    return " ".join(re.sub(r"\s*-\s*", "-", text).split())


@lru_cache(maxsize=4096)
def moment(text: str) -> str:
    """Return a date, or a date and time without zone, as ISO 8601 writes it.

    Other texts (times with a zone, or what is no time) come back as they are.
    """
    found = _DATE.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if found is None:
        return text
    year, month, day, hour, minute, second = found.groups()
    iso = f"{year}-{month:0>2}-{day:0>2}"
    return iso if hour is None else f"{iso}T{hour:0>2}:{minute}:{second or '00'}"


def time_of_day(text: str) -> str:
    """Return HH:MM of a time with a full-width colon, or with seconds that are zero."""
    return re.sub(r"^(\d{1,2}:\d{2}):00$", r"\1", text.replace("：", ":"))


def table_title(name: str, language: Language) -> str:
    """Return what a table's sheet is called."""
    return TABLES[name][0] if language is Language.CHINESE else name.removesuffix(".csv")


def column_title(name: str, column: str, language: Language) -> str:
    """Return what a table's column is called."""
    if language is Language.ENGLISH:
        return column
    if column == "name" and name in _PEOPLE:
        return "姓名"
    return COLUMNS[column][0]


def value_title(column: str, value: str, language: Language) -> str:
    """Return how a closed column's value is written; other texts come back as they are."""
    if language is Language.ENGLISH:
        return value
    if column == "weekdays":
        return "、".join(map(_days_in_chinese, value.split()))
    words = VALUES.get(column, {}).get(value)
    return words[0] if words else value


def _days_in_chinese(days: str) -> str:
    signs = {day: sign for sign, day in reversed(_DAYS.items())}
    return "至".join(f"周{signs[day]}" for day in days.split("-"))


def choices(column: str, language: Language) -> list[str]:
    """Return what may stand in a closed column, in order; empty for free text."""
    return [value_title(column, value, language) for value in VALUES.get(column, {})]


def known_tables(names: Iterable[str]) -> str:
    """Return the names of tables for a sentence, in both languages."""
    return ", ".join(f"{Path(name).stem} ({TABLES[name][0]})" for name in names)
