"""``gatehouse devices accept``: an unknown device is registered where it stands."""

import json
from collections import Counter
from datetime import date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import Connection, Engine, select

from dashboards import candidates
from dashboards.candidates import Candidate
from devices import registry_store
from devices.clock import SECOND, rfc3339
from devices.csv_rows import DeviceRow
from devices.enrolment import EnrolmentRefused, enrol, midnight_before
from devices.tables import site as site_table
from gatehouse.cli import place
from gatehouse.cli.candidates import AsJson, Id, account_name, copy_line, find_one, state
from gatehouse.cli.place import place_row
from gatehouse.decoding import decode_beside
from gatehouse.enrolment import follow
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.parts import make_decoder
from gatehouse.settings import Settings, load
from ingest import dead_letter
from ingest.folder_lock import is_locked
from ingest.journal import LOCK
from ingest.ledger_file import NAME

WAIT_S = 10.0


def register(devices: typer.Typer) -> None:
    """Add the command to those about devices."""
    devices.command("accept")(accept)


def accept(  # noqa: PLR0913, PLR0917 - an option each
    candidate_id: Id,
    profile: Annotated[
        str, typer.Option(help="Its family; what it looks like most, where left out.")
    ] = "",
    household: place.Household = "",
    gate: place.Gate = "",
    checkpoint: place.Checkpoint = "",
    worker: place.Worker = "",
    site: place.Site = "",
    gateway: place.Gateway = "",
    since: Annotated[
        str, typer.Option(help="Date from which it stands there; the day of its first message.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would come to.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Register an unknown device where it stands, and replay what was kept of it.

    Without a household, gate, checkpoint or worker it stands somewhere on the site. What is
    replayed goes to the time series and pages nobody.

    Examples: gatehouse devices accept plug-17 --household h-502 --dry-run
    gatehouse devices accept 1026700 --profile huaan_face_terminal --gate north
    """
    settings = load()
    places = {"household": household, "gate": gate, "checkpoint": checkpoint, "worker": worker}
    with state(settings) as engine:
        candidate = find_one(settings, engine, candidate_id)
        family = _family(candidate, profile)
        with engine.connect() as connection:
            row = place_row(
                connection, candidate.device, family, places, site=site, gateway=gateway
            )
            zone = _zone(connection, row.site)
        begins = _since(since, candidate, zone)
        try:
            if dry_run:
                told = _rehearse(settings, engine, candidate, row, since=begins)
            else:
                told = _accept(settings, engine, candidate, row, since=begins)
        except EnrolmentRefused as refused:
            raise Failure(str(refused)) from refused
        if not dry_run:
            follow(settings, engine)
    _report(row, begins, told, dry_run=dry_run, as_json=as_json)


def _family(candidate: Candidate, asked: str) -> str:
    """Return the family to register a candidate as."""
    families = candidate.families
    if asked and asked not in families:
        known = ", ".join(families) or "none"
        raise Failure(
            f"--profile {asked}: it understands no kept message of {candidate.id}; those that do: "
            f"{known}"
        )
    if asked or families:
        return asked or families[0]
    if candidate.matches:
        raise Failure(f"first give its topics a profile: {copy_line(candidate.matches[0])}")
    raise Failure(
        f"no profile understands {candidate.id}: devices/README.md, Add a device in four steps"
    )


def _zone(connection: Connection, site: str) -> ZoneInfo:
    name = connection.execute(select(site_table.c.zone).where(site_table.c.id == site)).scalar()
    if name is None:
        raise Failure(f"there is no site {site!r}")
    return ZoneInfo(name)


def _since(text: str, candidate: Candidate, zone: ZoneInfo) -> int:
    if not text:
        return midnight_before(candidate.first_at, zone)
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise Failure(f"--since {text}: write a date, 2020-02-14", code=WRONG_USE) from error
    return int(datetime.combine(day, time(), zone).timestamp()) * SECOND


def _rehearse(
    settings: Settings, engine: Engine, candidate: Candidate, row: DeviceRow, *, since: int
) -> dict[str, int]:
    """Return what accepting would come to, and change nothing."""
    decoder, _ = make_decoder(settings)
    with engine.connect().execution_options(writes=True) as connection:
        changing = connection.begin()
        try:
            enrol(connection, row, since=since)
            registry = registry_store.read(connection)
        finally:
            changing.rollback()
    counts: Counter[str] = Counter()
    decode = decode_beside(settings.data_dir, decoder, lambda: registry)
    for group in candidate.groups:
        ledger = settings.data_dir / NAME
        counts.update(dead_letter.rehearse(ledger, group.open, decode))
    return dict(counts)


def _accept(
    settings: Settings, engine: Engine, candidate: Candidate, row: DeviceRow, *, since: int
) -> dict[str, int]:
    """Accept, and return what came of the replay so far."""
    ledger = settings.data_dir / NAME
    positions = candidates.accept(
        engine,
        ledger,
        candidate,
        row,
        since=since,
        account=account_name(),
        now=settings.clock.now(),
    )
    running = is_locked(settings.data_dir / "journal" / LOCK)
    result = dead_letter.await_replay(ledger, positions, seconds=WAIT_S if running else 0)
    told = {"replayed": result.settled, "still dead": result.failed, "waiting": result.waiting}
    return {name: count for name, count in told.items() if count}


def _report(
    row: DeviceRow, since: int, told: dict[str, int], *, dry_run: bool, as_json: bool
) -> None:
    where = row.household or row.gate or row.worker or row.site
    fields = {"device_id": row.id, "profile": row.profile, "place": row.place.value}
    if as_json:
        answer = {**fields, "at": where, "since": rfc3339(since), "dry_run": dry_run, **told}
        print(json.dumps(answer, ensure_ascii=False))
        return
    counts = ", ".join(f"{count} {name}" for name, count in told.items()) or "nothing"
    verb = "would be" if dry_run else "is"
    kept = "of what was kept would come" if dry_run else "of what was kept"
    stands = f"{row.place.value} {where}"
    print(f"{row.id} {verb} {row.profile}, {stands}, since {rfc3339(since)}; {kept}: {counts}")
