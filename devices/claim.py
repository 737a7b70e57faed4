"""Which readers claim a topic, looked up once for each topic and kept, bounded."""

from collections.abc import Iterable

from devices.compile import MessageReader
from devices.path import checked_id
from devices.registry import Registry
from devices.topic import PERSON, TOPIC, Names, TopicTree, place_of_person

MAX_TOPICS = 131_072
MAX_TOPIC = 256
"""Topics kept, and the longest of them in characters."""

Claim = tuple[MessageReader, Names]
_Known = dict[str, tuple[Claim, ...]]


class Claims:
    """The topics of all profiles. Threads may share it: what is looked up twice is the same."""

    def __init__(self, readers: Iterable[tuple[str, MessageReader]]) -> None:
        """Take in topic patterns and who claims them; who comes first wins, all else being equal.

        Raises:
            PatternError: One is no topic pattern.
        """
        self._tree: TopicTree[MessageReader] = TopicTree()
        self._persons: TopicTree[int] = TopicTree()
        for pattern, reader in readers:
            self._tree.add(pattern, reader)
            place = place_of_person(pattern)
            if place is not None:
                self._persons.add(pattern, place)
        self._known: _Known = {}
        self.answered: _Known = {}
        """Who may answer, of topics that :meth:`find_answered` was asked about."""
        self._registered: tuple[Registry | None, _Known] = (None, {})

    def find(self, topic: str) -> tuple[Claim, ...]:
        """Return who claims a topic, the most literal pattern first.

        Raises:
            DecodeError: What a name of the pattern stands for is no id.
        """
        claims = self._known.get(topic)
        if claims is None:
            claims = tuple(self._tree.find(topic))
            for _, names in claims:
                for name, stood in names.items():
                    checked_id(stood, name)
            for reader, names in claims:
                if reader.is_resolved:
                    names[TOPIC] = topic
            _keep(self._known, topic, claims)
        return claims

    def find_answered(self, topic: str) -> tuple[Claim, ...]:
        """Return the same if one of them may answer, else none.

        Raises:
            DecodeError: As :meth:`find`.
        """
        claims = self.answered.get(topic)
        if claims is None:
            claims = self.find(topic)
            claims = claims if any(reader.answer for reader, _ in claims) else ()
            _keep(self.answered, topic, claims)
        return claims

    def masked(self, topic: str) -> str:
        """Return a topic as it may be shown and kept: who is named in it is not."""
        places = [place for place, _ in self._persons.find(topic)]
        if not places:
            return topic
        levels = topic.split("/")
        for place in places:
            levels[place] = PERSON
        return "/".join(levels)

    def find_registered(self, topic: str, registry: Registry) -> tuple[Claim, ...]:
        """Return the same, the family that a registry names for the topic's device first.

        Raises:
            DecodeError: As :meth:`find`.
        """
        owner, known = self._registered
        if owner is not registry:
            known = {}
            self._registered = (registry, known)
        claims = known.get(topic)
        if claims is None:
            claims = _registered_first(self.find(topic), registry)
            _keep(known, topic, claims)
        return claims


def _registered_first(claims: tuple[Claim, ...], registry: Registry) -> tuple[Claim, ...]:
    """Return who reads a topic: first the family that its device is registered with.

    Those that look at any topic are for devices that nobody has registered.
    """
    device = registry.device(claims[0][1].get("device", "")) if claims else None
    if device is None:
        return claims
    own = tuple(claim for claim in claims if claim[0].profile == device.profile)
    if not own:
        return claims
    named = (claim for claim in claims if claim[0].is_resolved or not claim[0].any_topic)
    return own + tuple(claim for claim in named if claim[0].profile != device.profile)


def _keep(known: _Known, topic: str, claims: tuple[Claim, ...]) -> None:
    if len(known) >= MAX_TOPICS:
        known.clear()
    if len(topic) <= MAX_TOPIC:
        known[topic] = claims
