"""The terminal that sends again what is not answered."""

import json

import pytest

from devices.simulator.event import Event
from devices.simulator.terminal import MOST_TRIES, MOST_WAITING, RESEND_AFTER_S, Terminal
from devices.simulator.wire import HUAAN_REQUEST


def capture(sequence: int, *, faulty: bool = False) -> Event:
    payload = json.dumps({"sequence_no": sequence, "cap_time": "2020/02/14 18:00:00.000"})
    return Event(0, HUAAN_REQUEST + "A", payload.encode(), faulty=faulty)


def test_answer_ends_the_wait() -> None:
    """Only the answer with the capture's number and time ends it."""
    terminal = Terminal()
    terminal.sent(capture(1), 0.0)
    terminal.answered(b'{"sequence_no": 2, "cap_time": "2020/02/14 18:00:00.000"}')
    assert not terminal.is_answered
    terminal.answered(b'{"sequence_no": 1, "cap_time": "2020/02/14 18:00:00.000"}')
    assert terminal.is_answered


def test_unanswered_capture_is_sent_again_a_bounded_number_of_times() -> None:
    """A capture that nobody answers is tried so often and no more."""
    terminal = Terminal()
    terminal.sent(capture(1), 0.0)
    assert terminal.due(RESEND_AFTER_S / 2) == []
    again = [terminal.due(step * RESEND_AFTER_S) for step in range(1, 100)]
    assert sum(len(events) for events in again) == MOST_TRIES - 1
    assert terminal.is_answered
    assert terminal.given_up == 1


def test_memory_is_bounded() -> None:
    """A terminal remembers so many captures; the oldest is given up for a new one."""
    terminal = Terminal()
    for sequence in range(MOST_WAITING + 10):
        terminal.sent(capture(sequence), 0.0)
    assert len(terminal.due(RESEND_AFTER_S)) == MOST_WAITING
    assert terminal.given_up == 10


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b'{"sequence_no": []}', b"\xff"])
def test_nonsense_is_no_answer(payload: bytes) -> None:
    """Whatever comes on the answer's topic, nothing breaks and nothing is taken for an answer."""
    terminal = Terminal()
    terminal.sent(capture(1), 0.0)
    terminal.answered(payload)
    assert not terminal.is_answered


def test_other_messages_need_no_answer() -> None:
    """Garbage and other devices' messages are not waited for."""
    terminal = Terminal()
    terminal.sent(capture(1, faulty=True), 0.0)
    terminal.sent(Event(0, "zigbee2mqtt/room", b"{}"), 0.0)
    assert terminal.is_answered
