"""Decoding once: both followers of a batch share what came of it."""

import threading
from collections.abc import Callable, Sequence
from typing import cast

from devices.outcome import Outcome
from ingest.message import Batch, Message

Decode = Callable[[int, Message], Outcome]
"""Position and message to what became of it; raises nothing for any input."""


class DecodeStage:
    """Makes the outcomes of a batch when somebody first asks, and keeps them with the batch."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._lock = threading.Lock()

    def outcomes(self, batch: Batch) -> Sequence[Outcome]:
        """Return one outcome for each message, in order; called by followers' threads."""
        with self._lock:
            if batch.decoded is None:
                decode = self._decode
                batch.decoded = [
                    decode(position, message)
                    for position, message in enumerate(batch.messages, batch.base)
                ]
        return cast(Sequence[Outcome], batch.decoded)
