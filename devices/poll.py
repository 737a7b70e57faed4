"""Asking devices that only answer: which are due, and what each is asked. No I/O, no clock.

A device is due at moments that follow from its id and the interval alone, spread over the
interval. So nothing needs to be kept: a restart shifts no schedule, and what was due while nobody
asked is asked once, not made up for.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator

from devices.codecs.dlt645 import write_read_request
from devices.profile import Poll, Profile
from devices.registry import Device, Registry
from devices.template import placeholders

ENCODERS: dict[str, Callable[[str], bytes]] = {
    "text": str.encode,
    "hex": bytes.fromhex,
    "dlt645": write_read_request,
}
"""From the filled payload to bytes, by what a profile calls ``format``; ValueError: it cannot."""
_SAFE = re.compile(r"[\w.:@-]+")
"""What may fill a topic level: no id can lead to a topic that is not its device's own."""


class PollSchedule:
    """Every device that is asked, and when.

    Args:
        profiles: Those with ``[[poll]]`` say what their devices are asked.
    """

    def __init__(self, profiles: Iterable[Profile]) -> None:
        self._polls = {profile.name: profile.poll for profile in profiles if profile.poll}

    def due(self, registry: Registry, *, after: int, until: int) -> Iterator[tuple[str, bytes]]:
        """Yield topic and payload of what became due.

        A device that is bound to no place, that has no gateway where one is needed, or whose id
        does not fit what is asked, is not asked.

        Args:
            registry: Which devices there are.
            after: What was due then has been asked; milliseconds UTC.
            until: Now.
        """
        if not self._polls:
            return
        for device in registry.devices.values():
            for poll in self._polls.get(device.profile, ()):
                is_due = _last_due(device.id, poll.every, until) > after
                request = _request(poll, device) if is_due else None
                if request and registry.place(device.id, until) is not None:
                    yield request


def _last_due(device: str, every: int, until: int) -> int:
    """Return the last moment at or before a time at which a device is due."""
    phase = zlib.crc32(device.encode()) % every
    return (until - phase) // every * every + phase


def _request(poll: Poll, device: Device) -> tuple[str, bytes] | None:
    names = {"device": device.id, "gateway": device.gateway or ""}
    used = placeholders(poll.topic)
    if not all(_SAFE.fullmatch(names[name]) for name in used):
        return None
    try:
        payload = ENCODERS[poll.format](_fill(poll.payload, names))
    except ValueError:
        return None
    return _fill(poll.topic, names), payload


def _fill(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return text
