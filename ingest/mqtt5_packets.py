"""What we say to a broker in MQTT 5, as bytes.

Source: MQTT 5.0, OASIS Standard; section numbers below are of that document.
"""

import struct
from collections.abc import Sequence

import mqtt5

from ingest.broker import MqttSettings
from ingest.connection import OFFLINE
from ingest.message import Message
from ingest.mqtt5_reader import MAXIMUM_PACKET

PINGREQ = b"\xc0\x00"

_REQUEST_BYTES = 8
"""Of a SUBSCRIBE or UNSUBSCRIBE beside its filters: type, length, packet id, no properties."""
_FILTER_BYTES = 3
"""Beside each filter's text: its length and its options."""
_LONGEST_REQUEST = 64 * 1024 * 1024

_ACKS = (0, 0x4002_0000, 0x5002_0000)
"""PUBACK and PUBREC without reason, by QoS; the packet id fills the low half. 3.4, 3.5."""


def connect(settings: MqttSettings) -> bytes:
    """Ask for our session, with a will, a wide window and without topic aliases. 3.1."""
    will = mqtt5.Will(
        settings.status_topic, payload=OFFLINE, qos=mqtt5.QoS.AT_LEAST_ONCE, retain=True
    )
    return mqtt5.ConnectPacket(
        settings.client_id,
        username=settings.user,
        password=settings.secret.encode() if settings.secret is not None else None,
        clean_start=False,
        will=will if settings.status_topic else None,
        keep_alive=settings.keep_alive_s,
        session_expiry_interval=settings.session_expiry_s,
        receive_max=settings.receive_maximum,
        topic_alias_max=0,
        max_packet_size=MAXIMUM_PACKET,
    ).write()


def subscribe(packet_id: int, topics: Sequence[str], qos: int) -> bytes:
    """Ask for a QoS of 0 or 1: the broker lowers QoS 2, whose acks would cost twice. 3.8.

    RETAIN is to mean "kept by the broker since before", not "the device asked to keep it".
    """
    filters = [
        mqtt5.TopicFilter(
            topic,
            max_qos=mqtt5.QoS(qos),
            no_local=True,
            retain_as_published=False,
            retain_handling=mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,
        )
        for topic in topics
    ]
    return mqtt5.SubscribePacket(packet_id, filters).write()


def unsubscribe(packet_id: int, topics: Sequence[str]) -> bytes:
    """Give filters up. 3.10."""
    return mqtt5.UnsubscribePacket(packet_id, list(topics)).write()


def announcement(packet_id: int, topic: str, payload: bytes) -> bytes:
    """Say something that the broker keeps for those who ask later. 3.3.

    At QoS 1, because mosquitto 2.0.11 closes the connection upon one of QoS 0 that its rights
    refuse, and answers this one with a reason code.
    """
    return mqtt5.PublishPacket(
        topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, retain=True, packet_id=packet_id
    ).write()


def fitting(topics: Sequence[str], limit: int | None) -> list[list[str]]:
    """Return the filters in groups whose packets the broker takes.

    Args:
        topics: Filters; one that fits into no packet is in no group.
        limit: Bytes of the largest packet the broker takes; None for any. 3.2.2.3.6.
    """
    groups: list[list[str]] = []
    room = 0
    most = limit if limit is not None else _LONGEST_REQUEST
    for topic in topics:
        size = len(topic.encode()) + _FILTER_BYTES
        if size > most - _REQUEST_BYTES:
            continue
        if size > room:
            groups.append([])
            room = most - _REQUEST_BYTES
        groups[-1].append(topic)
        room -= size
    return groups


def acks(messages: Sequence[Message]) -> bytes:
    """Return a PUBACK for each message of QoS 1, a PUBREC for each of QoS 2, in order."""
    words = [_ACKS[message.qos] | message.packet_id for message in messages]
    return struct.pack(f">{len(words)}I", *words)
