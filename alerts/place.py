"""Where an incident is, in the words people use: a building or a gate, and its site."""

from sqlalchemy import Connection, select

from alerts.record import Incident
from devices.tables import building, site


def where(connection: Connection, incident: Incident) -> str:
    """Return building or gate, and site; empty where neither is known. Never a flat."""
    parts = [
        _name_of_building(connection, incident.building) or incident.gate,
        connection.scalar(select(site.c.name).where(site.c.id == incident.site)),
    ]
    return ", ".join(part for part in parts if part)


def _name_of_building(connection: Connection, building_id: str | None) -> str | None:
    return connection.scalar(select(building.c.name).where(building.c.id == building_id))
