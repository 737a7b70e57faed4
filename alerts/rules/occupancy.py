"""Registered empty but lived in: what the electricity meter says of a flat nobody should be in.

Only consumption that was measured is evidence. A meter that says nothing is neither proof nor
silence, and one half-hour is about 80 % right: nobody is sent for less than four of them.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from alerts.finding import Action, Finding, IncidentKind
from alerts.rule import Attribution, Context, Evidence, Step
from alerts.rules.half_hours import (
    COARSE,
    HALF_HOUR,
    SLOTS,
    UNKNOWN,
    Channel,
    add_counter,
    add_power,
    total,
)
from alerts.rules.where import locate
from alerts.thresholds import OccupancyThresholds
from devices.clock import HOUR, SECOND
from devices.observation import Electricity, Observation, TimeSource
from devices.registry import HouseholdState, PlaceKind, Registry

CHANNELS = 12
"""Channels followed in a flat: three phases of a few meters."""
KEPT_DAYS = 8
_SLOTS_A_DAY = 48
_BACKLOG = TimeSource.BACKLOG
"""Looked up once: it is compared with for every reading of every meter."""


class OccupancyState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What the next meter reading of an empty flat is judged with.

    Attributes:
        channels: Its meters' channels.
        newest: The half-hour of the newest reading; those before it are complete.
        lived_in: The last local days with a life's consumption, as proleptic ordinals.
        is_open: Whether an incident is open, as far as the rule has heard.
        pages: False where that is only a watch.
        closed_at: When a person closed the last one; days until then belong to it.
    """

    channels: tuple[Channel, ...] = ()
    newest: int = 0
    lived_in: tuple[int, ...] = ()
    is_open: bool = False
    pages: bool = False
    closed_at: int = 0


class Day(msgspec.Struct, frozen=True):
    """What a local day's half-hours say: its ordinal, and why somebody seems to live there."""

    ordinal: int
    ends: int
    base_w: float
    active_half_hours: int
    kwh: float
    is_lived_in: bool


class Occupancy:
    """A flat that is registered empty uses electricity as if somebody lived there.

    An active half-hour uses more than twice the base load and 50 W more than it; the base is the
    20th percentile of the half-hour means of 14 days (60 W until three are known). Four active
    half-hours in a local day are a watch, two such days within three an incident. Of a meter that
    is read once a day, a day counts that is 1 kWh above the base and not below 2 kWh, a fridge's.
    """

    name = "occupancy"
    title = "a flat registered empty is lived in"
    section = "occupancy"
    observes: tuple[type, ...] = (Electricity,)
    state = OccupancyState

    def keys(self, observation: Observation, context: Context) -> Sequence[str]:
        """Return the household, if it was registered empty when the meter said this."""
        if observation.time_source is _BACKLOG:
            return ()
        device_id, at = observation.device_id, observation.observed_at
        known: _Keys | None = context.memo.get(device_id)
        if known is None or not known[0] <= at < known[1]:
            known = context.memo[device_id] = _keys_of(device_id, at, context.registry)
        return known[2]

    def step(
        self, key: str, state: OccupancyState, evidence: Evidence, context: Context
    ) -> Step[OccupancyState]:
        """Take one meter reading, and judge the days whose complete half-hours it changed."""
        observation = evidence.observation
        place, thresholds = context.stand(observation.device_id, observation.observed_at)
        if place is None or not isinstance(observation, Electricity):
            return state, ()
        limits = thresholds.occupancy
        after, changed = _measure(state, observation, limits)
        if after is state:
            return state, ()
        findings: list[Finding] = []
        zone = context.registry.zone(place.site)
        where = locate(context.registry, place, observation.observed_at)
        for day in _days(after, changed, zone, limits):
            after, action = _live(after, day, observation, limits)
            if action is not None:
                findings.append(_find(key, action, after, day, evidence, where))
        return after, findings

    def seeds(
        self, devices: Sequence[str], context: Context, at: int
    ) -> Mapping[str, OccupancyState]:
        """Return nothing: every state begins with an input."""
        return {}

    def due(self, state: OccupancyState) -> int | None:
        """Return None: a meter's silence is no proof of anything."""
        return None

    def on_due(
        self, key: str, state: OccupancyState, at: int, context: Context
    ) -> Step[OccupancyState]:
        """Change nothing: nothing is ever due."""
        return state, ()

    def on_closed(self, state: OccupancyState, incident_key: str, at: int) -> OccupancyState:
        """Begin anew on the next day; a person has looked at this one."""
        return msgspec.structs.replace(state, is_open=False, pages=False, lived_in=(), closed_at=at)

    def on_attributed(
        self, key: str, state: OccupancyState, said: Attribution, context: Context
    ) -> Step[OccupancyState]:
        """Change nothing: no person's readings are judged here."""
        return state, ()

    def state_key(self, incident_key: str) -> str:
        """Return the same: a flat has one incident at a time."""
        return incident_key


_Keys = tuple[int, int, tuple[str, ...]]
"""From when and until when (milliseconds UTC, until excluded) a meter is of an empty flat."""


def _keys_of(device_id: str, at: int, registry: Registry) -> _Keys:
    since, until, place = registry.stay(device_id, at)
    if place is None or place.kind is not PlaceKind.HOUSEHOLD or place.household is None:
        return since, until, ()
    begins, ends, state = registry.household_stay(place.household, at)
    keys = (f"household:{place.household}",) if state is HouseholdState.EMPTY else ()
    return max(since, begins), min(until, ends), keys


def _measure(
    state: OccupancyState, observation: Electricity, limits: OccupancyThresholds
) -> tuple[OccupancyState, range]:
    """Return the state with one meter reading, and the complete half-hours it changed."""
    name = f"{observation.device_id}|{observation.channel}"
    known = {channel.name: channel for channel in state.channels}
    before = known.get(name) or Channel(name)
    if name not in known and len(known) >= CHANNELS:
        return state, range(0)
    at = observation.observed_at
    if observation.energy_wh is not None:
        channel, changed = add_counter(
            before,
            at,
            observation.energy_wh,
            coarse_after=limits.daily_from_hours * HOUR / SECOND,
            gap_after=limits.daily_to_hours * HOUR / SECOND,
        )
    elif observation.power_w is not None:
        channel, changed = add_power(before, at, observation.power_w)
    else:
        return state, range(0)
    newest = max(state.newest, at // HALF_HOUR)
    if channel is before and newest == state.newest:
        return state, range(0)
    known[name] = channel
    after = msgspec.structs.replace(state, channels=tuple(known.values()), newest=newest)
    completed = range(state.newest or newest, newest)
    spans = [span for span in (changed, completed) if span]
    if not spans:
        return after, range(0)
    first, last = min(span.start for span in spans), max(span.stop for span in spans)
    return after, range(max(first, newest - SLOTS), min(last, newest))


def _days(
    state: OccupancyState, changed: range, zone: ZoneInfo, limits: OccupancyThresholds
) -> list[Day]:
    """Return the local days that half-hours lie in, judged, if nothing is said of them yet."""
    if not changed:
        return []
    first, last = _local_day(changed.start, zone), _local_day(changed.stop - 1, zone)
    closed_day = _local_day(state.closed_at // HALF_HOUR, zone)
    return [
        _judge(state, date.fromordinal(ordinal), zone, limits)
        for ordinal in range(first, last + 1)
        if ordinal > closed_day and ordinal not in state.lived_in
    ]


def _judge(state: OccupancyState, day: date, zone: ZoneInfo, limits: OccupancyThresholds) -> Day:
    """Return what the complete half-hours of a local day say."""
    begins, ends = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
    base = _base(state, begins, limits)
    means = [total(state.channels, slot) for slot in range(begins, min(ends, state.newest))]
    known = [mean for mean in means if mean != UNKNOWN]
    active_from = max(limits.active_factor * base, base + limits.active_margin_w)
    active = sum(not mean & COARSE and mean > active_from for mean in known)
    kwh = sum(mean & ~COARSE for mean in known) / 2_000
    is_coarse = any(mean & COARSE for mean in known)
    usual_kwh = base * 24 / 1_000
    is_much = kwh >= max(usual_kwh + limits.daily_margin_kwh, limits.fridge_kwh)
    return Day(
        ordinal=day.toordinal(),
        ends=ends * HALF_HOUR,
        base_w=base,
        active_half_hours=active,
        kwh=round(kwh, 2),
        is_lived_in=active >= limits.active_half_hours or (is_coarse and is_much),
    )


def _base(state: OccupancyState, until: int, limits: OccupancyThresholds) -> float:
    """Return the base load in watts as known before a half-hour."""
    means = [
        mean & ~COARSE
        for slot in range(until - limits.base_days * _SLOTS_A_DAY, until)
        if (mean := total(state.channels, slot)) != UNKNOWN
    ]
    if len(means) < limits.base_needs_days * _SLOTS_A_DAY:
        return limits.base_default_w
    return float(sorted(means)[int(len(means) * limits.base_percentile / 100)])


def _live(
    state: OccupancyState, day: Day, observation: Electricity, limits: OccupancyThresholds
) -> tuple[OccupancyState, Action | None]:
    """Return the state after a judged day, and what it asks for."""
    if not day.is_lived_in:
        return state, None
    lived_in = tuple(sorted((*state.lived_in, day.ordinal)))[-KEPT_DAYS:]
    is_incident = any(
        sum(first <= each < first + limits.within_days for each in lived_in) >= limits.active_days
        for first in range(day.ordinal - limits.within_days + 1, day.ordinal + 1)
    )
    age = observation.received_at - min(day.ends, observation.observed_at)
    pages = is_incident and age <= limits.late_hours * HOUR
    is_more = not state.is_open or (pages and not state.pages)
    after = msgspec.structs.replace(
        state, lived_in=lived_in, is_open=True, pages=pages or (state.is_open and state.pages)
    )
    return after, Action.OPEN if is_more else Action.ATTACH


def _find(
    key: str,
    action: Action,
    state: OccupancyState,
    day: Day,
    evidence: Evidence,
    where: dict[str, Any],
) -> Finding:
    observation = evidence.observation
    return Finding(
        action=action,
        rule=Occupancy.name,
        key=key,
        kind=IncidentKind.EMPTY_FLAT,
        watch=not state.pages,
        observed_at=observation.observed_at,
        position=evidence.position,
        device_id=observation.device_id,
        late=evidence.is_late,
        evidence={
            "day": date.fromordinal(day.ordinal).isoformat(),
            "active_half_hours": day.active_half_hours,
            "kwh": day.kwh,
            "base_w": day.base_w,
            "days": [date.fromordinal(each).isoformat() for each in state.lived_in],
        },
        **where,
    )


def _local_day(slot: int, zone: ZoneInfo) -> int:
    return datetime.fromtimestamp(slot * HALF_HOUR // SECOND, zone).toordinal()


def _midnight(day: date, zone: ZoneInfo) -> int:
    """Return the half-hour that a local day begins with."""
    return round(datetime.combine(day, time(), zone).timestamp()) * SECOND // HALF_HOUR
