"""Asking the devices that only answer, each when it is due, over the first broker.

What is due while that broker is away is counted and not asked later: the next time is soon enough.
"""

import asyncio
from collections.abc import Callable, Iterable

from devices.clock import Clock
from devices.poll import PollSchedule
from devices.profile import Profile
from devices.registry import Registry
from ingest.pipeline import Pipeline
from ingest.source import Source
from ingest.status import PollStatus


class Polls:
    """The schedule, and how far it has been followed.

    Args:
        profiles: Those with ``[[poll]]`` say what their devices are asked.
        registry: Returns the present snapshot; may wait for the database.
    """

    def __init__(
        self, profiles: Iterable[Profile], registry: Callable[[], Registry], clock: Clock
    ) -> None:
        self._schedule = PollSchedule(profiles)
        self._registry = registry
        self._clock = clock
        self._until = clock.now()
        self._due = self._asked = 0

    def status(self) -> PollStatus:
        """Return how many questions were due, and were asked."""
        return PollStatus(self._due, self._asked)

    async def ask(self, source: Source, pipeline: Pipeline) -> None:
        """Ask what has become due since the last call."""
        after, self._until = self._until, self._clock.now()
        due = await asyncio.to_thread(self._list, after, self._until)
        self._due += len(due)
        if source.status().connected:
            self._asked += len(due)
            for topic, payload in due:
                pipeline.say(source.name, topic, payload)

    def _list(self, after: int, until: int) -> list[tuple[str, bytes]]:
        return list(self._schedule.due(self._registry(), after=after, until=until))
