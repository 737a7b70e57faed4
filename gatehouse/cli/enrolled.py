"""What a device that was enrolled needs to sign in, and may do, as commands show it."""

from collections.abc import Iterator
from typing import Any

from devices.broker_file import user_name
from gatehouse.enrolment import Addresses, Enrolled, path_of_posts

SHOWN = 12
"""Topics that are shown of one device; JSON has all."""


def as_lines(one: Enrolled, where: Addresses, *, dry_run: bool) -> Iterator[str]:
    """Yield what a person reads; the password only if it was made."""
    verb = "would be" if dry_run else "is"
    yield f"{one.row.id} {verb} enrolled: {one.row.profile}, {one.row.place.value} at {one.area}"
    if one.secret is None:
        yield f"  it speaks through {one.row.gateway}, which may use its topics; nothing to enter"
    elif one.posts:
        yield f"  address   {where.http or 'of this machine, the port of GATEHOUSE_INTAKE_BIND'}"
        yield f"  path      {path_of_posts(one.row.id)}"
        yield f"  user      {one.row.id}"
    else:
        yield f"  broker    {where.mqtt or 'say mqtt_url in [enrolment]'}"
        yield f"  user      {user_name(one.row.id)}"
    if one.secret is not None:
        shown = "made when it is enrolled" if dry_run else f"{one.secret}  (shown only now)"
        yield f"  password  {shown}"
    if not one.posts:
        yield from _right_lines(one)


def as_json(one: Enrolled, where: Addresses, told: str, *, dry_run: bool) -> dict[str, Any]:
    """Return the same for scripts, with what was told to the broker."""
    return {
        "device_id": one.row.id,
        "profile": one.row.profile,
        "place": one.row.place.value,
        "gateway": one.row.gateway,
        "mqtt_url": where.mqtt or None,
        "mqtt_user": user_name(one.row.id) if one.secret else None,
        "http_url": where.http or None,
        "http_path": path_of_posts(one.row.id),
        "password": None if dry_run else one.secret,
        "publishes": one.rights.write,
        "reads": one.rights.read,
        "shared": sorted(one.rights.shared),
        "dry_run": dry_run,
        "broker": told,
    }


def _right_lines(one: Enrolled) -> Iterator[str]:
    for verb, topics in (("publishes", one.rights.write), ("reads", one.rights.read)):
        more = [f"and {len(topics) - SHOWN} more"] if len(topics) > SHOWN else []
        for number, topic in enumerate([*topics[:SHOWN], *more]):
            yield f"  {'' if number else verb:<9} {topic}"
    if one.rights.shared and one.secret is not None:
        shared = ", ".join(sorted(one.rights.shared))
        yield f"  on {shared} a payload says whose it is: it could speak for others of its kind"
    if not one.rights.write:
        yield (
            f"  no topic of {one.row.profile} can be bound to this device: give it its rights in "
            "the ACL file, outside of Gatehouse's part"
        )
