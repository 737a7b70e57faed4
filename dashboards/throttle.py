"""How often a password may be guessed. In memory, bounded, real time (milliseconds).

A name is throttled together with the address it is tried from, so that nobody can lock a secretary
out from elsewhere; an address is throttled over all names.
"""

import threading
from collections import OrderedDict

from devices.clock import MINUTE

WINDOW = 15 * MINUTE
NAME_TRIES = 5
ADDRESS_TRIES = 50
KEYS = 10_000


class Throttle:
    """Counts failures by key over the last quarter of an hour. Safe from several threads.

    Each call is about a name, or about an address alone: a link names nobody.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str | None], list[int]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, name: str | None, address: str, *, now: int) -> int:
        """Return for how many milliseconds no further try is taken; 0 when one is."""
        with self._lock:
            by_address = self._wait((address, None), ADDRESS_TRIES, now)
            if name is None:
                return by_address
            return max(by_address, self._wait((address, name), NAME_TRIES, now))

    def failed(self, name: str | None, address: str, *, now: int) -> None:
        """Count a failure."""
        with self._lock:
            for key in {(address, name), (address, None)}:
                self._failures.setdefault(key, []).append(now)
                self._failures.move_to_end(key)
            while len(self._failures) > KEYS:
                self._failures.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of a name from an address."""
        with self._lock:
            self._failures.pop((address, name), None)

    def _wait(self, key: tuple[str, str | None], tries: int, now: int) -> int:
        failures = [at for at in self._failures.get(key, ()) if at > now - WINDOW]
        if key in self._failures:
            self._failures[key] = failures
        return 0 if len(failures) < tries else failures[-tries] + WINDOW - now
