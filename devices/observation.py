"""Observations: one thing, one device, one instant. A closed list.

They are made by the hundred thousand, so they are frozen msgspec structs outside the garbage
collector's view. Times are milliseconds since 1970-01-01 UTC.
"""

from enum import StrEnum
from typing import Any

import msgspec

from devices.clock import rfc3339


class BodySite(StrEnum):
    """Where on the body a temperature was taken; ``AMBIENT`` is a room, never a body."""

    AXILLARY = "axillary"
    ORAL = "oral"
    TYMPANIC = "tympanic"
    FOREHEAD = "forehead"
    WRIST = "wrist"
    RECTAL = "rectal"
    AMBIENT = "ambient"
    UNKNOWN = "unknown"


class TimeSource(StrEnum):
    """Where ``observed_at`` comes from."""

    DEVICE = "device"
    """The device said it, within seven days before and five minutes after its arrival."""
    ARRIVAL = "arrival"
    """The device said nothing; the time of arrival stands for it."""
    BACKLOG = "backlog"
    """As ARRIVAL, but the message waited somewhere first: evidence, never an interval."""
    REFUSED = "refused"
    """The device said something outside the window; the time of arrival stands for it."""


class Direction(StrEnum):
    """Which way somebody crossed a gate."""

    IN = "in"
    OUT = "out"
    UNKNOWN = "unknown"


class CrossingOutcome(StrEnum):
    """What the gate did."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Credential(StrEnum):
    """What was shown to the gate."""

    FACE = "face"
    CARD = "card"
    CODE = "code"
    PLATE = "plate"


class _Observed(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What every observation has.

    Attributes:
        device_id: The device's own id, as its messages carry it.
        observed_at: When it was true; milliseconds UTC.
        received_at: When its message arrived; milliseconds UTC.
        event_id: The device's own id or sequence of the event, where it gives one.
        channel: Which of the device's sensors or meter phases; empty where there is one.
        time_source: Where ``observed_at`` comes from.
        said_at: What the device said where that was refused; milliseconds UTC.
    """

    device_id: str
    observed_at: int
    received_at: int
    event_id: str | None = None
    channel: str = ""
    time_source: TimeSource = TimeSource.DEVICE
    said_at: int | None = None


class Temperature(
    _Observed, frozen=True, gc=False, kw_only=True, tag="temperature", tag_field="kind"
):
    """A temperature in degrees Celsius, of a body or of a room."""

    celsius: float
    body_site: BodySite = BodySite.UNKNOWN
    adjusted_to: BodySite | None = None
    subject: str | None = None
    ambient_celsius: float | None = None


class Crossing(_Observed, frozen=True, gc=False, kw_only=True, tag="crossing", tag_field="kind"):
    """Somebody at a gate. ``subject`` None and ``stranger`` True: a face nobody enrolled."""

    direction: Direction = Direction.UNKNOWN
    outcome: CrossingOutcome = CrossingOutcome.UNKNOWN
    subject: str | None = None
    stranger: bool = False
    credential: Credential | None = None
    score: float | None = None
    mask: bool | None = None


class Electricity(
    _Observed, frozen=True, gc=False, kw_only=True, tag="electricity", tag_field="kind"
):
    """Power in watts and/or a cumulative counter in watt-hours, of one meter channel."""

    power_w: float | None = None
    energy_wh: float | None = None


class LitWindow(_Observed, frozen=True, gc=False, kw_only=True, tag="lit_window", tag_field="kind"):
    """A worker saw a flat's window lit, or dark."""

    lit: bool
    household: str | None = None


class DeviceStatus(
    _Observed, frozen=True, gc=False, kw_only=True, tag="device_status", tag_field="kind"
):
    """What a device says of itself: online, battery in percent, signal in dBm or its own unit."""

    online: bool | None = None
    battery: float | None = None
    signal: float | None = None
    sequence: int | None = None


Observation = Temperature | Crossing | Electricity | LitWindow | DeviceStatus


def as_json(observation: Observation) -> dict[str, Any]:
    """Return the observation as published JSON: kind, RFC 3339 times, unknown fields left out."""
    fields: dict[str, Any] = msgspec.to_builtins(observation)
    fields["observed_at"] = rfc3339(observation.observed_at)
    fields["received_at"] = rfc3339(observation.received_at)
    if observation.said_at is not None:
        fields["said_at"] = rfc3339(observation.said_at)
    return fields
