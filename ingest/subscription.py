"""Subscribing: at every connection, what is wanted and no more, and what came of it in words.

It is done each time, as that covers sessions the broker lost, filters and rights that changed.
What is wanted is asked for first and what has left the settings given up then, so that nothing
goes by in between.
"""

import asyncio

import structlog

from ingest import reason
from ingest.broker import MqttSettings
from ingest.broker_traffic import TOPICS as TRAFFIC_TOPICS
from ingest.connection import Connection, ConnectionLost, Granted, reach
from ingest.session_memory import SessionMemory

ANSWER_SECONDS = 10.0

log = structlog.get_logger()


async def subscribe(
    connection: Connection, settings: MqttSettings, memory: SessionMemory
) -> Granted:
    """Subscribe to what the settings say; return what the broker granted or refused.

    Raises:
        ConnectionLost: The broker does not answer, or the connection ended.
    """
    session = session_name(settings)
    wanted = frozenset(settings.topics)
    before = memory.topics(session) if connection.session_present else frozenset()
    memory.keep(session, wanted | before)
    slow = ConnectionLost(f"{settings.address} does not answer SUBSCRIBE")
    asked = connection.subscribe(settings.topics, 1)
    granted = await reach(connection, asked, seconds=ANSWER_SECONDS, late=slow)
    kept = before & frozenset(TRAFFIC_TOPICS) if _may_watch(settings) else frozenset()
    left = await _give_up(connection, settings, before - wanted - kept)
    taken = (topic for topic, code in granted.items() if code < reason.FAILURE)
    memory.keep(session, kept.union(taken, left))
    return granted


async def _give_up(
    connection: Connection, settings: MqttSettings, topics: frozenset[str]
) -> frozenset[str]:
    """Unsubscribe; return the filters that the broker does not let go."""
    if not topics:
        return topics
    slow = ConnectionLost(f"{settings.address} does not answer UNSUBSCRIBE")
    asked = connection.unsubscribe(sorted(topics))
    answers = await reach(connection, asked, seconds=ANSWER_SECONDS, late=slow)
    left = frozenset(topic for topic in topics if answers.get(topic, 0) >= reason.FAILURE)
    log.info("mqtt_unsubscribed", source=settings.name, topics=sorted(topics - left))
    for topic in sorted(left):
        said = reason.words(answers[topic])
        log.warning("mqtt_not_unsubscribed", source=settings.name, topic=topic, problem=said)
    return left


def watch_traffic(
    connection: Connection, settings: MqttSettings, memory: SessionMemory
) -> asyncio.Future[Granted] | None:
    """Ask for the broker's own counts; None where the settings already subscribe to them.

    Nobody waits for the answer: many brokers do not have them, or do not show them.
    """
    if not _may_watch(settings):
        return None
    session = session_name(settings)
    memory.keep(session, memory.topics(session).union(TRAFFIC_TOPICS))
    return connection.subscribe(TRAFFIC_TOPICS, 0)


def _may_watch(settings: MqttSettings) -> bool:
    return not any(topic.startswith("$SYS/") for topic in settings.topics)


def session_name(settings: MqttSettings) -> str:
    """Return what a session is remembered by."""
    return f"{settings.client_id}@{settings.address}"


def complaint(settings: MqttSettings, granted: Granted) -> str:
    """Return what the broker did not grant as we asked, as a sentence; "" if nothing."""
    said = [
        f"{settings.address} refuses the topic {topic!r}: {reason.words(code)}"
        if code >= reason.FAILURE
        else f"{settings.address} delivers {topic!r} at QoS 0 only: what it loses is gone"
        for topic, code in granted.items()
        if code != 1
    ]
    return "; ".join(said)
