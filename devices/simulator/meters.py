"""Electricity meters: cumulative energy that follows each home's load.

The history is thinned: every two hours is enough for base loads, each hour where nobody should
live or silence is noticed sooner, each half-hour where somebody does live unregistered. Shelly
meters have none: they were fitted on the evening. From then on each reports as such meters do;
one that sends over wireless M-Bus is passed on once a day, always.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate

from devices.clock import DAY, HOUR, MINUTE
from devices.registry import HouseholdState
from devices.simulator import wire
from devices.simulator.community import Community
from devices.simulator.event import Event, local, publish
from devices.simulator.home import Home, MeterKind
from devices.simulator.load import HALF_HOUR, DayLoad, empty_day, home_day, lived_in_day
from devices.simulator.weather import outside

_LIVE = {
    MeterKind.DLT645: 15 * MINUTE,
    MeterKind.SHELLY: 5 * MINUTE,
    MeterKind.TASMOTA: 5 * MINUTE,
    MeterKind.WMBUS: DAY,
}
_WMBUS_SIGNAL = -77


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
            list(accumulate((watts / 2 for watts in load.means), initial=start))
            for load, start in zip(loads, self._energy_wh, strict=True)
        ]
        alive_at = self._community.alive_at - midnight
        reports = [report for report in self._reports_thinned if report[0] < alive_at]
        reports += [report for report in self._reports_live if report[0] >= alive_at]
        is_failing = self._community.plan.is_failing
        has_failures = bool(self._community.plan.failing(self._day))
        self._advance(loads)
        for offset, place in reports:
            home, at = homes[place], midnight + offset
            if has_failures and is_failing(home.meter.gateway, at):
                continue
            slot, rest = divmod(offset, HALF_HOUR)
            watts, energy_wh = loads[place].within(slot, rest)
            yield from self._report(home, at, watts, counted[place][slot] + energy_wh)

    def _advance(self, loads: Sequence[DayLoad]) -> None:
        for place, load in enumerate(loads):
            self._energy_wh[place] += sum(load.means) / 2
        self._day += 1

    def _report(self, home: Home, at: int, watts: float, energy_wh: float) -> Iterator[Event]:
        meter = home.meter
        match meter.kind:
            case MeterKind.DLT645:
                yield publish(at, wire.dlt645(meter.gateway or "", meter.id, energy_wh))
            case MeterKind.SHELLY:
                yield publish(at, wire.shelly_power(meter.id, watts))
                yield publish(at, wire.shelly_total(meter.id, energy_wh))
            case MeterKind.TASMOTA:
                moment = local(self._community.plan.shown_by(meter.id, at))
                yield publish(at, wire.tasmota(meter.id, moment, watts, energy_wh))
            case MeterKind.WMBUS:
                yield publish(at, wire.wmbus_meter(meter.id, at, energy_wh, _WMBUS_SIGNAL))


def day_load(community: Community, home: Home, day: int) -> DayLoad:
    """Return what a home takes on a day."""
    habit = community.random("load", home.id)
    random = community.random("load", home.id, day)
    plan = community.plan
    if home.state is HouseholdState.EMPTY:
        of_day = lived_in_day if plan.is_lived_in(home, day) else empty_day
        return of_day(habit, random)
    if home.state is HouseholdState.AWAY:
        return home_day(
            len(home.people), habit, random, outside=_mild, is_at_home=lambda _slot: False
        )
    midnight = community.midnight(day)
    absences = plan.absences(home, day)
    return home_day(
        len(home.people),
        habit,
        random,
        is_old=home.is_lone_elderly,
        outside=partial(outside, community.scenario.weather),
        is_at_home=lambda slot: (
            not any(stay.begins <= midnight + slot * HALF_HOUR < stay.ends for stay in absences)
        ),
    )


def _mild(_hour: float) -> float:
    return 20.0


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
) -> list[tuple[int, int]]:
    """Return when each home's meter reports: (milliseconds after midnight, place in homes)."""
    reports = []
    for place, home in enumerate(community.homes):
        interval = interval_of(community, home)
        if interval is not None:
            first = int(home.meter.phase * interval)
            reports += [(offset, place) for offset in range(first, DAY, interval)]
    return sorted(reports)
