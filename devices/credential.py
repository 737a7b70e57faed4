"""Credentials of devices: one each, for broker and HTTP intake, shown once, kept as hashes.

A secret is random, so nobody guesses it and a fast hash is enough; a terminal posts every few
seconds. It is as long as Hikvision's cameras let a password be. HTTP Digest cannot be checked
against a SHA-256 of the secret: it needs MD5 of user, realm and secret, and whoever has read that
can post in the device's name. So it is kept only for a device that was given it on purpose. For
the broker there is a hash as mosquitto's password file has it; credentials that were made before
there was one open the HTTP intake only.

Source: Hikvision ISAPI, ``/ISAPI/Event/notification/httpHosts/capabilities`` as answered by a
camera (``passwordLen`` 1 to 16, ``userNameLen`` 1 to 32); RFC 7616, 3.4.2 and 5.4.
"""

import hashlib
import secrets
import string
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select

from devices.broker_file import hash_password, refuse_id
from devices.registry import Credential
from devices.tables import device, device_credential

REALM = "gatehouse"
SECRET_LENGTH = 16
_LETTERS = string.ascii_letters + string.digits
"""16 of 62 are 95 bits; signs that a terminal's settings page may mistreat are left out."""


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
    if why := refuse_id(device_id):
        raise CredentialError(f"device {device_id!r} cannot sign in: {why}")
    if connection.execute(select(device.c.id).where(device.c.id == device_id)).first() is None:
        raise CredentialError(f"there is no device {device_id!r}; register it first")
    if not replace and has_credential(connection, device_id):
        raise CredentialError(f"device {device_id!r} has a credential; --replace voids that one")
    return issue_all(connection, [device_id], digest=digest, now=now)[device_id]


def issue_all(
    connection: Connection, device_ids: Sequence[str], *, digest: bool = False, now: int
) -> dict[str, str]:
    """Give registered devices, whose ids are checked, new credentials; return secrets by device."""
    secret_of = {device_id: make_secret() for device_id in device_ids}
    rows = [
        {
            "device": device_id,
            "secret_hash": hash_secret(secret),
            "digest_hash": hash_for_digest(device_id, secret) if digest else None,
            "broker_hash": hash_password(secret),
            "created_at": now,
        }
        for device_id, secret in secret_of.items()
    ]
    if rows:
        voided = delete(device_credential).where(device_credential.c.device == bindparam("voided"))
        connection.execute(voided, [{"voided": device_id} for device_id in secret_of])
        connection.execute(insert(device_credential), rows)
    return secret_of


def revoke(connection: Connection, device_id: str) -> None:
    """Void a device's credential; tell the snapshots as after :func:`issue`.

    Raises:
        CredentialError: It has none.
    """
    if not has_credential(connection, device_id):
        raise CredentialError(f"device {device_id!r} has no credential")
    connection.execute(delete(device_credential).where(device_credential.c.device == device_id))


def read_credentials(connection: Connection) -> dict[str, Credential]:
    """Return every credential by device, in the order of their ids."""
    rows = connection.execute(select(device_credential).order_by(device_credential.c.device))
    return {
        row.device: Credential(row.secret_hash, row.digest_hash, row.created_at) for row in rows
    }


def read_broker_hashes(connection: Connection) -> dict[str, str]:
    """Return by device what the broker keeps of its secret."""
    columns = device_credential.c
    rows = connection.execute(select(columns.device, columns.broker_hash))
    return {row.device: row.broker_hash for row in rows if row.broker_hash is not None}


def has_credential(connection: Connection, device_id: str) -> bool:
    """Return whether a device has one."""
    column = device_credential.c.device
    return connection.execute(select(column).where(column == device_id)).first() is not None
