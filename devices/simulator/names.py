"""Names and phones of nobody."""

from random import Random

_SURNAMES = (
    "王 Wang, 李 Li, 张 Zhang, 刘 Liu, 陈 Chen, 杨 Yang, 赵 Zhao, 黄 Huang, 周 Zhou, 吴 Wu, "
    "徐 Xu, 胡 Hu, 朱 Zhu, 高 Gao, 林 Lin, 何 He, 郭 Guo, 马 Ma, 罗 Luo, 梁 Liang"
)
_GIVEN = (
    "伟 Wei, 芳 Fang, 秀英 Xiuying, 敏 Min, 静 Jing, 丽 Li, 强 Qiang, 磊 Lei, 军 Jun, 洋 Yang, "
    "勇 Yong, 艳 Yan, 杰 Jie, 娟 Juan, 涛 Tao, 明 Ming, 超 Chao, 秀兰 Xiulan, 霞 Xia, 国华 Guohua"
)


def invent_name(random: Random) -> str:
    """Return a name as the office writes it: in Chinese, then in letters."""
    surname, family = random.choice(_SURNAMES.split(", ")).split(" ")
    name, given = random.choice(_GIVEN.split(", ")).split(" ")
    return f"{surname}{name} {family} {given}"


def invent_phone(number: int) -> str:
    """Return a phone number that no network has: mobile numbers never begin with 100."""
    return f"100{number:08}"
