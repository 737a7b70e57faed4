"""Facts with a from and an until, asked about instants and about stays."""

from hypothesis import given
from hypothesis import strategies as st

from devices.history import FOREVER, History

TIMES = st.integers(0, 30)
FACTS = st.lists(st.tuples(TIMES, st.none() | TIMES, st.sampled_from("abc")), max_size=6)


@given(facts=FACTS, when=TIMES, other=TIMES)
def test_a_stay_is_what_every_instant_in_it_says(
    facts: list[tuple[int, int | None, str]], when: int, other: int
) -> None:
    """Between its times a stay is so at every instant; at the one asked about in any case."""
    history = History(("gun", fact) for fact in facts)
    since, until, what = history.stay("gun", when)
    assert -FOREVER <= since <= when < until <= FOREVER
    assert history.at("gun", when) == what
    if since <= other < until:
        assert history.at("gun", other) == what


def test_an_end_and_a_beginning_bound_a_gap() -> None:
    """Where nothing was so, that is known for the whole gap, and for ever before and after."""
    history = History([("gun", (10, 20, "a")), ("gun", (30, 40, "b"))])
    assert history.stay("gun", 25) == (20, 30, None)
    assert history.stay("gun", 5) == (-FOREVER, 10, None)
    assert history.stay("gun", 45) == (40, FOREVER, None)
    assert history.stay("spare", 0) == (-FOREVER, FOREVER, None)
