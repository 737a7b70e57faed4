"""``gatehouse credentials``: which devices may sign in, at the broker and to post."""

import json
from typing import Annotated

import typer

from dashboards import audit
from dashboards.audit import Action
from devices import credential
from devices.broker_rights import BrokerRights
from devices.clock import rfc3339
from devices.credential import CredentialError, read_broker_hashes, read_credentials
from gatehouse.broker_access import BrokerAccess
from gatehouse.cli.candidates import account_name, state
from gatehouse.cli.state import changing_registry
from gatehouse.enrolment import open_access, read_profiles, tell_of_credentials
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.settings import Settings, load

app = typer.Typer(help="Which devices may sign in.", no_args_is_help=True)
Device = Annotated[str, typer.Argument(help="Its id in the registry.")]


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(app, name="credentials")


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """List the devices that have one, since when, and for what; no secret is among it.

    Example: gatehouse credentials list --json
    """
    with state(load()) as engine, engine.connect() as connection:
        found, of_broker = read_credentials(connection), read_broker_hashes(connection)
    lines = [
        {
            "device": name,
            "created_at": rfc3339(one.created_at),
            "broker": name in of_broker,
            "digest": bool(one.digest_hash),
        }
        for name, one in found.items()
    ]
    if as_json:
        typer.echo(json.dumps(lines, ensure_ascii=False))
        return
    for name, one in found.items():
        broker = "" if name in of_broker else "  posts only: made before the broker knew it"
        digest = "  digest" if one.digest_hash else ""
        typer.echo(f"{name}  since {rfc3339(one.created_at)}{digest}{broker}")


@app.command("revoke")
def revoke(device: Device) -> None:
    """Void a device's credential, and leave the device where it stands.

    Within two seconds its posts are refused; the broker hangs up on it and lets it in no more.
    `gatehouse devices retire` ends its stay as well; `gatehouse devices enrol` gives another one.

    Example: gatehouse credentials revoke gate-north
    """
    settings = load()
    access = _access(settings)
    with state(settings) as engine:
        try:
            with changing_registry(engine) as connection:
                credential.revoke(connection, device)
                tell_of_credentials(connection, [device])
                audit.record(
                    connection,
                    Action.REVOKED_CREDENTIAL,
                    account=account_name(),
                    now=settings.clock.now(),
                    about=f"device:{device}",
                )
        except CredentialError as error:
            raise Failure(str(error)) from error
        typer.echo(f"the credential of {device} is void")
        if access is not None:
            typer.echo(access.write(engine))


@app.command("write")
def write() -> None:
    """Write the broker's password and ACL file again from the registry, and have it read them.

    After a restore, or when `gatehouse doctor` says that they differ. What others wrote outside of
    Gatehouse's part stays.

    Example: gatehouse credentials write
    """
    settings = load()
    access = _access(settings)
    if access is None:
        raise Failure("[enrolment] names no password_file and acl_file", code=WRONG_USE)
    with state(settings) as engine:
        typer.echo(access.write(engine))


def _access(settings: Settings) -> BrokerAccess | None:
    return open_access(settings, BrokerRights(read_profiles(settings)))
