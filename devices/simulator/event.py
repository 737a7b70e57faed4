"""One publish of one simulated device."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from devices.clock import SECOND
from devices.simulator.scenario import ZONE
from devices.simulator.wire import Wire


class Event(msgspec.Struct, frozen=True, gc=False):
    """What is published when.

    Attributes:
        at: When the device publishes; milliseconds UTC.
        topic, payload, qos, retain: As MQTT has them.
        faulty: Nobody can use it: it is meant to become a dead letter.
    """

    at: int
    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    faulty: bool = False


def publish(at: int, wire: Wire, *, qos: int = 1, retain: bool = False) -> Event:
    """Return a device's publish of what is on its wire."""
    topic, payload = wire
    return Event(at, topic, payload, qos, retain)


def local(at: int) -> datetime:
    """Return a time as the wall clock of the community shows it."""
    moment = datetime.fromtimestamp(at // SECOND, ZONE)
    return moment.replace(microsecond=at % SECOND * 1_000)


def in_order(events: Iterable[Event]) -> list[Event]:
    """Return events by time; those of one instant as they came."""
    return sorted(events, key=lambda event: event.at)
