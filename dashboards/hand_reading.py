"""A temperature taken by hand: from what a worker typed to the canonical message. Pure."""

import json
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

import msgspec

from dashboards.account import Account
from devices.clock import HOUR, MINUTE, SECOND, rfc3339
from devices.device_time import NEWEST
from devices.observation import BodySite
from devices.registry import PlaceKind, Registry

PROFILE = "gatehouse"
"""The profile of the devices that hand-entered readings are published as."""
BODY_SITES = (
    BodySite.AXILLARY,
    BodySite.FOREHEAD,
    BodySite.TYMPANIC,
    BodySite.ORAL,
    BodySite.WRIST,
    BodySite.RECTAL,
)
YESTERDAY_FROM = 12 * HOUR
"""A time so far ahead is yesterday's. Nearer ones would be so old then that a fever pages nobody
(``fever.late_hours``): that is asked, not guessed."""


class ReadingProblem(Exception):
    """The reading cannot be used; ``field`` names what to mend on the form."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class HandReading(msgspec.Struct, frozen=True):
    """One temperature as a worker took it.

    Attributes:
        site: Where the publishing device stands.
        device_id: The registered device it is published as.
        subject: Whose it is; a random id.
        observed_at: Milliseconds UTC.
        event_id: Made with the form, so that two taps are one reading.
    """

    site: str
    device_id: str
    subject: str
    celsius: float
    body_site: BodySite
    observed_at: int
    event_id: str

    @property
    def topic(self) -> str:
        """Where it is published."""
        return f"gatehouse/v1/{self.site}/{self.device_id}"

    @property
    def payload(self) -> bytes:
        """The canonical observation as JSON."""
        fields = {
            "kind": "temperature",
            "device_id": self.device_id,
            "observed_at": rfc3339(self.observed_at),
            "event_id": self.event_id,
            "celsius": self.celsius,
            "body_site": self.body_site,
            "subject": self.subject,
        }
        return json.dumps(fields).encode()


def publishing_device(registry: Registry, viewer: Account, site: str, *, now: int) -> str | None:
    """Return the device that stands for readings by hand: the worker's own, else any at the site.

    Only devices carried by workers count: one at a gate would make it a reading of the gate's.
    """
    at_site: str | None = None
    for device in sorted(registry.devices.values(), key=lambda one: one.id):
        place = registry.place(device.id, now) if device.profile == PROFILE else None
        if place is None or place.site != site or place.kind is not PlaceKind.WORKER:
            continue
        if place.worker is not None and place.worker == viewer.worker:
            return device.id
        at_site = at_site or device.id
    return at_site


def parse_celsius(text: str, *, lowest: float, highest: float) -> float:
    """Return a temperature somebody typed, to a hundredth.

    Raises:
        ReadingProblem: It is no number, or no living body's.
    """
    try:
        celsius = float(round(Decimal(text.strip().replace(",", ".")), 2))
    except (InvalidOperation, ValueError, OverflowError):
        raise ReadingProblem("celsius") from None
    if not lowest <= celsius <= highest:
        raise ReadingProblem("celsius")
    return celsius


def parse_time(text: str, *, now: int, zone: ZoneInfo) -> int:
    """Return when it was taken, to the minute, as a worker's watch tells it.

    Empty is this minute, so that the second of two taps says the same. A watch may be a little
    fast. Shortly after midnight, late in the evening was yesterday.

    Args:
        text: ``HH:MM`` in the site's zone, or empty.
        now: Milliseconds UTC.
        zone: The site's.

    Raises:
        ReadingProblem: It is no time of day (``at``), or one that has not come yet (``ahead``).
    """
    this_minute = now // MINUTE * MINUTE
    if not text.strip():
        return this_minute
    try:
        typed = datetime.strptime(text.strip(), "%H:%M").time()  # noqa: DTZ007 - a time of day
    except ValueError:
        raise ReadingProblem("at") from None
    today = datetime.fromtimestamp(now / SECOND, zone)
    taken = round(datetime.combine(today.date(), typed, tzinfo=zone).timestamp()) * SECOND
    if taken <= now + NEWEST:
        return min(taken, this_minute)
    if taken < now + YESTERDAY_FROM:
        raise ReadingProblem("ahead")
    yesterday = datetime.combine(today.date() - timedelta(days=1), typed, tzinfo=zone)
    return round(yesterday.timestamp()) * SECOND
