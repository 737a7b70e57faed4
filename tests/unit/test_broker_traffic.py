"""When a broker that is busy and sends us nothing is taken for one that has forgotten us."""

import pytest

from ingest.broker_traffic import FEW, LULLS, SILENT_S, TOPICS, BrokerTraffic

TAKEN, DROPPED = TOPICS


class Told:
    """A broker's reports, ten seconds apart; what it has taken and what reached us grow."""

    def __init__(self) -> None:
        self.traffic = BrokerTraffic()
        self.taken = self.received = 0
        self.now = 1_000.0

    def report(self, taken: int, received: int) -> str:
        self.taken, self.received, self.now = self.taken + taken, self.received + received, self.now
        self.now += 10
        said = str(self.taken).encode()
        self.traffic.report(TAKEN, said, received=self.received, now=self.now)
        return self.traffic.deafness(received=self.received, now=self.now)


def test_a_busy_broker_that_sends_nothing_any_more_is_noticed() -> None:
    """After ten times the usual lull and a minute, not before."""
    told = Told()
    for _ in range(5):
        assert not told.report(1_000, 900)
    answers = [told.report(1_000, 0) for _ in range(LULLS)]
    assert answers[:-1] == [""] * (LULLS - 1)
    assert "has taken 10,000 messages in 100 s" in answers[-1]


def test_filters_that_match_nothing_are_no_alarm() -> None:
    """Where nothing has ever reached us, a busy broker says nothing about us."""
    told = Told()
    assert not any(told.report(100_000, 0) for _ in range(100))


def test_a_lull_is_learned() -> None:
    """On a shared broker one message of ours in ten thousand is usual, and so is its absence."""
    told = Told()
    for _ in range(3):
        assert not any(told.report(1_000, 0) for _ in range(8))
        told.report(1_000, 1)
    assert not any(told.report(1_000, 0) for _ in range(8))


def test_an_idle_broker_is_no_alarm() -> None:
    """Nobody publishes: silence means nothing, however long."""
    told = Told()
    told.report(10, 10)
    told.report(10, 10)
    assert not any(told.report(0, 0) for _ in range(1_000))
    assert not any(told.report(1, 0) for _ in range(FEW - 1))


def test_the_next_time_takes_longer() -> None:
    """Leaving the broker did not mend it: it is left again, less and less often."""
    told = Told()
    told.report(1_000, 1_000)
    told.report(1_000, 1_000)
    waited = []
    for _ in range(3):
        told.traffic.begin()
        told.report(1_000, 0)
        rounds = 1
        while not told.report(1_000, 0):
            rounds += 1
        told.traffic.deafnesses += 1
        waited.append(rounds * 10)
    assert waited == [100, 200, 400]
    told.traffic.begin()
    told.report(1_000, 1)
    assert told.traffic.deafnesses == 0


def test_a_restarted_broker_counts_from_nothing() -> None:
    """Its count goes back: that is a new beginning, not a lull."""
    told = Told()
    told.report(1_000_000, 10)
    told.report(1_000_000, 10)
    told.taken = 0
    assert not told.report(5, 0)
    assert not told.report(50, 0)
    assert told.now > SILENT_S


@pytest.mark.parametrize("payload", [b"", b"-1", b"1.5", b"many", "\u0663".encode()])
def test_what_is_no_number_is_passed_over(payload: bytes) -> None:
    """A broker that means something else by these topics changes nothing."""
    traffic = BrokerTraffic()
    traffic.report(TAKEN, payload, received=0, now=0)
    traffic.report(DROPPED, payload, received=0, now=0)
    assert traffic.dropped is None
    traffic.report(DROPPED, b"17", received=0, now=0)
    assert traffic.dropped == 17
