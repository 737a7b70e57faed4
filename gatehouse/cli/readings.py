"""``gatehouse readings``: whose a reading is that named nobody, for scripts."""

import json
from typing import Annotated, Any

import typer

from alerts import attribution
from alerts import incident as incidents
from alerts.attribution import Answer, SharedReading, Whose
from dashboards.audit import Action
from devices import registry_store
from devices.clock import rfc3339
from devices.registry import Registry
from gatehouse.cli.incidents import AsJson, By, Case, actor_of, opened, record_act
from gatehouse.failure import WRONG_USE, Failure

Reading = Annotated[str, typer.Argument(metavar="READING", help="As `readings list` names it.")]

_readings = typer.Typer(
    help="Whose the readings of a shared thermometer are.", no_args_is_help=True
)


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(_readings, name="readings")


@_readings.command("list")
def list_(incident_id: Case, as_json: AsJson = False) -> None:
    """List the readings of a case's flat whose payload named nobody, the latest first.

    Seven days of them at most. Residents are random ids here, never names.

    Example: gatehouse readings list 7F3AC --json
    """
    with opened() as (_, database):
        registry = registry_store.load(database)
        with database.connect() as connection:
            found = incidents.show(connection, incident_id.upper())
            household = found.household
            shared = attribution.find_readings(connection, registry, household) if household else []
    if as_json:
        print(json.dumps([_shown(one) for one in shared]))
        return
    for one in shared:
        who = (one.answer and one.answer.subject) or one.whose
        when = rfc3339(one.observed_at)
        print(f"{one.name}  {when}  {one.celsius:.1f}  {one.body_site:<9} {one.device_id}  {who}")


@_readings.command("attribute")
def attribute(
    incident_id: Case,
    reading: Reading,
    resident: Annotated[
        str, typer.Option(help="Whose it is: the office's id of a resident, or the random one.")
    ] = "",
    visitor: Annotated[bool, typer.Option("--visitor", help="Nobody's who lives there.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Not known after all.")] = False,
    by: By = "",
) -> None:
    """Say whose a reading is; the running service judges it as theirs within seconds.

    It is judged at the time it was taken, and begins no new round of paging. An answer may be
    changed and undone; every one is kept.

    Examples: gatehouse readings attribute 7F3AC 1a2b3c4d --resident r-002

    gatehouse readings attribute 7F3AC 1a2b3c4d --undo
    """
    if [bool(resident), visitor, undo].count(True) != 1:
        raise Failure("say one of --resident ID, --visitor and --undo", code=WRONG_USE)
    case = incident_id.upper()
    with opened() as (settings, database):
        registry = registry_store.load(database)
        whose = Whose.VISITOR if visitor else Whose.HOUSEHOLD
        answer = Answer(reading.lower(), whose)
        if resident:
            answer = Answer(reading.lower(), Whose.RESIDENT, _subject(registry, resident))
        now = settings.clock.now()
        with database.begin() as connection:
            changed = attribution.attribute(
                connection, registry, case, [answer], actor=actor_of(by), now=now
            )
            if changed:
                record_act(connection, Action.ATTRIBUTED, case, now=now)
    if not changed:
        print("that is what was known already")


def _subject(registry: Registry, resident: str) -> str:
    """Return the subject of a resident's id.

    Raises:
        Failure: The register knows no such resident.
    """
    subject = registry.subject_of(resident) or resident
    if not registry.knows_subject(subject):
        raise Failure(f"--resident: there is no resident {resident}", code=WRONG_USE)
    return subject


def _shown(one: SharedReading) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "reading": one.name,
        "device": one.device_id,
        "observed_at": rfc3339(one.observed_at),
        "celsius": one.celsius,
        "body_site": one.body_site,
        "position": one.origin.position,
        "whose": one.whose,
        "residents": one.residents,
    }
    if one.answer is not None:
        shown |= {"by": one.answer.by, "at": rfc3339(one.answer.at)}
        if one.answer.subject is not None:
            shown["subject"] = one.answer.subject
    return shown
