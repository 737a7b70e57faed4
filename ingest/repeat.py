"""Repeats: what a resumed session sends again although it is journalled already.

A broker resends, marked DUP, what it has sent and not seen acknowledged. What we had journalled
and not acknowledged when the connection or the process ended is recognised here, acknowledged,
and not journalled a second time.

Source: MQTT 5, 4.4 Message delivery retry.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from ingest.message import DUP, Batch, Message

WINDOW = 2_000
"""Messages of one source that can be in flight: the receive maximum we announce by default."""
_KEPT_BYTES = 64 * 1024 * 1024
"""Of payloads, for each source; beyond it fewer than a window are remembered."""

_Key = tuple[int, str, bytes]


class _Recent:
    """The last messages of one source, as the chunks they came in."""

    __slots__ = ("bytes", "chunks", "count")

    def __init__(self) -> None:
        self.chunks: deque[tuple[Sequence[Message], int]] = deque()
        self.count = 0
        self.bytes = 0

    def add(self, messages: Sequence[Message], size: int, window: int) -> None:
        self.chunks.append((messages, size))
        self.count += len(messages)
        self.bytes += size
        while len(self.chunks) > 1 and (
            self.count - len(self.chunks[0][0]) >= window or self.bytes > _KEPT_BYTES
        ):
            dropped, freed = self.chunks.popleft()
            self.count -= len(dropped)
            self.bytes -= freed

    def keys(self) -> set[_Key]:
        return {_key(message) for messages, _ in self.chunks for message in messages}


class RepeatGuard:
    """Knows the last journalled messages of every source.

    Args:
        window: How many of each, at least: the largest receive maximum of the sources.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._recent: dict[str, _Recent] = {}
        self._sessions: dict[str, int] = {}
        self.count = 0
        """Repeats recognised so far."""

    def fresh(
        self, source: str, messages: Sequence[Message], size: int, *, sessions: int = 0
    ) -> Sequence[Message]:
        """Return the messages that are to be journalled, in order, and remember them.

        A broker that has lost its session counts packet ids anew: what comes in a new session
        repeats nothing of the one before, however alike it is.

        Args:
            source: The name of the source they all came from.
            messages: What one socket read brought, in order.
            size: Bytes of their payloads.
            sessions: How many sessions of the source have begun since the start.
        """
        if sessions != self._sessions.get(source, 0):
            self._sessions[source] = sessions
            self._recent.pop(source, None)
        if any([one.flags & DUP for one in messages]):  # noqa: C419 - half the cost of a generator
            messages = self._without_repeats(source, messages)
        if messages:
            recent = self._recent.get(source)
            if recent is None:
                recent = self._recent[source] = _Recent()
            recent.add(messages, size, self._window)
        return messages

    def restore(self, batches: Iterable[Batch]) -> None:
        """Remember what the journal's tail holds, after a start."""
        for batch in batches:
            by_source: dict[str, list[Message]] = {}
            for message in batch.messages:
                by_source.setdefault(message.source, []).append(message)
            for source, messages in by_source.items():
                size = sum([len(message.payload) for message in messages])
                self._recent.setdefault(source, _Recent()).add(messages, size, self._window)

    def _without_repeats(self, source: str, messages: Sequence[Message]) -> list[Message]:
        recent = self._recent.get(source)
        known = recent.keys() if recent else set()
        fresh = [
            message for message in messages if not (message.flags & DUP and _key(message) in known)
        ]
        self.count += len(messages) - len(fresh)
        return fresh


def _key(message: Message) -> _Key:
    return message.packet_id, message.topic, message.payload
