"""Buildings and their households in numbers, as they are at a time; no name, phone or flat."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, and_, func, or_, select

from dashboards.household import digest, household_path
from dashboards.places import Building
from devices.tables import (
    device_binding,
    household,
    household_state,
    residence,
    resident_class,
)

UNSAID = "unsaid"
"""Stands for the state of a household of which none is registered."""


class BuildingLine(msgspec.Struct, frozen=True):
    """A building: how many households are in which state, and how many people live there."""

    building: Building
    states: Counter[str]
    residents: int


class HouseholdLine(msgspec.Struct, frozen=True):
    """A household in a list.

    Attributes:
        since: When its state began; None where none is registered.
        classes: Of its residents who have one, each with how many.
        devices: How many stand there.
    """

    id: str
    building: str
    state: str
    since: int | None
    residents: int
    classes: tuple[tuple[str, int], ...]
    devices: int

    @property
    def path(self) -> str:
        """The address of its page."""
        return household_path(self.building, self.id)


def list_buildings(
    connection: Connection, buildings: Sequence[Building], *, now: int
) -> list[BuildingLine]:
    """Return a line for each building, in their order."""
    ids = [one.id for one in buildings]
    states: dict[str, Counter[str]] = {one: Counter() for one in ids}
    for building, state, count in connection.execute(
        select(household.c.building, household_state.c.state, func.count())
        .select_from(household.outerjoin(household_state, _state_of_household(now)))
        .where(household.c.building.in_(ids))
        .group_by(household.c.building, household_state.c.state)
    ):
        states[building][state or UNSAID] += count
    people = _counts(
        connection,
        select(household.c.building, func.count())
        .join(residence, residence.c.household == household.c.id)
        .where(household.c.building.in_(ids), _holds(residence, now))
        .group_by(household.c.building),
    )
    return [BuildingLine(one, states[one.id], people.get(one.id, 0)) for one in buildings]


def list_households(connection: Connection, building: str, *, now: int) -> list[HouseholdLine]:
    """Return a line for each household of a building, shorter ids first."""
    rows = connection.execute(
        select(household.c.id, household_state.c.state, household_state.c.since)
        .select_from(household.outerjoin(household_state, _state_of_household(now)))
        .where(household.c.building == building)
        .order_by(func.length(household.c.id), household.c.id)
    ).all()
    people = _count_in(connection, residence, building, now)
    devices = _count_in(connection, device_binding, building, now)
    classes = _classes_in(connection, building, now)
    return [
        HouseholdLine(
            id=one,
            building=building,
            state=state or UNSAID,
            since=since,
            residents=people.get(one, 0),
            classes=tuple(sorted(classes.get(one, ()))),
            devices=devices.get(one, 0),
        )
        for one, state, since in rows
    ]


def find_by_key(connection: Connection, building: str, key: str) -> str | None:
    """Return the household of a building whose page has this key."""
    ids = connection.execute(select(household.c.id).where(household.c.building == building))
    return next((one for one in ids.scalars() if digest(one) == key), None)


def building_of(connection: Connection, household_id: str) -> str | None:
    """Return the building of a household; None where there is no such household."""
    asked = select(household.c.building).where(household.c.id == household_id)
    return connection.execute(asked).scalar()


def buildings_of(connection: Connection, households: Iterable[str]) -> dict[str, str]:
    """Return the buildings of households, by their ids."""
    asked = select(household.c.id, household.c.building).where(household.c.id.in_(set(households)))
    return {row.id: row.building for row in connection.execute(asked)}


def devices_in(connection: Connection, household_id: str, *, now: int) -> Collection[str]:
    """Return the ids of the devices that stand in a household."""
    asked = select(device_binding.c.device).where(
        device_binding.c.household == household_id, _holds(device_binding, now)
    )
    return sorted(connection.execute(asked).scalars())


def _count_in(connection: Connection, facts: Table, building: str, now: int) -> dict[str, int]:
    return _counts(
        connection,
        select(facts.c.household, func.count())
        .join(household, household.c.id == facts.c.household)
        .where(household.c.building == building, _holds(facts, now))
        .group_by(facts.c.household),
    )


def _classes_in(
    connection: Connection, building: str, now: int
) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for one, kind, count in connection.execute(
        select(residence.c.household, resident_class.c["class"], func.count())
        .join(household, household.c.id == residence.c.household)
        .join(resident_class, resident_class.c.subject == residence.c.subject)
        .where(
            household.c.building == building,
            _holds(residence, now),
            _holds(resident_class, now),
            resident_class.c["class"] != "none",
        )
        .group_by(residence.c.household, resident_class.c["class"])
    ):
        found.setdefault(one, []).append((kind, count))
    return found


def _counts(connection: Connection, query: Any) -> dict[str, int]:
    return dict(connection.execute(query).all())


def _state_of_household(now: int) -> ColumnElement[bool]:
    return and_(household_state.c.household == household.c.id, _holds(household_state, now))


def _holds(facts: Table, now: int) -> ColumnElement[bool]:
    return and_(facts.c.since <= now, or_(facts.c.until.is_(None), facts.c.until > now))
