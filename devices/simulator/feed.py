"""Events on their way to the broker: in order, and each until the broker has it.

What was not acknowledged when a connection broke comes again first, so nothing is skipped, and
nothing comes twice but what the broker may have without our knowing.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice

from devices.simulator.event import Event
from devices.simulator.tally import Tally

_AT_ONCE = 500
"""Events made ahead of the one that is published: the memory that is bounded by it is small."""
_BURST_S = 0.02
"""A loop wakes up late; what it missed meanwhile may follow at once."""

Numbered = tuple[int, Event]


class Feed:
    """Makes events ahead in a thread, so that the loop which publishes never waits for long.

    Whoever takes an event says :meth:`delivered` once the broker has it.

    Args:
        coming: The events, in order.
        tally: Counts what was delivered.
        per_second: How many are given out at most; None for no bound.
    """

    def __init__(
        self, coming: Iterator[Event], tally: Tally, *, per_second: float | None = None
    ) -> None:
        self._coming = coming
        self._tally = tally
        self._apart_s = 1 / per_second if per_second else 0.0
        self._due = 0.0
        self._ready: deque[Event] = deque()
        self._making: asyncio.Future[list[Event]] | None = None
        self._again: deque[Numbered] = deque()
        self._taken: dict[int, Event] = {}
        self._number = 0

    async def next(self) -> Numbered | None:
        """Return the next event with its number; None after the last.

        Cancelled, it loses nothing.
        """
        if self._apart_s:
            await self._wait()
        if self._again:
            one = self._again.popleft()
        else:
            if not self._ready:
                await self._make()
            if not self._ready:
                return None
            self._number += 1
            one = (self._number, self._ready.popleft())
        self._taken[one[0]] = one[1]
        return one

    def delivered(self, number: int) -> None:
        """Forget an event that the broker has."""
        self._tally.add(self._taken.pop(number))

    def skip(self, number: int) -> None:
        """Forget an event that nobody will publish."""
        del self._taken[number]

    def rewind(self) -> None:
        """Take back what was not delivered: it comes again, before everything else."""
        self._again.extendleft(sorted(self._taken.items(), reverse=True))
        self._taken.clear()

    async def _wait(self) -> None:
        """Wait until another one may go; a pause is not made up for, but for a few milliseconds."""
        now = time.monotonic()
        self._due = max(self._due + self._apart_s, now - _BURST_S)
        if self._due > now:
            await asyncio.sleep(self._due - now)

    async def _make(self) -> None:
        if self._making is None:
            self._making = _in_thread(self._take)
        self._ready.extend(await asyncio.shield(self._making))
        self._making = _in_thread(self._take)

    def _take(self) -> list[Event]:
        return list(islice(self._coming, _AT_ONCE))


def _in_thread(make: Callable[[], list[Event]]) -> asyncio.Future[list[Event]]:
    """Run in a thread for which, unlike ``asyncio.to_thread``'s, the process's end never waits."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[Event]] = loop.create_future()

    def tell(made: list[Event] | Exception) -> None:
        if future.done():
            return
        if isinstance(made, Exception):
            future.set_exception(made)
        else:
            future.set_result(made)

    def run() -> None:
        try:
            made: list[Event] | Exception = make()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            made = error
        with suppress(RuntimeError):  # The loop has ended meanwhile.
            loop.call_soon_threadsafe(tell, made)

    threading.Thread(target=run, name="simulated events", daemon=True).start()
    return future
