"""Silent devices: nothing heard for longer than the profile allows, while somebody listened.

Silence is judged by arrival: a device that sends what it kept is speaking. Whatever comes through
a gateway is heard of the gateway too, so a silent gateway is one incident and not one for each of
the devices behind it.

A device that has never spoken is waited for from when it was first seen in the registry with a
place to stand, or from when it stands there if that is later.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum

import msgspec

from alerts.finding import Action, Finding, IncidentKind
from alerts.rule import Attribution, Context, Evidence, Step
from alerts.rules.where import locate
from devices.clock import HOUR, MINUTE
from devices.history import FOREVER
from devices.observation import (
    Crossing,
    DeviceStatus,
    Electricity,
    LitWindow,
    Observation,
    Temperature,
)
from devices.registry import Device, Registry

GRAIN = 16
"""What is heard is remembered this many times in the span a device may be silent, not each time:
silence is found at most a sixteenth of the span late, and memory and disk see little of it."""
FIRST_WORD = HOUR
"""A device is often registered before it is switched on: its first word is waited for so long at
least."""
_KEY = "device:"


class Voice(IntEnum):
    """Whether a device speaks."""

    HEARD = 0
    SILENT = 1
    """And an incident says so."""
    GIVEN_UP = 2
    """A person has closed that incident; nothing more is said until it speaks again."""


_HEARD, _SILENT = Voice.HEARD, Voice.SILENT
"""Looked up once: a member of an enumeration costs as much as the rest of a step."""


class DeviceState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """When a device was last heard and how long it may be silent; milliseconds, 0 for always."""

    heard_at: int = 0
    silent_after: int = 0
    voice: Voice = _HEARD


class DeviceSilent:
    """A registered device has said nothing for longer than its profile's ``silent_after``.

    A watch, closed by itself when the device speaks again; one that has never spoken is missed as
    well. Not while its gateway is silent, which is an incident of its own; and time in which nobody
    listened is not silence.
    """

    name = "device_silent"
    title = "a device has fallen silent"
    section = "device"
    observes: tuple[type, ...] = (Temperature, Crossing, Electricity, LitWindow, DeviceStatus)
    state = DeviceState

    def keys(self, observation: Observation, context: Context) -> Sequence[str]:
        """Return the device and its gateway; "offline" is said by the broker, not the device."""
        if observation.__class__ is DeviceStatus and observation.online is False:
            return ()
        device_id = observation.device_id
        keys: tuple[str, ...] | None = context.memo.get(device_id)
        if keys is None:
            keys = context.memo[device_id] = self._keys_of(device_id, context)
        return keys

    def _keys_of(self, device_id: str, context: Context) -> tuple[str, ...]:
        device = context.registry.devices.get(device_id)
        if device is None:
            return ()
        may_fall_silent = context.silent_after(device.profile) is not None
        own = (_KEY + device.id,) if may_fall_silent else ()
        if device.gateway is None:
            return own
        gateway = context.registry.devices.get(device.gateway)
        if gateway is None:
            return own
        if not may_fall_silent and context.silent_after(gateway.profile) is None:
            return ()
        return (*own, _KEY + gateway.id)

    def step(
        self, key: str, state: DeviceState, evidence: Evidence, context: Context
    ) -> Step[DeviceState]:
        """Hear a device, itself or through it."""
        heard_at = evidence.observation.received_at
        is_recent = heard_at < state.heard_at + state.silent_after // GRAIN
        if is_recent and state.voice is _HEARD:
            return state, ()
        silent_after = _silent_after(key, evidence.observation.device_id, context)
        after = DeviceState(max(heard_at, state.heard_at), silent_after)
        if state.voice is not _SILENT:
            return (after, ()) if after != state else (state, ())
        found = _finding(Action.CLEAR, key, heard_at, context, position=evidence.position)
        return after, (found,)

    def seeds(self, devices: Sequence[str], context: Context, at: int) -> Mapping[str, DeviceState]:
        """Return each of them that stands somewhere and was never heard, and so its gateway.

        A gateway is waited for as long as the first of the devices behind it, so that a silent one
        is found before them. A device that was registered again after it had gone begins anew.
        """
        seeds: dict[str, DeviceState] = {}
        for device_id in devices:
            keys = [
                key for key in self._keys_of(device_id, context) if not _is_awaited(key, context)
            ]
            since = _standing_since(device_id, context.registry, at) if keys else None
            if since is None:
                continue
            for key in keys:
                span = max(FIRST_WORD, _silent_after(key, device_id, context))
                seed = DeviceState(max(since, at), span)
                seeds[key] = min(seed, seeds.get(key, seed), key=_ends)
        return seeds

    def due(self, state: DeviceState) -> int | None:
        """Return when a device that says nothing from now on has been silent too long."""
        if not state.silent_after or state.voice is not _HEARD:
            return None
        return state.heard_at + state.silent_after + state.silent_after // GRAIN

    def on_due(self, key: str, state: DeviceState, at: int, context: Context) -> Step[DeviceState]:
        """Report a silent device, unless nobody listened or its gateway is the silent one."""
        device = context.registry.device(key.removeprefix(_KEY))
        if device is None:
            return msgspec.structs.replace(state, silent_after=0), ()
        heard_at = max(state.heard_at, context.listening_since)
        if at < heard_at + state.silent_after:
            return msgspec.structs.replace(state, heard_at=heard_at), ()
        if _is_gateway_silent(device, state, at, context):
            return msgspec.structs.replace(state, heard_at=at), ()
        since = heard_at + state.silent_after
        found = _finding(
            Action.OPEN,
            key,
            since,
            context,
            evidence={"silent_minutes": state.silent_after // MINUTE},
        )
        return msgspec.structs.replace(state, voice=Voice.SILENT), (found,)

    def on_closed(self, state: DeviceState, incident_key: str, at: int) -> DeviceState:
        """Say nothing more until the device speaks again."""
        if state.voice is not Voice.SILENT:
            return state
        return msgspec.structs.replace(state, voice=Voice.GIVEN_UP)

    def on_attributed(
        self, key: str, state: DeviceState, said: Attribution, context: Context
    ) -> Step[DeviceState]:
        """Change nothing: no person's readings are judged here."""
        return state, ()

    def state_key(self, incident_key: str) -> str:
        """Return the same: a device has one incident at a time."""
        return incident_key


def _is_awaited(key: str, context: Context) -> bool:
    known = context.neighbour(key)
    return known is not None and known.silent_after > 0


def _standing_since(device_id: str, registry: Registry, at: int) -> int | None:
    """Return since when a device stands where it does, or will; None for nowhere."""
    since, until, place = registry.stay(device_id, at)
    if place is not None:
        return since
    return until if until < FOREVER else None


def _ends(state: DeviceState) -> int:
    return state.heard_at + state.silent_after


def _silent_after(key: str, speaker: str, context: Context) -> int:
    """Return a device's span; a gateway without one has that of the device it passes on."""
    devices = context.registry.devices
    names = (key.removeprefix(_KEY), speaker)
    spans = (context.silent_after(devices[name].profile) for name in names)
    return next((span for span in spans if span), 0)


def _is_gateway_silent(device: Device, state: DeviceState, at: int, context: Context) -> bool:
    """Return whether nothing at all has come through a device's gateway for as long."""
    gateway = context.neighbour(_KEY + device.gateway) if device.gateway else None
    if gateway is None or not gateway.silent_after:
        return False
    heard_at = max(gateway.heard_at, context.listening_since)
    return bool(at >= heard_at + min(state.silent_after, gateway.silent_after))


def _finding(
    action: Action,
    key: str,
    at: int,
    context: Context,
    *,
    position: int = 0,
    evidence: dict[str, int] | None = None,
) -> Finding:
    device_id = key.removeprefix(_KEY)
    place = context.registry.place(device_id, at)
    return Finding(
        action=action,
        rule=DeviceSilent.name,
        key=key,
        kind=IncidentKind.DEVICE,
        watch=True,
        observed_at=at,
        position=position,
        device_id=device_id,
        evidence=dict(evidence or {}),
        **locate(context.registry, place, at),
    )
