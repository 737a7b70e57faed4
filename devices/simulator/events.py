"""Everything a city publishes, by time. The same for one seed and one stretch of time.

The history is thinned to what the rules need: meters, readings taken at home, and the guard's
rounds.
"""

import heapq
from collections.abc import Iterator

from devices.simulator import checkpoint, faults, gates, measuring, rooms, scripted
from devices.simulator.city import City
from devices.simulator.community import Community
from devices.simulator.event import Event, in_order
from devices.simulator.meters import Meters
from devices.simulator.share import WHOLE, Share
from devices.simulator.site import Site

_ALWAYS = (measuring.readings, gates.guard_rounds)
_LIVE = (
    rooms.reports,
    gates.crossings,
    gates.heartbeats,
    checkpoint.readings,
    faults.garbage,
    scripted.tell,
)


def city_events(
    city: City, since: int, until: int | None = None, *, share: Share = WHOLE
) -> Iterator[Event]:
    """Yield every publish of a city, or a process's share of it, in order.

    Args:
        city: Who and what; its communities are made when the first event is asked for.
        since: First time, milliseconds UTC; not before the first day begins.
        until: First time that is left out; without an end, for ever.
        share: Which part of the work is wanted.
    """
    lives = [_life(city, site, since, until, share) for site in share.sites(city)]
    return lives[0] if len(lives) == 1 else heapq.merge(*lives, key=_time)


def _life(city: City, site: Site, since: int, until: int | None, share: Share) -> Iterator[Event]:
    yield from share.of_site(city, events(city.community(site), since, until))


def events(community: Community, since: int, until: int | None = None) -> Iterator[Event]:
    """Yield every publish of one community; times as for :func:`city_events`."""
    day = max(community.day_of(since), community.first_day)
    meters = Meters(community, day)
    late = _people(community, day - 1)
    while until is None or community.midnight(day) < until:
        begin, end = community.midnight(day), community.midnight(day + 1)
        people = _people(community, day)
        today = in_order(event for event in (*late, *people) if begin <= event.at < end)
        late = [event for event in people if event.at >= end]
        for event in heapq.merge(today, meters.next_day(), key=_time):
            if until is not None and event.at >= until:
                return
            if event.at >= since:
                yield event
        day += 1


def _people(community: Community, day: int) -> list[Event]:
    """Return a day's publishes of everything but meters, in no order.

    A night at the checkpoint, a trip or a late household runs into the next day, no further.
    """
    found = [event for source in _ALWAYS for event in source(community, day)]
    if community.midnight(day + 2) > community.alive_at:
        live = (event for source in _LIVE for event in source(community, day))
        found += [event for event in live if event.at >= community.alive_at]
    return found


def _time(event: Event) -> int:
    return event.at
