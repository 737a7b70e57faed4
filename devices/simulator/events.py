"""Everything the community publishes, by time. The same for one seed and one stretch of time.

The history is thinned to what the rules need: meters, readings taken at
home, and the guard's rounds.
"""

import asyncio
import heapq
from collections.abc import AsyncGenerator, Iterator
from itertools import islice

from devices.simulator import checkpoint, faults, gates, measuring, rooms, scripted
from devices.simulator.community import Community
from devices.simulator.event import Event, in_order
from devices.simulator.meters import Meters

_ALWAYS = (measuring.readings, gates.guard_rounds)
_LIVE = (
    rooms.reports,
    gates.crossings,
    gates.heartbeats,
    checkpoint.readings,
    faults.garbage,
    scripted.tell,
)
_AHEAD = 500


def events(community: Community, since: int, until: int | None = None) -> Iterator[Event]:
    """Yield every publish from a time on, in order; without an end, for ever.

    Args:
        community: Who and what.
        since: First time, milliseconds UTC; not before the history begins.
        until: First time that is left out.
    """
    day = max(community.day_of(since), community.first_day)
    meters = Meters(community, day)
    while until is None or community.midnight(day) < until:
        for event in heapq.merge(_people(community, day), meters.next_day(), key=_time):
            if until is not None and event.at >= until:
                return
            if event.at >= since:
                yield event
        day += 1


async def made_ahead(coming: Iterator[Event]) -> AsyncGenerator[Event]:
    """Yield events that a thread makes, a bounded number ahead, so that the loop never waits."""
    making = asyncio.create_task(asyncio.to_thread(_take, coming))
    try:
        while made := await making:
            making = asyncio.create_task(asyncio.to_thread(_take, coming))
            for event in made:
                yield event
    finally:
        making.cancel()


def _take(coming: Iterator[Event]) -> list[Event]:
    return list(islice(coming, _AHEAD))


def _people(community: Community, day: int) -> list[Event]:
    """Return a day's publishes of everything but meters, by time.

    A night at the checkpoint, a trip or a late household runs into the next day, so each day is
    asked together with the one before it.
    """
    midnight, end = community.midnight(day), community.midnight(day + 1)
    begin = max(midnight, community.alive_at)
    found = [
        event
        for source, first in [*((s, midnight) for s in _ALWAYS), *((s, begin) for s in _LIVE)]
        for of_day in (day - 1, day)
        for event in source(community, of_day)
        if first <= event.at < end
    ]
    return in_order(found)


def _time(event: Event) -> int:
    return event.at
