"""Where an incident is, in the words people use: a building or a gate, and its site."""

from sqlalchemy import Connection, select

from alerts.record import Incident
from devices.tables import building, site


def where(connection: Connection, incident: Incident) -> str:
    """Return gate or building, and site; empty where neither is known. Never a flat.

    Whoever is at a gate is there now, wherever they live.
    """
    parts = [
        incident.gate or _name_of_building(connection, incident.building),
        connection.scalar(select(site.c.name).where(site.c.id == incident.site)),
    ]
    return ", ".join(part for part in parts if part)


def _name_of_building(connection: Connection, building_id: str | None) -> str | None:
    return connection.scalar(select(building.c.name).where(building.c.id == building_id))
