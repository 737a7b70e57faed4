"""Messages as they arrived, and batches of them: the unit of flow."""

from collections.abc import Sequence

import msgspec

DUP = 1
RETAIN = 2
BACKLOG = 4
"""The broker (or the device's gateway) kept it while we were away: its arrival says little."""


POSTS = "http"
"""The source of what is posted. Topics that begin with it are its own: what a broker brings there
was not posted with the credential of the device that it names."""


class Message(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One MQTT publish or HTTP post, unread.

    Attributes:
        topic: Topic as published, UTF-8.
        payload: Bytes as published.
        received_at: When we took it in; milliseconds UTC by the one clock.
        source: Name of the source in the settings.
        session: Number of the connection it came on; an ack goes to that one or to none.
        packet_id: MQTT packet id, 1 to 65,535; 0 for QoS 0. Of a post, its number since the start.
        qos: 0, 1 or 2.
        flags: DUP, RETAIN, BACKLOG, added up.
        properties: MQTT 5 user properties in order; of a post its content type.
    """

    topic: str
    payload: bytes
    received_at: int
    source: str = ""
    session: int = 0
    packet_id: int = 0
    qos: int = 1
    flags: int = 0
    properties: tuple[tuple[str, str], ...] = ()


class Batch:
    """Messages with dense positions ``base``, ``base + 1``, …; what one journal row holds."""

    __slots__ = ("base", "messages")

    def __init__(self, base: int, messages: Sequence[Message]) -> None:
        self.base = base
        self.messages = messages

    @property
    def last(self) -> int:
        """The position of the last message."""
        return self.base + len(self.messages) - 1

    def __len__(self) -> int:
        return len(self.messages)
