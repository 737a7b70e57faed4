"""What happens to whom in one community: what its scenario says, and what comes by chance.

The messages and the ground truth are both made from this, so they cannot disagree. Chance is drawn
for each day by itself: days may be asked for in any order, and always answer the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from devices.clock import DAY, HOUR, SECOND, parse_rfc3339
from devices.registry import HouseholdState
from devices.simulator.chance import (
    DAYS_REMEMBERED,
    Chance,
    Failure,
    Illness,
    L,
    Stay,
    Stream,
    some,
)
from devices.simulator.happening import (
    Away,
    BatteryDies,
    ClockDrifts,
    Fever,
    GatewayFails,
    Happening,
    LivedIn,
    NotMeasured,
    PensionerSilent,
    Reading,
    Window,
)
from devices.simulator.home import Home, MeterKind
from devices.simulator.scenario import Scenario
from devices.simulator.site import Site

FOREVER = 1 << 62
"""The end of what lasts for good."""
FACTORY_TIME = parse_rfc3339("2020-01-01T00:00:07+08:00")
"""What a clock shows that has begun again and finds no time server."""
WINDOWS: tuple[Window, ...] = ("morning", "afternoon")

_DRIFT_S_A_DAY = 60.0
"""At most; assumed. A crystal of 20 ppm is off by 1.7 s a day, one without correction by more."""


@dataclass(frozen=True, slots=True)
class ClockFault:
    """From when on a clock is wrong; ``gain`` is of each millisecond, None for a reset."""

    device: str
    begins: int
    gain: float | None


T = TypeVar("T")


class Plan:
    """What happens to whom. Days count from the scenario's day 0, times are milliseconds UTC."""

    def __init__(
        self,
        scenario: Scenario,
        site: Site,
        homes: Sequence[Home],
        midnight: int,
        first_day: int,
        stream: Stream,
    ) -> None:
        self.scenario = scenario
        self.homes = homes
        self._midnight = midnight
        self._first_day = first_day
        self._stream = stream
        is_told = site.number == 0
        self._told = scenario.happens if is_told else ()
        self.named: dict[str, Home] = (
            {one.name: homes[one.number - 1] for one in scenario.household} if is_told else {}
        )
        self._living = [home for home in homes if home.state is HouseholdState.OCCUPIED]
        self._free = self._unnamed(self._living)
        gateways = {home.meter.gateway for home in homes if home.meter.gateway}
        self._chance = Chance(scenario.shares, self._free, gateways, midnight, first_day, stream)
        self.clock_faults = self._find_clock_faults(site)
        self.deaths = self._find_deaths()
        self.settlers = self._find_settlers()
        self.silences = {
            stay.home.id: stay
            for stay in (self._stay(one, one.lasts_days) for one in self._all(PensionerSilent))
        }
        self._exact = {
            (self.named[one.household].id, one.day): one.readings for one in self._all(Fever)
        }
        self._unmeasured = {
            (one.day, one.window): self._find_unmeasured(one) for one in self._all(NotMeasured)
        }
        self.ill = lru_cache(DAYS_REMEMBERED)(self._ill)
        self.away = lru_cache(DAYS_REMEMBERED)(self._away)
        self.failing = lru_cache(DAYS_REMEMBERED)(self._failing)

    @property
    def told(self) -> tuple[Happening, ...]:
        """What the scenario tells of this community: all of it in the first, nothing elsewhere."""
        return self._told

    def _ill(self, day: int) -> Mapping[str, Illness]:
        """Return who is ill at some time of a day, by the person's id."""
        chance = self._chance.fevers(day)
        told = [self._told_fever(one) for one in self._all(Fever)]
        return {one.person.id: one for one in self._of_day(day, (*chance, *told))}

    def _away(self, day: int) -> Mapping[str, Stay]:
        """Return which households nobody is in at some time of a day, unregistered, by id."""
        chance = self._chance.absences(day)
        told = [self._stay(one, one.lasts_days) for one in self._all(Away)]
        return {one.home.id: one for one in self._of_day(day, (*chance, *told))}

    def _failing(self, day: int) -> Mapping[str, tuple[Failure, ...]]:
        """Return the failures of gateways that touch a day, by gateway."""
        found: dict[str, tuple[Failure, ...]] = {}
        told = [self._told_failure(one) for one in self._all(GatewayFails)]
        for one in self._of_day(day, (*self._chance.failures(day), *told)):
            found[one.gateway] = (*found.get(one.gateway, ()), one)
        return found

    def absences(self, home: Home, day: int) -> tuple[Stay, ...]:
        """Return when, on a day, nobody moves in a household that is registered occupied."""
        away, silence = self.away(day).get(home.id), self.silences.get(home.id)
        return tuple(stay for stay in (away, silence) if stay is not None)

    def is_at_home(self, home: Home, at: int) -> bool:
        """Return whether somebody may be in a household that is registered occupied."""
        day = (at - self._midnight) // DAY
        return not any(stay.begins <= at < stay.ends for stay in self.absences(home, day))

    def is_lived_in(self, home: Home, day: int) -> bool:
        """Return whether somebody lives where nobody is registered."""
        at = self.midnight(day)
        return any(stay.begins <= at < stay.ends for stay in self.settlers.get(home.id, ()))

    def is_failing(self, gateway: str | None, at: int) -> bool:
        """Return whether what speaks through a gateway is lost."""
        failures = self.failing((at - self._midnight) // DAY)
        return any(one.begins <= at < one.ends for one in failures.get(gateway or "", ()))

    def shown_by(self, device: str, at: int) -> int:
        """Return what a device's clock shows, as it would be in milliseconds UTC."""
        fault = self.clock_faults.get(device)
        if fault is None or at < fault.begins:
            return at
        passed = at - fault.begins
        return FACTORY_TIME + passed if fault.gain is None else at + round(passed * fault.gain)

    def exact_readings(self, home: Home, day: int) -> tuple[Reading, ...]:
        """Return what a household's thermometer says on a day because the scenario says so."""
        return self._exact.get((home.id, day), ())

    def not_measuring(self, day: int, window: Window) -> frozenset[str] | None:
        """Return the only households that do not measure in half a day, or None for the usual."""
        return self._unmeasured.get((day, window))

    def midnight(self, day: int) -> int:
        """Return when a day begins."""
        return self._midnight + day * DAY

    def _all(self, kind: type[T]) -> Iterator[T]:
        return (one for one in self._told if isinstance(one, kind))

    def _of_day(self, day: int, some: Iterable[L]) -> Iterator[L]:
        begin, end = self.midnight(day), self.midnight(day + 1)
        return (one for one in some if one.begins < end and begin < one.ends)

    def _told_fever(self, one: Fever) -> Illness:
        home = self.named[one.household]
        stay = self._stay(one, one.lasts_days)
        person = home.people[one.resident - 1]
        return Illness(home, person, stay.begins, stay.ends, one.peak_celsius)

    def _told_failure(self, one: GatewayFails) -> Failure:
        begins = self.midnight(one.day) + one.first
        gateway = self.named[one.household].meter.gateway
        return Failure(gateway or "", begins, begins + round(one.hours * HOUR))

    def _stay(self, one: Fever | Away | LivedIn | PensionerSilent, days: float | None) -> Stay:
        begins = self.midnight(one.day) + one.first
        ends = FOREVER if days is None else begins + round(days * DAY)
        return Stay(self.named[one.household], begins, ends)

    def _find_unmeasured(self, one: NotMeasured) -> frozenset[str]:
        homes = [home.id for home in self._living if home.thermometer]
        stream = self._stream("not measured", one.day, one.window)
        return frozenset(stream.sample(homes, min(one.households, len(homes))))

    def _find_settlers(self) -> dict[str, tuple[Stay, ...]]:
        """Return who lives where nobody is registered, as told and by chance, by household."""
        found: dict[str, tuple[Stay, ...]] = {}
        for one in self._all(LivedIn):
            stay = self._stay(one, one.lasts_days)
            found[stay.home.id] = (*found.get(stay.home.id, ()), stay)
        empty = [home for home in self.homes if home.state is HouseholdState.EMPTY]
        stream, begins = self._stream("settlers"), self.midnight(self._first_day)
        for home in some(self._unnamed(empty), self.scenario.shares.lived_in, stream):
            found[home.id] = (Stay(home, begins, FOREVER),)
        return found

    def _unnamed(self, homes: Iterable[Home]) -> list[Home]:
        """Return the homes that the scenario does not need as they are."""
        named = {home.id for home in self.named.values()}
        return [home for home in homes if home.id not in named]

    def _find_clock_faults(self, site: Site) -> dict[str, ClockFault]:
        stream, begins = self._stream("clocks"), self.midnight(0)
        share = self.scenario.shares.drifting_clocks
        clocks = [home.meter.id for home in self.homes if home.meter.kind is MeterKind.TASMOTA]
        faults = {
            meter: ClockFault(
                meter, begins, _drift(stream.uniform(-_DRIFT_S_A_DAY, _DRIFT_S_A_DAY))
            )
            for meter in some(clocks, share, stream)
        }
        for one in self._all(ClockDrifts):
            device = self.named[one.household].meter.id if one.household else site.huaan
            if one.gate == "north-gate":
                device = site.face_terminal
            gain = None if one.resets else _drift(one.seconds_a_day)
            faults[device] = ClockFault(device, self.midnight(one.day) + one.first, gain)
        return faults

    def _find_deaths(self) -> dict[str, int]:
        """Return when batteries die, by device."""
        stream, share = self._stream("batteries"), self.scenario.shares.low_batteries
        measuring = [home for home in self._free if home.thermometer]
        deaths = {
            home.thermometer or "": self.midnight(2) + round(stream.uniform(0, 12) * HOUR)
            for home in some(measuring, share, stream)
        }
        for one in self._all(BatteryDies):
            home = self.named[one.household]
            sensor = home.room_sensor.id if home.room_sensor else ""
            device = sensor if one.device == "room_sensor" else home.thermometer or ""
            deaths[device] = self.midnight(one.day) + one.first
        return deaths


def _drift(seconds_a_day: float) -> float:
    return seconds_a_day * SECOND / DAY
