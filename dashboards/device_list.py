"""The devices an account may see, with what they last said and what is wrong with them."""

from collections.abc import Callable, Iterable, Mapping

import msgspec
from sqlalchemy import Connection

from alerts.rule_state import read_states
from alerts.rules.clock import ClockOff, ClockState
from dashboards import access
from dashboards.account import Account
from devices.registry import Device, Place, Registry
from ingest.series import Reading


class DeviceLine(msgspec.Struct, frozen=True):
    """One device in a list.

    Attributes:
        place: Where it is now, or None if it is bound nowhere.
        seen_at: Time of its newest observation, milliseconds UTC; None if none is stored.
        battery: Percent, where it says so.
        is_silent: Longer without an observation than its profile allows.
        clock: What is known of its clock where that is off, else None.
    """

    device: Device
    place: Place | None
    seen_at: int | None
    battery: float | None
    is_silent: bool
    clock: ClockState | None = None


def visible_devices(
    registry: Registry, viewer: Account, *, now: int
) -> dict[str, tuple[Device, Place | None]]:
    """Return the devices in what an account looks after, by id."""
    found: dict[str, tuple[Device, Place | None]] = {}
    for device in registry.devices.values():
        place = registry.place(device.id, now)
        site, grid = (place.site, place.grid) if place else (None, None)
        if access.may_see_place(viewer, site=site, grid=grid):
            found[device.id] = (device, place)
    return found


def wrong_clocks(connection: Connection) -> dict[str, ClockState]:
    """Return what is known of each clock that is off, by its device's id."""
    states: dict[str, ClockState] = read_states(connection, ClockOff())
    return {key.removeprefix("device:"): one for key, one in states.items() if one.is_off}


def list_devices(
    devices: Mapping[str, tuple[Device, Place | None]],
    readings: Iterable[Reading],
    *,
    silent_after: Callable[[str], int | None],
    now: int,
    clocks: Mapping[str, ClockState],
) -> list[DeviceLine]:
    """Return a line for each device, silent ones first, then by id.

    What speaks through a gateway shows that the gateway is there too.
    """
    seen: dict[str, int] = {}
    battery: dict[str, float] = {}
    gateways = {device.id: device.gateway for device, _ in devices.values() if device.gateway}
    for reading in readings:
        for speaker in (reading.device, gateways.get(reading.device, reading.device)):
            seen[speaker] = max(reading.at, seen.get(speaker, 0))
        charge = reading.fields.get("battery")
        if isinstance(charge, int | float):
            battery[reading.device] = charge
    lines = [
        DeviceLine(
            device=device,
            place=place,
            seen_at=seen.get(device.id),
            battery=battery.get(device.id),
            is_silent=_is_silent(seen.get(device.id), silent_after(device.profile), now),
            clock=clocks.get(device.id),
        )
        for device, place in devices.values()
    ]
    return sorted(lines, key=lambda line: (not line.is_silent, line.device.id))


def _is_silent(seen_at: int | None, allowed: int | None, now: int) -> bool:
    return allowed is not None and (seen_at is None or now - seen_at > allowed)
