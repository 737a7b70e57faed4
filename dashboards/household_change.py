"""What somebody states about a household on a form, read into rows of the import. Pure.

Every statement is one the import could make, so that there is one set of rules.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from dashboards.household import Household, Resident
from devices.clock import rfc3339
from devices.csv_rows import HouseholdRow, ResidentRow, TripRow
from devices.registry_draft import Rows
from devices.registry_edit import EditRefused, new_resident_id

_MINUTES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
CASE = "^[0-9A-Z]{0,16}$"
"""An incident's id, or nothing."""
_YEARS = range(1900, 2100)
_COLUMNS = {"class": "resident_class", "class_since": "since", "class_until": "until"}
"""Fields of the form that have another name than the row's column."""


class Statement(StrEnum):
    """What can be stated."""

    STATE = "state"
    REGISTER = "register"
    CLASS = "class"
    TRIP = "trip"
    LEAVE = "leave"
    RETURN = "return"
    PERSON = "person"


class ChangeProblem(Exception):
    """What was typed cannot be used.

    Attributes:
        field: Of the form.
        code: What is wrong, one of the console's words for this.
    """

    def __init__(self, field: str, code: str = "") -> None:
        super().__init__(field)
        self.field = field
        self.code = code or field


class ChangeForm(BaseModel):
    """What was typed, unread; ``resident`` is the key of one.

    Attributes:
        seen: The stamp of what the person was shown.
        at: When the change was looked at, milliseconds UTC: what "now" means in it.
        confirmed: Whether it was looked at and is to be kept.
        again: Whether the form is to be shown again instead.
        case: Incident to go back to.
    """

    what: Statement
    resident: str = Field(default="", max_length=64)
    name: str = Field(default="", max_length=300)
    phone: str = Field(default="", max_length=100)
    state: str = Field(default="", max_length=16)
    resident_class: str = Field(default="", max_length=32)
    since: str = Field(default="", max_length=32)
    until: str = Field(default="", max_length=32)
    reason: str = Field(default="", max_length=300)
    building: str = Field(default="", max_length=64)
    flat: str = Field(default="", max_length=64)
    seen: str = Field(default="", max_length=64)
    at: int = Field(default=0, ge=0)
    confirmed: bool = False
    again: bool = False
    case: str = Field(default="", pattern=CASE)


def read(
    form: ChangeForm,
    rows: Mapping[str, Rows],
    home: Household,
    *,
    elsewhere: str | None,
    now: int,
) -> list[BaseModel]:
    """Return what a form states as rows, in the order in which they refer to each other.

    Args:
        form: As typed.
        rows: What is registered of the household.
        home: The same as it is shown.
        elsewhere: The household that the form's building and flat name, None where there is none.
        now: What a blank day means; milliseconds UTC.

    Raises:
        ChangeProblem: A field cannot be used.
    """
    form = form.model_copy(
        update={"since": _moment(form.since, "since"), "until": _moment(form.until, "until")}
    )
    try:
        return _READERS[form.what](_Asked(form, rows, home, elsewhere, rfc3339(now)))
    except ValidationError as error:
        column = str(next(iter(error.errors()[0]["loc"]), "until"))
        raise ChangeProblem(_COLUMNS.get(column, column)) from error


def problem_of(form: ChangeForm, refusal: EditRefused) -> ChangeProblem:
    """Return which field of the form the registry's refusal of its rows is about."""
    begins_late = form.what is Statement.LEAVE and refusal.column == "until"
    return ChangeProblem("since", "before") if begins_late else ChangeProblem(refusal.column)


class _Asked:
    """A form with what it is about."""

    def __init__(
        self,
        form: ChangeForm,
        rows: Mapping[str, Rows],
        home: Household,
        elsewhere: str | None,
        now: str,
    ) -> None:
        self.form = form
        self.home = home
        self.elsewhere = elsewhere
        self.since = form.since or now
        self._rows = rows

    def flat(self, *, since: str, until: str = "") -> HouseholdRow:
        """Return the row that the flat has the state of the form."""
        known = self._rows["household"][(self.home.id,)]
        values = {**known, "state": self.form.state, "since": since, "until": until}
        return HouseholdRow.model_validate(values)

    def flat_then(self) -> list[BaseModel]:
        """Return the same where the form says that the flat has another one from then on."""
        return [self.flat(since=self.since)] if self.form.state else []

    def person(self, one: Resident, **said: Any) -> ResidentRow:
        """Return the row that says again where somebody lives, and other things of them."""
        known = self._rows["resident"][(one.subject,)]
        values = {
            "id": known["external_id"],
            "name": known["name"],
            "phone": known["phone"],
            "household": self.home.id,
            "since": rfc3339(one.since),
        }
        return ResidentRow.model_validate(values | said)

    def external_id(self, one: Resident) -> str:
        """Return by what the office knows somebody."""
        return str(self._rows["resident"][(one.subject,)]["external_id"])

    def chosen(self, among: tuple[Resident, ...]) -> Resident:
        """Return the resident of the form.

        Raises:
            ChangeProblem: It names none of them.
        """
        for one in among:
            if one.key == self.form.resident:
                return one
        raise ChangeProblem("resident")

    def lives_here(self, name: str) -> bool:
        """Return whether somebody of a name is registered here."""
        names = (self._rows["resident"][(one.subject,)]["name"] for one in self.home.residents)
        return name.strip() in names


def _state(asked: _Asked) -> list[BaseModel]:
    return [asked.flat(since=asked.form.since, until=asked.form.until)]


def _register(asked: _Asked) -> list[BaseModel]:
    form = asked.form
    if asked.lives_here(form.name):
        raise ChangeProblem("name", "name_taken")
    person = ResidentRow.model_validate(
        {
            "id": new_resident_id(),
            "household": asked.home.id,
            "name": form.name,
            "phone": form.phone,
            "class": form.resident_class,
            "since": asked.since,
        }
    )
    return [*asked.flat_then(), person]


def _leave(asked: _Asked) -> list[BaseModel]:
    one = asked.chosen(asked.home.residents)
    if not asked.form.flat.strip() and not asked.form.building:
        return [*asked.flat_then(), asked.person(one, until=asked.since)]
    if asked.elsewhere is None:
        raise ChangeProblem("flat")
    if asked.elsewhere == asked.home.id:
        raise ChangeProblem("flat", "same_flat")
    return [*asked.flat_then(), asked.person(one, household=asked.elsewhere, since=asked.since)]


def _return(asked: _Asked) -> list[BaseModel]:
    one = asked.chosen(asked.home.earlier)
    return [*asked.flat_then(), asked.person(one, since=asked.since)]


def _class(asked: _Asked) -> list[BaseModel]:
    one, form = asked.chosen(asked.home.residents), asked.form
    if not form.resident_class:
        raise ChangeProblem("resident_class")
    is_said = one.present is not None and one.present.value == form.resident_class
    begins = rfc3339(one.present.since) if one.present and is_said else asked.since
    said = {"class": form.resident_class, "class_since": form.since or begins}
    return [asked.person(one, **said, class_until=form.until)]


def _trip(asked: _Asked) -> list[BaseModel]:
    one, form = asked.chosen(asked.home.residents), asked.form
    said = {"resident": asked.external_id(one), "since": form.since, "until": form.until}
    return [TripRow.model_validate({**said, "reason": form.reason})]


def _person(asked: _Asked) -> list[BaseModel]:
    one, form = asked.chosen(asked.home.residents), asked.form
    if not form.name.strip() and not form.phone.strip():
        raise ChangeProblem("name", "nothing")
    said = {name: text for name in ("name", "phone") if (text := getattr(form, name).strip())}
    return [asked.person(one, **said)]


_READERS: Mapping[Statement, Callable[[_Asked], list[BaseModel]]] = {
    Statement.STATE: _state,
    Statement.REGISTER: _register,
    Statement.CLASS: _class,
    Statement.TRIP: _trip,
    Statement.LEAVE: _leave,
    Statement.RETURN: _return,
    Statement.PERSON: _person,
}


def _moment(text: str, field: str) -> str:
    """Return a day or time that was typed as the files write it.

    Raises:
        ChangeProblem: Its year is none that anybody means.
    """
    text = text.strip()
    if not text:
        return ""
    if not text[:4].isdecimal() or int(text[:4]) not in _YEARS:
        raise ChangeProblem(field)
    return f"{text}:00" if _MINUTES.fullmatch(text) else text
