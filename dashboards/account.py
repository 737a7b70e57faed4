"""Accounts: who may sign in, as what, and with which proof.

A password is kept as argon2id, a sign-in link as the SHA-256 of its token. A link works once and
for a short while. Times are real time (milliseconds UTC): an account does not live by the clock of
the community, which a demonstration winds forward.
"""

import functools
import hashlib
import re
import secrets
from collections.abc import Sequence

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Row, delete, insert, select, update

from dashboards.tables import account, session, sign_in_link
from devices.clock import MINUTE
from devices.registry import Role

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
PASSWORD_LENGTH = range(10, 201)
LINK_LASTS = 30 * MINUTE
_HASHER = PasswordHasher()


class AccountError(Exception):
    """The account cannot be made or changed so; the sentence says what to do."""


class Account(msgspec.Struct, frozen=True):
    """Somebody who may sign in.

    Attributes:
        name: What they sign in with; also the actor in a timeline.
        role: What they are; see :mod:`dashboards.access`.
        site: The site they see; None for all of them.
        grids: The grids a grid worker walks.
        worker: Their id in the registry, where they have one.
        disabled: True for one who may no longer sign in; kept, because timelines name it.
    """

    name: str
    role: Role
    site: str | None = None
    grids: tuple[str, ...] = ()
    worker: str | None = None
    disabled: bool = False

    @property
    def actor(self) -> str:
        """How timelines name them: their registry id, which pages can be sent to, or the name."""
        return self.worker or self.name


def digest(secret: str) -> str:
    """Return what is kept of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create(connection: Connection, new: Account, *, password: str | None, now: int) -> None:
    """Add an account; without a password it can only be entered by a sign-in link.

    Raises:
        AccountError: The name is taken or odd, the password too short, the role lacks its place.
    """
    _check(new, password)
    if find(connection, new.name) is not None:
        raise AccountError(f"account {new.name!r} exists already; choose another name")
    fields = msgspec.structs.asdict(new) | {"grids": list(new.grids), "created_at": now}
    hashed = None if password is None else _HASHER.hash(password)
    connection.execute(insert(account).values(password_hash=hashed, **fields))


def find(connection: Connection, name: str) -> Account | None:
    """Return an account by name, disabled or not."""
    row = connection.execute(select(account).where(account.c.name == name)).one_or_none()
    return None if row is None else _account(row)


def find_all(connection: Connection) -> Sequence[Account]:
    """Return every account by name."""
    return [_account(row) for row in connection.execute(select(account).order_by(account.c.name))]


def disable(connection: Connection, name: str) -> None:
    """Shut an account, end its sessions and void its links.

    Raises:
        AccountError: There is no such account.
    """
    _require(connection, name)
    connection.execute(update(account).where(account.c.name == name).values(disabled=True))
    connection.execute(delete(session).where(session.c.account == name))
    connection.execute(delete(sign_in_link).where(sign_in_link.c.account == name))


def verify(connection: Connection, name: str, password: str) -> Account | None:
    """Return the account if the password is right; as slow when there is no such account."""
    row = connection.execute(select(account).where(account.c.name == name)).one_or_none()
    hashed = row.password_hash if row is not None and not row.disabled else None
    nobodys = _nobodys_hash()  # Made at the first sign-in, whoever it is for.
    try:
        _HASHER.verify(hashed or nobodys, password)
    except (VerificationError, InvalidHashError):
        return None
    return _account(row) if row is not None and hashed else None


@functools.cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_hex())


def issue_link(connection: Connection, name: str, *, now: int, lasts: int = LINK_LASTS) -> str:
    """Return the token of a new single-use sign-in link that lasts for so many milliseconds.

    Raises:
        AccountError: There is no such account, or it is disabled.
    """
    if _require(connection, name).disabled:
        raise AccountError(f"account {name!r} is disabled; links are only for those in use")
    token = secrets.token_urlsafe(24)
    connection.execute(delete(sign_in_link).where(sign_in_link.c.expires_at <= now))
    row = {"token_hash": digest(token), "account": name, "expires_at": now + lasts}
    connection.execute(insert(sign_in_link).values(**row))
    return token


def consume_link(connection: Connection, token: str, *, now: int) -> Account | None:
    """Return the account a link is for and void the link; None when it is used up or expired."""
    used = (
        delete(sign_in_link)
        .where(sign_in_link.c.token_hash == digest(token), sign_in_link.c.expires_at > now)
        .returning(sign_in_link.c.account)
    )
    name = connection.execute(used).scalar_one_or_none()
    found = None if name is None else find(connection, name)
    return None if found is None or found.disabled else found


def _require(connection: Connection, name: str) -> Account:
    found = find(connection, name)
    if found is None:
        raise AccountError(f"there is no account {name!r}; `gatehouse accounts list` shows all")
    return found


def _check(new: Account, password: str | None) -> None:
    if not NAME.fullmatch(new.name):
        raise AccountError("an account's name is 1 to 64 of a-z, 0-9, dot, dash and underscore")
    if password is not None and len(password) not in PASSWORD_LENGTH:
        raise AccountError(f"a password has at least {PASSWORD_LENGTH.start} characters")
    if new.role is Role.GRID_WORKER and not new.grids:
        raise AccountError("a grid worker needs at least one grid")
    if new.role in (Role.GRID_WORKER, Role.SECRETARY, Role.GUARD) and new.site is None:
        raise AccountError(f"a {new.role} needs a site")


def _account(row: Row[tuple[object, ...]]) -> Account:
    return Account(
        name=row.name,
        role=Role(row.role),
        site=row.site,
        grids=tuple(row.grids),
        worker=row.worker,
        disabled=row.disabled,
    )
