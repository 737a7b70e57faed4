"""The alerts follower's consumer, and time."""

from typing import Any, cast

from devices.clock import HOUR, MINUTE, ManualClock
from gatehouse.alerts_consumer import AlertsConsumer
from tests.messages import NOON


class Ticked:
    """In the engine's place: only what it is told of time is looked at."""

    def __init__(self) -> None:
        self.ticks: list[int] = []

    def tick(self, frontier: int) -> None:
        self.ticks.append(frontier)


def test_a_date_that_was_set_back_makes_nothing_due() -> None:
    """The frontier stays where it was; what waits for a quarter of an hour still waits for it."""
    engine, clock = Ticked(), ManualClock(NOON)
    consumer = AlertsConsumer(cast("Any", engine), clock)
    consumer.idle(NOON - MINUTE)
    clock.set(NOON - HOUR)
    consumer.idle(NOON - MINUTE)
    assert engine.ticks == [NOON - MINUTE, NOON - HOUR]
