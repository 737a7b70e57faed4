"""Every text of the console exists in both languages, and the right one is chosen."""

import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from alerts.finding import IncidentKind, Severity
from alerts.incident import Disposition, EventKind, Refusal, State
from alerts.page import PageState
from dashboards.console import language
from dashboards.console.words import DISPOSITIONS, GUIDE, WORDS
from dashboards.hand_reading import BODY_SITES
from devices.clock import parse_rfc3339
from devices.observation import CrossingOutcome, Direction
from devices.outcome import DeadLetterReason, IgnoredReason
from devices.registry import PlaceKind, Role

CONSOLE = Path(language.__file__).parent
SHANGHAI = ZoneInfo("Asia/Shanghai")


def texts() -> Iterator[str | tuple[str, ...]]:
    """Every text that templates and code ask to be translated."""
    found = extract_from_dir(
        CONSOLE,
        method_map=[("**.html", "jinja2.ext:babel_extract"), ("**.py", "python")],
        keywords={"_": None, "gettext": None, "mark": None, "ngettext": (1, 2), "say": (1, 2)},
        options_map={"**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}},
    )
    for _file, _line, message, _comments, _context in found:
        yield message


def chinese() -> dict[str, str]:
    with (CONSOLE / "locale/zh/LC_MESSAGES/console.po").open("rb") as file:
        catalogue = read_po(file, locale="zh")
    assert not list(catalogue.check())
    entries = {}
    for message in catalogue:
        text = message.string if isinstance(message.string, str) else message.string[0]
        key = message.id if isinstance(message.id, str) else message.id[0]
        if key:
            entries[key] = text
    return entries


def key_of(message: str | tuple[str, ...]) -> str:
    return message if isinstance(message, str) else message[0]


def test_every_text_has_a_chinese_translation() -> None:
    """Nothing on a Chinese screen is left in English."""
    translated = chinese()
    missing = sorted({key_of(one) for one in texts()} - {k for k, v in translated.items() if v})
    assert missing == []


def test_no_translation_is_left_over() -> None:
    """A text that nobody shows any more has no translation either."""
    assert sorted(set(chinese()) - {key_of(one) for one in texts()}) == []


def test_translations_keep_the_placeholders() -> None:
    """Numbers and names appear in both languages."""
    for text, translation in chinese().items():
        assert set(re.findall(r"%\(\w+\)[sd]", text)) == set(
            re.findall(r"%\(\w+\)[sd]", translation)
        ), text


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("kind", IncidentKind),
        ("severity", Severity),
        ("state", State),
        ("disposition", Disposition),
        ("event", EventKind),
        ("page", PageState),
        ("role", Role),
        ("reason", DeadLetterReason),
        ("ignored", IgnoredReason),
        ("place", PlaceKind),
        ("body_site", BODY_SITES),
        ("refusal", Refusal),
        ("direction", Direction),
        ("outcome", CrossingOutcome),
    ],
)
def test_every_value_of_a_closed_list_has_words(kind: str, values: list[str]) -> None:
    """No screen shows a code where a person expects words, and no word is for nothing."""
    assert set(values) <= set(WORDS[kind])
    if kind != "body_site":
        assert set(WORDS[kind]) == set(values)


def test_every_kind_says_what_to_do_and_how_it_can_end() -> None:
    """At three in the morning nobody should have to think of the next step."""
    assert set(GUIDE) == set(IncidentKind) == set(DISPOSITIONS)


@pytest.mark.parametrize(
    ("cookie", "accept", "chosen"),
    [
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "en-GB,en;q=0.9", "en"),
        (None, "fr,zh;q=0.5", "zh"),
        (None, "fr", "zh"),
        (None, "", "zh"),
        ("en", "zh-CN", "en"),
        ("klingon", "en", "en"),
    ],
)
def test_language_is_the_persons_then_the_browsers(
    cookie: str | None, accept: str, chosen: str
) -> None:
    """What somebody chose counts before what the browser asks for, and that before the default."""
    assert language.choose(cookie, accept, "zh") == chosen


def test_times_are_the_sites_and_short_on_the_same_day() -> None:
    """A time is shown in the site's zone, with the day only where it is another one."""
    now = parse_rfc3339("2020-02-14T23:30:00+08:00")
    today = parse_rfc3339("2020-02-14T07:40:00+08:00")
    yesterday = parse_rfc3339("2020-02-13T20:00:00+08:00")
    assert language.short_time(today, now=now, zone=SHANGHAI, language="en") == "07:40"
    assert language.short_time(yesterday, now=now, zone=SHANGHAI, language="en") == "13 Feb 20:00"
    assert language.short_time(yesterday, now=now, zone=SHANGHAI, language="zh") == "2月13日 20:00"


def test_age_is_said_in_the_persons_language() -> None:
    """Ages have a plural in English and none in Chinese."""
    now = parse_rfc3339("2020-02-14T20:05:00+08:00")
    english, chinese_ = language.load("en"), language.load("zh")
    assert language.age(now - 60_000, now=now, translations=english) == "1 minute ago"
    assert language.age(now - 3 * 3_600_000, now=now, translations=english) == "3 hours ago"
    assert language.age(now - 60_000, now=now, translations=chinese_) == "1分钟前"
