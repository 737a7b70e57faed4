"""Mosquitto's password file and ACL file: our part of each, and what others wrote around it.

What stands outside of our two marks is kept byte for byte. Nothing but Python is needed here:
``gatehouse.deploy.prepare`` makes the files before anything is installed.

Source: mosquitto 2.0, src/password_mosq.c and src/security_default.c; mosquitto.conf(5), acl_file.
"""

import base64
import hashlib
import io
import re
import secrets
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

BEGIN = (
    b"# Begin of Gatehouse's devices: what is changed here is lost (gatehouse credentials write)"
)
END = b"# End of Gatehouse's devices"
_ITERATIONS = 101
"""What mosquitto_passwd uses; the passwords are random and long."""
_UNSAFE_ID = re.compile(r"[+#\x00-\x1f\x7f-\x9f]|^\$|^\s|\s$")


class BrokerFileError(Exception):
    """A file cannot be used as it is; the sentence says which line and what to do."""


class Grant(NamedTuple):
    """Topic filters that a user may publish to, and those of which it may read."""

    write: Sequence[str]
    read: Sequence[str]


def hash_password(password: str) -> str:
    """Return what mosquitto keeps of a password: PBKDF2 with SHA-512, with a salt of its own."""
    salt = secrets.token_bytes(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    words = (str(_ITERATIONS), base64.b64encode(salt).decode(), base64.b64encode(key).decode())
    return f"$7${'$'.join(words)}"


def user_name(device_id: str) -> str:
    """Return a device's user: its id, with what a file or a terminal may mistreat as ``%3A``."""
    return quote(device_id, safe="@")


def refuse_id(device_id: str) -> str | None:
    """Return why a device's id can stand in no topic, None where it can."""
    if _UNSAFE_ID.search(device_id):
        return "its id may not hold + or #, begin with $, or have blanks at its ends"
    return None


def password_part(hashes: Mapping[str, str]) -> bytes:
    """Return our part of a password file: users with what is kept of their passwords, by name."""
    return _join(f"{user}:{hashes[user]}" for user in sorted(hashes))


def acl_part(grants: Mapping[str, Grant]) -> bytes:
    """Return our part of an ACL file: each user's rights, by name."""
    lines: list[str] = []
    for user in sorted(grants):
        lines.append(f"user {user}")
        lines += (f"topic write {topic}" for topic in sorted(grants[user].write))
        lines += (f"topic read {topic}" for topic in sorted(grants[user].read))
    return _join(lines)


def replace_part(content: bytes, part: bytes) -> bytes:
    """Return a file's content with our part replaced, or put at its end where it had none.

    Raises:
        BrokerFileError: The marks are damaged.
    """
    before, _, after = _split(content)
    if before and not before[-1].endswith(b"\n"):
        before[-1] += b"\n"
    return b"".join((*before, part, *after))


def check_password_file(content: bytes, users: Container[str]) -> None:
    """Refuse users of ours whom somebody else has given a password.

    Raises:
        BrokerFileError: Names the first such line, or the marks are damaged.
    """
    before, ours, after = _split(content)
    for number, line in [*enumerate(before, 1), *enumerate(after, 1 + len(before) + len(ours))]:
        name, colon, _ = line.partition(b":")
        user = name.strip().decode(errors="replace")
        if colon and not line.startswith(b"#") and user in users:
            raise BrokerFileError(
                f"line {number}: {user!r} is a user outside of Gatehouse's part: take the line "
                "out, or register the device under another id"
            )


def check_acl_file(content: bytes) -> None:
    """Refuse a topic of nobody behind our part: there it would be our last device's.

    Raises:
        BrokerFileError: Names the line, or the marks are damaged.
    """
    before, ours, after = _split(content)
    for number, line in enumerate(after, 1 + len(before) + len(ours)):
        words = line.split()
        if words[:1] == [b"user"]:
            return
        if words[:1] == [b"topic"]:
            raise BrokerFileError(
                f"line {number}: a topic of nobody stands behind Gatehouse's part, where it is its "
                "last device's: put it before"
            )


def _split(content: bytes) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Return the lines before our part, those of it with its marks, and those after it."""
    lines = io.BytesIO(content).readlines()
    marks = [number for number, line in enumerate(lines) if line.rstrip() in {BEGIN, END}]
    if not marks:
        return lines, [], []
    if len(marks) != 2 or lines[marks[0]].rstrip() != BEGIN or lines[marks[1]].rstrip() != END:
        numbers = ", ".join(str(number + 1) for number in marks)
        raise BrokerFileError(
            f"line {numbers}: the marks of Gatehouse's part are damaged: take the part out whole"
        )
    begin, end = marks[0], marks[1] + 1
    return lines[:begin], lines[begin:end], lines[end:]


def _join(lines: Iterable[str]) -> bytes:
    return b"\n".join((BEGIN, *(line.encode() for line in lines), END, b""))
