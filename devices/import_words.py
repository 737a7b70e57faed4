"""What an import says of files, in words for an office; in Chinese by one table of its sentences.

English is what the source says. A sentence that is not in the table stays English: nothing is
hidden for want of a translation.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from devices.registry_words import COLUMNS, VALUES, Language

_WRONG: Mapping[str, str] = {
    "string_too_short": "must be given",
    "too_short": "must be given",
    "string_too_long": "has more than {max_length} characters",
    "enum": "must be {expected}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "less_than": "must be less than {lt}",
    "int_parsing": "must be a whole number",
}
"""By pydantic's types of errors. Source: pydantic, Validation Errors."""
_MISSHAPEN: Mapping[str, str] = {
    "plate": "is no number plate",
    "url": "is no address of a channel; write it like ntfy://example.org/topic",
}
_ID_PATTERN = r"^[\w"
_CHINESE = {
    "must be given": "必须填写",
    "must be given where there is no name": "没有姓名时必须填写",
    "has more than {} characters": "超过{0}个字符",
    "must be {} or more": "不能小于{0}",
    "must be {} or less": "不能大于{0}",
    "must be less than {}": "必须小于{0}",
    "must be a whole number": "必须是整数",
    "write letters, digits and . : @ _ - only, 64 at most": (
        "只能用文字、数字和 . : @ _ -，最多64个字符"
    ),
    "must be one line of signs that can be shown": "必须是一行可显示的文字，不能过长",
    "is no number plate": "不是车牌号",
    "is no address of a channel; write it like {}": "不是通知地址；请写成 {0}",
    "column {} must be given when place is {}": "安装位置为“{1}”时必须填写“{0}”列",
    "column {} must be blank when place is {}": "安装位置为“{1}”时“{0}”列必须留空",
    "column {} must be blank when kind is {}": "类型为“{1}”时“{0}”列必须留空",
    "{} is no time; write {} or {}": "{0} 不是日期或时间；请写成 {1} 或 {2}",
    "{} is no time of day; write HH:MM, 00:00 to 24:00": (
        "{0} 不是时刻；请写成 08:00（00:00 至 24:00）"
    ),
    "{} is no weekday; write mon tue … sun, or mon-fri": (
        "{0} 不是星期；请写成 周一、周二 或 周一至周五"
    ),
    "{} is no time zone; write it like {}": "{0} 不是时区；请写成 {1}",
    "until must be later than since": "结束日期必须晚于开始日期",
    "contradicts line {}": "与第 {0} 行矛盾",
    "there is no building {}; put it into the table of buildings first": (
        "没有楼栋 {0}；请先在“楼栋”表登记"
    ),
    "there is no {} {} at {}": "{2} 没有编号为 {1} 的{0}",
    "there is no {} {}": "没有编号为 {1} 的{0}",
    "households {} and {} are one flat": "住户 {0} 和 {1} 是同一套房",
    "there are several buildings {}; add the column site": "有多个楼栋叫 {0}；请加上“小区”列",
    "line {} says {} of this flat": "第 {0} 行说这套房是“{1}”",
    "looks like another flat, {}: write both alike": "与另一房号 {0} 相似：请统一写法",
    "makes an id of more than {} characters": "生成的编号超过{0}个字符",
    "unknown column; put # before its name to leave it out; known are {}": (
        "不认识这一列；不需要的列请在列名前加 #；可用的列：{0}"
    ),
    "column given twice: {} is {} too": "列重复：{0} 也是“{1}”",
    "missing column; known are {}": "缺少这一列；可用的列：{0}",
    "more than {} rows; split the file": "超过 {0} 行；请拆分文件",
    "{} cells under {} columns": "这一行有 {0} 个单元格，而表头只有 {1} 列",
    "a cell under no column's name": "单元格所在的列没有列名",
    "unexpected end of data": "文件不完整：引号没有闭合",
    "{} expected after {}": "{1} 后面应为 {0}",
    "field larger than field limit ({})": "单元格超过 {0} 个字符",
    "cells are merged over several columns; unmerge them": "单元格横向合并了；请取消合并",
    "a number of so many digits is rounded by Excel; type it as text": (
        "数字太长，已被 Excel 舍入；请设为“文本”后重新输入"
    ),
    "Excel has made a date or time of this; format the column as text and type it again": (
        "Excel 把它变成了日期或时间；请把该列设为“文本”后重新输入"
    ),
    "larger than {} MiB; split it": "大于 {0} MiB；请拆分",
    "is an Excel workbook, not CSV; let its name end with .xlsx or .xls": (
        "是 Excel 工作簿，不是 CSV；请把文件名改为以 .xlsx 或 .xls 结尾"
    ),
    "is UTF-16 without its mark, or no CSV file; save it as CSV UTF-8": (
        "是没有标记的 UTF-16，或不是 CSV 文件；请另存为 CSV UTF-8"
    ),
    "is cut off or no UTF-16; save it as CSV UTF-8": (
        "文件被截断或不是 UTF-16；请另存为 CSV UTF-8"
    ),
    "not UTF-8, though other lines are: two encodings in one file, or cut off": (
        "这一行不是 UTF-8，而其他行是：一个文件里有两种编码，或文件被截断"
    ),
    "neither UTF-8 nor GB 18030; save it as CSV UTF-8": (
        "既不是 UTF-8 也不是 GB 18030；请另存为 CSV UTF-8"
    ),
    "not UTF-8, and no Chinese in GB 18030 either; save it as CSV UTF-8": (
        "不是 UTF-8，按 GB 18030 读也不是中文；请另存为 CSV UTF-8"
    ),
    "is a list of people beside households or residents; keep one of the two forms": (
        "名册与“住户”“居民”表只能选一种"
    ),
    "is the same table as {}; keep one of them": "与 {0} 是同一张表；请只留一个",
    "holds none of the tables {}": "没有找到任何一张表：{0}",
    "more than {} sheets; remove those that are not meant": "超过 {0} 张工作表；请删除不需要的",
    "cannot be read as a workbook ({}); open it in Excel and save it as .xlsx": (
        "无法作为工作簿读取（{0}）；请用 Excel 打开并另存为 .xlsx"
    ),
    "is damaged or cut off ({}); save it anew": "文件损坏或被截断（{0}）；请重新保存",
    "unpacks to too much; remove what is not meant, or split it": (
        "解压后太大；请删除不需要的内容或拆分"
    ),
    "unpacks to more than it says; it is no honest workbook": (
        "解压后大于所声明的大小；不是正常的工作簿"
    ),
    "{}: cells beyond column {} or row {}; delete the columns and rows behind the table": (
        "{0}：{1} 列或第 {2} 行之外还有单元格；请删除表格后面的列和行"
    ),
    "{}: {} hold an error (#N/A …) or a formula that was never computed; "
    "paste values instead, or save it in Excel once": (
        "{0}：{1} 是错误值（#N/A 等）或从未计算的公式；请粘贴为“数值”，或用 Excel 打开保存一次"
    ),
    "read as {}": "按 {0} 读取",
    "{} is not read: no table has this name": "{0} 没有读取：没有叫这个名称的表",
    "column {} is not read: national id numbers are not needed; keep them out of the file": (
        "没有读取“{0}”列：不需要身份证号，请不要放在文件里"
    ),
    "column {} is not read": "没有读取“{0}”列",
    "column {}: {} cells are numbers: zeros they began with are lost; format it as text": (
        "“{0}”列有 {1} 个单元格是数字：开头的 0 已丢失；请设为“文本”"
    ),
    "must be {}": "应为{0}",
    "note: {}": "提示：{0}",
    "and {} more": "还有 {0} 条",
    "… and {} more; --json shows all": "…… 还有 {0} 条；--json 显示全部",
    "{} added, {} changed, {} removed": "新增 {0} 条记录，变更 {1} 条，删除 {2} 条",
    "{} added, {} changed, {} removed; nothing was changed": (
        "将新增 {0} 条记录，变更 {1} 条，删除 {2} 条；目前什么也没有改动"
    ),
}
"""Sentences with holes; of those that fit the first holds. A hole's number is its place."""
_THINGS = {
    "site": "小区",
    "gate": "大门",
    "grid": "网格",
    "building": "楼栋",
    "worker": "工作人员",
    "flat": "住户",
    "resident": "居民",
    "device": "设备",
    "channel": "通知方式",
    "duty": "值班",
    "duties": "值班",
    "vehicle": "车辆",
    "trip": "外出",
}
_CHANGES = (
    ("(?:is|are) new", "新增"),
    ("changes?", "变更"),
    ("(?:go|goes)", "结束或删除"),
    ("moves?", "迁移"),
    ("moves? out", "搬离"),
    ("(?:is|are) given to a flat", "登记到住户"),
    ("(?:is|are) approved", "获批"),
    ("gets? another end", "结束日期变更"),
    ("(?:leaves its place|leave their places)", "撤下"),
    ("leaves? a class", "人员类别结束"),
    ("(?:is|are) corrected", "更正"),
    ("becomes? (?P<value>.+)", "变为“{}”"),
)
"""What :mod:`devices.registry_summary` says of things, one or many."""
_COUNTED = re.compile(r"([\d,]+) (\w+) (.+)")
_LABEL = re.compile(r"^(.*?), sheet (.*)$")


def wrong_value(problem: Mapping[str, Any], column: str, cell: str) -> str:
    """Return what is wrong with a value.

    Args:
        problem: One of pydantic's errors.
        column: In which it stands.
        cell: As read.
    """
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "string_pattern_mismatch":
        if not cell:
            return _WRONG["string_too_short"]
        if column in _MISSHAPEN:
            return _MISSHAPEN[column]
        if context["pattern"].startswith(_ID_PATTERN):
            return "write letters, digits and . : @ _ - only, 64 at most"
        return "must be one line of signs that can be shown"
    if kind in _WRONG:
        return _WRONG[kind].format_map(context)
    return str(problem["msg"]).removeprefix("Value error, ")


def told(sentence: str, language: Language) -> str:
    """Return a reason or a note in a language."""
    if language is Language.ENGLISH:
        return sentence
    for pattern, words in _patterns():
        found = pattern.fullmatch(sentence)
        if found:
            return words.format(*map(_hole, found.groups()))
    return sentence


def note_told(note: str, language: Language) -> str:
    """Return a note, with the file or sheet before it, in a language."""
    whole = told(note, language)
    label, colon, rest = note.partition(": ")
    if language is Language.ENGLISH or whole != note or not colon:
        return label_told(whole, language)
    return f"{label_told(label, language)}：{told(rest, language)}"


def summary_told(sentence: str, language: Language) -> str:
    """Return a sentence about how many of a kind change in a language."""
    counted = _COUNTED.fullmatch(sentence)
    if language is Language.ENGLISH or counted is None:
        return sentence
    count, things, change = counted.groups()
    thing = _THINGS.get(things) or _THINGS.get(things.removesuffix("s"))
    for pattern, words in _CHANGES:
        found = re.fullmatch(pattern, change)
        if found and thing:
            value = found.groupdict().get("value", "").replace(" ", "_")
            value = value.replace("without_a_class", "none")
            return f"{thing}{words.format(_hole(value))}：{count}"
    return sentence


def label_told(label: str, language: Language) -> str:
    """Return the name of a file, or of a file and sheet, in a language."""
    return label if language is Language.ENGLISH else _LABEL.sub(r"\1，工作表 \2", label)


def column_told(column: str, language: Language) -> str:
    """Return the name of a column that a file does not have under a name of its own."""
    return column if language is Language.ENGLISH else _hole(column)


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    return [
        (re.compile(re.escape(english).replace(r"\{\}", "(.+?)"), re.DOTALL), chinese)
        for english, chinese in _CHINESE.items()
    ]


def _hole(text: str) -> str:
    """Return what fills a hole; names of columns and closed values as an office writes them."""
    parts = re.split(r", | or ", text)
    words = [_words().get(part.strip("'")) for part in parts]
    return "、".join(word for word in words if word) if all(words) else text


@lru_cache(maxsize=1)
def _words() -> dict[str, str]:
    """Return the first Chinese word of each column and value, columns before values."""
    words = {"device": "设备", "until": COLUMNS["until"][0]}
    for values in VALUES.values():
        words |= {value: names[0] for value, names in values.items()}
    return words | {column: names[0] for column, names in COLUMNS.items()}
