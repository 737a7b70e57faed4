"""What pages say, and what they never say."""

import re
import string
import tomllib
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest

from alerts import alarm
from alerts.escalation import Standing
from alerts.finding import IncidentKind, Severity
from alerts.page import Purpose
from alerts.page_text import Circumstances, Language, Texts
from alerts.record import Incident, State
from devices.clock import MINUTE

LANGUAGES: tuple[Language, ...] = ("en", "zh")
OPENED = 1_581_681_600_000


def content(language: Language) -> dict[str, dict[str, str]]:
    source = files("alerts") / "texts" / f"{language}.toml"
    return tomllib.loads(source.read_text(encoding="utf-8"))


def incident(
    kind: IncidentKind = IncidentKind.FEVER, *, rule: str = "", late: bool = False
) -> Incident:
    return Incident(
        id="7F3AC",
        rule=rule or kind.value,
        key="subject:s-91-secret",
        kind=kind,
        severity=Severity.CRITICAL,
        watch=False,
        state=State.TRIGGERED,
        version=1,
        site="east",
        grid="g1",
        building="b12",
        household="flat-0302",
        gate=None,
        subject="s-91-secret",
        device="a0:e6:f8:50:72:53",
        late=late,
        began_at=OPENED,
        opened_at=OPENED,
        acknowledged_at=None,
        acknowledged_by=None,
        closed_at=None,
        closed_by=None,
        disposition=None,
        previous=None,
        policy="fever_major",
        lapses_after=None,
        standing=Standing(1, OPENED, 0, OPENED, 0),
        next_at=None,
    )


def circumstances(*, is_first: bool = True, possible_repeat: bool = False) -> Circumstances:
    zone = ZoneInfo("Asia/Shanghai")
    return Circumstances(
        where="Building 12, Xiaohukou",
        zone=zone,
        is_first=is_first,
        possible_repeat=possible_repeat,
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_of_page_has_words(language: Language) -> None:
    """Each kind of incident, each alarm about pages, and the test page has title and body."""
    words = content(language)
    wanted = {*IncidentKind, *alarm.RULES, Purpose.LATE_EVIDENCE, "test"}
    assert set(words) == {str(one) for one in wanted} | {"line"}
    assert all({"title", "body"} == set(words[str(one)]) for one in wanted)


def test_languages_say_the_same() -> None:
    """Both languages have the same texts with the same placeholders, and no others."""

    def placeholders(language: Language) -> dict[tuple[str, str], set[str | None]]:
        return {
            (section, key): {part[1] for part in string.Formatter().parse(text) if part[1]}
            for section, texts in content(language).items()
            for key, text in texts.items()
        }

    assert placeholders("en") == placeholders("zh")
    assert set().union(*placeholders("en").values()) == {"incident", "where", "since"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", IncidentKind)
def test_a_page_names_no_person_flat_or_temperature(language: Language, kind: IncidentKind) -> None:
    """A page carries case number, building and link; nothing that leads to a person or a flat."""
    text = Texts(language, console_url="https://gate.example").compose(
        incident(kind), Purpose.LADDER, "li", circumstances(), now=OPENED
    )
    whole = f"{text.title}\n{text.body}\n{text.link}"
    assert "7F3AC" in text.title
    assert "Building 12" in text.title
    assert text.link == "https://gate.example/incidents/7F3AC"
    for secret in ("s-91-secret", "flat-0302", "a0:e6:f8:50:72:53", "b12"):
        assert secret not in whole
    assert not re.search(r"\d\d\.\d|°|℃", whole)


def test_words_differ_by_kind_and_alarm() -> None:
    """The guard at the gate, the worker at the door and the operator are told different things."""
    texts = Texts("en", console_url="")
    cases = [incident(kind) for kind in IncidentKind]
    cases += [incident(IncidentKind.SYSTEM, rule=rule) for rule in alarm.RULES]
    bodies = {
        texts.compose(one, Purpose.LADDER, "li", circumstances(), now=OPENED).body for one in cases
    }
    assert len(bodies) == len(cases)


def test_a_checkpoint_fever_of_the_fever_rule_keeps_its_own_words() -> None:
    """The kind chooses the words, whatever the rule that found it is called."""
    text = Texts("en", console_url="").compose(
        incident(IncidentKind.FEVER_AT_CHECKPOINT, rule="fever"),
        Purpose.LADDER,
        "li",
        circumstances(),
        now=OPENED,
    )
    assert "checkpoint" in text.title


@pytest.mark.parametrize(
    ("is_first", "late", "possible_repeat", "said"),
    [
        pytest.param(True, False, False, [], id="first page"),
        pytest.param(False, False, False, ["Open since 20:00"], id="climbed or repeated"),
        pytest.param(True, True, False, ["reached us late"], id="late evidence"),
        pytest.param(True, False, True, ["received this page before"], id="possible repeat"),
    ],
)
def test_a_page_says_its_circumstances(
    is_first: bool, late: bool, possible_repeat: bool, said: list[str]
) -> None:
    """Late evidence, a missing acknowledgement and a possible repeat are each said in a line."""
    body = (
        Texts("en", console_url="")
        .compose(
            incident(late=late),
            Purpose.LADDER,
            "li",
            circumstances(is_first=is_first, possible_repeat=possible_repeat),
            now=OPENED + 15 * MINUTE,
        )
        .body
    )
    lines = body.splitlines()[1:]
    assert len(lines) == len(said)
    assert all(words in line for words, line in zip(said, lines, strict=True))


def test_who_closed_it_is_told_about_the_closing() -> None:
    """Evidence from before a closing has words of its own, not those of the ladder."""
    text = Texts("en", console_url="").compose(
        incident(), Purpose.LATE_EVIDENCE, "li", circumstances(is_first=False), now=OPENED
    )
    assert "after you closed it" in text.title
    assert "acknowledged" not in text.body
