"""``gatehouse credentials``: which devices may post over HTTP."""

import json
from typing import Annotated
from urllib.parse import quote

import typer

from devices import credential
from devices.clock import rfc3339, wall_now
from devices.credential import CredentialError, read_credentials
from devices.registry_store import bump
from gatehouse.cli.state import changing_state

app = typer.Typer(help="Which devices may post over HTTP.", no_args_is_help=True)
Device = Annotated[str, typer.Argument(help="Its id in the registry.")]


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(app, name="credentials")


@app.command("create")
def create(
    device: Device,
    digest: Annotated[
        bool, typer.Option("--digest", help="The terminal insists on HTTP Digest.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Void the credential that it has.")
    ] = False,
) -> None:
    """Make a device's credential; its secret is printed once. It holds within two seconds.

    Example: gatehouse credentials create gate-north
    """
    with changing_state(CredentialError) as connection:
        secret = credential.issue(
            connection, device, digest=digest, replace=replace, now=wall_now()
        )
        bump(connection)
    path = f"/intake/{quote(device, safe=':@')}"
    typer.echo(f"path {path}  user {device}  password (shown only now): {secret}")


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """List the devices that have one, and since when; no secret is among it.

    Example: gatehouse credentials list --json
    """
    with changing_state(CredentialError) as connection:
        found = read_credentials(connection)
    lines = [
        {"device": name, "created_at": rfc3339(one.created_at), "digest": bool(one.digest_hash)}
        for name, one in found.items()
    ]
    if as_json:
        typer.echo(json.dumps(lines, ensure_ascii=False))
        return
    for name, one in found.items():
        digest = "  digest" if one.digest_hash else ""
        typer.echo(f"{name}  since {rfc3339(one.created_at)}{digest}")


@app.command("revoke")
def revoke(device: Device) -> None:
    """Void a device's credential: within two seconds its posts are refused.

    Example: gatehouse credentials revoke gate-north
    """
    with changing_state(CredentialError) as connection:
        credential.revoke(connection, device)
        bump(connection)
    typer.echo(f"the credential of {device} is void")
