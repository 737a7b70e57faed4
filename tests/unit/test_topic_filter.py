"""Which topic filters are legal together."""

import pytest

from ingest.topic_filter import complaint, overlap


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("a/+", "a/b", True),
        ("a/+", "+/b", True),
        ("a/+", "b/+", False),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "b/#", False),
        ("#", "anything/at/all", True),
        ("#", "$SYS/#", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/broker/#", True),
        ("a//b", "a/+/b", True),
        ("/a", "a", False),
    ],
)
def test_overlap(first: str, second: str, expected: bool) -> None:
    """Two filters overlap when some topic matches both, either way round."""
    assert overlap(first, second) is expected
    assert overlap(second, first) is expected


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (["a/#/b"], "'#' may only be the whole last level"),
        (["a/b#"], "'#' may only be the whole last level"),
        (["a+/b"], "'+' may only be a whole level"),
        ([""], "is no topic filter"),
        (["a\0b"], "is no topic filter"),
        (["$share/group/a"], "shared subscription"),
        (["gate/#", "gate/1"], "'gate/#' and 'gate/1' overlap"),
    ],
)
def test_complaint_names_the_filter(filters: list[str], said: str) -> None:
    """A filter that would lose or double messages is refused with the reason."""
    assert said in (complaint(filters) or "")


@pytest.mark.parametrize("filters", [["#"], ["+/+/state", "gate/+/event"], ["a", "b/#"]])
def test_legal_filters_pass(filters: list[str]) -> None:
    """Wildcards in their places are fine."""
    assert complaint(filters) is None
