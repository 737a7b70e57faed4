"""Electricity meters: cumulative energy that follows each home's load.

The history is thinned: every two hours is enough for base loads, each hour where nobody should
live or silence is noticed sooner, each half-hour where somebody does live unregistered. Shelly
meters have none: they were fitted on the evening. From then on each reports as such meters do.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate

from devices.clock import DAY, HOUR, MINUTE
from devices.registry import HouseholdState
from devices.simulator import wire
from devices.simulator.community import ZONE, Community, Home, MeterKind
from devices.simulator.event import Event, local, publish
from devices.simulator.load import half_hours
from devices.simulator.stories import TURNING_METER, is_lived_in

HALF_HOUR = 30 * MINUTE
_LIVE = {MeterKind.DLT645: 15 * MINUTE, MeterKind.SHELLY: 5 * MINUTE, MeterKind.TASMOTA: 5 * MINUTE}
_WRONG_CLOCK = datetime(2020, 1, 1, 0, 0, 7, tzinfo=ZONE)
"""What one Tasmota shows from the evening on: it restarted and finds no time server."""


class Meters:
    """Every meter's counter, moved forward a day at a time."""

    def __init__(self, community: Community, day: int) -> None:
        self._community = community
        self._day = community.first_day
        self._energy_wh = [home.meter.start_wh for home in community.homes]
        self._wrong_clock = _home_with_wrong_clock(community)
        self._reports_live = _schedule(community, _live_interval)
        self._reports_thinned = _schedule(community, _thinned_interval)
        while self._day < day:
            self._advance([half_hour_means(community, home, self._day) for home in community.homes])

    def next_day(self) -> Iterator[Event]:
        """Yield a day's reports by time; the next call is the next day's."""
        homes, midnight = self._community.homes, self._community.midnight(self._day)
        means = [half_hour_means(self._community, home, self._day) for home in homes]
        counted = [
            list(accumulate((watts / 2 for watts in day), initial=start))
            for day, start in zip(means, self._energy_wh, strict=True)
        ]
        alive_at = self._community.alive_at - midnight
        reports = [report for report in self._reports_thinned if report[0] < alive_at]
        reports += [report for report in self._reports_live if report[0] >= alive_at]
        self._advance(means)
        for offset, place in reports:
            slot, rest = divmod(offset, HALF_HOUR)
            watts = means[place][slot]
            energy_wh = counted[place][slot] + watts * rest / HOUR
            yield from self._report(homes[place], midnight + offset, watts, energy_wh)

    def _advance(self, means: Sequence[Sequence[float]]) -> None:
        for place, day in enumerate(means):
            self._energy_wh[place] += sum(day) / 2
        self._day += 1

    def _report(self, home: Home, at: int, watts: float, energy_wh: float) -> Iterator[Event]:
        meter = home.meter
        if meter.kind is MeterKind.DLT645:
            yield publish(at, wire.dlt645(meter.gateway or "", meter.id, energy_wh))
        elif meter.kind is MeterKind.SHELLY:
            yield publish(at, wire.shelly_power(meter.id, watts))
            yield publish(at, wire.shelly_total(meter.id, energy_wh))
        else:
            is_wrong = home is self._wrong_clock and at >= self._community.evening
            moment = _WRONG_CLOCK if is_wrong else local(at)
            yield publish(at, wire.tasmota(meter.id, moment, watts, energy_wh))


def half_hour_means(community: Community, home: Home, day: int) -> Sequence[float]:
    """Return what a home takes on a day, in watts by half-hour."""
    habit = community.random("load", home.id)
    random = community.random("load", home.id, day)
    watts = list(half_hours(home.state, len(home.people), habit, random))
    if home is community.lived_in and is_lived_in(day):
        for slot, more in TURNING_METER.items():
            watts[slot] += more
    return watts


def _home_with_wrong_clock(community: Community) -> Home | None:
    tasmotas = (home for home in community.homes if home.meter.kind is MeterKind.TASMOTA)
    return next((home for home in tasmotas if home is not community.lived_in), None)


def _live_interval(_community: Community, home: Home) -> int | None:
    return _LIVE[home.meter.kind]


def _thinned_interval(community: Community, home: Home) -> int | None:
    if home.meter.kind is MeterKind.SHELLY:
        return None
    if home is community.lived_in:
        return HALF_HOUR
    is_fine = home.state is HouseholdState.EMPTY or home.meter.kind is MeterKind.TASMOTA
    return HOUR if is_fine else 2 * HOUR


def _schedule(
    community: Community, interval_of: Callable[[Community, Home], int | None]
) -> list[tuple[int, int]]:
    """Return when each home's meter reports: (milliseconds after midnight, place in homes)."""
    reports = []
    for place, home in enumerate(community.homes):
        interval = interval_of(community, home)
        if interval is not None:
            first = int(home.meter.phase * interval)
            reports += [(offset, place) for offset in range(first, DAY, interval)]
    return sorted(reports)
