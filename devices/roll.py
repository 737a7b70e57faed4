"""One list of people with building, flat and name, as most offices keep it, read as two tables.

Nothing is guessed: a building must be known by its id or name, a flat is the household that has it
or a new one, and a person without an id is whoever of that name lives there now, or a new one. So
the same list again changes nothing. A phone that it leaves out stays as it is known. New ids are
made of building, flat and a number, never of a name.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from devices.csv_rows import (
    HouseholdRow,
    Line,
    Moment,
    OptionalId,
    ResidentRow,
    Words,
    blank_to_none,
)
from devices.csv_sheet import Sheet
from devices.registry import HouseholdState, ResidentClass
from devices.registry_draft import Rows

MAX_ID = 64
"""Characters of an id: :data:`devices.csv_rows.Id`."""


class RollRow(BaseModel):
    """A person in a flat, or a flat in which nobody lives."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, defer_build=True
    )
    building: Annotated[Line, Field(min_length=1, max_length=200)]
    flat: Annotated[Line, Field(min_length=1, max_length=64)]
    name: Words
    site: Words = ""
    id: OptionalId = None
    phone: Annotated[Line, Field(max_length=64)] = ""
    state: Annotated[HouseholdState | None, BeforeValidator(blank_to_none)] = None
    since: Moment = None
    until: Moment = None
    resident_class: Annotated[
        ResidentClass | None, Field(alias="class"), BeforeValidator(blank_to_none)
    ] = None
    class_since: Moment = None
    class_until: Moment = None


@dataclass(slots=True)
class _Flat:
    """What the list says of a flat, from the first line that says it."""

    line: int
    row: RollRow
    building: str
    is_new: bool
    has_people: bool = False
    state: HouseholdState | None = None


class Roll:
    """A list being read against the registry as it is, with what it makes of it."""

    def __init__(self, sheet: Sheet[RollRow], rows: Mapping[str, Rows]) -> None:
        """Take the list up.

        Args:
            sheet: Problems are noted in it.
            rows: The registry, with the other tables of the same import in it.
        """
        self._sheet = sheet
        self._rows = rows
        self._buildings = _by_name(rows["building"])
        self._homes = {
            (row["building"], _same(row["flat"])): key[0] for key, row in rows["household"].items()
        }
        self._people = _people_at_home(rows)
        self._phones = {row["external_id"]: row["phone"] for row in rows["resident"].values()}
        self._flats: dict[str, _Flat] = {}

    def tables(self) -> tuple[Sheet[BaseModel], Sheet[BaseModel]]:
        """Return the list as households and residents; what is wrong is noted in the list."""
        residents: list[tuple[int, BaseModel]] = []
        for line, row in self._sheet.rows:
            household = self._household(line, row)
            if household is not None and row.name:
                residents.append((line, self._resident(household, row)))
        households = [
            (flat.line, home)
            for key, flat in self._flats.items()
            if (home := self._home(key, flat))
        ]
        return self._table("households.csv", households), self._table("residents.csv", residents)

    def _table(self, name: str, rows: Iterable[tuple[int, BaseModel]]) -> Sheet[BaseModel]:
        like = self._sheet
        return Sheet(name, list(rows), [], [], like.label, like.unit, like.columns)

    def _household(self, line: int, row: RollRow) -> str | None:
        """Return the household of a row; None with the problem noted."""
        building = self._building(line, row)
        if building is None:
            return None
        where = (building, _same(row.flat))
        household = self._homes.get(where)
        if household is None:
            household = f"{building}-{_as_id(row.flat)}"
            if len(household) > MAX_ID:
                self._sheet.refuse(line, "flat", f"makes an id of more than {MAX_ID} characters")
                return None
            if household in self._flats or (household,) in self._rows["household"]:
                self._sheet.refuse(
                    line, "flat", f"looks like another flat, {household!r}: write both alike"
                )
                return None
            self._homes[where] = household
        is_new = (household,) not in self._rows["household"]
        flat = self._flats.setdefault(household, _Flat(line, row, building, is_new))
        flat.has_people |= bool(row.name)
        if row.state is not None and flat.state not in {None, row.state}:
            self._sheet.refuse(line, "state", f"line {flat.line} says {flat.state} of this flat")
        flat.state = flat.state or row.state
        return household

    def _building(self, line: int, row: RollRow) -> str | None:
        found = self._buildings.get(_same(row.building), [])
        if row.site:
            found = [one for one in found if self._is_at(one, row.site)]
        if len(found) == 1:
            return found[0]
        reason = (
            f"there are several buildings {row.building!r}; add the column site"
            if found
            else f"there is no building {row.building!r}; put it into the table of buildings first"
        )
        self._sheet.refuse(line, "building", reason)
        return None

    def _is_at(self, building: str, site: str) -> bool:
        where = self._rows["building"][(building,)]["site"]
        return _same(site) in {_same(where), _same(self._rows["site"][(where,)]["name"])}

    def _home(self, household: str, flat: _Flat) -> HouseholdRow | None:
        """Return what the list says of a household; None where it says nothing of a known one."""
        state = flat.state
        if state is None and flat.is_new and flat.has_people:
            state = HouseholdState.OCCUPIED
        if state is None:
            if flat.is_new:
                self._sheet.refuse(flat.line, "state", "must be given where there is no name")
            return None
        dates = (None, None) if flat.has_people else (flat.row.since, flat.row.until)
        known = self._rows["household"].get((household,))
        return HouseholdRow.model_construct(
            id=household,
            building=flat.building,
            flat=known["flat"] if known else flat.row.flat,
            state=state,
            since=dates[0],
            until=dates[1],
        )

    def _resident(self, household: str, row: RollRow) -> ResidentRow:
        said = row.model_dump(exclude={"site", "building", "flat", "state", "id"})
        identity = row.id or self._people.get((household, row.name)) or self._new_id(household)
        self._people.setdefault((household, row.name), identity)
        said["phone"] = row.phone or self._phones.get(identity, "")
        self._phones[identity] = said["phone"]
        return ResidentRow.model_construct(id=identity, household=household, **said)

    def _new_id(self, household: str) -> str:
        number = 1
        while f"{household}-{number}" in self._phones:
            number += 1
        return f"{household}-{number}"


def _by_name(buildings: Rows) -> dict[str, list[str]]:
    """Return the buildings that an id or a name may mean."""
    found: dict[str, list[str]] = {}
    for (identity,), row in buildings.items():
        for word in {_same(identity), _same(row["name"])}:
            found.setdefault(word, []).append(identity)
    return found


def _people_at_home(rows: Mapping[str, Rows]) -> dict[tuple[str, str], str]:
    """Return the id of who lives somewhere, by household and name."""
    return {
        (home["household"], person["name"]): person["external_id"]
        for (subject, _), home in rows["residence"].items()
        if home["until"] is None and (person := rows["resident"][(subject,)])
    }


def _same(text: str) -> str:
    """Return a text without what two people would write differently."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text).casefold())


def _as_id(text: str) -> str:
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", text))
    return re.sub(r"[^\w.:@-]+", "-", plain)
