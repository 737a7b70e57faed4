"""What devices have said of themselves, and what a reader may ask of it: births, discovery.

A description belongs to an owner (an edge node, a state topic, a device) and has a key there. It
is true from its message's position on, until the next one with the same owner and key. So a message
is read by what had been said when it came, whoever reads it and however often. A body is plain
data that MessagePack can hold; ``None`` takes back what was said. Bodies are shared: change none.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from devices.outcome import DeadLetterReason, DecodeError

MAX_BODY = 256 * 1024
"""Bytes of one body as MessagePack: a birth with some thousand metrics."""
MAX_KEYS = 1_000
"""Keys of one owner: devices of an edge node, entities that read one topic."""


class DescriptionsAway(Exception):
    """What devices have said cannot be read or kept now; waiting helps."""


class Said(NamedTuple):
    """What was said, and the position of the message that said it."""

    position: int
    body: Any


class Descriptions(Protocol):
    """What had been said when the message in hand came."""

    def find(self, family: str, owner: str, key: str = "") -> Said | None:
        """Return the newest that was said, None where nothing was or it was taken back."""
        ...

    def members(self, family: str, owner: str) -> Mapping[str, Said]:
        """Return the same for every key of an owner."""
        ...

    def describe(
        self, family: str, owner: str, key: str = "", *, device: str, body: object
    ) -> None:
        """Keep what the message in hand says.

        Args:
            family: Whose keys these are; formats that share them share the family.
            owner: See the module.
            key: See the module.
            device: The device it is about: what is said of registered ones is kept longest.
            body: See the module.

        Raises:
            DecodeError: TOO_LARGE, it is more than one message may say.
        """
        ...

    def ask(self, topic: str, payload: bytes) -> None:
        """Ask for what is missing: published at a low rate, to a topic of the device's own."""
        ...


class Undescribed:
    """Nothing is known, and nothing is kept."""

    def find(self, family: str, owner: str, key: str = "") -> Said | None:  # noqa: ARG002 - nothing is known
        """Return None."""
        return None

    def members(self, family: str, owner: str) -> Mapping[str, Said]:  # noqa: ARG002 - nothing is known
        """Return nothing."""
        return {}

    def describe(
        self, family: str, owner: str, key: str = "", *, device: str, body: object
    ) -> None:
        """Keep nothing."""

    def ask(self, topic: str, payload: bytes) -> None:
        """Ask nobody."""


UNDESCRIBED = Undescribed()


class Remembered:
    """What some messages said, one after the other, in memory; for an example or a look."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], dict[str, Said]] = {}
        self._position = 0
        self.asked: list[tuple[str, bytes]] = []

    def find(self, family: str, owner: str, key: str = "") -> Said | None:
        """Return the newest that was said."""
        said = self._said.get((family, owner), {}).get(key)
        return said if said is not None and said.body is not None else None

    def members(self, family: str, owner: str) -> Mapping[str, Said]:
        """Return the newest of every key."""
        said = self._said.get((family, owner), {})
        return {key: one for key, one in said.items() if one.body is not None}

    def describe(
        self,
        family: str,
        owner: str,
        key: str = "",
        *,
        device: str,  # noqa: ARG002 - nothing is let go of
        body: object,
    ) -> None:
        """Keep it as newer than all before."""
        self._position += 1
        said = Said(self._position, msgspec.msgpack.decode(encode_body(body)))
        self._said.setdefault((family, owner), {})[key] = said

    def ask(self, topic: str, payload: bytes) -> None:
        """Note it."""
        self.asked.append((topic, payload))


def encode_body(body: object) -> bytes:
    """Return a body as MessagePack.

    Raises:
        DecodeError: TOO_LARGE.
    """
    encoded = msgspec.msgpack.encode(body)
    if len(encoded) > MAX_BODY:
        raise DecodeError(DeadLetterReason.TOO_LARGE, f"describes more than {MAX_BODY} bytes")
    return encoded
