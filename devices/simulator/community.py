"""One compound of the simulated city: its homes, and what happens there. The same for one seed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from devices.clock import DAY, HOUR
from devices.simulator.happening import HISTORY_DAYS
from devices.simulator.home import FLATS_A_BUILDING, Home, Person, arrange, build_home
from devices.simulator.plan import Plan
from devices.simulator.scenario import DEFAULT, Scenario, load_scenario
from devices.simulator.site import FIRST_SITE, Site

LEAST_HOUSEHOLDS = 20
"""From here on every built-in scenario has the households that it needs."""
BUILDINGS_A_GRID = 4


@dataclass(frozen=True, slots=True)
class Community:
    """Everything that is simulated in one compound.

    Attributes:
        seed: Of everything random.
        site: Which compound of the city it is.
        evening: 18:00 local of day 0; milliseconds UTC.
        has_history: Whether two weeks of thinned history lead to that evening, on which it comes
            alive; without, it is alive from the midnight before.
        homes: Every household.
        buildings: Grid by building.
        plan: What happens to whom; what its scenario tells is told in the first compound only.
    """

    seed: int
    site: Site
    evening: int
    has_history: bool
    homes: tuple[Home, ...]
    buildings: dict[str, str]
    plan: Plan

    @property
    def begins(self) -> int:
        """When the first day begins: a midnight."""
        return self.midnight(self.first_day)

    @property
    def first_day(self) -> int:
        """The first day that anything is known of."""
        return _first_day(self.has_history)

    @property
    def alive_at(self) -> int:
        """From when on every device says all that it says; the history before is thinned."""
        return self.evening if self.has_history else self.begins

    @property
    def scenario(self) -> Scenario:
        """What kind of community it is, and what is told of it."""
        return self.plan.scenario

    @property
    def people(self) -> tuple[Person, ...]:
        """Every resident."""
        return tuple(person for home in self.homes for person in home.people)

    def midnight(self, day: int) -> int:
        """Return when a day begins; 0 is the evening's day."""
        return self.evening - 18 * HOUR + day * DAY

    def day_of(self, at: int) -> int:
        """Return the day of a time; 0 is the evening's day."""
        return (at - self.midnight(0)) // DAY

    def hour(self, at: int) -> float:
        """Return the local hour of a time, 0 to 24."""
        return (at - self.midnight(0)) % DAY / HOUR

    def random(self, *what: object) -> Random:
        """Return a random stream of its own for a thing (and a day): the same each time."""
        return _stream(self.seed, self.site, *what)


def build_community(
    scenario: Scenario | None = None,
    *,
    seed: int | None = None,
    households: int | None = None,
    evening: int | None = None,
    site: Site = FIRST_SITE,
    has_history: bool = True,
) -> Community:
    """Make up a community.

    Args:
        scenario: What kind of community it is; without one the demo's evening.
        seed: The same number gives the same people, homes and devices; else the scenario's.
        households: How many; else the scenario's.
        evening: 18:00 local of day 0, milliseconds UTC; else the scenario's.
        site: Which compound of the city it is.
        has_history: Whether two weeks lead to the evening.

    Raises:
        ValueError: There are not enough households for what the scenario tells.
    """
    scenario = scenario or load_scenario(DEFAULT)
    seed = scenario.seed if seed is None else seed
    households = scenario.households if households is None else households
    evening = scenario.evening if evening is None else evening
    random = _stream(seed, site, "community")
    homes = [build_home(site, place, scenario.shares, random) for place in range(households)]
    if site.number == 0:
        scenario.check_size(households)
        for wanted in scenario.household:
            home = homes[wanted.number - 1]
            homes[wanted.number - 1] = arrange(home, site, wanted, random)
    midnight, first_day = evening - 18 * HOUR, _first_day(has_history)
    stream: Callable[..., Random] = partial(_stream, seed, site)
    return Community(
        seed=seed,
        site=site,
        evening=evening,
        has_history=has_history,
        homes=tuple(homes),
        buildings={home.building: _grid_of(site, place) for place, home in enumerate(homes)},
        plan=Plan(scenario, site, homes, midnight, first_day, stream),
    )


def _first_day(has_history: bool) -> int:
    return -HISTORY_DAYS if has_history else 0


def _stream(seed: int, site: Site, *what: object) -> Random:
    return Random(f"{site.prefix}{seed}/{'/'.join(map(str, what))}")  # noqa: S311 - repeatable


def _grid_of(site: Site, place: int) -> str:
    """Return a household's grid: the patch of one worker."""
    return f"{site.id}-{place // (FLATS_A_BUILDING * BUILDINGS_A_GRID) + 1}"
