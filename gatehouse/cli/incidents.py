"""``gatehouse incidents``, ``oncall`` and ``channels``: the people's side, for scripts."""

import contextlib
import dataclasses
import getpass
import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from sqlalchemy import Connection, Engine

from alerts import incident as incidents
from alerts.channels import Sent, channel_of, open_channels
from alerts.channels.channel import label
from alerts.incident import Disposition, Event, Incident, IncidentError, State
from alerts.page_text import Texts
from alerts.schedule import on_call
from dashboards import audit
from dashboards.audit import Action
from devices import registry_store
from devices.clock import parse_rfc3339, rfc3339
from devices.registry import Role
from gatehouse.database import open_database
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.settings import Settings, load

AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")]
Case = Annotated[str, typer.Argument(metavar="ID", help="As on the page, like 7F3AC.")]
By = Annotated[str, typer.Option(help="Who does it; the account running the command otherwise.")]

ACTOR_CHARACTERS = 64
SHOWN = (
    "id",
    "kind",
    "severity",
    "state",
    "watch",
    "site",
    "grid",
    "building",
    "gate",
    "device",
    "late",
    "began_at",
    "opened_at",
    "acknowledged_at",
    "acknowledged_by",
    "closed_at",
    "closed_by",
    "disposition",
    "previous",
    "policy",
    "next_at",
)
"""What a script sees of an incident: nothing that leads to a person or a flat."""

_incidents = typer.Typer(help="List, show, acknowledge and close incidents.", no_args_is_help=True)
_oncall = typer.Typer(help="Who is on call.", no_args_is_help=True)
_channels = typer.Typer(help="How people are reached.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the groups to the command line."""
    parent.add_typer(_incidents, name="incidents")
    parent.add_typer(_oncall, name="oncall")
    parent.add_typer(_channels, name="channels")


@_incidents.command("list")
def list_(
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    site: Annotated[str | None, typer.Option(help="Only those of this site.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    before: Annotated[str | None, typer.Option(help="Go on after this id.")] = None,
    as_json: AsJson = False,
) -> None:
    """List open incidents, the latest first.

    Example: gatehouse incidents list --state triggered --json
    """
    with opened() as (_, database), database.connect() as connection:
        found = incidents.find(
            connection,
            state=state,
            open_only=state is None and not everything,
            site=site,
            limit=limit,
            before=before and before.upper(),
        )
    if as_json:
        print(json.dumps([_shown(one) for one in found], ensure_ascii=False))
    else:
        for one in found:
            print(_line(one))


@_incidents.command("show")
def show(incident_id: Case, as_json: AsJson = False) -> None:
    """Show one incident and everything that happened to it.

    Example: gatehouse incidents show 7F3AC
    """
    with opened() as (_, database), database.connect() as connection:
        found = incidents.show(connection, incident_id.upper())
        events = incidents.timeline(connection, found.id)
    if as_json:
        timeline = [_event(event) for event in events]
        print(json.dumps({**_shown(found), "timeline": timeline}, ensure_ascii=False))
        return
    print(_line(found))
    for event in events:
        detail = " ".join(
            f"{name}={_readable(name, value)}"
            for name, value in event.detail.items()
            if value is not None
        )
        print(f"  {rfc3339(event.at)}  {event.actor}  {event.kind}  {detail}")


@_incidents.command("acknowledge")
def acknowledge(incident_id: Case, by: By = "") -> None:
    """Take care of a triggered incident: nobody further is paged.

    Example: gatehouse incidents acknowledge 7F3AC --by worker-3
    """
    case = incident_id.upper()
    with opened() as (settings, database), database.begin() as connection:
        now = settings.clock.now()
        incidents.acknowledge(connection, case, actor=actor_of(by), now=now)
        record_act(connection, Action.ACKNOWLEDGED, case, now=now)


@_incidents.command("close")
def close(
    incident_id: Case,
    disposition: Annotated[Disposition, typer.Option(help="How it ended.")],
    note: Annotated[str, typer.Option(help="In your own words; stays in the database.")] = "",
    by: By = "",
) -> None:
    """End an incident for good.

    Example: gatehouse incidents close 7F3AC --disposition hospital --by worker-3
    """
    case = incident_id.upper()
    with opened() as (settings, database), database.begin() as connection:
        now = settings.clock.now()
        incidents.close(
            connection, case, actor=actor_of(by), disposition=disposition, note=note, now=now
        )
        record_act(connection, Action.CLOSED, case, now=now)


@_oncall.command("show")
def show_on_call(
    site: Annotated[str | None, typer.Option(help="Only this site.")] = None,
    grid: Annotated[str | None, typer.Option(help="For a place in this grid.")] = None,
    at: Annotated[str, typer.Option(help="Like 2020-02-14T20:00:00+08:00; now otherwise.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show who would be paged, by site and role.

    Example: gatehouse oncall show --at 2020-02-15T03:00:00+08:00
    """
    with opened() as (settings, database):
        registry = registry_store.load(database)
    try:
        moment = parse_rfc3339(at) if at else settings.clock.now()
    except ValueError as error:
        raise Failure(
            f"--at: {at!r} is no time with a zone; write it like 2020-02-14T20:00:00+08:00",
            code=WRONG_USE,
        ) from error
    if site is not None and site not in registry.zones:
        raise Failure(f"--site: there is no site {site}", code=WRONG_USE)
    rows = [
        {
            "site": one,
            "role": role,
            "workers": on_call(registry, role, at=moment, site=one, grid=grid),
        }
        for one in ([site] if site else sorted(registry.zones))
        for role in Role
    ]
    if as_json:
        print(json.dumps({"at": rfc3339(moment), "on_call": rows}, ensure_ascii=False))
        return
    for row in rows:
        print(f"{row['site']}  {row['role']:<15} {', '.join(row['workers']) or 'nobody'}")


@_channels.command("test")
def try_channels(
    worker: Annotated[str, typer.Argument(help="Id of a worker in the registry.")],
    as_json: AsJson = False,
) -> None:
    """Send a test page over each of a worker's channels, in order.

    Example: gatehouse channels test worker-3
    """
    with opened() as (settings, database):
        addresses = registry_store.load(database).channels(worker)
        channels = open_channels(database, settings.clock)
        text = Texts(settings.language, console_url=settings.page_url).test(worker)
        outcomes = [channel_of(channels, address).send(address, text) for address in addresses]
    if not outcomes:
        raise Failure(f"worker {worker} has no channel: give one in `gatehouse registry import`")
    results = [
        {
            "rank": rank,
            "channel": label(address),
            "result": "sent" if isinstance(outcome, Sent) else f"failed: {outcome.error}",
        }
        for rank, (address, outcome) in enumerate(zip(addresses, outcomes, strict=True), start=1)
    ]
    if as_json:
        print(json.dumps(results))
    else:
        for result in results:
            print(f"{result['rank']}  {result['channel']:<10} {result['result']}")
    failed = sum(result["result"] != "sent" for result in results)
    if failed:
        raise Failure(f"{failed} of {len(results)} channels of {worker} failed: mend them")


@contextlib.contextmanager
def opened() -> Iterator[tuple[Settings, Engine]]:
    """Open the state database; what cannot be done to an incident is a failure in its words."""
    settings = load()
    database = open_database(settings)
    try:
        yield settings, database
    except IncidentError as error:
        raise Failure(str(error)) from error
    finally:
        database.dispose()


def actor_of(by: str) -> str:
    """Return who does it, as the timeline says it.

    Raises:
        Failure: The name is too long.
    """
    if len(by) > ACTOR_CHARACTERS:
        raise Failure(f"--by: a name may have {ACTOR_CHARACTERS} characters", code=WRONG_USE)
    return by or _account()


def _account() -> str:
    """Return who is at the command line, whoever they say it is for."""
    return f"cli:{getpass.getuser()}"


def record_act(connection: Connection, action: Action, case: str, *, now: int) -> None:
    """Write the act into the audit, as the console does, in the act's own transaction."""
    audit.record(connection, action, account=_account(), now=now, about=f"incident:{case}")


def _shown(incident: Incident) -> dict[str, Any]:
    fields = {name: getattr(incident, name) for name in SHOWN}
    return {name: _readable(name, value) for name, value in fields.items() if value is not None}


def _readable(name: str, value: Any) -> Any:
    is_time = name.endswith("_at") or name in {"until", "waits_until"}
    return rfc3339(value) if is_time and value is not None else value


def _event(event: Event) -> dict[str, Any]:
    detail = {name: _readable(name, value) for name, value in event.detail.items()}
    return {**dataclasses.asdict(event), "at": rfc3339(event.at), "detail": detail}


def _line(incident: Incident) -> str:
    place = incident.building or incident.gate or incident.site or "-"
    what = "watch" if incident.watch else incident.state
    opened = rfc3339(incident.opened_at)
    return f"{incident.id}  {what:<12} {incident.kind} {incident.severity}  {place}  {opened}"
