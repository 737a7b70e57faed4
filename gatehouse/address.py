"""What an address in the settings may look like. Pure; each raises ValueError with what to write.

Nothing said here repeats the address: one of a database holds a password.
"""

import re
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked for, not bound
"""Where to reach what listens on every address."""
_BIND = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+):(?P<port>\d{1,5})")


def database_address(text: str) -> str:
    """Return the address of a state database if it is one."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername != "postgresql" or not url.database:
        raise ValueError(
            "is no address of a state database; write it like postgresql://user@host/database"
        )
    return text


def bind_address(text: str) -> str:
    """Return host and port to listen on if they are such."""
    found = _BIND.fullmatch(text)
    if found is None or not 0 < int(found["port"]) < 65_536:
        raise ValueError("is no host and port; write it like 127.0.0.1:8080 or [::1]:8080")
    return text


def split_bind(text: str) -> tuple[str, int]:
    """Return host, as sockets take it, and port."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def reachable(host: str) -> str:
    """Return where to reach what listens on a host."""
    return _ANYWHERE.get(host, host)


def url_of_bind(text: str) -> str:
    """Return the address of what listens on host and port, as reached from this machine."""
    host, port = split_bind(text)
    host = reachable(host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def web_address(text: str) -> str:
    """Return the address people type to reach the console if it is one; empty is none given."""
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("is no web address; write it like https://gatehouse.example")
    return text
