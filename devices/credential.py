"""Credentials of devices that post over HTTP: one each, shown once, kept as hashes.

A secret is random, so nobody guesses it and a fast hash is enough; a terminal posts every few
seconds. It is as long as Hikvision's cameras let a password be. HTTP Digest cannot be checked
against a SHA-256 of the secret: it needs MD5 of user, realm and secret, and whoever has read that
can post in the device's name. So it is kept only for a device that was given it on purpose.

Source: Hikvision ISAPI, ``/ISAPI/Event/notification/httpHosts/capabilities`` as answered by a
camera (``passwordLen`` 1 to 16, ``userNameLen`` 1 to 32); RFC 7616, 3.4.2 and 5.4.
"""

import hashlib
import re
import secrets
import string

from sqlalchemy import Connection, delete, insert, select

from devices.registry import Credential
from devices.tables import device, device_credential

REALM = "gatehouse"
SECRET_LENGTH = 16
_LETTERS = string.ascii_letters + string.digits
"""16 of 62 are 95 bits; signs that a terminal's settings page may mistreat are left out."""
_NO_LEVEL = re.compile(r"[/+#]")


class CredentialError(Exception):
    """The credential cannot be made or revoked so; the sentence says what to do."""


def make_secret() -> str:
    """Return a new random secret."""
    return "".join(secrets.choice(_LETTERS) for _ in range(SECRET_LENGTH))


def hash_secret(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hash_for_digest(device_id: str, secret: str) -> str:
    """Return what HTTP Digest calls H(A1) of a device and its secret."""
    said = f"{device_id}:{REALM}:{secret}".encode()
    return hashlib.md5(said, usedforsecurity=False).hexdigest()


def issue(connection: Connection, device_id: str, *, digest: bool, replace: bool, now: int) -> str:
    """Give a registered device a credential and return its secret, which is not kept.

    Args:
        connection: In a transaction; whoever opened it tells the snapshots (``bump``).
        device_id: As registered.
        digest: Keep what HTTP Digest needs as well.
        replace: Void the one it has; without, having one is an error.
        now: Real time; milliseconds UTC.

    Raises:
        CredentialError: No such device, its id cannot stand in a topic, or it has one.
    """
    if _NO_LEVEL.search(device_id):
        raise CredentialError(f"device {device_id!r} cannot post: its id may not hold / + or #")
    if connection.execute(select(device.c.id).where(device.c.id == device_id)).first() is None:
        raise CredentialError(f"there is no device {device_id!r}; register it first")
    if not replace and _has(connection, device_id):
        raise CredentialError(f"device {device_id!r} has a credential; --replace voids that one")
    secret = make_secret()
    connection.execute(delete(device_credential).where(device_credential.c.device == device_id))
    connection.execute(
        insert(device_credential).values(
            device=device_id,
            secret_hash=hash_secret(secret),
            digest_hash=hash_for_digest(device_id, secret) if digest else None,
            created_at=now,
        )
    )
    return secret


def revoke(connection: Connection, device_id: str) -> None:
    """Void a device's credential; tell the snapshots as after :func:`issue`.

    Raises:
        CredentialError: It has none.
    """
    if not _has(connection, device_id):
        raise CredentialError(f"device {device_id!r} has no credential")
    connection.execute(delete(device_credential).where(device_credential.c.device == device_id))


def read_credentials(connection: Connection) -> dict[str, Credential]:
    """Return every credential by device, in the order of their ids."""
    rows = connection.execute(select(device_credential).order_by(device_credential.c.device))
    return {
        row.device: Credential(row.secret_hash, row.digest_hash, row.created_at) for row in rows
    }


def _has(connection: Connection, device_id: str) -> bool:
    column = device_credential.c.device
    return connection.execute(select(column).where(column == device_id)).first() is not None
