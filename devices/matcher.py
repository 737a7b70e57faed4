"""Which family messages look like that nobody claims, or whose device nobody registered. Pure.

A topic that families claim is read as each of them. One that none claims is read as if it began
like theirs: with levels of the operator's before (``home/b3/tele/plug/SENSOR``) or in the place of
the literal levels a family begins with (``z2m/bedroom``). What is told of a message never says
what was measured of a body, or of whom.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from devices.compile import ANY_TOPIC
from devices.decoder import Decoder
from devices.description import UNDESCRIBED, Descriptions
from devices.observation import (
    BodySite,
    Crossing,
    DeviceStatus,
    Observation,
    Temperature,
    as_json,
)
from devices.profile import Profile
from devices.topic import TopicTree

PREFIX_LEVELS = 4
"""Levels of an operator's prefix, at most; each more costs a look-up for every way to begin."""
SHOWN = 8
"""Kinds and channels of observations that are told of one device."""
_TOLD = 100
_PRIVATE = frozenset(
    {"device_id", "observed_at", "received_at", "said_at", "time_source", "event_id", "subject"}
)
_SIGNS = frozenset("{}+#")


class Heard(Protocol):
    """A message as it was published; ``received_at`` in milliseconds UTC."""

    @property
    def payload(self) -> bytes:
        """As published."""
        ...

    @property
    def received_at(self) -> int:
        """When it came."""
        ...


class Prefix(msgspec.Struct, frozen=True):
    """How topics begin where they differ from a family's, with the slash; empty where they do not.

    Attributes:
        found: What they begin with.
        expected: What the family's begin with in its place; empty where it stands before them.
    """

    found: str = ""
    expected: str = ""

    def __bool__(self) -> bool:
        return bool(self.found)

    def as_family(self, topic: str) -> str:
        """Return the topic as the family would have it."""
        return self.expected + topic[len(self.found) :]


class Match(msgspec.Struct, frozen=True):
    """What messages of one device come to, read as one family.

    Attributes:
        understood: Messages that gave an observation.
        measured: Messages that gave more than a device's status.
        gives: The newest observation of each kind and channel, as JSON without ids and times;
            of a body, and of who passed a gate, the kind and no value.
    """

    device: str
    family: str
    prefix: Prefix
    understood: int
    measured: int
    gives: tuple[dict[str, Any], ...]

    @property
    def rank(self) -> tuple[int, int, bool]:
        """What to sort by, the best first."""
        return (-self.measured, -self.understood, bool(self.prefix))


class Matcher:
    """All families' topics, and the decoder that reads them. Threads may share it."""

    def __init__(self, decoder: Decoder, profiles: Sequence[Profile]) -> None:
        """Take in the patterns of the profiles that the decoder was made of."""
        self.models = {one.name: f"{one.vendor}: {one.model}" for one in profiles}
        """What each family is, in words."""
        self._decoder = decoder
        self._tree: TopicTree[str] = TopicTree()
        patterns = [
            (pattern, profile.name)
            for profile in profiles
            for message in profile.message
            if message.ignore is None
            for pattern in message.topic
        ]
        for pattern, family in patterns:
            if pattern not in ANY_TOPIC:
                self._tree.add(pattern, family)
        self._anywhere = tuple(
            dict.fromkeys(family for pattern, family in patterns if pattern in ANY_TOPIC)
        )
        beginnings = {begin for pattern, _ in patterns for begin in _beginnings(pattern)}
        self._beginnings = ("", *sorted(beginnings))

    def match(
        self, topic: str, messages: Sequence[Heard], descriptions: Descriptions = UNDESCRIBED
    ) -> list[Match]:
        """Return what messages of one topic look like, the best family first.

        A family is left out whose reading names other devices than the best one's.

        Args:
            topic: Of all of them.
            messages: The newest first.
            descriptions: What devices have said of themselves; it is told what these say.
        """
        found = [
            match
            for family, prefixes in self._ways(topic).items()
            for match in self._first(topic, messages, family, prefixes, descriptions)
        ]
        found.sort(key=lambda match: match.rank)
        devices = {one.device for one in found if one.family == found[0].family}
        return [match for match in found if match.device in devices]

    def family_of(
        self, topic: str, message: Heard, descriptions: Descriptions = UNDESCRIBED
    ) -> str:
        """Return the family that reads a message; "" where none makes observations of it."""
        families = (*self._families(topic), *self._anywhere)
        return next((one for one in families if self._read(topic, message, one, descriptions)), "")

    def _ways(self, topic: str) -> dict[str, list[Prefix]]:
        """Return the families to read a topic as, each with the prefixes to try, in order."""
        claimed = self._families(topic)
        ways = {family: [Prefix()] for family in (*claimed, *self._anywhere)}
        for prefix in () if claimed else self._prefixes(topic):
            for family in self._families(prefix.as_family(topic)):
                ways.setdefault(family, []).append(prefix)
        return ways

    def _families(self, topic: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(family for family, _ in self._tree.find(topic)))

    def _prefixes(self, topic: str) -> Iterator[Prefix]:
        """Yield the ways to begin like a family: with levels before, then with other levels."""
        levels = topic.split("/")
        most = min(PREFIX_LEVELS, len(levels) - 1)
        heads = [f"{'/'.join(levels[:count])}/" for count in range(1, most + 1)]
        yield from (Prefix(head) for head in heads)
        for head in reversed(heads):
            for begin in self._beginnings:
                if begin and not head.endswith(begin):
                    yield Prefix(head, begin)

    def _first(
        self,
        topic: str,
        messages: Sequence[Heard],
        family: str,
        prefixes: Sequence[Prefix],
        descriptions: Descriptions,
    ) -> list[Match]:
        """Return what the first prefix gives by which the family understands anything."""
        for prefix in prefixes:
            found = self._count(topic, messages, family, prefix, descriptions)
            if found:
                return found
        return []

    def _count(
        self,
        topic: str,
        messages: Sequence[Heard],
        family: str,
        prefix: Prefix,
        descriptions: Descriptions,
    ) -> list[Match]:
        understood: Counter[str] = Counter()
        measured: Counter[str] = Counter()
        gives: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        for message in messages:
            observations = self._read(prefix.as_family(topic), message, family, descriptions)
            understood.update({one.device_id for one in observations})
            measured.update(
                {one.device_id for one in observations if not isinstance(one, DeviceStatus)}
            )
            for one in observations:
                told = gives.setdefault(one.device_id, {})
                if len(told) < _TOLD:
                    told.setdefault((type(one).__name__, one.channel), masked(one))
        return [
            Match(device, family, prefix, count, measured[device], measured_first(gives[device]))
            for device, count in understood.items()
        ]

    def _read(
        self, topic: str, message: Heard, family: str, descriptions: Descriptions
    ) -> tuple[Observation, ...]:
        arrival = self._decoder.arrival(
            message.received_at, backlog=False, registry=None, descriptions=descriptions
        )
        outcome = self._decoder.read(topic, message.payload, arrival, family)
        return outcome if isinstance(outcome, tuple) else ()


def measured_first(told: Mapping[Any, dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return what is told of a device, its status last, and not too much."""
    given = sorted(told.values(), key=lambda one: one["kind"] == "device_status")
    return tuple(given[:SHOWN])


def masked(observation: Observation) -> dict[str, Any]:
    """Return an observation as JSON without ids, times, and what it says of a body or a face."""
    fields = {name: value for name, value in as_json(observation).items() if name not in _PRIVATE}
    if isinstance(observation, Temperature) and observation.body_site is not BodySite.AMBIENT:
        return {name: fields[name] for name in ("kind", "body_site", "channel") if name in fields}
    if isinstance(observation, Crossing):
        return {"kind": fields["kind"]}
    return fields


def _beginnings(pattern: str) -> Iterator[str]:
    """Yield the literal levels that a pattern begins with: one, two, and so on."""
    levels = pattern.split("/")
    for count in range(1, len(levels)):
        if _SIGNS & set(levels[count - 1]):
            return
        yield f"{'/'.join(levels[:count])}/"
