"""What a template says at the head of each column, English and Chinese."""

from collections.abc import Mapping

from devices.registry_words import Language

_IDS = (
    "Your own number for it: letters, digits, . : @ - _. Never changed afterwards.",
    "自己编的编号：文字、字母、数字和 . : @ - _，以后不要改。",
)
_REFERS = "Its id in the sheet of that name.", "填该表中的编号。"
_SINCE = (
    "From when: 2020-02-14, or 2020-02-14 18:00. Blank: from the import on.",
    "从何时起：2020-02-14 或 2020-02-14 18:00。空白：从导入时起。",
)
_UNTIL = "Until when, that time excluded. Blank: open.", "到何时止（不含）。空白：一直有效。"

HELP: Mapping[str, tuple[str, str]] = {
    "id": _IDS,
    "site": _REFERS,
    "grid": _REFERS,
    "building": _REFERS,
    "household": _REFERS,
    "gate": _REFERS,
    "worker": _REFERS,
    "resident": _REFERS,
    "gateway": (
        "The device through which it speaks, if any: that one's id.",
        "通过哪台网关上传：填网关设备的编号，没有则空白。",
    ),
    "renamed_from": (
        "The id by which it was known before, if it has a new one.",
        "如设备换了编号：填原来的编号。",
    ),
    "name": ("As people call it or them.", "通常的叫法。"),
    "district": ("Of the city. May be blank.", "所属的区，可以空白。"),
    "street": ("May be blank.", "所属街道，可以空白。"),
    "community": ("May be blank.", "所属社区，可以空白。"),
    "zone": ("Asia/Shanghai in all of China.", "中国一律填 Asia/Shanghai。"),
    "flat": ("As on the door: 1-101.", "门牌上的写法：1-101。"),
    "state": ("Who is in the flat, as registered.", "登记的居住状态。"),
    "since": _SINCE,
    "until": _UNTIL,
    "phone": ("May be blank.", "可以空白。"),
    "class": (
        "What the rules look at. Blank says nothing; none ends what was said before.",
        "规则所看的类别。空白：不改；无：结束原来的类别。",
    ),
    "class_since": _SINCE,
    "class_until": _UNTIL,
    "plate": ("The number plate.", "车牌号码。"),
    "reason": ("Why it was approved. Shown to nobody without a reason.", "批准的事由。"),
    "rank": ("1 comes first.", "1 为第一。"),
    "url": (
        "Where pages go, as the notification service writes it.",
        "通知发往何处（Apprise 地址）。",
    ),
    "role": ("For what this person is on call.", "担任什么岗位。"),
    "weekdays": ("mon-fri, or mon wed sun.", "周一至周五，或 周一、周三、周日。"),
    "begins": ("18:00", "18:00"),
    "ends": (
        "06:00; an end at or before the beginning is the next day's. 24:00 is midnight.",
        "06:00；不晚于开始时间的算第二天。24:00 为午夜。",
    ),
    "profile": ("Its family: gatehouse profiles lists them.", "设备类型：见 gatehouse profiles。"),
    "place": (
        "What it stands at; then fill household, gate or worker accordingly.",
        "装在哪里；再相应填写住户、大门或工作人员。",
    ),
    "kind": ("What people pass there.", "是什么样的出入口。"),
    "entry_limit": ("Of a shop: how many may be in at once.", "商店：同时可进入的人数。"),
}


def help_for(column: str, language: Language) -> str:
    """Return what stands in a column, in a sentence or two."""
    return HELP[column][language is Language.CHINESE]
