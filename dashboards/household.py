"""A household as the console shows it: states, people as numbers, trips; what a change makes of it.

Pure. Names, phones and flats are in none of it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from devices.history import FOREVER
from devices.registry_draft import Rows
from devices.registry_edit import stamp

_DIGEST = 16


class Fact(msgspec.Struct, frozen=True):
    """What was so from a time until a time; milliseconds UTC, the end excluded, None for open.

    Attributes:
        value: A state, a class, or the household somebody lives in; of a trip its reason, which is
            not shown.
    """

    since: int
    until: int | None
    value: str

    def holds(self, at: int) -> bool:
        """Return whether it is so at a time."""
        return self.since <= at < self.ends

    @property
    def ends(self) -> int:
        """When it ends, beyond every time while it is open."""
        return FOREVER if self.until is None else self.until


Facts = tuple[Fact, ...]
"""A history, the latest first."""


class Resident(msgspec.Struct, frozen=True):
    """Somebody who lives in a household, will or once did, without a name.

    Attributes:
        subject: Random id; neither shown nor put into a page.
        number: Among those who live there now, as cases count them, then the others of their kind.
        homes: Every residence of theirs.
        present: The last class that was said, if it still holds.
    """

    subject: str
    number: int
    homes: Facts
    classes: Facts
    trips: Facts
    since: int
    until: int | None
    present: Fact | None

    @property
    def key(self) -> str:
        """A digest of the subject, for forms."""
        return digest(self.subject)


class Household(msgspec.Struct, frozen=True):
    """A household at a time.

    Attributes:
        states: What was registered of it.
        state: What is so at the time.
        residents: Those who live there, and then those who will.
        earlier: Those who lived there.
        stamp: What changes when anything of this does; see :func:`devices.registry_edit.stamp`.
    """

    id: str
    building: str
    grid: str
    site: str
    states: Facts
    state: Fact | None
    residents: tuple[Resident, ...]
    earlier: tuple[Resident, ...]
    stamp: str

    @property
    def path(self) -> str:
        """The address of its page."""
        return household_path(self.building, self.id)


class Change(msgspec.Struct, frozen=True):
    """A history that would be another one.

    Attributes:
        table: Of the registry, whose facts they are.
        resident: About whom, None about the flat itself.
        is_new: Whether it is somebody who is not registered yet.
    """

    table: str
    resident: Resident | None
    is_new: bool
    before: Facts
    after: Facts


def digest(text: str) -> str:
    """Return by what a page names something whose id it does not tell."""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]


def building_path(building: str) -> str:
    """Return the address of the page of a building's households."""
    return f"/households/{quote(building, safe='')}"


def household_path(building: str, household: str) -> str:
    """Return the address of a household's page, which does not say its id: that can be its flat."""
    return f"{building_path(building)}/{digest(household)}"


def describe(rows: Mapping[str, Rows], household_id: str, *, now: int) -> Household:
    """Return a household as rows have it, which were read with :func:`read_household`."""
    home = rows["household"][(household_id,)]
    where = rows["building"][(home["building"],)]
    states = _facts(rows["household_state"], household_id, "state")
    people = sorted({key[0] for key in rows["resident"]})
    every = [_resident(rows, subject, household_id, now) for subject in people]
    present = [one for one in every if one.since <= now and _stays(one, now)]
    coming = [one for one in every if one.since > now and _stays(one, now)]
    return Household(
        id=household_id,
        building=home["building"],
        grid=where["grid"],
        site=where["site"],
        states=states,
        state=_holding(states, now),
        residents=_numbered([*present, *coming]),
        earlier=_numbered(one for one in every if not _stays(one, now)),
        stamp=stamp(rows),
    )


def compare(before: Household, after: Household) -> list[Change]:
    """Return the histories that differ, the flat's first, then one resident after the other."""
    changes = []
    if before.states != after.states:
        changes.append(Change("household_state", None, False, before.states, after.states))
    old = {one.subject: one for one in (*before.residents, *before.earlier)}
    for one in (*after.residents, *after.earlier):
        was = old.get(one.subject)
        for table, told, tells in (
            ("residence", was.homes if was else (), one.homes),
            ("resident_class", was.classes if was else (), one.classes),
            ("trip", was.trips if was else (), one.trips),
        ):
            if told != tells:
                changes.append(Change(table, was or one, was is None, told, tells))
    return changes


def _resident(rows: Mapping[str, Rows], subject: str, household_id: str, now: int) -> Resident:
    homes = _facts(rows["residence"], subject, "household")
    here = [home for home in homes if home.value == household_id]
    last = _holding(tuple(here), now) or (here[0] if here else Fact(0, 0, ""))
    classes = _facts(rows["resident_class"], subject, "class")
    present = _holding(classes, now)
    return Resident(
        subject=subject,
        number=0,
        homes=homes,
        classes=classes,
        trips=_facts(rows["trip"], subject, "reason"),
        since=last.since,
        until=last.until,
        present=present if present and present.value != "none" else None,
    )


def _stays(one: Resident, now: int) -> bool:
    return one.until is None or one.until > now


def _numbered(residents: Iterable[Resident]) -> tuple[Resident, ...]:
    return tuple(
        msgspec.structs.replace(one, number=number) for number, one in enumerate(residents, 1)
    )


def _holding(facts: Facts, at: int) -> Fact | None:
    return next((fact for fact in facts if fact.holds(at)), None)


def _facts(rows: Rows, key: str, column: str) -> Facts:
    found: list[dict[str, Any]] = [row for (owner, _), row in rows.items() if owner == key]
    found.sort(key=lambda row: -row["since"])
    return tuple(Fact(row["since"], row["until"], row[column]) for row in found)
