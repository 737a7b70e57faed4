"""How long something takes each time, counted by how long: what a histogram is made of.

One thread measures; any thread reads. Since the start of the process.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a sync of a good disk to a server that is nearly given up."""


class Durations(msgspec.Struct, frozen=True):
    """How often something was done, by how long it took.

    Attributes:
        counts: How often it took as long as each of :data:`BOUNDS_S` at most, and more than the one
            before; the last: how often longer than all of them.
        seconds: All of it together.
    """

    counts: list[int]
    seconds: float

    @property
    def count(self) -> int:
        """How often it was done."""
        return sum(self.counts)

    @property
    def mean_s(self) -> float:
        """How long it took on average, seconds; 0 where it was never done."""
        return self.seconds / self.count if self.count else 0.0


class Stopwatch:
    """Measures one kind of work, whether it succeeds or not."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._seconds = 0.0

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Measure what is done inside."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - begun
            self._counts[bisect_left(BOUNDS_S, took)] += 1
            self._seconds += took

    def durations(self) -> Durations:
        """Return what was measured so far."""
        return Durations(list(self._counts), self._seconds)
