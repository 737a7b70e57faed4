"""The fever rule: from readings to a watch, an incident, more evidence for one.

A key is a person where one is known (named by the reading, or the only resident of the flat the
thermometer is bound to), else a household, else the device. On a device everybody who is measured
in an unbroken row is one person, with an incident of their own. Whose a reading is that named
nobody, a person may say afterwards (``fever_attribution``).
"""

from collections.abc import Mapping, Sequence

import msgspec

from alerts.finding import Finding
from alerts.rule import Attribution, Context, Evidence, Step
from alerts.rules import baseline, fever_attribution, fever_episode, origin, readings
from alerts.rules.fever_case import RULE, Case, describe
from alerts.rules.fever_judge import is_followed, remember, reopen, stop_waiting, take
from alerts.rules.fever_reading import is_guarded, read
from alerts.rules.fever_state import ENTRIES, KEEP, FeverState
from alerts.rules.readings import NEXT_PERSON, Reading
from devices.observation import BodySite, Crossing, CrossingOutcome, Observation, Temperature

_AMBIENT, _ADMITTED = BodySite.AMBIENT, CrossingOutcome.ADMITTED


class Fever:
    """Two contact readings of 37.3 °C or more between 5 and 30 minutes apart, or one of 38.0.

    Or an infrared reading of 38.0 that nobody rechecks within 15 minutes; or, at a checkpoint, two
    of the last three readings of 37.3, whatever the instrument. The first contact reading of 37.3,
    and one far above a person's own usual, are a watch.

    Values are compared after rounding half up to 0.1 °C. Infrared, and a body site nobody
    labelled, is never a contact reading. Severity rises at 38.0 and 39.0, is one step higher for
    contacts, isolated and suspected people, and never falls; only a person closes a fever.
    """

    name = RULE
    title = "somebody has a fever"
    section = "fever"
    observes: tuple[type, ...] = (Temperature, Crossing)
    state = FeverState

    def keys(self, observation: Observation, context: Context) -> Sequence[str]:
        """Return whom a reading is about; a crossing only tells a checkpoint who is next."""
        if isinstance(observation, Temperature):
            if observation.body_site is _AMBIENT or observation.adjusted_to is _AMBIENT:
                return ()
        elif isinstance(observation, Crossing):
            moved_on = observation.outcome is _ADMITTED or observation.subject
            return (f"device:{observation.device_id}",) if moved_on else ()
        else:
            return ()
        at = observation.observed_at
        place, _ = context.stand(observation.device_id, at)
        household = place.household if place is not None else None
        named = _named(observation, context)
        if household is not None:
            subject = named or context.registry.sole_resident(household, at)
            return (f"subject:{subject}" if subject else f"household:{household}",)
        device = f"device:{observation.device_id}"
        return (f"subject:{named}", device) if named else (device,)

    def step(
        self, key: str, state: FeverState, evidence: Evidence, context: Context
    ) -> Step[FeverState]:
        """Take one reading; a repeat, an impossible and an inconclusive one change nothing."""
        observation = evidence.observation
        is_device = key.startswith("device:")
        if not isinstance(observation, Temperature):
            return _let_next_person_come(state, observation), ()
        is_named = _named(observation, context) is not None
        if is_device and is_named:
            return _let_next_person_come(state, observation), ()
        place, thresholds = context.stand(observation.device_id, observation.observed_at)
        limits = thresholds.fever
        reading = read(observation, limits, is_checkpoint=is_guarded(place))
        if reading is None:
            return state, ()
        is_event = observation.event_id is not None
        if readings.is_known(state.ring, reading, entries=ENTRIES, is_event=is_event):
            return state, ()
        ring = readings.insert(state.ring, reading, keep=KEEP, entries=ENTRIES)
        scale = 0 if is_device else baseline.scale(observation)
        origins = state.origins
        if not is_device and not is_named:
            device = readings.identify(observation.device_id)
            entries = readings.count(ring)
            origins = origin.add(
                origins, reading.identity, device, scale, evidence.position, entries=entries
            )
        state = FeverState(ring, state.baseline, state.waits, state.episodes, origins)
        scale = scale if key.startswith("subject:") else 0
        is_unusual = bool(scale) and baseline.is_exceeded(state.baseline, reading, scale, limits)
        is_fever = reading.tenths >= limits.tenths.contact
        if not is_fever and not is_unusual and not is_followed(state, key, reading, limits):
            return remember(state, reading, scale), ()
        case = Case(
            key=key,
            reading=reading,
            device_id=observation.device_id,
            position=evidence.position,
            received_at=observation.received_at,
            is_late=evidence.is_late,
            place=place,
            registry=context.registry,
            limits=limits,
            evidence=describe(reading, observation.body_site, observation.adjusted_to),
        )
        return take(state, case, is_unusual=is_unusual)

    def seeds(self, devices: Sequence[str], context: Context, at: int) -> Mapping[str, FeverState]:
        """Return nothing: every state begins with an input."""
        return {}

    def due(self, state: FeverState) -> int | None:
        """Return when the first high infrared reading has waited long enough."""
        return min(wait.due for wait in state.waits) if state.waits else None

    def on_due(self, key: str, state: FeverState, at: int, context: Context) -> Step[FeverState]:
        """Judge the high infrared readings that have waited long enough for a recheck."""
        findings: list[Finding] = []
        ripe = [wait for wait in state.waits if wait.due <= at]
        waits = tuple(wait for wait in state.waits if wait.due > at)
        state = msgspec.structs.replace(state, waits=waits)
        for wait in ripe:
            state, found = stop_waiting(state, reopen(key, wait, context))
            findings += found
        return state, findings

    def on_closed(self, state: FeverState, incident_key: str, at: int) -> FeverState:
        """Begin anew: what was measured until then belongs to the closed incident."""
        episodes = fever_episode.close(state.episodes, incident_key, at)
        return msgspec.structs.replace(state, episodes=episodes)

    def on_attributed(
        self, key: str, state: FeverState, said: Attribution, context: Context
    ) -> Step[FeverState]:
        """Let a reading go, or take one, as a person said whose it is."""
        return fever_attribution.settle(key, state, said, context)

    def state_key(self, incident_key: str) -> str:
        """Return the person, household or device behind an incident's key."""
        if incident_key.startswith("device:"):
            return incident_key.rpartition("#")[0]
        return incident_key


def _named(observation: Temperature, context: Context) -> str | None:
    """Return the resident a reading names; what a device writes there is not believed unseen."""
    subject = observation.subject
    return subject if subject and context.registry.knows_subject(subject) else None


def _let_next_person_come(state: FeverState, observation: Observation) -> FeverState:
    """End the row on a device, behind what was measured at that instant; two ends are one."""
    at = observation.observed_at + 1
    if readings.ends_with(state.ring, NEXT_PERSON, until=at):
        return state
    end = Reading(at, 0, NEXT_PERSON, readings.identify(f"next person|{at}"))
    ring = readings.insert(state.ring, end, keep=KEEP, entries=ENTRIES)
    return msgspec.structs.replace(state, ring=ring)
