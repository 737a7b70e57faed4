"""How the work of one simulation is shared by several processes.

Whatever their number, together they publish what one alone would, and each device is simulated by
one of them, so its messages keep their order.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from devices.simulator.city import City
from devices.simulator.event import Event
from devices.simulator.site import Site


@dataclass(frozen=True, slots=True)
class Share:
    """One process's share of the work: ``index`` of ``of``, counted from 0.

    Where there are more processes than sites, several make the same site's events and each takes
    the topics that fall to it: making an event costs a tenth of publishing it.
    """

    index: int = 0
    of: int = 1

    def sites(self, city: City) -> tuple[Site, ...]:
        """Return the sites that this process has to do with."""
        every = city.sites
        return every[self.index % len(every) :: min(self.of, len(every))]

    def of_site(self, city: City, events: Iterator[Event]) -> Iterator[Event]:
        """Pass on what of one of its sites' events is this process's."""
        sites = len(city.sites)
        place, parts = self.index // sites, len(range(self.index % sites, self.of, sites))
        if parts == 1:
            return events
        return (one for one in events if zlib.crc32(one.topic.encode()) % parts == place)


WHOLE = Share()
