"""A desk for the series follower's consumer: a real ledger and letters, a shelf for a store."""

from pathlib import Path

from devices.clock import ManualClock
from devices.outcome import Outcome
from devices.registry import Registry
from ingest.books import Books, balance
from ingest.ledger import Ledger
from ingest.ledger_file import account_of
from ingest.message import Batch, Message
from ingest.series_consumer import SeriesConsumer
from ingest.trouble import Troubles
from tests.messages import NOON
from tests.shelf import Shelf, decode, each


class Desk:
    """A consumer with a shelf for a store, fed by hand."""

    def __init__(self, folder: Path, **bounds: int) -> None:
        self.path = folder / "ledger.db"
        self.shelf = Shelf()
        self.clock = ManualClock(NOON)
        self.decode = decode
        self._bounds = bounds
        self.head = 0
        self.open()

    def handle(self, *payloads: bytes, skip: int = 0) -> None:
        """Handle one batch of these payloads, after some lost positions."""
        base = self.head + skip + 1
        arrived = [Message(f"d{n}", body, self.clock.now() + n) for n, body in enumerate(payloads)]
        outcomes = [decode(at, one) for at, one in enumerate(arrived, base)]
        self.consumer.handle(Batch(base, arrived), outcomes)
        self.head = base + len(payloads) - 1

    def flood(self, payload: bytes, count: int) -> None:
        """Handle one batch of equal messages of one device."""
        base = self.head + 1
        arrived = [Message("flood", payload, self.clock.now())] * count
        self.consumer.handle(Batch(base, arrived), [decode(base, arrived[0])] * count)
        self.head = base + count - 1

    def _decode(self, position: int, arrived: Message) -> Outcome:
        return self.decode(position, arrived)

    def open(self, *, troubles: Troubles | None = None) -> None:
        """Begin as a new process does, with what is on disk."""
        self.ledger = Ledger.open(self.path, **self._bounds)
        self.consumer = SeriesConsumer(
            journal_id="j",
            ledger=self.ledger,
            store=self.shelf,  # type: ignore[arg-type]
            decode=each(self._decode),
            registry=Registry,
            clock=self.clock,
            troubles=troubles,
        )

    def close(self) -> None:
        """End as a process does that was asked to."""
        self.ledger.close()

    @property
    def books(self) -> Books:
        """The books as anybody may read them."""
        return balance(account_of(self.path), head=self.head)
