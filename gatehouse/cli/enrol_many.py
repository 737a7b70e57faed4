"""``gatehouse devices enrol --csv``: many devices at once, all of them or none.

Registry and passwords commit together, after the file of the passwords is on disk: killed in
between, that file holds passwords of nobody, and doing it again makes new ones.
"""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import typer
from pydantic import BaseModel
from sqlalchemy import Connection

from dashboards import audit
from dashboards.audit import Action
from devices.broker_file import refuse_id, user_name
from devices.broker_rights import BrokerRights
from devices.clock import wall_now
from devices.credential import issue_all, read_credentials
from devices.csv_file import read_csv
from devices.csv_import import MODELS, Files, ImportRefused, plan
from devices.csv_rows import DeviceRow
from devices.csv_sheet import Problem, RefusedLine, Sheet, read_sheet
from devices.registry_draft import Difference, write
from devices.standing import area
from gatehouse import enrolment
from gatehouse.cli.candidates import account_name, state
from gatehouse.cli.state import changing_registry
from gatehouse.enrolment import (
    Addresses,
    Enrolled,
    addresses,
    make_label,
    path_of_posts,
    tell_of_credentials,
)
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.label import write_sheet
from gatehouse.settings import load
from ingest.private_file import replace_private

SHOWN_LINES = 50
COLUMNS = ("device", "mqtt_url", "mqtt_user", "http_url", "http_path", "password", "topics")
_TABLE = "devices.csv"


def enrol_many(
    path: Path,
    *,
    secrets: Path | None,
    sheet: Path | None,
    with_secrets: bool,
    replace: bool,
    dry_run: bool,
) -> None:
    """Register and enrol what a file names; who has a password keeps it unless ``replace``."""
    _check_files(secrets, sheet, dry_run=dry_run)
    settings = load()
    rights = BrokerRights(enrolment.read_profiles(settings))
    access = enrolment.open_access(settings, rights)
    where = addresses(settings)
    table, rows = _read(path, rights)
    now = settings.clock.now()
    with state(settings) as engine:
        with changing_registry(engine, dry_run=dry_run) as connection:
            difference = plan(connection, Files([table]), now=now)
            write(connection, difference)
            enrolled = _issue(connection, rows, rights, replace=replace)
            about = f"devices:{len(enrolled)}"
            audit.record(
                connection, Action.ENROLLED_DEVICE, account=account_name(), now=now, about=about
            )
            if access is not None:
                access.rehearse(connection)
            if secrets is not None and enrolled and not dry_run:
                replace_private(secrets, _as_csv(enrolled, where).encode(), synced=True)
        _report(difference, enrolled, len(rows), dry_run=dry_run)
        if dry_run:
            return
        if enrolled:
            typer.echo(f"their users and passwords are in {secrets}: delete it when they are used")
        if access is not None:
            typer.echo(access.write(engine))
    if sheet is not None:
        labels = (
            make_label(one, where, language=settings.language, with_secret=with_secrets)
            for one in enrolled
        )
        write_sheet(labels, sheet)
        typer.echo(f"their labels are in {sheet}")


def _check_files(secrets: Path | None, sheet: Path | None, *, dry_run: bool) -> None:
    if secrets is None and not dry_run:
        raise Failure("say where the passwords go: --secrets FILE", code=WRONG_USE)
    if secrets is not None and secrets.exists():
        raise Failure(f"--secrets {secrets}: is there already, with passwords of others perhaps")
    if sheet is not None and sheet.suffix != ".html":
        raise Failure(f"--label {sheet}: a page of labels ends in .html", code=WRONG_USE)


def _read(path: Path, rights: BrokerRights) -> tuple[Sheet[BaseModel], list[DeviceRow]]:
    """Return the file as the import takes it, and its devices; refuse it with every reason."""
    try:
        table = read_sheet(read_csv(path), _TABLE, MODELS[_TABLE])
    except RefusedLine as error:
        raise ImportRefused([Problem(path.name, error.line, "", error.reason)]) from error
    rows: dict[str, DeviceRow] = {}
    for line, row in table.rows:
        if isinstance(row, DeviceRow):
            rows[row.id] = row
            if not rights.knows(row.profile):
                table.refuse(line, "profile", f"there is no profile {row.profile!r}")
            if row.gateway is None and (why := refuse_id(row.id)):
                table.refuse(line, "id", why)
    if table.problems:
        raise ImportRefused(table.problems)
    return table, list(rows.values())


def _issue(
    connection: Connection, rows: Sequence[DeviceRow], rights: BrokerRights, *, replace: bool
) -> list[Enrolled]:
    """Give those passwords that speak for themselves and have none."""
    has_one = {} if replace else read_credentials(connection)
    lacking = [row for row in rows if row.gateway is None and row.id not in has_one]
    secret_of = issue_all(connection, [row.id for row in lacking], now=wall_now())
    tell_of_credentials(connection, secret_of)
    return [
        Enrolled(
            row,
            area(connection, row),
            secret_of[row.id],
            rights.of(enrolment.device_of(row)),
            posts=False,
        )
        for row in lacking
    ]


def _as_csv(enrolled: Iterable[Enrolled], where: Addresses) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(enrolled, where))
    return out.getvalue()


def _cells(enrolled: Iterable[Enrolled], where: Addresses) -> Iterator[tuple[str, ...]]:
    for one in enrolled:
        device, secret, topics = one.row.id, one.secret or "", " ".join(one.rights.write)
        path = path_of_posts(device)
        yield device, where.mqtt, user_name(device), where.http, path, secret, topics


def _report(
    difference: Difference, enrolled: Sequence[Enrolled], rows: int, *, dry_run: bool
) -> None:
    for line in itertools.islice(difference.lines(), SHOWN_LINES):
        typer.echo(line)
    more = sum(difference.counts().values()) - SHOWN_LINES
    if more > 0:
        typer.echo(f"… and {more} more")
    verb = "would be" if dry_run else "are"
    typer.echo(
        f"{len(enrolled)} of {rows} devices {verb} given a password; the others have one, or speak "
        "through a gateway"
    )
