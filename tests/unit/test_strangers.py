"""Strangers at the gate: the third try within ten minutes, and what is not a try."""

import pytest

from alerts.rules.strangers import Strangers
from devices.clock import HOUR, MINUTE, SECOND
from devices.observation import Crossing, CrossingOutcome, TimeSource
from tests.judging import Bench, at, told

NINE = at("21:00")


def face(when: int, *, device: str = "camera", after: int = 0, **more) -> Crossing:
    given = {"stranger": True, "outcome": CrossingOutcome.REFUSED, **more}
    return Crossing(device_id=device, observed_at=when, received_at=when + after, **given)


def test_third_try_within_ten_minutes_pages() -> None:
    """An unknown face three times in ten minutes pages, on the third and not before."""
    bench = Bench(Strangers())
    given = [told(bench.feed(face(NINE + minutes * MINUTE))) for minutes in (0, 4, 10)]
    assert given == [[], [], ["incident minor"]]
    found = bench.findings[0]
    assert (found.key, found.gate, found.evidence["tries"]) == ("gate:river/north", "north", 3)


@pytest.mark.parametrize(
    "tries",
    [
        [face(NINE), face(NINE + 5 * MINUTE), face(NINE + 10 * MINUTE + SECOND)],
        [face(NINE + n * 2 * SECOND) for n in range(5)],
        [face(NINE + n * MINUTE, event_id="17") for n in range(4)],
        [face(NINE + n * MINUTE, outcome=CrossingOutcome.ADMITTED) for n in range(4)],
        [face(NINE + n * MINUTE, stranger=False, subject="s-li") for n in range(4)],
        [face(NINE + n * MINUTE, stranger=False) for n in range(4)],
        [face(NINE + n * MINUTE, time_source=TimeSource.BACKLOG) for n in range(4)],
    ],
    ids=["eleven minutes", "one look", "one event", "let in", "known", "card", "waited"],
)
def test_what_is_not_three_tries(tries: list[Crossing]) -> None:
    """Slower tries, one look, one event, residents and what waited somewhere page nobody."""
    bench = Bench(Strangers())
    assert bench.feed(*tries) == []


def test_tries_are_counted_by_gate() -> None:
    """Two devices at one gate see one stranger; their tries add up."""
    bench = Bench(Strangers())
    bench.feed(face(NINE), face(NINE + MINUTE, device="gun"), face(NINE + 2 * MINUTE))
    assert told(bench.findings) == ["incident minor"]


def test_more_tries_are_attached_sparingly() -> None:
    """An open incident is fed at most once in ten minutes."""
    bench = Bench(Strangers())
    bench.feed(*(face(NINE + n * MINUTE) for n in range(25)))
    assert told(bench.findings) == ["incident minor", "attach", "attach"]


def test_late_tries_are_a_watch() -> None:
    """Tries more than two hours old are a watch."""
    bench = Bench(Strangers())
    bench.feed(*(face(NINE + n * MINUTE, after=2 * HOUR + 1) for n in range(3)))
    assert told(bench.findings) == ["watch"]


def test_repeat_changes_nothing() -> None:
    """The same pictures again leave the state as it is."""
    bench = Bench(Strangers())
    tries = [face(NINE + n * MINUTE) for n in range(3)]
    bench.feed(*tries)
    before = dict(bench.states)
    assert bench.feed(*tries) == []
    assert bench.states == before


def test_closing_counts_anew() -> None:
    """After a person has closed it, it takes three new tries."""
    bench = Bench(Strangers())
    bench.feed(*(face(NINE + n * MINUTE) for n in range(3)))
    bench.close("gate:river/north", NINE + 3 * MINUTE)
    assert bench.feed(face(NINE + 4 * MINUTE), face(NINE + 5 * MINUTE)) == []
    assert told(bench.feed(face(NINE + 6 * MINUTE))) == ["incident minor"]
