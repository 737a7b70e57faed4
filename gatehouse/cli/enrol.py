"""``gatehouse devices enrol``: a device gets a password of its own, and may use its own topics."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from sqlalchemy import Connection, Engine

from dashboards import audit
from dashboards.audit import Action
from devices.broker_rights import BrokerRights
from devices.clock import wall_now
from devices.credential import CredentialError
from devices.csv_rows import DeviceRow
from devices.enrolment import EnrolmentRefused
from devices.standing import last_place
from gatehouse import enrolment
from gatehouse.broker_access import BrokerAccess, BrokerAccessError
from gatehouse.cli import place
from gatehouse.cli.candidates import AsJson, account_name, state
from gatehouse.cli.enrol_many import enrol_many
from gatehouse.cli.enrolled import as_json, as_lines
from gatehouse.cli.place import place_row
from gatehouse.cli.state import changing_registry
from gatehouse.enrolment import (
    Enrolled,
    addresses,
    make_label,
    open_access,
    tell_of_credentials,
)
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.label import Label, print_code, write_label
from gatehouse.settings import load

TERMINAL = Path("-")


def register(devices: typer.Typer) -> None:
    """Add the command to those about devices."""
    devices.command("enrol")(enrol)


def enrol(  # noqa: PLR0913, PLR0917 - an option each
    device: Annotated[str, typer.Argument(help="Its id, as its messages bear it.")] = "",
    profile: Annotated[str, typer.Option(help="Its family (`gatehouse profiles`).")] = "",
    household: place.Household = "",
    gate: place.Gate = "",
    checkpoint: place.Checkpoint = "",
    worker: place.Worker = "",
    site: place.Site = "",
    gateway: place.Gateway = "",
    http: Annotated[bool, typer.Option("--http", help="It posts over HTTP.")] = False,
    digest: Annotated[
        bool, typer.Option("--digest", help="The terminal insists on HTTP Digest.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Void the password that it has.")
    ] = False,
    label: Annotated[
        Path | None,
        typer.Option(help="Write a label: FILE.svg, FILE.png (the code alone), - to show it."),
    ] = None,
    secret_on_label: Annotated[
        bool, typer.Option("--secret-on-label", help="The code holds the password too.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option(help="Enrol many: a file like devices.csv; see --secrets.")
    ] = None,
    secrets: Annotated[
        Path | None, typer.Option(help="With --csv: write users and passwords into this file.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would come to.")
    ] = False,
    json_: AsJson = False,
) -> None:
    """Register a device if it is not, give it a password of its own, and let the broker know.

    The password is shown once. It opens the broker and the HTTP intake, for this device's own
    topics and path. A device that speaks through a gateway needs none: its gateway may use its
    topics. With --csv many are enrolled at once, all or none; who has a password keeps it.

    Examples: gatehouse devices enrol plug-17 --profile tasmota_energy --household h-1-101
    gatehouse devices enrol gate-north --profile hikvision_isapi --gate north --http
    gatehouse devices enrol plug-17 --replace --label plug-17.svg
    gatehouse devices enrol --csv devices.csv --secrets secrets.csv --label labels.html
    """
    places = {"household": household, "gate": gate, "checkpoint": checkpoint, "worker": worker}
    said = {"profile": profile, "site": site, "gateway": gateway, **places}
    if csv is None:
        _enrol_one(
            device, said, label, secret_on_label, Asked(http, digest, replace, dry_run), json_
        )
    elif device or any(said.values()) or http or digest:
        raise Failure("--csv FILE says which devices, and what each is", code=WRONG_USE)
    else:
        enrol_many(
            csv,
            secrets=secrets,
            sheet=label,
            with_secrets=secret_on_label,
            replace=replace,
            dry_run=dry_run,
        )


class Asked(NamedTuple):
    """How a device is to be enrolled."""

    posts: bool
    digest: bool
    replace: bool
    dry_run: bool


def _enrol_one(
    device: str,
    said: Mapping[str, str],
    label: Path | None,
    secret_on_label: bool,
    asked: Asked,
    is_json: bool,
) -> None:
    if not device:
        raise Failure("say which device, or --csv FILE", code=WRONG_USE)
    if label is not None and label != TERMINAL and label.suffix not in {".svg", ".png"}:
        raise Failure(f"--label {label}: name it .svg, or .png for the code alone", code=WRONG_USE)
    settings = load()
    rights = BrokerRights(enrolment.read_profiles(settings))
    access = open_access(settings, rights)
    where = addresses(settings)
    with state(settings) as engine:
        try:
            one = _commit(engine, rights, access, device, said, asked, now=settings.clock.now())
            written = label and make_label(
                one, where, language=settings.language, with_secret=secret_on_label
            )
        except (EnrolmentRefused, CredentialError) as error:
            raise Failure(str(error)) from error
        told, problem = "", None
        if not asked.dry_run:
            told, problem = _tell(access, engine, one)
    if is_json:
        answer = as_json(one, where, told, dry_run=asked.dry_run)
        print(json.dumps(answer, ensure_ascii=False))
    else:
        print("\n".join(filter(None, (*as_lines(one, where, dry_run=asked.dry_run), told))))
    if problem is not None:
        raise Failure(problem)
    if written and label and not asked.dry_run:
        _put(written, label)


def _commit(
    engine: Engine,
    rights: BrokerRights,
    access: BrokerAccess | None,
    device: str,
    said: Mapping[str, str],
    asked: Asked,
    *,
    now: int,
) -> Enrolled:
    """Change the registry; or see what it would come to, and leave it as it is."""
    with changing_registry(engine, dry_run=asked.dry_run) as connection:
        row = _said_row(connection, rights, device, said)
        stands = enrolment.register(connection, row, device, now=now)
        one = enrolment.enrol(
            connection,
            stands,
            rights,
            digest=asked.digest,
            replace=asked.replace,
            posts=asked.posts,
            now=wall_now(),
        )
        tell_of_credentials(connection, [device])
        about = f"device:{device}"
        audit.record(
            connection, Action.ENROLLED_DEVICE, account=account_name(), now=now, about=about
        )
        if access is not None:
            access.rehearse(connection)
    return one


def _said_row(
    connection: Connection, rights: BrokerRights, device: str, said: Mapping[str, str]
) -> DeviceRow | None:
    """Return what was said of a device; None where nothing was."""
    last = last_place(connection, device)
    family = said["profile"] or (last[0].profile if last else "")
    if not family:
        raise Failure(f"{device!r} is not registered: say its --profile", code=WRONG_USE)
    if not rights.knows(family):
        raise Failure(f"there is no profile {family!r}: `gatehouse profiles`", code=WRONG_USE)
    if not any(said.values()):
        return None
    places = {name: said[name] for name in ("household", "gate", "checkpoint", "worker")}
    if last and not any(places.values()) and not said["site"]:
        changes = {"profile": family, "gateway": said["gateway"] or last[0].gateway}
        return last[0].model_copy(update=changes)
    gateway = said["gateway"] or (last[0].gateway if last else None) or ""
    return place_row(connection, device, family, places, site=said["site"], gateway=gateway)


def _tell(access: BrokerAccess | None, engine: Engine, one: Enrolled) -> tuple[str, str | None]:
    """Bring the broker's files up to date; return what was done, and what went wrong."""
    if access is None:
        return ("" if one.posts else "no broker was told: [enrolment] names no files"), None
    try:
        return access.write(engine), None
    except BrokerAccessError as error:
        return "", str(error)


def _put(label: Label, path: Path) -> None:
    if path == TERMINAL:
        print_code(label)
        print(label.code)
        return
    write_label(label, path)
    print(f"label written to {path}")
