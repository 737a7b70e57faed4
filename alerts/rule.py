"""What a rule is: a pure judge of observations, with one small state per key.

A rule does no I/O and reads no clock. The engine finds the key's state, hands it in, and keeps
what comes back; the same inputs in the same order always give the same findings.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import msgspec

from alerts.finding import Finding
from alerts.thresholds import Thresholds
from devices.clock import MINUTE
from devices.observation import Observation, TimeSource
from devices.registry import Place, Registry

LATE = 5 * MINUTE
"""Evidence older than this on arrival is marked late."""


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """One observation and the journal position of the message that brought it."""

    observation: Observation
    position: int

    @property
    def age(self) -> int:
        """How old it was on arrival, in milliseconds."""
        return self.observation.received_at - self.observation.observed_at

    @property
    def is_late(self) -> bool:
        """Whether it was late on arrival, or waited somewhere nobody knows how long."""
        return self.age > LATE or self.observation.time_source is TimeSource.BACKLOG


class Whose(StrEnum):
    """What a person can say of a reading whose payload named nobody."""

    RESIDENT = "resident"
    """One of those who lived in the flat then."""
    VISITOR = "visitor"
    """None of them: nobody's whom the register knows."""
    HOUSEHOLD = "household"
    """Not known after all: it is judged as it came."""


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """A person's answer to whose a reading is: an input of the keys that lose or get it.

    Attributes:
        number: How many answers there have been about this reading, this one included.
        source: The key it was first judged under: a household's, or a lone resident's.
        whose: The answer.
        subject: The resident's random id; None where it is no resident's.
        resident: Which of the household's residents of that time, counted from 1; shown where the
            id would say nothing and a name may not be.
        device_id: What measured.
        observed_at: When; milliseconds UTC.
        identity: The reading's checksum, as in the rule's ring.
        tenths, marks, scale: What the rule made of it; see ``rules.readings``, ``rules.baseline``.
        position: Journal position of its message.
        incident: The case that the person was looking at.
        by: Who said so.
        at: When; milliseconds UTC.
    """

    number: int
    source: str
    whose: Whose
    subject: str | None
    resident: int | None
    device_id: str
    observed_at: int
    identity: int
    tenths: int
    marks: int
    scale: int
    position: int
    incident: str
    by: str
    at: int

    @property
    def holder(self) -> str:
        """The key it is judged under by this answer; empty for none."""
        if self.whose is Whose.HOUSEHOLD:
            return self.source
        return f"subject:{self.subject}" if self.subject is not None else ""


class Context(msgspec.Struct, frozen=True):
    """What a rule may look at besides its state and its input.

    Attributes:
        registry: Snapshot, looked up as of the time of observation.
        thresholds: The community's numbers; :meth:`stand` gives those of a device's place.
        silent_after: How long a profile's devices may say nothing, by the profile's name;
            milliseconds, None for one whose silence means nothing.
        listening_since: Since when messages have been judged without a pause; milliseconds UTC.
        neighbour: State of another key of the same rule, to read; None where there is none.
        memo: What the rule has worked out from this snapshot of the registry, and nothing that can
            change within it; for itself, forgotten with the snapshot.
        stays: Where devices were found to stand in this snapshot; for :meth:`stand`.
    """

    registry: Registry
    thresholds: Thresholds
    silent_after: Callable[[str], int | None]
    listening_since: int
    neighbour: Callable[[str], Any]
    memo: dict[str, Any]
    stays: "dict[str, _Stay]"

    def stand(self, device_id: str, at: int) -> tuple[Place | None, Thresholds]:
        """Return where a device stood at a time, and the thresholds that hold there."""
        stay = self.stays.get(device_id)
        if stay is None or not stay[0] <= at < stay[1]:
            since, until, place = self.registry.stay(device_id, at)
            thresholds = self.thresholds.at(place.site if place else None)
            stay = self.stays[device_id] = (since, until, place, thresholds)
        return stay[2], stay[3]


_Stay = tuple[int, int, Place | None, Thresholds]
"""From when and until when (milliseconds UTC, until excluded) a device stood just there."""

S = TypeVar("S")
Step = tuple[S, Sequence[Finding]]
"""What a step gives: the next state (the very same object where nothing changed), findings."""


class Rule(Protocol[S]):
    """One thing that has to be noticed.

    Attributes:
        name: Its name in SQL, on screens and in ``gatehouse rules``.
        title: What it notices, in a few words.
        section: The section of the thresholds it reads.
        observes: Observation types it may have keys for.
        state: Its state's type; made without arguments for a new key.
    """

    name: str
    title: str
    section: str
    observes: tuple[type, ...]
    state: type[S]

    def keys(self, observation: Observation, context: Context) -> Sequence[str]:
        """Return the keys an observation is an input of; mostly none."""
        ...

    def step(self, key: str, state: S, evidence: Evidence, context: Context) -> Step[S]:
        """Advance one key's state by one observation."""
        ...

    def seeds(self, devices: Sequence[str], context: Context, at: int) -> Mapping[str, S]:
        """Return states that begin without an input, by key; asked once a snapshot of the registry.

        Args:
            devices: Those that changed since it was asked last; at first all.
            context: Its ``neighbour`` tells which keys have a state; a seed takes its place.
            at: The frontier; milliseconds UTC.
        """
        ...

    def due(self, state: S) -> int | None:
        """Return when the frontier lets time itself be judged; milliseconds UTC."""
        ...

    def on_due(self, key: str, state: S, at: int, context: Context) -> Step[S]:
        """Advance one key's state by the frontier having reached ``at``, its due time or later."""
        ...

    def on_closed(self, state: S, incident_key: str, at: int) -> S:
        """Advance one key's state by a person having closed an incident."""
        ...

    def on_attributed(self, key: str, state: S, said: Attribution, context: Context) -> Step[S]:
        """Advance one key's state by a person having said whose a reading is."""
        ...

    def state_key(self, incident_key: str) -> str:
        """Return the key of the state behind an incident's key."""
        ...
