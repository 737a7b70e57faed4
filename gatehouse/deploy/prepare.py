"""Make what docker-compose.yml needs before its first start.

    python3 -m gatehouse.deploy.prepare

Random secrets as files of mode 0600, the folders that containers keep their data in, and ``.env``
with whose they are. Needs nothing but Python; what exists already is kept, so that running it
again after an upgrade only adds what is new.
"""

import argparse
import base64
import hashlib
import os
import secrets
import sys
from pathlib import Path

SECRETS = (
    "mqtt_password",
    "mqtt_devices_password",
    "influxdb_password",
    "influxdb_token",
    "grafana_password",
)
MQTT_USERS = {"gatehouse": "mqtt_password", "devices": "mqtt_devices_password"}
MQTT_PASSWORDS = "mosquitto_passwords"
VOLUMES = ("mosquitto", "influxdb", "influxdb-config", "grafana", "gatehouse")
_ROOT_IS = 10001
"""Whose the files are when root prepares: no container runs as root."""
_ITERATIONS = 101
"""What mosquitto_passwd uses; the passwords are random and long."""


def prepare(folder: Path) -> list[Path]:
    """Make the secrets, folders and ``.env`` that are missing; return what was made."""
    made = [
        path
        for path in (folder / "secrets", *(folder / "volumes" / name for name in VOLUMES))
        if _make_folder(path)
    ]
    secret = folder / "secrets"
    made += [secret / name for name in SECRETS if _write(secret / name, secrets.token_urlsafe(32))]
    if {secret / name for name in MQTT_USERS.values()} & set(made):
        (secret / MQTT_PASSWORDS).unlink(missing_ok=True)  # It no longer matches.
    passwords = "".join(
        mosquitto_line(user, (secret / name).read_text().strip()) + "\n"
        for user, name in MQTT_USERS.items()
    )
    if _write(secret / MQTT_PASSWORDS, passwords):
        made.append(secret / MQTT_PASSWORDS)
    uid, gid = _owner()
    if _write(folder / ".env", f"GATEHOUSE_UID={uid}\nGATEHOUSE_GID={gid}\n"):
        made.append(folder / ".env")
    return made


def mosquitto_line(user: str, password: str) -> str:
    """Return a line of mosquitto's password file: PBKDF2 with SHA-512.

    Source: mosquitto 2.0, src/password_mosq.c.
    """
    salt = secrets.token_bytes(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    words = (str(_ITERATIONS), base64.b64encode(salt).decode(), base64.b64encode(key).decode())
    return f"{user}:$7${'$'.join(words)}"


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
