"""Topic patterns: which topics they claim, and what their names stand for."""

import pytest

from devices.topic import PatternError, TopicTree, names_of, place_of_person


def find(topic: str, *patterns: str) -> list[tuple[str, dict[str, str]]]:
    tree: TopicTree[str] = TopicTree()
    for pattern in patterns:
        tree.add(pattern, pattern)
    return list(tree.find(topic))


@pytest.mark.parametrize(
    ("pattern", "topic", "names"),
    [
        ("tele/{device}/SENSOR", "tele/pow1/SENSOR", {"device": "pow1"}),
        ("{device}/status/em:{channel}", "pro/status/em:0", {"device": "pro", "channel": "0"}),
        ("BLE2MQTT-{gateway}/Status", "BLE2MQTT-4F20/Status", {"gateway": "4F20"}),
        ("z/{device+}", "z/flat 3/bedroom", {"device": "flat 3/bedroom"}),
        ("z/{device+}/availability", "z/a/b/availability", {"device": "a/b"}),
        ("z/bridge/#", "z/bridge/a/b", {}),
        ("+/{device}", "x/y", {"device": "y"}),
    ],
)
def test_a_pattern_claims_its_topics(pattern: str, topic: str, names: dict[str, str]) -> None:
    """Names stand for a level, a part of one, or several."""
    assert find(topic, pattern) == [(pattern, names)]


@pytest.mark.parametrize(
    ("pattern", "topic"),
    [
        ("tele/{device}/SENSOR", "tele/SENSOR"),
        ("tele/{device}/SENSOR", "tele//SENSOR"),
        ("tele/{device}/SENSOR", "tele/a/b/SENSOR"),
        ("{device}/status/em:{channel}", "pro/status/em:"),
        ("{device}/status/em:{channel}", "pro/status/emdata:0"),
        ("z/{device+}", "z/"),
        ("z/bridge/#", "z/bridge"),
        ("a/b", "a/b/c"),
        ("a/b", "/".join("a" * 100_000)),
    ],
)
def test_a_pattern_leaves_other_topics_alone(pattern: str, topic: str) -> None:
    """Neither empty names nor more or fewer levels."""
    assert find(topic, pattern) == []


def test_literal_levels_win() -> None:
    """The most literal claim comes first, whatever the order of the profiles."""
    patterns = ["f/{device+}", "f/{device}", "f/x-{device}", "f/x-heart"]
    assert [pattern for pattern, _ in find("f/x-heart", *patterns)] == patterns[::-1]


def test_what_takes_any_topic_comes_last() -> None:
    """A name for several levels goes before ``#``, whichever was added first."""
    found = find("a/b/json", "#", "{device+}/json")
    assert [pattern for pattern, _ in found] == ["{device+}/json", "#"]


@pytest.mark.parametrize(
    "pattern", ["a/{b", "a/{B}", "a//b", "#/a", "a+/b", "{a}{b}", "", "a/" * 40]
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    """Braces left open, an empty level, a wild card where none can be."""
    with pytest.raises(PatternError):
        names_of(pattern)


def test_a_look_up_does_not_grow_with_the_patterns() -> None:
    """With a thousand families a topic is compared with its own level's few, not with all."""
    tree: TopicTree[int] = TopicTree()
    for number in range(1_000):
        tree.add(f"family{number}/{{device}}/state", number)
    visited = 0

    class Counted(str):
        __slots__ = ()

        def startswith(self, *args: object) -> bool:
            nonlocal visited
            visited += 1
            return super().startswith(*args)  # type: ignore[arg-type]

        def split(self, *args: object) -> list[str]:  # type: ignore[override]
            return [Counted(level) for level in super().split(*args)]  # type: ignore[arg-type]

    assert [number for number, _ in tree.find(Counted("family500/d/state"))] == [500]
    assert visited == 1


def test_who_is_named_in_a_topic_has_no_name_here() -> None:
    """The level is claimed like any other, and nothing can read it."""
    assert find("seen/Zhang Wei/at/gate-1", "seen/{person}/at/{device}") == [
        ("seen/{person}/at/{device}", {"device": "gate-1"})
    ]
    assert names_of("seen/{person}/at/{device}") == {"device"}


@pytest.mark.parametrize(
    ("pattern", "place"),
    [("seen/{person}/at/{device}", 1), ("{person}/#", 0), ("a/{device}", None)],
)
def test_the_level_that_names_somebody_is_known(pattern: str, place: int | None) -> None:
    """Counted from the front."""
    assert place_of_person(pattern) == place


@pytest.mark.parametrize(
    "pattern", ["a/{device+}/{person}", "a/p-{person}", "a/{person+}", "{person}/{person}"]
)
def test_a_person_is_one_level_at_one_place(pattern: str) -> None:
    """Else nobody could tell what to leave out of a topic."""
    with pytest.raises(PatternError):
        place_of_person(pattern)
