"""The truth beside the messages: who was ill, away or out, who lived where, which device lied.

Made from the same plan as the messages, and written as JSON lines, one fact each. A fact that
began before the stretch of time asked for stands in it if it still lasts.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from devices.clock import DAY, HOUR, rfc3339
from devices.observation import Direction
from devices.registry import HouseholdState
from devices.simulator import faults, gates
from devices.simulator.chance import Illness
from devices.simulator.community import Community
from devices.simulator.happening import (
    IsolationLeft,
    NotMeasured,
    Stranger,
    ThermometerGun,
    Trip,
    UnknownTerminal,
)
from devices.simulator.measuring import FEVER
from devices.simulator.plan import FOREVER, WINDOWS
from devices.simulator.scripted import UNKNOWN_SERIAL, act
from devices.simulator.site import Site


class TruthKind(StrEnum):
    """What a fact is about."""

    ILL = "ill"
    """A resident has a fever, with its highest temperature in the armpit."""
    AWAY = "away"
    """Nobody of a household is there; ``registered`` says whether the register knows."""
    LIVES_UNREGISTERED = "lives_unregistered"
    """Somebody lives in a household that is registered empty."""
    SILENT = "silent"
    """Somebody who lives alone does nothing any more."""
    NOT_MEASURED = "not_measured"
    """A household measured nobody in half a day in which all others did."""
    OUT = "out"
    """A resident is out, through a gate; ``approved`` where a scenario tells it."""
    ISOLATION_LEFT = "isolation_left"
    """A resident in home isolation is out without leave."""
    MISTAKEN = "mistaken"
    """A terminal took a resident for another, ``taken_for``."""
    REFUSED = "refused"
    """A terminal refused a resident at first."""
    STRANGER = "stranger"
    """Somebody stood at a gate whom nobody knows, ``count`` times."""
    FEVER_AT_CHECKPOINT = "fever_at_checkpoint"
    """The guard measured a fever; nobody knows whose."""
    DEVICE_BROKEN = "device_broken"
    """``what`` of a device is broken: gateway, clock or battery."""
    UNKNOWN_DEVICE = "unknown_device"
    """A device that nobody registered sent ``count`` messages that no profile understands."""
    GARBAGE = "garbage"
    """So many messages of a topic on a day are meant to be dead letters."""
    RESENT = "resent"
    """So many messages of a device on a day are sent twice."""


class Truth(msgspec.Struct, frozen=True, omit_defaults=True):
    """A fact; what it does not need is left out.

    Attributes:
        kind: What it is about.
        site: The compound.
        since: From when on; milliseconds UTC, as RFC 3339 in the file.
        until: Till when, left out of it; None for good, and equal to ``since`` for an instant.
        household, resident, device, gate, topic: Of what, by the registry's ids.
        registered, approved, taken_for, peak_celsius, what, count: As the kind says.
    """

    kind: TruthKind
    site: str
    since: int
    until: int | None = None
    household: str | None = None
    resident: str | None = None
    device: str | None = None
    gate: str | None = None
    topic: str | None = None
    registered: bool | None = None
    approved: bool | None = None
    taken_for: str | None = None
    peak_celsius: float | None = None
    what: str | None = None
    count: int | None = None


def write_truth(path: Path, communities: Iterable[Community], since: int, until: int) -> int:
    """Write what is true of a stretch of time as JSON lines; return how many.

    Args:
        path: A new file, or one to write over; readable by its owner only.
        communities: Those that are simulated; one at a time is held.
        since: Where the stretch begins; milliseconds UTC.
        until: Where it ends, left out of it.

    Raises:
        OSError: The file cannot be written.
    """
    written = 0
    path.touch(mode=0o600)
    with path.open("wb") as file:
        for community in communities:
            for fact in truth(community, since, until):
                file.write(encode(fact) + b"\n")
                written += 1
    return written


def encode(fact: Truth) -> bytes:
    """Return a fact as one line of JSON; names, phones and flats are never in it."""
    document = msgspec.to_builtins(fact)
    document["since"] = rfc3339(fact.since)
    if fact.until is not None:
        document["until"] = rfc3339(fact.until)
    return msgspec.json.encode(document)


def truth(community: Community, since: int, until: int) -> Iterator[Truth]:
    """Yield what is true of a stretch of time: what lasts first, then day by day."""

    def touches(fact: Truth) -> bool:
        return fact.since < until and (
            fact.until is None or fact.until > since or fact.since >= since
        )

    yield from filter(touches, _lasting(community))
    yield from filter(touches, _told(community))
    first, last = community.day_of(since), community.day_of(until - 1)
    for day in range(max(first, community.first_day), last + 1):
        begins = community.midnight(day)
        begun = (
            fact for fact in _by_chance(community, day) if day == first or fact.since >= begins
        )
        yield from filter(touches, begun)
    for day in range(max(first - 1, community.first_day), last + 1):
        yield from filter(touches, _of_day(community, day))


def _end(at: int) -> int | None:
    return None if at >= FOREVER else at


def _lasting(community: Community) -> Iterator[Truth]:
    """Yield what does not come and go."""
    site, plan = community.site.id, community.plan
    for home in community.homes:
        if home.state is HouseholdState.AWAY:
            begins = community.begins
            yield Truth(TruthKind.AWAY, site, begins, household=home.id, registered=True)
        for stay in plan.settlers.get(home.id, ()):
            kind, ends = TruthKind.LIVES_UNREGISTERED, _end(stay.ends)
            yield Truth(kind, site, stay.begins, ends, household=home.id)
        silence = plan.silences.get(home.id)
        if silence is not None:
            kind, ends, who = TruthKind.SILENT, _end(silence.ends), home.people[0].id
            yield Truth(kind, site, silence.begins, ends, household=home.id, resident=who)
    for fault in plan.clock_faults.values():
        kind = TruthKind.DEVICE_BROKEN
        yield Truth(kind, site, fault.begins, device=fault.device, what="clock")
    for device, at in plan.deaths.items():
        yield Truth(TruthKind.DEVICE_BROKEN, site, at, device=device, what="battery")


def _by_chance(community: Community, day: int) -> Iterator[Truth]:
    """Yield what comes and goes over days, and touches this one."""
    site, plan = community.site.id, community.plan
    for illness in plan.ill(day).values():
        yield _ill(site, illness)
    for stay in plan.away(day).values():
        kind, ends = TruthKind.AWAY, _end(stay.ends)
        yield Truth(kind, site, stay.begins, ends, household=stay.home.id, registered=False)
    for failures in plan.failing(day).values():
        for one in failures:
            kind, device = TruthKind.DEVICE_BROKEN, one.gateway
            yield Truth(kind, site, one.begins, one.ends, device=device, what="gateway")


def _ill(site: str, illness: Illness) -> Truth:
    return Truth(
        TruthKind.ILL,
        site,
        illness.begins,
        illness.ends,
        household=illness.home.id,
        resident=illness.person.id,
        peak_celsius=illness.peak_celsius,
    )


def _told(community: Community) -> Iterator[Truth]:
    """Yield what the scenario tells that is not in the plan."""
    site, named = community.site, community.plan.named
    for one in community.plan.told:
        midnight = community.midnight(one.day)
        since = midnight + one.first
        match one:
            case Trip() | IsolationLeft():
                home = named[one.household]
                is_trip = isinstance(one, Trip)
                yield Truth(
                    TruthKind.OUT if is_trip else TruthKind.ISOLATION_LEFT,
                    site.id,
                    since,
                    None if one.hours is None else since + round(one.hours * HOUR),
                    household=home.id,
                    resident=home.people[one.resident - 1].id,
                    gate=_gate(site, isinstance(one, Trip) and one.gate == "main-gate"),
                    approved=one.approved if isinstance(one, Trip) else None,
                )
            case Stranger():
                gate, count = _gate(site, one.gate == "main-gate"), len(one.readings)
                until = midnight + one.readings[-1].at
                yield Truth(TruthKind.STRANGER, site.id, since, until, gate=gate, count=count)
            case ThermometerGun():
                peak = max(reading.celsius for reading in one.readings)
                if peak >= FEVER:
                    until, kind = midnight + one.readings[-1].at, TruthKind.FEVER_AT_CHECKPOINT
                    yield Truth(kind, site.id, since, until, device=site.gun, peak_celsius=peak)
            case UnknownTerminal():
                last = max(event.at for event in act(community, one))
                yield Truth(
                    TruthKind.UNKNOWN_DEVICE,
                    site.id,
                    since,
                    last,
                    device=UNKNOWN_SERIAL,
                    topic=one.topic_prefix,
                    count=one.captures,
                )
            case NotMeasured():
                since += DAY // 2 * WINDOWS.index(one.window)
                for household in sorted(community.plan.not_measuring(one.day, one.window) or ()):
                    kind, until = TruthKind.NOT_MEASURED, since + DAY // 2
                    yield Truth(kind, site.id, since, until, household=household)


def _of_day(community: Community, day: int) -> Iterator[Truth]:
    """Yield what begins on a day and is over soon; only from when the community is alive on."""
    if community.midnight(day + 1) > community.alive_at:
        yield from _crossings(community, day)
        yield from _counted(community, day)


def _crossings(community: Community, day: int) -> Iterator[Truth]:
    """Yield who is out on ordinary business, and what terminals made of it."""
    site, left = community.site, {}
    for one in gates.pass_gates(community, day):
        who, gate = one.person.id, _gate(site, one.by_main_gate)
        if one.direction is Direction.OUT:
            left[who] = one.at
        else:
            out = Truth(TruthKind.OUT, site.id, left[who], one.at, household=one.home.id)
            yield msgspec.structs.replace(out, resident=who, gate=gate)
        if one.at < community.alive_at:
            continue
        if one.taken_for is not one.person:
            mistaken = Truth(TruthKind.MISTAKEN, site.id, one.at, one.at, resident=who, gate=gate)
            yield msgspec.structs.replace(mistaken, taken_for=one.taken_for.id)
        if one.is_refused:
            yield Truth(TruthKind.REFUSED, site.id, one.at, one.at, resident=who, gate=gate)


def _counted(community: Community, day: int) -> Iterator[Truth]:
    """Yield how often what came on a day: strangers, garbage, records sent twice."""
    site, begins, ends = community.site, community.midnight(day), community.midnight(day + 1)
    alive_at = community.alive_at
    strangers = sum(at >= alive_at for at in gates.couriers(community, day))
    if strangers:
        kind, gate = TruthKind.STRANGER, site.north_gate
        yield Truth(kind, site.id, begins, ends, gate=gate, count=strangers)
    garbage = Counter(e.topic for e in faults.garbage(community, day) if e.at >= alive_at)
    for topic, count in garbage.items():
        yield Truth(TruthKind.GARBAGE, site.id, begins, ends, topic=topic, count=count)
    resent = sum(
        one.resent_after is not None and one.at >= alive_at
        for one in gates.pass_gates(community, day)
    )
    if resent:
        device = site.face_terminal
        yield Truth(TruthKind.RESENT, site.id, begins, ends, device=device, count=resent)


def _gate(site: Site, is_main: bool) -> str:
    return site.main_gate if is_main else site.north_gate
