"""Fake phones: a channel that remembers what it took, and fails the way a test says."""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alerts.channels import Failed, Sent
from alerts.page_text import PageText
from devices.clock import Clock


@dataclass(frozen=True)
class Taken:
    """A page as it arrived: when by the community's clock, at which address, what it said."""

    at: int
    address: str
    text: PageText


class Phones:
    """Addresses ``phone://anything``; each page goes to the phone of its worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._broken: dict[str, list[Failed]] = defaultdict(list)
        self.taken: list[Taken] = []
        self.before_taking: Callable[[PageText], None] = lambda _: None

    def accepts(self, address: str) -> bool:
        return address.startswith("phone://")

    def send(self, address: str, text: PageText) -> Sent | Failed:
        self.before_taking(text)
        with self._lock:
            if self._broken[address]:
                return self._broken[address].pop(0)
            self.taken.append(Taken(self._clock.now(), address, text))
        return Sent()

    def breaks(self, address: str, *failures: Failed) -> None:
        """Let the next pages to an address fail like this."""
        self._broken[address].extend(failures)

    def of(self, worker: str) -> Sequence[Taken]:
        """Return what a worker's phone took, oldest first."""
        return [taken for taken in self.taken if taken.text.worker == worker]


BUSY = Failed(permanent=False, error="HTTP 503")
GONE = Failed(permanent=True, error="HTTP 404")
