"""Every text of the console exists in both languages, and the right one is chosen."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from alerts import alarm
from alerts.delivery import Totals
from alerts.escalation import Policies
from alerts.finding import IncidentKind, Severity
from alerts.incident import Disposition, EventKind, Refusal, State
from alerts.page import PageState
from alerts.rules import RULES
from alerts.rules.fever_verdict import Because
from dashboards.console import language, words
from dashboards.console.outbox_stage import outbox_stage
from dashboards.console.words import DISPOSITIONS, GUIDE, WORDS
from dashboards.hand_reading import BODY_SITES
from dashboards.household_change import Statement
from dashboards.household_list import UNSAID
from devices.clock import parse_rfc3339
from devices.observation import CrossingOutcome, Direction
from devices.outcome import DeadLetterReason, IgnoredReason
from devices.registry import HouseholdState, PlaceKind, ResidentClass, Role
from ingest.letter_file import LetterState
from ingest.numbering import Cause
from ingest.stage import stages
from tests import told

CONSOLE = Path(language.__file__).parent
ROOT = CONSOLE.parents[1]
LEVELS = {"half", "high", "full"}
"""Keys in the same sources that are no evidence: how full the journal is."""
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


def evidence_keys() -> set[str]:
    """The names in the sources of rules and alarms under which evidence is put into findings."""
    rules = [path for path in ROOT.glob("alerts/rules/*.py") if path.name != "where.py"]
    found: set[str] = set()
    for path in (ROOT / "alerts/alarm.py", ROOT / "gatehouse/symptom.py", *rules):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Dict(keys=keys):
                    found |= {str(key.value) for key in keys if isinstance(key, ast.Constant)}
                case ast.Subscript(slice=ast.Constant(value=str(name)), ctx=ast.Store()):
                    found.add(name)
                case ast.Call(
                    func=ast.Name(id="_lasting"), args=[_, ast.Constant(value=str(name)), *_]
                ):
                    found.add(name)
    return found - LEVELS


def failures() -> set[str]:
    """How the errors begin that channels give, as their sources say."""
    found: set[str] = set()
    for path in ROOT.glob("alerts/channels/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.keyword(arg="error", value=ast.Constant(value=str(text))):
                    found.add(text)
                case ast.keyword(
                    arg="error", value=ast.JoinedStr(values=[ast.Constant(value=str(text)), *_])
                ):
                    found.add(text)
    return found


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
        ("letter_state", LetterState),
        ("place", PlaceKind),
        ("body_site", BODY_SITES),
        ("because", Because),
        ("policy", list(Policies.model_fields)),
        ("let_go", [*(set(State) - {State.TRIGGERED}), "superseded"]),
        ("refusal", Refusal),
        ("household_state", [*HouseholdState, UNSAID]),
        ("resident_class", ResidentClass),
        ("statement", Statement),
        ("direction", Direction),
        ("outcome", CrossingOutcome),
        ("cause", Cause),
        ("alarm", alarm.RULES),
        ("device_watch", [rule.name for rule in RULES if rule.section == "device"]),
        (
            "stage",
            [*(one.name for one in stages(told.status())), outbox_stage(Totals({}, {})).name],
        ),
    ],
)
def test_every_value_of_a_closed_list_has_words(kind: str, values: list[str]) -> None:
    """No screen shows a code where a person expects words, and no word is for nothing."""
    assert set(values) <= set(WORDS[kind])
    if kind != "body_site":
        assert set(WORDS[kind]) == set(values)


def test_every_piece_of_evidence_has_words() -> None:
    """What a rule or an alarm puts into its evidence is shown under a name people know."""
    shown_without_a_name = {"celsius", "body_site", "because"}
    assert evidence_keys() == set(WORDS["evidence"]) | shown_without_a_name


def test_evidence_with_a_closed_list_is_said_in_words() -> None:
    """A code of a list becomes its words, several of them too, and anything else stays."""
    said = words.evidence_speaker(language.load("zh"))
    for name, kind in words.EVIDENCE_LISTS.items():
        assert not [one for one in WORDS[kind] if said(name, one) == one]
    assert said("readers", "alerts, series") == "告警, 时序库"
    assert said("worker", "alerts") == "alerts"


def test_every_failure_of_a_channel_is_said_in_words() -> None:
    """However a channel's error begins, it is told in the person's language with its number."""
    said = words.failure_speaker(language.load("zh"))
    begins = failures()
    assert len(begins) >= 5
    assert not [one for one in begins if said(one) == one]
    assert said("HTTP 503") == "被拒绝，HTTP 503"


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


@pytest.mark.parametrize(
    ("at", "english", "chinese_"),
    [
        ("2020-01-03T00:00:00+08:00", "3 Jan", "1月3日"),
        ("2020-02-14T18:30:00+08:00", "14 Feb 18:30", "2月14日 18:30"),
        ("2019-12-31T00:00:00+08:00", "31 Dec 2019", "2019年12月31日"),
    ],
)
def test_days_are_said_as_short_as_they_are_clear(at: str, english: str, chinese_: str) -> None:
    """A year is told where it is another one, an hour where it is no midnight."""
    now, when = parse_rfc3339("2020-02-14T23:30:00+08:00"), parse_rfc3339(at)
    assert language.day(when, now=now, zone=SHANGHAI, language="en") == english
    assert language.day(when, now=now, zone=SHANGHAI, language="zh") == chinese_


def test_age_is_said_in_the_persons_language() -> None:
    """Ages have a plural in English and none in Chinese."""
    now = parse_rfc3339("2020-02-14T20:05:00+08:00")
    english, chinese_ = language.load("en"), language.load("zh")
    assert language.age(now - 60_000, now=now, translations=english) == "1 minute ago"
    assert language.age(now - 3 * 3_600_000, now=now, translations=english) == "3 hours ago"
    assert language.age(now - 60_000, now=now, translations=chinese_) == "1分钟前"
