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
    """The store takes nothing for now, and nothing may be dropped: one sentence, what to do."""
