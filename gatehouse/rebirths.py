"""Asking devices for the births that are missing, each at most once a minute.

What decodes asks, from any thread; what publishes comes by each second. Asking is best effort: the
next message that cannot be read asks again.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable

from devices.clock import MINUTE, Clock

WAITING = 1_000
"""Questions that wait for the next second; beyond it the oldest are forgotten."""
_REMEMBERED = 10_000

Say = Callable[[str, str, bytes], None]
"""Queues a payload to a topic of the broker of a source."""


class Rebirths:
    """Who has been asked, and who is to be.

    Args:
        clock: The one clock.
        sources: Names of the brokers there are.
    """

    def __init__(self, clock: Clock, sources: Iterable[str]) -> None:
        self._clock = clock
        self._sources: Collection[str] = frozenset(sources)
        self._asked_at: dict[tuple[str, str], int] = {}
        self._waiting: deque[tuple[str, str, bytes]] = deque(maxlen=WAITING)
        self._lock = threading.Lock()

    def ask(self, source: str, topic: str, payload: bytes) -> None:
        """Ask by the broker that a message came from, unless that was done within a minute."""
        now = self._clock.now()
        with self._lock:
            asked_at = self._asked_at.get((source, topic))
            if source not in self._sources or (asked_at is not None and now < asked_at + MINUTE):
                return
            if len(self._asked_at) >= _REMEMBERED:
                self._forget(now)
            self._asked_at[source, topic] = now
            self._waiting.append((source, topic, payload))

    async def publish(self, say: Say) -> None:
        """Hand on what waits."""
        while self._waiting:
            say(*self._waiting.popleft())

    def _forget(self, now: int) -> None:
        """Forget who may be asked again; if all were asked just now, everybody."""
        kept = {asked: at for asked, at in self._asked_at.items() if now < at + MINUTE}
        self._asked_at = kept if len(kept) < _REMEMBERED else {}
