"""A city of several compounds, each of which is made only when it is asked for."""

from dataclasses import dataclass

from devices.simulator.community import Community, build_community
from devices.simulator.site import Site

HOUSEHOLDS_A_SITE = 1_300
"""More or less: Fozuling B in Wuhan has 1,315."""


@dataclass(frozen=True, slots=True)
class City:
    """Everything that is simulated.

    Attributes:
        seed: The same number gives the same city.
        households: Of all sites together.
        evening: As of :class:`Community`, the same for all.
        has_history: The same.
    """

    seed: int
    households: int
    evening: int
    has_history: bool

    @property
    def sites(self) -> tuple[Site, ...]:
        """The compounds, by number; sizes differ by one household at most."""
        return tuple(Site(place, self._first(place)) for place in range(self._count))

    def community(self, site: Site) -> Community:
        """Make one compound's people, homes and devices; each call makes them anew."""
        return build_community(
            seed=self.seed,
            households=self._first(site.number + 1) - site.first_household,
            evening=self.evening,
            site=site,
            has_history=self.has_history,
        )

    @property
    def _count(self) -> int:
        return max(1, round(self.households / HOUSEHOLDS_A_SITE))

    def _first(self, place: int) -> int:
        return self.households * place // self._count
