"""How a series store says no: to one point for good, or to everything for now."""

import msgspec


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """The store will never take this point.

    Attributes:
        index: Of the point in the sequence that was written.
        words: The store's own.
    """

    index: int
    words: str


class StoreHeld(Exception):
    """The store takes nothing for now, and nothing may be dropped.

    Args:
        sentence: What is wrong and what to do.
        retry_after: Seconds the store wants to be left alone.
    """

    def __init__(self, sentence: str, *, retry_after: float = 0.0) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class StoreLies(StoreHeld):
    """The store has acknowledged what it does not give back: so may be what came before it."""
