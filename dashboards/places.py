"""Names of sites and buildings: what a page may say of where something is."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, select

from devices.tables import building, site


class Building(msgspec.Struct, frozen=True):
    """A building to choose from."""

    id: str
    name: str
    site: str
    grid: str


def find_buildings(connection: Connection) -> list[Building]:
    """Return every building, by site and name."""
    rows = connection.execute(select(building).order_by(building.c.site, building.c.name))
    return [Building(row.id, row.name, row.site, row.grid) for row in rows]


def name_buildings(connection: Connection, ids: Iterable[str | None]) -> dict[str, str]:
    """Return the names of these buildings by id."""
    wanted = {one for one in ids if one}
    rows = connection.execute(
        select(building.c.id, building.c.name).where(building.c.id.in_(wanted))
    )
    return {row.id: row.name for row in rows}


def name_sites(connection: Connection) -> dict[str, str]:
    """Return the names of all sites by id."""
    return {row.id: row.name for row in connection.execute(select(site.c.id, site.c.name))}
