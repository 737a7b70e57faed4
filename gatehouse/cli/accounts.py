"""``gatehouse accounts``: who may sign in to the console."""

import getpass
import json
import secrets
import sys
from typing import Annotated

import msgspec
import typer

from dashboards import account
from dashboards.account import Account, AccountError
from devices.clock import MINUTE, wall_now
from devices.registry import Role
from gatehouse.cli.state import changing_state
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.settings import load

app = typer.Typer(help="Who may sign in to the console.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="What they sign in with.")]
PASSWORD_BYTES = 12


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(app, name="accounts")


@app.command("create")
def create(
    name: Name,
    role: Annotated[Role, typer.Option(help="What they are; decides what they see.")],
    site: Annotated[str | None, typer.Option(help="The site they see; all when left out.")] = None,
    grid: Annotated[list[str] | None, typer.Option(help="A grid they walk; repeatable.")] = None,
    worker: Annotated[str | None, typer.Option(help="Their id in the registry.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    without_password: Annotated[
        bool, typer.Option("--without-password", help="They sign in by links only.")
    ] = False,
) -> None:
    """Add an account; without an option for it, a password is made and printed once.

    Example: gatehouse accounts create sun --role grid_worker --site xhk --grid g1 --worker w-1
    """
    if password_stdin and without_password:
        raise Failure("choose one of --password-stdin and --without-password", code=WRONG_USE)
    new = Account(name=name, role=role, site=site, grids=tuple(grid or ()), worker=worker)
    password, is_made = _password(from_stdin=password_stdin, none=without_password)
    with changing_state(AccountError) as connection:
        account.create(connection, new, password=password, now=wall_now())
    typer.echo(f"account {name} created: {role}")
    if is_made:
        typer.echo(f"password (shown only now): {password}")


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """List the accounts with role and place.

    Example: gatehouse accounts list --json
    """
    with changing_state(AccountError) as connection:
        found = account.find_all(connection)
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(one) for one in found], ensure_ascii=False))
        return
    for one in found:
        place = one.site or "every site"
        grids = f" grids {', '.join(one.grids)}" if one.grids else ""
        ended = "  disabled" if one.disabled else ""
        typer.echo(f"{one.name}  {one.role}  {place}{grids}{ended}")


@app.command("disable")
def disable(name: Name) -> None:
    """Shut an account at once: its sessions end, its links are void. What it did stays recorded.

    Example: gatehouse accounts disable sun
    """
    with changing_state(AccountError) as connection:
        account.disable(connection, name)
    typer.echo(f"account {name} is disabled")


@app.command("link")
def link(
    name: Name,
    minutes: Annotated[int, typer.Option(min=1, max=7 * 24 * 60, help="How long it works.")] = 30,
) -> None:
    """Print an address that signs in once, for somebody who has forgotten the password.

    Example: gatehouse accounts link sun
    """
    url = load().page_url
    with changing_state(AccountError) as connection:
        token = account.issue_link(connection, name, now=wall_now(), lasts=minutes * MINUTE)
    typer.echo(f"{url}/sign-in/link/{token}")


def _password(*, from_stdin: bool, none: bool) -> tuple[str | None, bool]:
    """Return the password, None for links only, and whether it was made here."""
    if none:
        return None, False
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n"), False
    if sys.stdin.isatty():
        typed = getpass.getpass("Password (empty: one is made): ")
        if typed:
            return typed, False
    return secrets.token_urlsafe(PASSWORD_BYTES), True
