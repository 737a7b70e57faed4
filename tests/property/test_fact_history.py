"""Histories of facts, for whatever is stated in whatever order."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from devices.fact_history import Fact, state

TIMES = st.integers(1, 40)
STATEMENTS = st.tuples(
    st.sampled_from("abc"), st.none() | TIMES, st.none() | st.integers(41, 80), TIMES
)


def told(history: dict[int, Fact], statement: tuple[str, int | None, int | None, int]):  # type: ignore[no-untyped-def]
    """Return the history with the statement in it, or as it was if the statement is refused."""
    word, since, until, now = statement
    try:
        return state(history, {"word": word}, since=since, until=until, now=now)
    except ValueError:
        return history


@given(st.lists(STATEMENTS, max_size=8))
def test_facts_never_overlap(statements: list[tuple[str, int | None, int | None, int]]) -> None:
    """At any time at most one fact is in force, and each ends after it begins."""
    history: dict[int, Fact] = {}
    for statement in statements:
        history = told(history, statement)
    ordered = sorted(history.items())
    for begin, fact in ordered:
        assert fact.until is None or fact.until > begin
    for (_, fact), (later, _) in itertools.pairwise(ordered):
        assert fact.until is not None
        assert fact.until <= later


@given(st.lists(STATEMENTS, max_size=6), STATEMENTS)
def test_restating_changes_nothing(
    statements: list[tuple[str, int | None, int | None, int]],
    last: tuple[str, int | None, int | None, int],
) -> None:
    """The same statement a second time, and later while nothing else has begun, is no change."""
    history: dict[int, Fact] = {}
    for statement in statements:
        history = told(history, statement)
    once = told(history, last)
    word, since, until, now = last
    assert told(once, (word, since, until, now)) == once
    if now + 1 not in once:
        assert told(once, (word, since, until, now + 1)) == once


@given(TIMES, st.integers(41, 60))
def test_longer_fact_goes_on_after_a_shorter_one(begin: int, end: int) -> None:
    """A fact with an end inside a longer one holds for its time; then the longer one goes on."""
    history = told({}, ("a", 0, None, 0))
    history = told(history, ("b", begin, end, 0))
    assert history == {
        0: Fact(begin, {"word": "a"}),
        begin: Fact(end, {"word": "b"}),
        end: Fact(None, {"word": "a"}),
    }
