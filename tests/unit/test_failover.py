"""Which of several brokers is connected to."""

from ingest.broker import MqttSettings
from ingest.failover import RETURN_CAP_S, RETURN_S, Failover


def three() -> Failover:
    return Failover(MqttSettings(url="mqtt://a,mqtt://b,mqtt://c").brokers)


def test_brokers_are_tried_in_order_and_then_waited_for() -> None:
    """After the last has failed it is time to wait, and the first is next."""
    failover = three()
    tried = []
    for _ in range(3):
        tried.append(failover.broker.host)
        waits = failover.failed("away")
    assert tried == ["a", "b", "c"]
    assert waits
    assert failover.broker.host == "a"


def test_each_failure_is_said_once() -> None:
    """What is told of brokers that stay away does not change from round to round."""
    failover = three()
    for name in "abc":
        failover.failed(f"{name} is away")
    said = failover.problem
    assert said == "a is away; b is away; c is away"
    failover.failed("a is away")
    assert failover.problem == said


def test_the_first_is_gone_back_to() -> None:
    """A connection of use that ended begins with the first again, wherever it was."""
    failover = three()
    failover.failed("a is away")
    failover.connected()
    assert [broker.host for broker in failover.preferred] == ["a"]
    assert failover.problem == "a is away"
    failover.ended("b ended it")
    assert failover.broker.host == "a"
    failover.connected()
    assert (failover.preferred, failover.problem) == ((), "")


def test_a_broker_that_does_not_take_us_is_asked_less_often() -> None:
    """Going back in vain doubles the wait to a bound; being taken resets it."""
    failover, waits = three(), []
    for _ in range(10):
        failover.failed("a refuses")
        failover.connected()
        waits.append(failover.return_s)
        failover.ended("a answers again")
    assert waits[:3] == [RETURN_S, 2 * RETURN_S, 4 * RETURN_S]
    assert waits[-1] == RETURN_CAP_S
    failover.connected()
    failover.ended("gone")
    failover.failed("a is away")
    failover.connected()
    assert failover.return_s == RETURN_S
