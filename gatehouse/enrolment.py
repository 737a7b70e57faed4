"""Giving devices their credentials: registry first, then the broker's files, then the broker.

What the registry holds commits at once; only then do files and broker follow. A crash in between
loses the secret that was not yet shown (``--replace`` makes another) and leaves the files behind
the registry, which the next write mends.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import quote

from sqlalchemy import Connection, Engine

from devices import enrolment
from devices.broker_file import user_name
from devices.broker_rights import BrokerRights, Rights
from devices.credential import CredentialError, issue
from devices.csv_rows import DeviceRow
from devices.enrolment import EnrolmentRefused
from devices.profile import Profile, built_in, load_profiles
from devices.registry import Device, PlaceKind
from devices.registry_store import bump
from devices.standing import area, last_place
from devices.tables import device_credential
from gatehouse.broker_access import BrokerAccess
from gatehouse.label import Label, address
from gatehouse.settings import Settings

_PLACES = {
    "en": {kind: kind.value for kind in PlaceKind},
    "zh": {
        PlaceKind.GATE: "大门",
        PlaceKind.CHECKPOINT: "检查点",
        PlaceKind.HOUSEHOLD: "住户",
        PlaceKind.WORKER: "工作人员",
        PlaceKind.SITE: "小区",
    },
}


class Enrolled(NamedTuple):
    """A device with what it needs to sign in.

    Attributes:
        row: What it is and where it stands.
        area: Where that is in words without a flat.
        secret: Its password; None where it needs none, as it speaks through its gateway.
        rights: Its own, or what its gateway may do for it.
        posts: It is to post over HTTP.
    """

    row: DeviceRow
    area: str
    secret: str | None
    rights: Rights
    posts: bool


class Addresses(NamedTuple):
    """Where devices reach broker and intake; empty where nobody said."""

    mqtt: str
    http: str


def read_profiles(settings: Settings) -> tuple[Profile, ...]:
    """Return the families that are known.

    Raises:
        ProfileError: A file of the operator's is wrong.
    """
    folders = [settings.profiles_dir] if settings.profiles_dir else []
    return load_profiles(built_in(), *folders)


def open_access(settings: Settings, rights: BrokerRights) -> BrokerAccess | None:
    """Return the broker's files, None where the settings name none."""
    if settings.enrolment.password_file is None:
        return None
    return BrokerAccess(settings.enrolment, settings.data_dir, rights, settings.clock)


def follow(settings: Settings, engine: Engine) -> None:
    """Bring the broker's files up to date after any change of the registry, if they are named.

    What a gateway may do follows from which devices speak through it.

    Raises:
        BrokerAccessError: They could not be written, or the broker could not be told.
    """
    if settings.enrolment.password_file is not None:
        access = open_access(settings, BrokerRights(read_profiles(settings)))
        if access is not None:
            access.write(engine, is_always_told=False)


def addresses(settings: Settings) -> Addresses:
    """Return where devices are told to go: what the settings say, or else our own broker."""
    mqtt = settings.mqtt
    ours = f"{'mqtts' if mqtt.tls else 'mqtt'}://{mqtt.address}" if mqtt else ""
    return Addresses(settings.enrolment.mqtt_url or ours, settings.enrolment.http_url)


def register(
    connection: Connection, row: DeviceRow | None, device_id: str, *, now: int
) -> DeviceRow:
    """Have a device stand where it is said to; return that.

    Args:
        connection: In a transaction.
        row: What was said of it; None for a device that is registered: it stays where it stands,
            or comes back to where it stood last.
        device_id: Of the device.
        now: Since when; milliseconds UTC.

    Raises:
        EnrolmentRefused: It is registered otherwise, or not at all and nothing was said.
    """
    last = last_place(connection, device_id)
    if last is None:
        if row is None:
            raise EnrolmentRefused("profile", f"{device_id!r} is not registered: say --profile")
        enrolment.enrol(connection, row, since=now)
        return row
    known, until = last
    stands = until is None or until > now
    if row is not None and (row.profile, row.gateway) != (known.profile, known.gateway):
        raise EnrolmentRefused(
            "id", f"{device_id!r} is registered as {known.profile}: `gatehouse registry import`"
        )
    if stands and row is not None and row != known:
        raise EnrolmentRefused(
            "id", f"{device_id!r} stands elsewhere: `gatehouse devices move` moves it"
        )
    if not stands:
        enrolment.bind(connection, row or known, since=now)
    return row or known


def enrol(
    connection: Connection,
    row: DeviceRow,
    rights: BrokerRights,
    *,
    digest: bool,
    replace: bool,
    posts: bool,
    now: int,
) -> Enrolled:
    """Give a registered device its credential, unless it speaks through a gateway.

    Args:
        connection: In a transaction; whoever opened it tells the snapshots.
        row: What it is and where it stands.
        rights: Of the families.
        digest: Keep what HTTP Digest needs as well.
        replace: Void the credential it has.
        posts: It is to post over HTTP.
        now: Real time; milliseconds UTC.

    Raises:
        CredentialError: It has a credential, or an id that cannot sign in.
    """
    granted = rights.of(device_of(row))
    if row.gateway is not None:
        if posts:
            raise CredentialError(f"{row.id!r} speaks through {row.gateway!r}: it cannot post")
        return Enrolled(row, area(connection, row), None, granted, posts=False)
    if posts and "/" in row.id:
        raise CredentialError(f"{row.id!r} cannot post: its id holds /")
    secret = issue(connection, row.id, digest=digest, replace=replace, now=now)
    return Enrolled(row, area(connection, row), secret, granted, posts)


def tell_of_credentials(connection: Connection, device_ids: Iterable[str]) -> None:
    """Tell every snapshot whose credentials have changed, when the transaction commits."""
    bump(connection, [(device_credential.name, device_id) for device_id in device_ids])


def device_of(row: DeviceRow) -> Device:
    """Return a device as the registry has it."""
    return Device(row.id, row.profile, row.gateway)


def path_of_posts(device_id: str) -> str:
    """Return where a device posts to, as it is entered."""
    return f"/intake/{quote(device_id, safe=':@')}"


def make_label(
    one: Enrolled, where: Addresses, *, language: str, with_secret: bool = False
) -> Label:
    """Return a device's label.

    Raises:
        EnrolmentRefused: It is not known where devices reach us.
    """
    place = (_PLACES[language][one.row.place], one.area)
    if one.secret is None:
        return Label(one.row.id, (*place, f"→ {one.row.gateway}"), one.row.id)
    base = where.http if one.posts else where.mqtt
    if not base:
        key = "http_url" if one.posts else "mqtt_url"
        raise EnrolmentRefused(key, f"say in [enrolment] {key} where devices reach us")
    user = one.row.id if one.posts else user_name(one.row.id)
    path = f"intake/{one.row.id}" if one.posts else next(iter(one.rights.write), "")
    code = address(base, path, user=user, secret=one.secret if with_secret else None)
    lines: Sequence[str] = [*place, base.partition("://")[2]]
    if user != one.row.id:
        lines = [*lines, user]
    return Label(one.row.id, tuple(lines), code)
