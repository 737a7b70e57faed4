"""Names, phones and flats: opened for a reason, and written down in the same transaction.

Nothing else in the console reads these columns.
"""

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, or_, select

from dashboards import audit
from dashboards.account import Account
from devices.tables import building, household, residence, resident

_HOMES = select(household.c.id, household.c.flat, building.c.name).join(
    building, household.c.building == building.c.id
)
_ONE = select(resident.c.subject, resident.c.name, resident.c.phone)
_HOUSEHOLD = _ONE.join(residence, residence.c.subject == resident.c.subject).order_by(
    resident.c.external_id
)


class Person(msgspec.Struct, frozen=True):
    """A resident by name. Only ever shown, never logged, stored elsewhere or put in an address."""

    subject: str
    name: str
    phone: str


class Home(msgspec.Struct, frozen=True):
    """A flat and who lives there."""

    household: str
    building: str
    flat: str
    people: tuple[Person, ...]


def open_home(
    connection: Connection,
    household_id: str,
    *,
    viewer: Account,
    about: str,
    reason: str,
    now: int,
    subject: str | None = None,
    since: int | None = None,
) -> Home | None:
    """Return a flat and its residents of this instant, and record who looked and why.

    ``about`` is what it is opened for, e.g. ``incident:7KX2M``; with a subject only that resident
    is returned, with a time whoever has lived there since. None when there is no such household;
    then nothing is recorded.
    """
    row = connection.execute(_HOMES.where(household.c.id == household_id)).one_or_none()
    if row is None:
        return None
    audit.record(
        connection,
        audit.Action.OPENED_PERSON,
        account=viewer.name,
        now=now,
        about=about,
        reason=reason,
    )
    chosen = (
        _HOUSEHOLD.where(_lived_in(household_id, since=now if since is None else since, until=now))
        if subject is None
        else _ONE.where(resident.c.subject == subject)
    )
    people = dict.fromkeys(Person(*one) for one in connection.execute(chosen))
    return Home(row.id, row.name, row.flat, tuple(people))


def find_household(connection: Connection, *, building_id: str, flat: str) -> str | None:
    """Return the household of a flat somebody typed; tells nothing about who lives there."""
    return connection.execute(
        select(household.c.id)
        .where(household.c.building == building_id, household.c.flat == flat.strip())
        .order_by(household.c.id)
        .limit(1)
    ).scalar()


def _lived_in(household_id: str, *, since: int, until: int) -> ColumnElement[bool]:
    return and_(
        residence.c.household == household_id,
        residence.c.since <= until,
        or_(residence.c.until.is_(None), residence.c.until > since),
    )
