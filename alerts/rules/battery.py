"""Low batteries, before the device falls silent."""

from collections.abc import Mapping, Sequence

import msgspec

from alerts.finding import Action, Finding, IncidentKind
from alerts.rule import Attribution, Context, Evidence, Step
from alerts.rules.where import locate
from devices.observation import DeviceStatus, Observation


class BatteryState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Since when it is low or good, which of the two, and whether an incident says so."""

    since: int = 0
    is_low: bool = False
    is_open: bool = False


class BatteryLow:
    """A battery at 10 % or less: a watch, closed by itself once it reports 20 % or more."""

    name = "battery_low"
    title = "a battery is nearly empty"
    section = "device"
    observes: tuple[type, ...] = (DeviceStatus,)
    state = BatteryState

    def keys(self, observation: Observation, context: Context) -> Sequence[str]:
        """Return the device, if it says how full its battery is."""
        if not isinstance(observation, DeviceStatus) or observation.battery is None:
            return ()
        return (f"device:{observation.device_id}",)

    def step(
        self, key: str, state: BatteryState, evidence: Evidence, context: Context
    ) -> Step[BatteryState]:
        """Take one report; one from before the last change is old news."""
        observation = evidence.observation
        at = observation.observed_at
        battery = observation.battery if isinstance(observation, DeviceStatus) else None
        if battery is None or at < state.since:
            return state, ()
        place, thresholds = context.stand(observation.device_id, at)
        limits = thresholds.device
        turns_low = not state.is_low and battery <= limits.battery_low_percent
        turns_good = state.is_low and battery >= limits.battery_good_percent
        if not turns_low and not turns_good:
            return state, ()
        after = BatteryState(since=at, is_low=turns_low, is_open=turns_low)
        if turns_good and not state.is_open:
            return after, ()
        found = Finding(
            action=Action.OPEN if turns_low else Action.CLEAR,
            rule=self.name,
            key=key,
            kind=IncidentKind.DEVICE,
            watch=True,
            observed_at=at,
            position=evidence.position,
            device_id=observation.device_id,
            late=evidence.is_late,
            evidence={"battery_percent": battery},
            **locate(context.registry, place, at),
        )
        return after, (found,)

    def seeds(
        self, devices: Sequence[str], context: Context, at: int
    ) -> Mapping[str, BatteryState]:
        """Return nothing: every state begins with an input."""
        return {}

    def due(self, state: BatteryState) -> int | None:
        """Return None: silence says nothing of a battery."""
        return None

    def on_due(
        self, key: str, state: BatteryState, at: int, context: Context
    ) -> Step[BatteryState]:
        """Change nothing: nothing is ever due."""
        return state, ()

    def on_closed(self, state: BatteryState, incident_key: str, at: int) -> BatteryState:
        """Say nothing more until the battery has been changed."""
        return msgspec.structs.replace(state, is_open=False)

    def on_attributed(
        self, key: str, state: BatteryState, said: Attribution, context: Context
    ) -> Step[BatteryState]:
        """Change nothing: no person's readings are judged here."""
        return state, ()

    def state_key(self, incident_key: str) -> str:
        """Return the same: a device has one incident at a time."""
        return incident_key
