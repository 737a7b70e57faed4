"""Who may see and do what. Pure: an account, a place, an answer.

A guard sees what happens at the gates of their site, a grid worker their grids and the gates, a
secretary their community, the street command its sites, the operator devices and the service itself
but no people.
"""

from enum import StrEnum
from typing import Protocol

from alerts.finding import IncidentKind
from dashboards.account import Account
from devices.registry import Role

_PEOPLES = frozenset({Role.GRID_WORKER, Role.SECRETARY, Role.STREET_COMMAND})
_WATCH_SYSTEM = frozenset({Role.SECRETARY, Role.STREET_COMMAND, Role.OPERATOR})
"""Whoever the ladder of a system incident pages."""


class Page(StrEnum):
    """The parts of the console that not everybody has."""

    READING = "reading"
    HOUSEHOLDS = "households"
    DEVICES = "devices"
    DEAD_LETTERS = "dead_letters"
    CANDIDATES = "candidates"
    INGEST = "ingest"


_PAGES: dict[Role, frozenset[Page]] = {
    Role.GUARD: frozenset(),
    Role.GRID_WORKER: frozenset({Page.READING, Page.HOUSEHOLDS, Page.DEVICES}),
    Role.SECRETARY: frozenset({Page.READING, Page.HOUSEHOLDS, Page.DEVICES, Page.INGEST}),
    Role.STREET_COMMAND: frozenset(Page),
    Role.OPERATOR: frozenset({Page.DEVICES, Page.DEAD_LETTERS, Page.CANDIDATES, Page.INGEST}),
}


class Incident(Protocol):
    """What decides who sees an incident."""

    @property
    def kind(self) -> IncidentKind:
        """What it is about."""
        ...

    @property
    def site(self) -> str | None:
        """Where, None for the service itself."""
        ...

    @property
    def grid(self) -> str | None:
        """Whose patch, None at a gate that serves everybody."""
        ...

    @property
    def gate(self) -> str | None:
        """Which gate, where it is one."""
        ...


def may_visit(viewer: Account, page: Page) -> bool:
    """Return whether a part of the console is for this account."""
    return page in _PAGES[viewer.role]


def may_see_place(viewer: Account, *, site: str | None, grid: str | None) -> bool:
    """Return whether a place lies in what the account looks after."""
    if viewer.site is not None and viewer.site != site:
        return False
    return viewer.role is not Role.GRID_WORKER or grid is None or grid in viewer.grids


def may_see_incident(viewer: Account, incident: Incident) -> bool:
    """Return whether the account may read, acknowledge and annotate an incident."""
    if incident.kind is IncidentKind.SYSTEM:
        return viewer.role in _WATCH_SYSTEM
    if not may_see_place(viewer, site=incident.site, grid=incident.grid):
        return False
    if viewer.role is Role.OPERATOR:
        return incident.kind is IncidentKind.DEVICE
    return viewer.role is not Role.GUARD or incident.gate is not None


def may_close_incident(viewer: Account, incident: Incident) -> bool:
    """Return whether the account may close it: a guard hands people over, and closes no case."""
    if not may_see_incident(viewer, incident):
        return False
    return viewer.role is not Role.GUARD or incident.kind is IncidentKind.STRANGERS


def may_open_person(viewer: Account, *, site: str | None, grid: str | None) -> bool:
    """Return whether the account may be shown name, phone and flat there, with a reason."""
    return viewer.role in _PEOPLES and may_see_place(viewer, site=site, grid=grid)
