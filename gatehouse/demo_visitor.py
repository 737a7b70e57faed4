"""The newcomer's way into the demo's console: an account without a password, and a link."""

from sqlalchemy import Engine

from dashboards.account import Account, create, find, issue_link
from devices.clock import DAY, wall_now
from devices.registry import Role

NAME = "demo"


def invite(database: Engine, console_url: str) -> str:
    """Return an address that signs in, once, as the street command: who sees everything."""
    now = wall_now()
    with database.begin() as connection:
        if find(connection, NAME) is None:
            create(connection, Account(name=NAME, role=Role.STREET_COMMAND), password=None, now=now)
        token = issue_link(connection, NAME, now=now, lasts=DAY)
    return f"{console_url}/sign-in/link/{token}"
