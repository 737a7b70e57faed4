"""Electricity meters: cumulative energy that follows each home's load.

The history is thinned: every two hours is enough for base loads, each hour where nobody should
live or silence is noticed sooner, each half-hour where somebody does live unregistered. Shelly
meters have none: they were fitted on the evening. From then on each reports as such meters do;
one that sends over wireless M-Bus is passed on once a day, always.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate

from devices.clock import DAY, HOUR, MINUTE
from devices.registry import HouseholdState
from devices.simulator import wire
from devices.simulator.community import Community
from devices.simulator.event import Event, local, publish
from devices.simulator.home import Home, Meter, MeterKind
from devices.simulator.load import (
    HALF_HOUR,
    HALF_HOURS,
    DayLoad,
    empty_day,
    home_day,
    lived_in_day,
)
from devices.simulator.weather import outside
from devices.simulator.wire import Wire

_LIVE = {
    MeterKind.DLT645: 15 * MINUTE,
    MeterKind.SHELLY: 5 * MINUTE,
    MeterKind.TASMOTA: 5 * MINUTE,
    MeterKind.WMBUS: DAY,
}
_WMBUS_SIGNAL = -77
_HOMES = 1 << 20
"""More than a community has."""


class Meters:
    """Every meter's counter, moved forward a day at a time."""

    def __init__(self, community: Community, day: int) -> None:
        self._community = community
        self._day = community.first_day
        self._energy_wh = [home.meter.start_wh for home in community.homes]
        self._reports_live = _schedule(community, _live_interval)
        self._reports_thinned = _schedule(community, _thinned_interval)
        while self._day < day:
            self._advance([day_load(community, home, self._day) for home in community.homes])

    def next_day(self) -> Iterator[Event]:
        """Yield a day's reports by time; the next call is the next day's."""
        homes, midnight = self._community.homes, self._community.midnight(self._day)
        loads = [day_load(self._community, home, self._day) for home in homes]
        counted = [
            array("d", accumulate((watts / 2 for watts in load.means), initial=start))
            for load, start in zip(loads, self._energy_wh, strict=True)
        ]
        alive_at = self._community.alive_at - midnight
        reports = self._reports_live
        if alive_at > 0:
            reports = self._reports_thinned[: bisect_left(self._reports_thinned, alive_at * _HOMES)]
            reports += self._reports_live[bisect_left(self._reports_live, alive_at * _HOMES) :]
        is_failing = self._community.plan.is_failing
        has_failures = bool(self._community.plan.failing(self._day))
        self._advance(loads)
        for report in reports:
            offset, place = divmod(report, _HOMES)
            home, at = homes[place], midnight + offset
            if has_failures and is_failing(home.meter.gateway, at):
                continue
            slot, rest = divmod(offset, HALF_HOUR)
            if home.meter.kind is MeterKind.DLT645:  # Most of them, and too coarse for a cycle.
                energy_wh = counted[place][slot] + loads[place].means[slot] * rest / HOUR
                yield publish(at, wire.dlt645(home.meter.gateway or "", home.meter.id, energy_wh))
            else:
                watts, more_wh = loads[place].within(slot, rest)
                for told in self._reports(home.meter, at, watts, counted[place][slot] + more_wh):
                    yield publish(at, told)

    def _advance(self, loads: Sequence[DayLoad]) -> None:
        for place, load in enumerate(loads):
            self._energy_wh[place] += sum(load.means) / 2
        self._day += 1

    def _reports(self, meter: Meter, at: int, watts: float, energy_wh: float) -> Sequence[Wire]:
        match meter.kind:
            case MeterKind.SHELLY:
                total = wire.shelly_total(meter.id, energy_wh)
                return wire.shelly_power(meter.id, watts), total
            case MeterKind.TASMOTA:
                moment = local(self._community.plan.shown_by(meter.id, at))
                return (wire.tasmota(meter.id, moment, watts, energy_wh),)
            case MeterKind.WMBUS:
                return (wire.wmbus_meter(meter.id, at, energy_wh, _WMBUS_SIGNAL),)
            case MeterKind.DLT645:
                return (wire.dlt645(meter.gateway or "", meter.id, energy_wh),)


def day_load(community: Community, home: Home, day: int) -> DayLoad:
    """Return what a home takes on a day."""
    habit = community.random("load", home.id)
    random = community.random("load", home.id, day)
    plan = community.plan
    if home.state is HouseholdState.EMPTY:
        of_day = lived_in_day if plan.is_lived_in(home, day) else empty_day
        return of_day(habit, random)
    if home.state is HouseholdState.AWAY:
        empty: Sequence[int] = range(HALF_HOURS)
    else:
        begins, absences = community.midnight(day), plan.absences(home, day)
        empty = [
            slot
            for slot in (range(HALF_HOURS) if absences else ())
            if any(stay.begins <= begins + slot * HALF_HOUR < stay.ends for stay in absences)
        ]
    return home_day(
        len(home.people),
        habit,
        random,
        is_old=home.is_lone_elderly,
        outside=partial(outside, community.scenario.weather),
        empty=empty,
    )


def _live_interval(_community: Community, home: Home) -> int | None:
    return _LIVE[home.meter.kind]


def _thinned_interval(community: Community, home: Home) -> int | None:
    if home.meter.kind is MeterKind.SHELLY:
        return None
    if home.meter.kind is MeterKind.WMBUS:
        return DAY
    if home.id in community.plan.settlers:
        return HALF_HOUR
    is_fine = home.state is HouseholdState.EMPTY or home.meter.kind is MeterKind.TASMOTA
    return HOUR if is_fine else 2 * HOUR


def _schedule(
    community: Community, interval_of: Callable[[Community, Home], int | None]
) -> "array[int]":
    """Return when each home's meter reports, by time, in a number each; a city has millions.

    Milliseconds after midnight times :data:`_HOMES`, and the home's place.
    """
    reports: list[int] = []
    for place, home in enumerate(community.homes):
        interval = interval_of(community, home)
        if interval is not None:
            first = int(home.meter.phase * interval)
            reports += [offset * _HOMES + place for offset in range(first, DAY, interval)]
    return array("q", sorted(reports))
