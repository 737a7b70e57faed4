"""Waiting longer after each failure, by chance, so that many clients do not come back at once."""

import random
from collections.abc import Callable

_DOUBLINGS = 32
"""After so many failures every cap is reached; keeps the power small."""


class Backoff:
    """Delays between attempts: full jitter, doubling, capped.

    Args:
        base: Seconds the first delay may take at most.
        cap: Seconds any delay may take at most.
        chance: Returns a number in [0, 1).

    Source: Marc Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
    """

    def __init__(
        self, *, base: float, cap: float, chance: Callable[[], float] = random.random
    ) -> None:
        self._base = base
        self._cap = cap
        self._chance = chance
        self._failures = 0

    def next(self) -> float:
        """Return the seconds to wait before the next attempt."""
        longest = min(self._cap, self._base * 2.0 ** min(self._failures, _DOUBLINGS))
        self._failures += 1
        return self._chance() * longest

    def reset(self) -> None:
        """Begin again with short delays, after an attempt that was of use."""
        self._failures = 0
