"""The registry as the hot path sees it: an immutable snapshot, looked up as of a time.

A snapshot is never written; a change of the registry makes a new one that shares the rest.
Every fact has a from and an until; a lookup says which instant it asks about.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from devices.history import FOREVER, History


class PlaceKind(StrEnum):
    """What a device stands at or who carries it."""

    GATE = "gate"
    CHECKPOINT = "checkpoint"
    HOUSEHOLD = "household"
    WORKER = "worker"
    SITE = "site"
    """Somewhere on the site that is none of these: a gateway in a stairwell."""


class GateKind(StrEnum):
    """What people pass when they are seen there."""

    GATE = "gate"
    CHECKPOINT = "checkpoint"
    """A guarded place where people are measured."""
    SHOP = "shop"


class HouseholdState(StrEnum):
    """What the register says of a household."""

    OCCUPIED = "occupied"
    EMPTY = "empty"
    AWAY = "away"


class ResidentClass(StrEnum):
    """What rules read of a resident."""

    NONE = "none"
    FEVER = "fever"
    CLOSE_CONTACT = "close_contact"
    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    RECOVERED = "recovered"
    HOME_ISOLATION = "home_isolation"
    LONE_ELDERLY = "lone_elderly"
    AWAY = "away"


class Role(StrEnum):
    """Who can be on call."""

    GUARD = "guard"
    GRID_WORKER = "grid_worker"
    SECRETARY = "secretary"
    STREET_COMMAND = "street_command"
    OPERATOR = "operator"


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a device stood, all ids; ``household`` only in a household, ``gate`` only at one."""

    kind: PlaceKind
    site: str
    grid: str | None = None
    building: str | None = None
    household: str | None = None
    gate: str | None = None
    worker: str | None = None


class Gate(msgspec.Struct, frozen=True):
    """A registered gate, checkpoint or shop.

    Attributes:
        id: Of the site's own.
        name: As people call it.
        rank: Order on the way in, 1 outermost; those beside each other have the same.
        entry_limit: How many a shop lets in at once; None for no limit.
    """

    site: str
    id: str
    name: str
    kind: GateKind
    rank: int = 1
    entry_limit: int | None = None


class Device(msgspec.Struct, frozen=True, gc=False):
    """A registered device.

    Attributes:
        gateway: The device it speaks through.
        renamed_from: The id it had before; what it said then is found under that one.
    """

    id: str
    profile: str
    gateway: str | None = None
    renamed_from: str | None = None


class Credential(msgspec.Struct, frozen=True, gc=False):
    """What is kept of the secret a device posts with.

    Attributes:
        secret_hash: Its SHA-256, in hex.
        digest_hash: What HTTP Digest compares with, in hex; None where the device may not use it.
        created_at: When it was made; milliseconds UTC, real time.
    """

    secret_hash: str
    digest_hash: str | None
    created_at: int


class OnCall(msgspec.Struct, frozen=True):
    """One row of the weekly rota.

    Attributes:
        weekdays: 0 Monday to 6 Sunday, in the site's zone.
        begins, ends: Minutes after local midnight, 0 to 1,440; ends ≤ begins runs past midnight.
    """

    worker: str
    role: Role
    site: str
    grid: str | None
    weekdays: frozenset[int]
    begins: int
    ends: int


class Registry:
    """A snapshot of places, people and devices.

    ``residents`` names who lives where without a beginning or an end; ``residences`` (household
    by subject) does it with both. A snapshot is made from one of the two.

    Attributes:
        version: Of the registry; 0 before its first change.
        zones: Time zone by site.
        gates: By site and id.
        devices, credentials: By device.
        household_places: Site, grid and building by household.
        bindings: Where devices stood.
        household_states, residences, classes, trips, vehicles: Each as its lookup says.
        occupants: Subjects who ever lived there, by household, in order.
        subjects: By the office's id.
        worker_channels: Secret: never logged.
    """

    def __init__(  # noqa: PLR0913 - one argument a table; built in one place
        self,
        *,
        version: int = 0,
        zones: Mapping[str, ZoneInfo] | None = None,
        gates: Iterable[Gate] = (),
        devices: Mapping[str, Device] | None = None,
        bindings: History[Place] | None = None,
        household_states: History[HouseholdState] | None = None,
        household_places: Mapping[str, Place] | None = None,
        residents: Mapping[str, Sequence[str]] | None = None,
        residences: History[str] | None = None,
        occupants: Mapping[str, tuple[str, ...]] | None = None,
        subjects: Mapping[str, str] | None = None,
        classes: History[ResidentClass] | None = None,
        trips: History[int] | None = None,
        vehicles: History[str] | None = None,
        rota: Iterable[OnCall] = (),
        channels: Mapping[str, tuple[str, ...]] | None = None,
        credentials: Mapping[str, Credential] | None = None,
    ) -> None:
        self.version = version
        self.zones = zones or {}
        self.gates = {(gate.site, gate.id): gate for gate in gates}
        self.devices = devices or {}
        self.household_places = household_places or {}
        self.rota = tuple(rota)
        self.bindings = bindings or History[Place]()
        self.household_states = household_states or History[HouseholdState]()
        self.residences = residences or _without_end(residents or {})
        self._homes = self.residences.by_key
        self.occupants = _by_household(self.residences) if occupants is None else occupants
        self.subjects = subjects or {}
        self.classes = classes or History[ResidentClass]()
        self.trips = trips or History[int]()
        self.vehicles = vehicles or History[str]()
        self.worker_channels = channels or {}
        self.credentials = credentials or {}

    def device(self, device_id: str) -> Device | None:
        """Return a registered device."""
        return self.devices.get(device_id)

    def changed_devices(self, older: "Registry") -> list[str]:
        """Return the devices that are, stand or have a gateway otherwise than in an older snapshot.

        What is so in both is one object there (see ``registry_reader``), so a city is compared
        quickly. A device that is equal but not the same counts as changed.
        """
        known, spans, before = older.devices, self.bindings.by_key, older.bindings.by_key
        if self.devices is known and spans is before:
            return []
        changed = {
            name
            for name, device in self.devices.items()
            if device is not known.get(name) or spans.get(name) is not before.get(name)
        }
        return [
            name
            for name, device in self.devices.items()
            if name in changed or device.gateway in changed
        ]

    def place(self, device_id: str, when: int) -> Place | None:
        """Return where the device stood at a time, or None if it was bound nowhere then."""
        return self.bindings.at(device_id, when)

    def stay(self, device_id: str, when: int) -> tuple[int, int, Place | None]:
        """Return where the device stood at a time, with times between which it stood just there."""
        return self.bindings.stay(device_id, when)

    def stays_in(self, household: str) -> list[tuple[str, int, int]]:
        """Return which devices stood in a household: device, since, until (excluded), by device."""
        return sorted(
            (device, since, FOREVER if until is None else until)
            for device, spans in self.bindings.by_key.items()
            for since, until, place in spans
            if place.household == household
        )

    def zone(self, site: str) -> ZoneInfo:
        """Return a site's time zone; UTC for a site nobody registered."""
        return self.zones.get(site) or ZoneInfo("UTC")

    def gate(self, site: str, gate_id: str) -> Gate | None:
        """Return a registered gate of a site."""
        return self.gates.get((site, gate_id))

    def checkpoints_of(self, site: str) -> list[Gate]:
        """Return a site's checkpoints in their order on the way in, the outermost first."""
        found = [
            gate
            for gate in self.gates.values()
            if gate.site == site and gate.kind is GateKind.CHECKPOINT
        ]
        return sorted(found, key=lambda gate: (gate.rank, gate.id))

    def former_ids(self, device_id: str) -> list[str]:
        """Return the ids that a device had before, the latest first; it is one device."""
        ids: list[str] = []
        device = self.devices.get(device_id)
        while device is not None and device.renamed_from not in {None, device_id, *ids}:
            ids.append(str(device.renamed_from))
            device = self.devices.get(ids[-1])
        return ids

    def household_state(self, household: str, when: int) -> HouseholdState | None:
        """Return what the register says of a household at a time."""
        return self.household_states.at(household, when)

    def household_stay(self, household: str, when: int) -> tuple[int, int, HouseholdState | None]:
        """Return the same, with times between which it was just that."""
        return self.household_states.stay(household, when)

    def household_place(self, household: str) -> Place | None:
        """Return site, grid and building of a household."""
        return self.household_places.get(household)

    def household_of(self, subject: str, when: int | None = None) -> str | None:
        """Return the household a subject lived in at a time; without one, lives or last lived."""
        if when is not None:
            return self.residences.at(subject, when)
        spans = self.residences.spans(subject)
        return spans[0][2] if spans else None

    def residents(self, household: str, when: int | None = None) -> tuple[str, ...]:
        """Return the subjects who live in a household.

        Args:
            household: Its id.
            when: The time asked about; None for those whose residence has no end.
        """
        occupants = self.occupants.get(household, ())
        return tuple([one for one in occupants if self._lives(one, household, when)])

    def sole_resident(self, household: str, when: int | None = None) -> str | None:
        """Return the subject of a household's only resident, None where there are more or none."""
        living = None
        for subject in self.occupants.get(household, ()):
            if self._lives(subject, household, when):
                if living is not None:
                    return None
                living = subject
        return living

    def _lives(self, subject: str, household: str, when: int | None) -> bool:
        since, until, home = self._homes[subject][0]
        if until is None and (when is None or since <= when):  # Mostly it is about now.
            return home == household
        return when is not None and self.residences.at(subject, when) == household

    def subject_of(self, external_id: str) -> str | None:
        """Return the subject of the id that terminals and the office use for a resident."""
        return self.subjects.get(external_id)

    def resident_class(self, subject: str, when: int) -> ResidentClass:
        """Return a resident's class at a time; NONE for an unknown subject."""
        return self.classes.at(subject, when) or ResidentClass.NONE

    def trip(self, subject: str, when: int) -> tuple[int, int] | None:
        """Return from when until when (excluded) the approved trip lasts that a resident is on."""
        since, until, begins = self.trips.stay(subject, when)
        return None if begins is None else (since, until)

    def household_of_vehicle(self, plate: str, when: int) -> str | None:
        """Return the household whose vehicle carried a plate at a time, however it is written."""
        return self.vehicles.at(plain_plate(plate), when)

    def knows_subject(self, subject: str) -> bool:
        """Return whether the subject is registered."""
        return subject in self.residences

    def channels(self, worker: str) -> tuple[str, ...]:
        """Return a worker's channel addresses in order of preference. Secret: never logged."""
        return self.worker_channels.get(worker, ())


def plain_plate(text: str) -> str:
    """Return a number plate as it is kept: 鄂A·12345, 鄂a 12345 and 鄂A12345 are one."""
    return "".join(character for character in text.upper() if character.isalnum())


def _without_end(residents: Mapping[str, Sequence[str]]) -> History[str]:
    return History(
        (subject, (0, None, household))
        for household, subjects in residents.items()
        for subject in subjects
    )


def _by_household(residences: History[str]) -> dict[str, tuple[str, ...]]:
    occupants: dict[str, tuple[str, ...]] = {}
    for subject, spans in residences.by_key.items():
        for home in (spans[0][2],) if len(spans) == 1 else {home for _, _, home in spans}:
            occupants[home] = (*occupants.get(home, ()), subject)
    for household, subjects in occupants.items():
        if len(subjects) > 1:
            occupants[household] = tuple(sorted(subjects))
    return occupants
