"""What comes by chance to one community: fevers, families that leave, gateways that fail.

Drawn for each day by itself, from a stream of its own; days may be asked for in any order.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Protocol, TypeVar

from devices.clock import DAY, HOUR
from devices.simulator.home import Home, Person
from devices.simulator.scenario import Shares

DAYS_REMEMBERED = 64
_FEVER_DAYS, _LONGEST_FEVER = (2.0, 6.0), 7
_PEAK, _PEAK_SPREAD, _PEAK_FROM, _PEAK_TO = 38.3, 0.5, 37.6, 40.0
"""Assumed: days and degrees Celsius of fevers that come by chance."""
_AWAY_DAYS, _LONGEST_ABSENCE = (1.5, 7.0), 8
"""Assumed."""
_FAILURE_HOURS = (1.0, 6.0)
"""Assumed."""

Stream = Callable[..., Random]
"""What gives a random stream of its own for a thing and a day."""


class Lasting(Protocol):
    """Something with a beginning and an end, in milliseconds UTC; the end is left out."""

    @property
    def begins(self) -> int: ...  # noqa: D102
    @property
    def ends(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Illness:
    """A fever with its course; ``peak_celsius`` is reached in the armpit on its afternoons."""

    home: Home
    person: Person
    begins: int
    ends: int
    peak_celsius: float


@dataclass(frozen=True, slots=True)
class Stay:
    """A time in which a household is otherwise than it is registered, or silent."""

    home: Home
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A time in which a gateway passes nothing on."""

    gateway: str
    begins: int
    ends: int


L = TypeVar("L", bound=Lasting)
T = TypeVar("T")


class Chance:
    """What begins by chance on which day. Nobody whom a scenario needs is touched.

    Args:
        shares: How often.
        homes: Those that are registered occupied and that it may happen to.
        gateways: Those that may fail.
        midnight: When day 0 begins; milliseconds UTC.
        first_day: Before it nothing begins.
        stream: Of the community.
    """

    def __init__(
        self,
        shares: Shares,
        homes: Sequence[Home],
        gateways: Iterable[str],
        midnight: int,
        first_day: int,
        stream: Stream,
    ) -> None:
        self._shares = shares
        self._homes = homes
        self._people = [(home, person) for home in homes for person in home.people]
        self._gateways = sorted(gateways)
        self._midnight = midnight
        self._first_day = first_day
        self._stream = stream
        self._fevers_of_day = lru_cache(DAYS_REMEMBERED)(self._fevers_of)
        self._absences_of_day = lru_cache(DAYS_REMEMBERED)(self._absences_of)

    def fevers(self, day: int) -> Iterator[Illness]:
        """Yield the fevers that may still be there on a day."""
        return self._since(day, _LONGEST_FEVER, self._new_fevers)

    def absences(self, day: int) -> Iterator[Stay]:
        """Yield the families that may still be away on a day."""
        return self._since(day, _LONGEST_ABSENCE, self._new_absences)

    def failures(self, day: int) -> Iterator[Failure]:
        """Yield the failures of gateways that may still last on a day."""
        return self._since(day, 1, self._failures_of)

    def _since(self, day: int, longest: int, begun_on: Callable[[int], Iterable[L]]) -> Iterator[L]:
        """Yield what began by chance on a day or on the days before it that may still matter."""
        for before in range(max(self._first_day, day - longest), day + 1):
            yield from begun_on(before)

    def _new_fevers(self, day: int) -> list[Illness]:
        """Return who falls ill on a day, of those who have not just been ill."""
        before = self._since(day - 1, _LONGEST_FEVER - 1, self._fevers_of_day)
        recent = {one.person.id for one in before}
        return [one for one in self._fevers_of_day(day) if one.person.id not in recent]

    def _new_absences(self, day: int) -> list[Stay]:
        """Return who leaves on a day, of those who have not just left."""
        before = self._since(day - 1, _LONGEST_ABSENCE - 1, self._absences_of_day)
        recent = {one.home.id for one in before}
        return [one for one in self._absences_of_day(day) if one.home.id not in recent]

    def _fevers_of(self, day: int) -> list[Illness]:
        stream, chance = self._stream("fevers", day), self._shares.fevers_per_1000_days
        found = []
        for home, person in some(self._people, chance / 1_000, stream):
            begins = self._begin(day) + round(stream.uniform(0, DAY))
            ends = begins + round(stream.uniform(*_FEVER_DAYS) * DAY)
            peak = min(max(stream.gauss(_PEAK, _PEAK_SPREAD), _PEAK_FROM), _PEAK_TO)
            found.append(Illness(home, person, begins, ends, round(peak, 1)))
        return found

    def _absences_of(self, day: int) -> list[Stay]:
        stream, chance = self._stream("leaving", day), self._shares.leaving_per_1000_days
        found = []
        for home in some(self._homes, chance / 1_000, stream):
            begins = self._begin(day) + round(stream.uniform(8, 18) * HOUR)
            found.append(Stay(home, begins, begins + round(stream.uniform(*_AWAY_DAYS) * DAY)))
        return found

    def _failures_of(self, day: int) -> list[Failure]:
        stream = self._stream("gateways", day)
        found = []
        for gateway in some(self._gateways, self._shares.gateway_failures_a_day, stream):
            begins = self._begin(day) + round(stream.uniform(0, DAY))
            hours = stream.uniform(*_FAILURE_HOURS)
            found.append(Failure(gateway, begins, begins + round(hours * HOUR)))
        return found

    def _begin(self, day: int) -> int:
        return self._midnight + day * DAY


def some(all_of_them: Sequence[T], chance: float, stream: Random) -> Iterator[T]:
    """Yield each with a chance, drawing about as many numbers as there are chosen ones."""
    if chance <= 0:
        return
    place = -1
    while True:
        skipped = math.log(1 - stream.random()) / math.log(1 - chance) if chance < 1 else 0.0
        place += 1 + int(min(skipped, len(all_of_them)))
        if place >= len(all_of_them):
            return
        yield all_of_them[place]
