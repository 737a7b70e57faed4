"""Changing what is registered of a household: looked at first, then kept.

A change is planned twice: when it is shown, and under the registry's lock when it is kept. Where
anything of the household changed in between, nothing is kept and it is shown again as it is now.
"""

from http import HTTPStatus
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from dashboards import audit, household_change, household_list, people
from dashboards.console.pages.households import (
    AtDoor,
    Door,
    find_buildings,
    name_homes,
    open_household,
    render_household,
)
from dashboards.console.view import render
from dashboards.household import Household, compare, describe
from dashboards.household_change import ChangeForm, ChangeProblem
from devices.registry_draft import write
from devices.registry_edit import Edit, EditRefused, plan_edit
from devices.registry_lock import changing, reading

router = APIRouter(prefix="/households/{building}/{key}")


class RegisterBusy(Exception):
    """Somebody else is changing the registry just now; nothing was kept."""


class Plan(NamedTuple):
    """What a form would change of a household."""

    home: Household
    edit: Edit


@router.post("/change")
def change(door: Door, form: Annotated[ChangeForm, Form()]) -> Response:
    """Show what a form would change; keep it once that has been confirmed."""
    if form.again:
        return render_household(door, form=form, case=form.case)
    try:
        if not form.confirmed:
            return _preview(door, form)
        if not _keep(door, form):
            return _preview(door, form, status=409)
    except ChangeProblem as problem:
        return render_household(door, status=422, form=form, problem=problem, case=form.case)
    except RegisterBusy:
        return _preview(door, form, status=503)
    then = {"done": form.what.value} | ({"case": form.case} if form.case else {})
    return RedirectResponse(f"{door.path}?{urlencode(then)}", 303)


def _keep(door: AtDoor, form: ChangeForm) -> bool:
    """Keep a change and record who made it, in one transaction.

    Returns:
        Whether the household was still as it was shown; else nothing was kept.
    """
    now = door.context.clock.now()
    with changing(door.context.database, _give_up) as (connection, _):
        plan = _plan(connection, door, form, now=min(form.at or now, now))
        if plan.home.stamp != form.seen:
            return False
        write(connection, plan.edit.difference)
        audit.record(
            connection,
            audit.Action.CHANGED_REGISTER,
            account=door.viewer.account.name,
            now=now,
            about=f"household:{plan.home.id}",
            reason=form.what,
        )
    return True


def _preview(door: AtDoor, form: ChangeForm, status: int = 200) -> Response:
    """Show what a form would change, or the form again where that is nothing.

    The status is that of the answer: 409 where nothing was kept because the household had changed,
    503 where somebody else was changing the registry.
    """
    now = door.context.clock.now()
    with reading(door.context.database) as connection:
        plan = _plan(connection, door, form, now=now)
        after = describe(plan.edit.after, plan.home.id, now=now)
        labels = name_homes(connection, door.viewer.account, [plan.home, after])
    if not plan.edit.difference:
        return render_household(door, form=form, is_so_already=True, case=form.case)
    return render(
        door.request,
        door.viewer.visit,
        "household_change.html",
        status=status,
        zone=door.context.registry().zone(plan.home.site),
        home=plan.home,
        form=form,
        typed=form.model_dump(exclude={"seen", "at", "confirmed", "again"}),
        at=now,
        changes=compare(plan.home, after),
        is_person=bool(plan.edit.difference.changed["resident"]),
        labels=labels,
        has_changed=form.seen != plan.home.stamp,
        is_busy=status == HTTPStatus.SERVICE_UNAVAILABLE,
    )


def _plan(connection: Connection, door: AtDoor, form: ChangeForm, *, now: int) -> Plan:
    """Work out what a form would change.

    Raises:
        ChangeProblem: A field cannot be used.
    """
    mine = {one.id for one in find_buildings(connection, door.viewer.account)}
    elsewhere = None
    if form.building in mine:
        elsewhere = people.find_household(connection, building_id=form.building, flat=form.flat)
    rows, home = open_household(connection, door, also=(elsewhere,) if elsewhere else ())
    stated = household_change.read(form, rows, home, elsewhere=elsewhere, now=now)
    try:
        edit = plan_edit(rows, stated, now=now)
    except EditRefused as refusal:
        raise household_change.problem_of(form, refusal) from refusal
    reached = household_list.buildings_of(connection, _homes_changed(edit))
    if not set(reached.values()) <= mine:
        raise ChangeProblem("resident", "elsewhere")
    return Plan(home, edit)


def _homes_changed(edit: Edit) -> set[str]:
    """Return every household that a changed residence is in, before or after."""
    name = "residence"
    difference = edit.difference
    rows = [*difference.added[name].values(), *difference.removed[name].values()]
    rows += [row for pair in difference.changed[name].values() for row in pair]
    return {row["household"] for row in rows}


def _give_up() -> None:
    raise RegisterBusy
