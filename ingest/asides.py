"""What we say to a broker beside the subscription, and nobody waits for: our birth, its own counts.

Some brokers close the connection upon a publish or a filter that they do not allow. None of it is
needed for taking in, so after some connections that ended that way it is left out there.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from ingest import reason, subscription
from ingest.broker import MqttSettings
from ingest.connection import OFFLINE, ONLINE, Connection
from ingest.session_memory import SessionMemory

TRIED = 3
"""Connections that end upon it, one after the other, until it is left out."""

Asked = Sequence[asyncio.Future[Any]]

log = structlog.get_logger()


class Asides:
    """Birth and counts of one source; which of its brokers do not bear them.

    Args:
        settings: The source's.
        memory: Where it is noted that the counts are subscribed to.
    """

    def __init__(self, settings: MqttSettings, memory: SessionMemory) -> None:
        self._name = settings.name
        self._topic = settings.status_topic
        self._memory = memory
        self._thrown_out: dict[str, int] = {}

    def say(self, connection: Connection, broker: MqttSettings) -> Asked:
        """Say that we are there and ask for the broker's own counts; return what is unanswered."""
        if self._left_out(broker):
            return ()
        asked: list[asyncio.Future[Any]] = []
        if self._topic:
            birth = connection.announce(self._topic, ONLINE)
            birth.add_done_callback(self._note_birth)
            asked.append(birth)
        counts = subscription.watch_traffic(connection, broker, self._memory)
        return [*asked, counts] if counts else asked

    def take_leave(self, connection: Connection, broker: MqttSettings) -> None:
        """Say that we go, where we said that we are there."""
        if self._topic and not self._left_out(broker):
            connection.announce(self._topic, OFFLINE)

    def learn(self, asked: Asked, broker: MqttSettings) -> None:
        """Note, after the broker has ended a connection, whether it did so instead of answering."""
        address = broker.address
        if self._left_out(broker):
            return
        if all(one.done() for one in asked):
            self._thrown_out[address] = 0
            return
        self._thrown_out[address] = self._thrown_out.get(address, 0) + 1
        if self._thrown_out[address] == TRIED:
            log.warning(
                "mqtt_asides_left_out",
                source=self._name,
                broker=address,
                problem="it closes the connection upon our birth message or $SYS: allow both",
            )

    def _left_out(self, broker: MqttSettings) -> bool:
        return self._thrown_out.get(broker.address, 0) >= TRIED

    def _note_birth(self, answer: asyncio.Future[int]) -> None:
        if not answer.cancelled() and answer.result() >= reason.FAILURE:
            said = reason.words(answer.result())
            log.warning("mqtt_birth_refused", source=self._name, topic=self._topic, problem=said)
