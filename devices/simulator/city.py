"""A city of several compounds, each of which is made only when it is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

from devices.clock import DAY, HOUR
from devices.simulator.community import Community, build_community
from devices.simulator.happening import HISTORY_DAYS
from devices.simulator.scenario import DEFAULT, Scenario, load_scenario
from devices.simulator.site import Site

HOUSEHOLDS_A_SITE = 1_300
"""More or less: Fozuling B in Wuhan has 1,315."""


@dataclass(frozen=True, slots=True)
class City:
    """Everything that is simulated.

    Attributes:
        scenario: What kind of city it is; what it tells, it tells of the first compound.
        seed: The same number gives the same city.
        households: Of all sites together.
        evening: As of :class:`Community`, the same for all.
        has_history: The same.
    """

    scenario: Scenario
    seed: int
    households: int
    evening: int
    has_history: bool

    @property
    def begins(self) -> int:
        """When the first day begins, milliseconds UTC; as of :class:`Community`."""
        days = HISTORY_DAYS if self.has_history else 0
        return self.evening - 18 * HOUR - days * DAY

    @property
    def alive_at(self) -> int:
        """When the thinned history ends; as of :class:`Community`."""
        return self.evening if self.has_history else self.begins

    @property
    def sites(self) -> tuple[Site, ...]:
        """The compounds, by number; sizes differ by one household at most."""
        return tuple(Site(place, self._first(place)) for place in range(self._count))

    @property
    def communities(self) -> Iterator[Community]:
        """Every compound's people, homes and devices, each made when it is asked for."""
        return map(self.community, self.sites)

    def community(self, site: Site) -> Community:
        """Make one compound's people, homes and devices; each call makes them anew."""
        return build_community(
            self.scenario,
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


def make_city(
    scenario: Scenario | None = None,
    *,
    seed: int | None = None,
    households: int | None = None,
    evening: int | None = None,
    has_history: bool = True,
) -> City:
    """Make up a city; what is left out, the scenario says, and without one the demo's.

    Raises:
        ValueError: There are not enough households for what the scenario tells.
    """
    scenario = scenario or load_scenario(DEFAULT)
    city = City(
        scenario=scenario,
        seed=scenario.seed if seed is None else seed,
        households=scenario.households if households is None else households,
        evening=scenario.evening if evening is None else evening,
        has_history=has_history,
    )
    scenario.check_size(city.households // len(city.sites))
    return city
