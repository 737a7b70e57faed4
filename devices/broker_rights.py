"""What a device may publish and read at a broker: its family's topics with its own id in them.

Pure. A device may publish its messages and read what it is answered or asked; a gateway the same
for the devices that speak through it. What a name of a topic other than the device's and the
gateway's stands for is not known beforehand, so it becomes a ``+``. Nobody gets a topic that may be
anything (``#``). Where a payload says whose it is, no topic can keep one device from speaking for
another of its kind: such filters are told apart (:attr:`Rights.shared`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from devices.block import MessageBlock
from devices.broker_file import refuse_id
from devices.outcome import IgnoredReason
from devices.profile import Profile
from devices.registry import Device
from devices.template import placeholders

_POSTED = "http/"
"""Topics of what is posted: a broker has no part in them."""
_LEVELS = {"sparkplug_b": ("group", "node", "part")}
"""By format: what the parts of an id, with ``/`` between, stand for in topics; the last one may be
missing. Its devices are asked by commands."""
_NAME = re.compile(r"([^/{}]*)\{([^/{}+]+)(\+?)\}([^/{}]*)")
"""A name with what stands before and after it in its level; with a ``+`` it may be several."""
_GATEWAYS = 4
"""Gateways behind gateways that are followed."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Topic filters, each once.

    Attributes:
        write: What it may publish to.
        read: What it may read of what it subscribes to.
        shared: Those of ``write`` on which it could speak for other devices of its kind.
    """

    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    shared: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Topic:
    """A filter with the names left in that a device fills; ``only`` is whose it is alone."""

    filter: str
    is_shared: bool
    only: str | None


@dataclass(frozen=True, slots=True)
class _Family:
    write: tuple[_Topic, ...]
    read: tuple[_Topic, ...]
    id_parts: tuple[str, ...]


class BrokerRights:
    """The rights of devices of some families."""

    def __init__(self, profiles: Iterable[Profile]) -> None:
        self._families = {profile.name: _family(profile) for profile in profiles}

    def knows(self, family: str) -> bool:
        """Return whether there is a family of this name."""
        return family in self._families

    def of(self, device: Device, behind: Iterable[Device] = ()) -> Rights:
        """Return what a device may do; nothing where its family is not known.

        Args:
            device: Who signs in.
            behind: The devices that speak through it.
        """
        write: dict[str, bool] = {}
        read: dict[str, None] = {}
        for one in (device, *behind):
            family = self._families.get(one.profile)
            if family is None or refuse_id(one.id) or refuse_id(one.gateway or ""):
                continue
            for topic in family.write:
                bound = _bind(topic, one, family.id_parts)
                if bound is not None:
                    write[bound] = write.get(bound, False) or topic.is_shared
            for topic in family.read:
                bound = _bind(topic, one, family.id_parts)
                if bound is not None:
                    read[bound] = None
        shared = frozenset(filter_ for filter_, is_shared in write.items() if is_shared)
        return Rights(tuple(write), tuple(read), shared)


def speakers(devices: Mapping[str, Device]) -> dict[str, list[Device]]:
    """Return by each gateway the devices that speak through it, or through one behind it."""
    found: dict[str, list[Device]] = {}
    for device in devices.values():
        gateway, passed = device.gateway, {device.id}
        while gateway is not None and gateway not in passed and len(passed) <= _GATEWAYS:
            found.setdefault(gateway, []).append(device)
            passed.add(gateway)
            above = devices.get(gateway)
            gateway = above.gateway if above else None
    return found


def _family(profile: Profile) -> _Family:
    id_parts = next((_LEVELS[one.format] for one in profile.message if one.format in _LEVELS), ())
    write, read = list[_Topic](), list[_Topic]()
    for message in profile.message:
        topics = [_topic(pattern, message, id_parts) for pattern in message.topic]
        if message.ignore is IgnoredReason.COMMAND:
            read += topics if id_parts else ()
        elif message.ignore is None:
            write += (topic for topic in topics if not _may_be_anything(topic.filter))
        else:
            write += (topic for topic in topics if _is_own(topic))
        if message.reply is not None:
            read.append(_topic(message.reply.topic, message, id_parts))
    read += (_Topic(poll.topic, is_shared=False, only=None) for poll in profile.poll)
    answers = {topic.filter for topic in read}
    return _Family(
        write=_widest(topic for topic in write if topic.filter not in answers),
        read=_widest(read),
        id_parts=id_parts,
    )


def _topic(pattern: str, message: MessageBlock, id_parts: tuple[str, ...]) -> _Topic:
    """Return what a message's pattern, or that of its answer, comes to."""
    templates = (message.device,) if isinstance(message.device, str) else message.device or ()
    alone = templates[0] if len(templates) == 1 else None
    filter_ = "/".join(_level(level, alone, id_parts) for level in pattern.split("/"))
    if alone is not None and not placeholders(alone):
        return _Topic(filter_, is_shared=False, only=alone)
    topic = _Topic(filter_, is_shared=False, only=None)
    is_shared = not _is_own(topic) or (
        not id_parts and _is_said_by_payload(templates, message, pattern)
    )
    return _Topic(filter_, is_shared=is_shared and message.ignore is None, only=None)


def _level(level: str, device: str | None, id_parts: tuple[str, ...]) -> str:
    """Return a level of a filter: as it is, to be filled by the device, or a wildcard."""
    if level == device:
        return "{device}"
    name = _NAME.fullmatch(level)
    if name is None or name[2] in {"device", "gateway", *id_parts}:
        return level
    return "+"


def _is_said_by_payload(templates: Iterable[str], message: MessageBlock, pattern: str) -> bool:
    """Return whether something else than the topic may say which device a message is of."""
    names = {found[2] for found in _NAME.finditer(pattern)}
    said = [*templates]
    for block in message.observation:
        said += (block.device,) if isinstance(block.device, str) else block.device or ()
    return any(name not in names for template in said for name in placeholders(template))


def _is_own(topic: _Topic) -> bool:
    return topic.only is not None or bool(_NAME.search(topic.filter))


def _may_be_anything(filter_: str) -> bool:
    return all(level in {"+", "#"} for level in filter_.split("/"))


def _widest(topics: Iterable[_Topic]) -> tuple[_Topic, ...]:
    """Return the topics that are not part of another one, in order; what is posted is left out."""
    each: dict[tuple[str, str | None], _Topic] = {}
    for topic in topics:
        if not topic.filter.startswith(_POSTED):
            same = each.setdefault((topic.filter, topic.only), topic)
            if topic.is_shared and not same.is_shared:
                each[topic.filter, topic.only] = topic
    kept = tuple(each.values())
    return tuple(one for one in kept if not any(_is_part(one, other) for other in kept))


def _is_part(one: _Topic, other: _Topic) -> bool:
    return (
        one is not other
        and other.only in {None, one.only}
        and other.is_shared >= one.is_shared
        and _covers(other.filter.split("/"), one.filter.split("/"))
    )


def _covers(wide: list[str], narrow: list[str]) -> bool:
    """Return whether a filter, in levels, takes all that another one takes."""
    if wide[-1] == "#":
        wide, narrow = wide[:-1], narrow[: len(wide) - 1]
    return len(wide) == len(narrow) and all(
        one == other or (one == "+" and not other.endswith("+}"))
        for one, other in zip(wide, narrow, strict=True)
    )


def _bind(topic: _Topic, device: Device, id_parts: tuple[str, ...]) -> str | None:
    """Return the filter with a device's names in it; None where it is not this device's."""
    if topic.only is not None and topic.only != device.id:
        return None
    names = {"device": device.id, "gateway": device.gateway or device.id}
    parts = device.id.split("/") if id_parts else []
    names |= zip(id_parts, parts, strict=False)
    missing = set(id_parts[: len(parts)])
    is_bound = True

    def fill(found: re.Match[str]) -> str:
        nonlocal is_bound
        before, name, rest, after = found.groups()
        missing.discard(name)
        value = names.get(name, "+")
        if "/" in value and not rest:
            is_bound = False
        if name == "gateway" and value.startswith(before) and value.endswith(after):
            return value
        return f"{before}{value}{after}"

    filter_ = _NAME.sub(fill, topic.filter)
    is_whole = len(id_parts) - 1 <= len(parts) <= len(id_parts)
    return filter_ if is_bound and is_whole and not missing else None
