"""The main gate's terminal: it sends each capture again until it is answered.

Source: benny856694/face-http-server, src/mqtt.js: the answer carries ``sequence_no`` and
``cap_time`` of the capture.
"""

import json
from collections import OrderedDict
from dataclasses import dataclass

from devices.simulator.event import Event
from devices.simulator.wire import HUAAN_REQUEST

RESEND_AFTER_S = 2.0
MOST_TRIES = 15
MOST_WAITING = 200
"""A terminal's memory: the oldest capture is given up for a new one."""

Key = tuple[str, str]
"""``sequence_no`` and ``cap_time`` of a capture."""


@dataclass(slots=True)
class _Waiting:
    event: Event
    tries: int
    resend_at: float


class Terminal:
    """Captures that nobody has answered yet. Times are real seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Key, _Waiting] = OrderedDict()
        self.given_up = 0

    @property
    def is_answered(self) -> bool:
        """Whether nothing waits for an answer."""
        return not self._waiting

    def sent(self, event: Event, now: float) -> None:
        """Wait for the answer to a publish, if it is one of this terminal's captures."""
        if event.faulty or not event.topic.startswith(HUAAN_REQUEST):
            return
        capture = json.loads(event.payload)
        self._waiting[_key(capture)] = _Waiting(event, 1, now + RESEND_AFTER_S)
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popitem(last=False)
            self.given_up += 1

    def answered(self, payload: bytes) -> None:
        """Take an answer; one that does not fit anything that waits is nothing."""
        try:
            answer = json.loads(payload)
        except ValueError:
            return
        if isinstance(answer, dict):
            self._waiting.pop(_key(answer), None)

    def due(self, now: float) -> list[Event]:
        """Return the captures to send again now; those tried often enough are given up."""
        due = [(key, one) for key, one in self._waiting.items() if one.resend_at <= now]
        for key, one in due:
            if one.tries == MOST_TRIES:
                del self._waiting[key]
                self.given_up += 1
            one.tries += 1
            one.resend_at = now + RESEND_AFTER_S
        return [one.event for _, one in due if one.tries <= MOST_TRIES]


def _key(document: dict[str, object]) -> Key:
    return str(document.get("sequence_no")), str(document.get("cap_time"))
