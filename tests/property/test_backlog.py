"""When the backlog is taken for drained, against a model of the broker."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from ingest.backlog import Backlog


class Broker:
    """A session with a window: queues, sends what fits, reads our packets in order."""

    def __init__(self, window: int, queued: int) -> None:
        self.window = window
        self.queued = queued
        self.in_flight = 0
        self.sent: deque[str] = deque()
        self.unread: deque[str] = deque()
        self.fill()

    def fill(self) -> None:
        while self.queued and self.in_flight < self.window:
            self.queued -= 1
            self.in_flight += 1
            self.sent.append("message")

    def read(self) -> None:
        """Handle one packet of ours, the oldest."""
        if not self.unread:
            return
        if self.unread.popleft() == "ack":
            self.in_flight -= 1
            self.fill()
        else:
            self.sent.append("answer")


STEPS = st.lists(st.sampled_from(["publish", "read", "receive", "ack", "ask"]), max_size=200)


@given(window=st.integers(1, 8), queued=st.integers(0, 30), steps=STEPS)
def test_nothing_waits_when_it_says_drained(window: int, queued: int, steps: list[str]) -> None:
    """Whatever the order of events: at the answer that ends draining, the queue was empty."""
    broker, backlog = Broker(window, queued), Backlog()
    backlog.begin()
    empty_at: deque[bool] = deque()
    questions: deque[int] = deque()
    unacked = 0
    for step in steps:
        if step == "publish":
            broker.queued += 1
            broker.fill()
        elif step == "read":
            if broker.unread and broker.unread[0] == "ask":
                empty_at.append(broker.queued == 0)
            broker.read()
        elif step == "receive" and broker.sent:
            if broker.sent.popleft() == "message":
                backlog.received(1)
                unacked += 1
                continue
            was_draining, was_empty = backlog.draining, empty_at.popleft()
            backlog.answered(questions.popleft())
            if was_draining and not backlog.draining:
                assert was_empty
                return
        elif step == "ack" and unacked:
            unacked -= 1
            backlog.acked(1)
            broker.unread.append("ack")
        elif step == "ask":
            questions.append(backlog.asked())
            broker.unread.append("ask")


@given(window=st.integers(1, 8), queued=st.integers(0, 30))
def test_acks_and_questions_end_draining(window: int, queued: int) -> None:
    """When everything is acknowledged and asked about, it does not drain for ever."""
    broker, backlog = Broker(window, queued), Backlog()
    backlog.begin()
    for _ in range(queued + 2):
        received = sum(1 for packet in broker.sent if packet == "message")
        broker.sent.clear()
        backlog.received(received)
        backlog.acked(received)
        asked = backlog.asked()
        broker.unread.extend(["ack"] * received + ["ask"])
        while broker.unread:
            broker.read()
        backlog.received(sum(1 for packet in broker.sent if packet == "message"))
        backlog.answered(asked)
        assert not backlog.draining or broker.sent
        if not backlog.draining:
            return
    raise AssertionError("still draining")
