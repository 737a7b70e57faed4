"""Who may see and do what."""

from dataclasses import dataclass

import pytest

from alerts.finding import IncidentKind
from dashboards import access
from dashboards.access import Page
from dashboards.account import Account
from devices.registry import Role


@dataclass(frozen=True)
class Case:
    """An incident as far as access is concerned."""

    kind: IncidentKind = IncidentKind.FEVER
    site: str | None = "xhk"
    grid: str | None = "g1"
    gate: str | None = None


FEVER = Case()
OTHER_GRID = Case(grid="g2")
OTHER_SITE = Case(site="far")
AT_GATE = Case(kind=IncidentKind.FEVER_AT_CHECKPOINT, grid=None, gate="north")
STRANGERS = Case(kind=IncidentKind.STRANGERS, grid=None, gate="north")
DEVICE = Case(kind=IncidentKind.DEVICE)
SYSTEM = Case(kind=IncidentKind.SYSTEM, site=None, grid=None)

WORKER = Account(name="w", role=Role.GRID_WORKER, site="xhk", grids=("g1",))
GUARD = Account(name="g", role=Role.GUARD, site="xhk")
SECRETARY = Account(name="s", role=Role.SECRETARY, site="xhk")
COMMAND = Account(name="c", role=Role.STREET_COMMAND)
OPERATOR = Account(name="o", role=Role.OPERATOR)


@pytest.mark.parametrize(
    ("viewer", "seen"),
    [
        (WORKER, {FEVER, AT_GATE, STRANGERS, DEVICE}),
        (GUARD, {AT_GATE, STRANGERS}),
        (SECRETARY, {FEVER, OTHER_GRID, AT_GATE, STRANGERS, DEVICE, SYSTEM}),
        (COMMAND, {FEVER, OTHER_GRID, OTHER_SITE, AT_GATE, STRANGERS, DEVICE, SYSTEM}),
        (OPERATOR, {DEVICE, SYSTEM}),
    ],
    ids=lambda value: value.role.value if isinstance(value, Account) else "",
)
def test_incidents_are_seen_by_those_who_look_after_the_place(
    viewer: Account, seen: set[Case]
) -> None:
    """A worker sees their grid and the gates, a secretary the site, the operator no people."""
    every = {FEVER, OTHER_GRID, OTHER_SITE, AT_GATE, STRANGERS, DEVICE, SYSTEM}
    assert {one for one in every if access.may_see_incident(viewer, one)} == seen


@pytest.mark.parametrize(
    ("viewer", "allowed"),
    [(WORKER, True), (SECRETARY, True), (COMMAND, True), (GUARD, False), (OPERATOR, False)],
    ids=lambda value: value.role.value if isinstance(value, Account) else "",
)
def test_names_are_opened_only_by_those_who_look_after_people(
    viewer: Account, allowed: bool
) -> None:
    """A guard and the operator are never shown a name, phone or flat."""
    assert access.may_open_person(viewer, site="xhk", grid="g1") is allowed


def test_nobody_opens_names_elsewhere() -> None:
    """A worker opens no name of another grid, a secretary none of another community."""
    assert not access.may_open_person(WORKER, site="xhk", grid="g2")
    assert not access.may_open_person(SECRETARY, site="far", grid="g1")


def test_a_guard_closes_strangers_but_no_fever() -> None:
    """A guard hands a person with a fever over; the case is closed by those who follow it up."""
    assert access.may_close_incident(GUARD, STRANGERS)
    assert not access.may_close_incident(GUARD, AT_GATE)


@pytest.mark.parametrize(
    ("role", "pages"),
    [
        (Role.GUARD, set()),
        (Role.GRID_WORKER, {Page.READING, Page.HOUSEHOLDS, Page.DEVICES}),
        (Role.SECRETARY, {Page.READING, Page.HOUSEHOLDS, Page.DEVICES, Page.INGEST}),
        (Role.STREET_COMMAND, set(Page)),
        (Role.OPERATOR, {Page.DEVICES, Page.DEAD_LETTERS, Page.CANDIDATES, Page.INGEST}),
    ],
)
def test_each_role_has_its_pages(role: Role, pages: set[Page]) -> None:
    """Dead letters can hold what a person said, so only those who mend them see them."""
    viewer = Account(name="x", role=role)
    assert {page for page in Page if access.may_visit(viewer, page)} == pages
