"""Where messages come from, as the pipeline sees it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from devices.clock import Clock
from ingest.broker import MqttSettings
from ingest.connection import SourceRefused
from ingest.message import Message
from ingest.mqtt5 import Mqtt5Connection
from ingest.mqtt311 import Mqtt311Connection
from ingest.mqtt_source import MqttSource, Version
from ingest.session_memory import SessionMemory
from ingest.source_status import SourceStatus

__all__ = ["MqttSettings", "Sink", "Source", "SourceRefused", "SourceStatus", "open_source"]

VERSIONS: dict[str, tuple[Version, ...]] = {
    "auto": (Mqtt5Connection, Mqtt311Connection),
    "5": (Mqtt5Connection,),
    "3.1.1": (Mqtt311Connection,),
}
"""What each ``[mqtt] version`` tries, in order."""

Sink = Callable[[list[Message]], None]


class Source(Protocol):
    """Something that brings messages and wants to know when they are safe.

    Attributes:
        name: Of the source, in the settings and on its messages.
        sessions: How many sessions have begun since the start, so that what an earlier one sent
            is never taken for what a later one sends again.
        window: How many messages may be in flight, and so be sent again; 0: nothing is.
    """

    name: str
    sessions: int
    window: int

    async def run(self, sink: Sink) -> None:
        """Bring messages for ever; raises SourceRefused when waiting cannot help."""
        ...

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages that are on disk, in order of arrival."""
        ...

    def pause(self) -> None:
        """Stop reading."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    def status(self) -> SourceStatus:
        """Return what it is doing."""
        ...


def open_source(
    settings: MqttSettings, clock: Clock, memory: SessionMemory | None = None
) -> MqttSource:
    """Return the source of a broker; by default MQTT 5, or 3.1.1 where it does not speak that.

    Args:
        settings: The broker, and those to fail over to.
        clock: Tells when messages arrived.
        memory: What was subscribed before; None for a source that remembers nothing.
    """
    return MqttSource(settings, clock, versions=VERSIONS[settings.version], memory=memory)
