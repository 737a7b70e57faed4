"""Repeats of resumed sessions."""

import pytest

from ingest.message import DUP, Batch
from ingest.repeat import RepeatGuard
from tests.messages import message, messages


def fresh(guard: RepeatGuard, arrived: list, source: str = "main") -> list[bytes]:  # type: ignore[type-arg]
    """Return the payloads that the guard lets through."""
    return [one.payload for one in guard.fresh(source, arrived, 100)]


def test_a_resent_message_is_recognised() -> None:
    """DUP, source, packet id, topic and payload of a journalled message: a repeat."""
    guard = RepeatGuard()
    fresh(guard, messages(range(10)))
    assert fresh(guard, [message(3, flags=DUP, session=2), message(10)]) == [b'{"n":10}']
    assert guard.count == 1


@pytest.mark.parametrize(
    ("resent", "source"),
    [
        pytest.param(message(3), "main", id="not marked DUP: two equal readings are two"),
        pytest.param(message(3, flags=DUP, packet_id=77), "main", id="another packet id"),
        pytest.param(message(3, flags=DUP, payload=b"{}"), "main", id="another payload"),
        pytest.param(message(3, flags=DUP), "other", id="another broker"),
        pytest.param(message(11, flags=DUP), "main", id="first sent while we were away"),
    ],
)
def test_what_differs_is_journalled(resent, source) -> None:  # type: ignore[no-untyped-def]
    """Anything less than the same message is new: losing it would be worse than doubling it."""
    guard = RepeatGuard()
    fresh(guard, messages(range(10)))
    assert fresh(guard, [resent], source) == [resent.payload]


def test_a_new_session_repeats_nothing_of_the_one_before() -> None:
    """A broker that lost its store begins with packet id 1 again: equal messages are new ones."""
    guard = RepeatGuard()
    guard.restore([Batch(1, messages(range(10)))])
    again = [message(3, flags=DUP, session=2)]
    assert guard.fresh("main", again, 100, sessions=0) == []
    assert guard.fresh("main", again, 100, sessions=1) == again
    assert guard.fresh("main", again, 100, sessions=1) == []


def test_a_window_of_each_source_is_remembered() -> None:
    """A busy source does not make us forget what a quiet one may resend."""
    guard = RepeatGuard(window=100)
    fresh(guard, messages(range(100)), "quiet")
    for begin in range(0, 5_000, 50):
        fresh(guard, messages(range(begin, begin + 50)), "busy")
    assert fresh(guard, [message(0, flags=DUP)], "quiet") == []
    assert fresh(guard, [message(4_900, flags=DUP)], "busy") == []
    assert fresh(guard, [message(4_700, flags=DUP)], "busy") != []


def test_the_tail_of_the_journal_is_remembered_after_a_start() -> None:
    """What was journalled before a crash and not acknowledged is recognised after it."""
    guard = RepeatGuard()
    mixed = [message(1), message(2, source="other"), message(3)]
    guard.restore([Batch(1, mixed)])
    assert fresh(guard, [message(1, flags=DUP), message(3, flags=DUP)]) == []
    assert fresh(guard, [message(2, flags=DUP, source="other")], "other") == []
    assert fresh(guard, [message(2, flags=DUP)]) != []


def test_a_repeat_of_what_still_waits_is_recognised() -> None:
    """A message whose original waits for the journal in the same group is not written twice."""
    guard = RepeatGuard()
    assert len(fresh(guard, messages([1]))) == 1
    assert fresh(guard, [message(1, flags=DUP, session=2)]) == []
