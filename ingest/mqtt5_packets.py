"""What we say to a broker in MQTT 5, as bytes.

Source: MQTT 5.0, OASIS Standard; section numbers below are of that document.
"""

import struct
from collections.abc import Sequence

import mqtt5

from ingest.broker import MqttSettings
from ingest.message import Message
from ingest.mqtt5_reader import MAXIMUM_PACKET

PINGREQ = b"\xc0\x00"

_ACKS = (0, 0x4002_0000, 0x5002_0000)
"""PUBACK and PUBREC without reason, by QoS; the packet id fills the low half. 3.4, 3.5."""


def connect(settings: MqttSettings) -> bytes:
    """Ask for our session, with a wide window and without topic aliases. 3.1."""
    return mqtt5.ConnectPacket(
        settings.client_id,
        username=settings.user,
        password=settings.secret.encode() if settings.secret is not None else None,
        clean_start=False,
        keep_alive=settings.keep_alive_s,
        session_expiry_interval=settings.session_expiry_s,
        receive_max=settings.receive_maximum,
        topic_alias_max=0,
        max_packet_size=MAXIMUM_PACKET,
    ).write()


def subscribe(settings: MqttSettings) -> bytes:
    """Ask for QoS 1, so that the broker lowers QoS 2, whose acks would cost twice. 3.8.

    RETAIN is to mean "kept by the broker since before", not "the device asked to keep it".
    """
    filters = [
        mqtt5.TopicFilter(
            topic,
            max_qos=mqtt5.QoS.AT_LEAST_ONCE,
            no_local=True,
            retain_as_published=False,
            retain_handling=mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,
        )
        for topic in settings.topics
    ]
    return mqtt5.SubscribePacket(1, filters).write()


def acks(messages: Sequence[Message]) -> bytes:
    """Return a PUBACK for each message of QoS 1, a PUBREC for each of QoS 2, in order."""
    words = [_ACKS[message.qos] | message.packet_id for message in messages]
    return struct.pack(f">{len(words)}I", *words)
