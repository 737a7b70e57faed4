"""Make what docker-compose.yml needs before its first start.

    python3 -m gatehouse.deploy.prepare

Random secrets as files of mode 0600, the folders that containers keep their data in, whom the
broker lets in, and ``.env`` with whose they are. Needs nothing but Python; what exists already is
kept, so that running it again after an upgrade only adds what is new.
"""

import argparse
import os
import secrets
import sys
from pathlib import Path

from devices.broker_file import hash_password

SECRETS = ("mqtt_password", "influxdb_password", "influxdb_token", "grafana_password")
USER = "gatehouse"
PASSWORDS, ACL = "passwords", "acl"
"""What the broker reads, in ``volumes/broker``. Gatehouse adds its devices."""
VOLUMES = ("mosquitto", "broker", "influxdb", "influxdb-config", "grafana", "gatehouse")
_RIGHTS = f"user {USER}\ntopic readwrite #\ntopic read $SYS/#\n"
_SHARED_USER = "devices"
"""Of installations that were prepared before each device had a user of its own."""
_SHARED_RIGHTS = f"user {_SHARED_USER}\ntopic write #\n"
_SETTINGS = """\
[enrolment]
password_file = "/broker/passwords"
acl_file = "/broker/acl"
reload_command = []  # The broker watches both files.
# mqtt_url = "mqtt://192.168.1.10:1883"  # This machine, as devices reach it: printed on labels.
# http_url = "http://192.168.1.10:8081"
"""
_ROOT_IS = 10001
"""Whose the files are when root prepares: no container runs as root."""


def prepare(folder: Path) -> list[Path]:
    """Make the secrets, folders and files that are missing; return what was made."""
    volumes, secret = folder / "volumes", folder / "secrets"
    made = [path for path in (secret, *(volumes / name for name in VOLUMES)) if _make_folder(path)]
    made += [secret / name for name in SECRETS if _write(secret / name, secrets.token_urlsafe(32))]
    made += _let_in(volumes / "broker", secret, is_new=secret / "mqtt_password" in made)
    uid, gid = _owner()
    for path, text in (
        (volumes / "gatehouse" / "gatehouse.toml", _SETTINGS),
        (folder / ".env", f"GATEHOUSE_UID={uid}\nGATEHOUSE_GID={gid}\n"),
    ):
        if _write(path, text):
            made.append(path)
    return made


def _let_in(broker: Path, secret: Path, *, is_new: bool) -> list[Path]:
    """Let Gatehouse in at the broker, beside whoever is let in already; return what was made.

    Args:
        broker: The folder of the broker's files.
        secret: That of the secrets.
        is_new: Gatehouse's password is not the one that stands there.
    """
    before = secret / "mosquitto_passwords"  # Where these stood before devices were enrolled.
    passwords, acl = broker / PASSWORDS, broker / ACL
    known = next((path.read_text() for path in (passwords, before) if path.exists()), "")
    others = [line for line in known.splitlines() if not line.startswith(f"{USER}:")]
    made = []
    if is_new or not passwords.exists():
        password = (secret / "mqtt_password").read_text().strip()
        draft = broker / f"{PASSWORDS}.new"
        draft.unlink(missing_ok=True)
        _write(draft, "\n".join((f"{USER}:{hash_password(password)}", *others, "")))
        made.append(draft.replace(passwords))
    shared = any(line.startswith(f"{_SHARED_USER}:") for line in others)
    if _write(acl, _RIGHTS + (_SHARED_RIGHTS if shared else "")):
        made.append(acl)
    return made


def _owner() -> tuple[int, int]:
    return (os.getuid(), os.getgid()) if os.getuid() else (_ROOT_IS, _ROOT_IS)


def _make_folder(path: Path) -> bool:
    if path.is_dir():
        return False
    path.mkdir(parents=True, mode=0o700)
    os.chown(path, *_owner())
    return True


def _write(path: Path, text: str) -> bool:
    if path.exists():
        return False
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - an open descriptor
        file.write(text)
    os.chown(path, *_owner())
    return True


def main() -> None:
    """Prepare the folder of docker-compose.yml, or the one that is named."""
    parser = argparse.ArgumentParser(prog="python3 -m gatehouse.deploy.prepare")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="default: here")
    folder: Path = parser.parse_args().folder
    if not (folder / "docker-compose.yml").exists():
        sys.exit(f"{folder.absolute()} has no docker-compose.yml; run this where it is")
    made = prepare(folder)
    sys.stdout.write("".join(f"made {path}\n" for path in made) or "everything is there already\n")


if __name__ == "__main__":
    main()
