"""``gatehouse devices move``, ``replace``, ``rename`` and ``retire``; nothing is forgotten."""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import typer
from sqlalchemy import Connection

from dashboards import audit
from dashboards.audit import Action
from devices import credential, standing
from devices.broker_rights import BrokerRights
from devices.clock import wall_now
from devices.credential import CredentialError
from devices.csv_rows import DeviceRow
from devices.enrolment import EnrolmentRefused
from gatehouse import enrolment
from gatehouse.cli import place
from gatehouse.cli.candidates import account_name, state
from gatehouse.cli.enrolled import as_lines
from gatehouse.cli.place import place_row
from gatehouse.cli.state import changing_registry
from gatehouse.enrolment import Enrolled, addresses, tell_of_credentials
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.settings import load

Device = Annotated[str, typer.Argument(help="Its id in the registry.")]
New = Annotated[str, typer.Argument(help="The new id.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would come to.")]


def register(devices: typer.Typer) -> None:
    """Add the commands to those about devices."""
    for command in (move, replace, rename, retire):
        devices.command(command.__name__)(command)


def move(
    device: Device,
    household: place.Household = "",
    gate: place.Gate = "",
    checkpoint: place.Checkpoint = "",
    worker: place.Worker = "",
    site: place.Site = "",
    dry_run: DryRun = False,
) -> None:
    """Let a device stand elsewhere from now on; what it said before stays where it was said.

    Example: gatehouse devices move plug-17 --household h-1-102
    """
    places = {"household": household, "gate": gate, "checkpoint": checkpoint, "worker": worker}
    if not site and not any(places.values()):
        raise Failure("say where it stands now: --household, --gate, …", code=WRONG_USE)

    def act(connection: Connection, _: BrokerRights, now: int) -> Done:
        last = standing.last_place(connection, device)
        if last is None:
            raise EnrolmentRefused("id", f"there is no device {device!r}")
        family, gateway = last[0].profile, last[0].gateway or ""
        row = place_row(connection, device, family, places, site=site, gateway=gateway)
        before = standing.move(connection, row, since=now)
        return Done(f"{device} moves from {_where(before)} to {_where(row)}")

    _change(act, Action.CHANGED_DEVICE, device, dry_run=dry_run)


def replace(
    old: Device,
    new: New,
    profile: Annotated[
        str, typer.Option(help="Family of the new one; that of the old one where left out.")
    ] = "",
    dry_run: DryRun = False,
) -> None:
    """Let another device stand where one stood; the old one's password is void.

    If the old one had a password, the new one gets one, shown once.

    Example: gatehouse devices replace plug-17 plug-18
    """

    def act(connection: Connection, rights: BrokerRights, now: int) -> Done:
        if profile and not rights.knows(profile):
            raise EnrolmentRefused("profile", f"there is no profile {profile!r}")
        row = standing.replace(connection, old, new, profile=profile, at=now)
        said = f"{new} stands where {old} stood: {_where(row)}"
        return Done(said, _hand_over(connection, old, row, rights))

    _change(act, Action.CHANGED_DEVICE, old, dry_run=dry_run)


def rename(old: Device, new: New, dry_run: DryRun = False) -> None:
    """Let a device go on under the id that its messages bear from now on.

    What it said under the old id is found under the new one too. If it had a password, it gets
    another one, shown once, as the user is named by the id.

    Example: gatehouse devices rename plug-17 kitchen-plug
    """

    def act(connection: Connection, rights: BrokerRights, now: int) -> Done:
        row = standing.rename(connection, old, new, at=now)
        return Done(f"{old} is {new} from now on", _hand_over(connection, old, row, rights))

    _change(act, Action.CHANGED_DEVICE, old, dry_run=dry_run)


def retire(
    device: Device,
    reason: Annotated[str, typer.Option(help="For the record.")] = "",
    dry_run: DryRun = False,
) -> None:
    """End a device's stay and void its password, now; the broker hangs up on it.

    Its history is kept. `gatehouse devices enrol` brings it back.

    Example: gatehouse devices retire plug-17 --reason broken
    """

    def act(connection: Connection, _: BrokerRights, now: int) -> Done:
        row = standing.retire(connection, device, at=now)
        _revoke(connection, device)
        return Done(f"{device} is retired; it stood: {_where(row)}")

    _change(act, Action.RETIRED_DEVICE, device, reason=reason, dry_run=dry_run)


class Done(NamedTuple):
    """What a change came to: a sentence, and who was given a password by it."""

    sentence: str
    enrolled: Enrolled | None = None


def _change(
    act: Callable[[Connection, BrokerRights, int], Done],
    action: Action,
    device: str,
    *,
    reason: str = "",
    dry_run: bool,
) -> None:
    """Change the registry, on record, and then bring the broker up to date."""
    settings = load()
    rights = BrokerRights(enrolment.read_profiles(settings))
    access = enrolment.open_access(settings, rights)
    now = settings.clock.now()
    with state(settings) as engine:
        try:
            with changing_registry(engine, dry_run=dry_run) as connection:
                done = act(connection, rights, now)
                audit.record(
                    connection,
                    action,
                    account=account_name(),
                    now=now,
                    about=f"device:{device}",
                    reason=reason,
                )
                if access is not None:
                    access.rehearse(connection)
        except (EnrolmentRefused, CredentialError) as error:
            raise Failure(str(error)) from error
        typer.echo(f"{done.sentence}{'; nothing was changed' if dry_run else ''}")
        if done.enrolled is not None:
            where = addresses(settings)
            typer.echo("\n".join(as_lines(done.enrolled, where, dry_run=dry_run)))
        if access is not None and not dry_run:
            typer.echo(access.write(engine))


def _hand_over(
    connection: Connection, old: str, row: DeviceRow, rights: BrokerRights
) -> Enrolled | None:
    """Void a device's password, and give one to who comes after it."""
    if not _revoke(connection, old):
        return None
    done = enrolment.enrol(
        connection, row, rights, digest=False, replace=True, posts=False, now=wall_now()
    )
    tell_of_credentials(connection, [row.id])
    return done


def _revoke(connection: Connection, device: str) -> bool:
    """Void a device's password if it has one; return whether it had."""
    if not credential.has_credential(connection, device):
        return False
    credential.revoke(connection, device)
    tell_of_credentials(connection, [device])
    return True


def _where(row: DeviceRow) -> str:
    return f"{row.place.value} {row.household or row.gate or row.worker or row.site}"
