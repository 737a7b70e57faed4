"""Brokers: reached, what they granted, how far ahead they send, what they dropped."""

import asyncio

from devices.clock import Clock
from gatehouse.doctor.found import Found
from gatehouse.settings import Settings
from ingest.broker import MqttSettings
from ingest.doctor import visit_broker
from ingest.source import SourceStatus

PATIENCE_S = 10.0
SMALL_WINDOW = 20
"""What mosquitto sends ahead of acks by default to a client that cannot ask for more (3.1.1)."""
FAIR_WINDOW = 100
"""With fewer ahead, each sync of the journal waits for the broker instead of taking more in."""


def brokers(settings: Settings) -> list[Found]:
    """Examine every broker of every source, also those to fail over to."""
    if settings.mqtt is None:
        said = "GATEHOUSE_MQTT_URL is not set: say where the broker is"
        return [Found.wrong("broker", said)]
    return asyncio.run(_visit_all(settings))


async def _visit_all(settings: Settings) -> list[Found]:
    visits = [
        _visit(broker, settings.clock, f" of {source.name}" if settings.source else "")
        for source in settings.sources
        for broker in source.brokers
    ]
    return [found for each in await asyncio.gather(*visits) for found in each]


async def _visit(broker: MqttSettings, clock: Clock, of: str) -> list[Found]:
    status = await visit_broker(broker, clock, seconds=PATIENCE_S)
    if not status.granted:
        problem = status.problem or f"no answer within {PATIENCE_S:g} s; is it a broker?"
        return [Found.wrong(f"broker{of}", problem)]
    return [
        Found.fine(f"broker{of}", f"reached at {broker.address}, MQTT {status.protocol}"),
        _granted(status, broker.topics),
        window(status.protocol, broker.receive_maximum),
        _dropped(broker.address, status.dropped_at_broker),
    ]


def _granted(status: SourceStatus, topics: tuple[str, ...]) -> Found:
    weak = [topic for topic in topics if status.granted.get(topic, 128) != 1]
    if not weak:
        return Found.fine("subscription", f"QoS 1 granted for {', '.join(topics)}")
    return Found.wrong(
        "subscription",
        f"QoS 1 not granted for {', '.join(weak)}: allow it in the broker's access list, "
        "or take the filter out of [mqtt] topics",
    )


def _dropped(address: str, count: int | None) -> Found:
    """Warn of what the broker says it has dropped; many brokers do not say."""
    name = "broker's queue"
    if count is None:
        said = f"{address} does not say what it drops; see that its queue of a client away is long"
        return Found.fine(name, f"{said} (in mosquitto.conf max_queued_messages 1000000000)")
    if not count:
        return Found.fine(name, f"{address} has dropped nothing since it started")
    advice = "raise its queue limits (in mosquitto.conf max_queued_messages 1000000000)"
    said = f"{address} has dropped {count:,} messages since it started, ours or others'"
    return Found.doubtful(name, f"{said}: {advice}")


def window(protocol: str, receive_maximum: int) -> Found:
    """Say how many messages the broker may send ahead of our acks, and warn where they are few."""
    name = "receive window"
    if protocol != "5":
        return Found.doubtful(
            name,
            f"MQTT {protocol} cannot ask for one, and mosquitto sends {SMALL_WINDOW} ahead: let "
            "the broker speak MQTT 5, or set max_inflight_messages 0 in mosquitto.conf",
        )
    sentence = f"{receive_maximum:,} messages ahead of our acks"
    if receive_maximum >= FAIR_WINDOW:
        return Found.fine(name, sentence)
    advice = f"so few slow the intake; set [mqtt] receive_maximum to {FAIR_WINDOW} or more"
    return Found.doubtful(name, f"{sentence}: {advice}")
