"""The way into a series store, in this process: real pipeline, journal, ledger and store.

What arrives is brought by hand, and every value is written down to be compared bit for bit. In the
place of the rules stands a consumer that notes how far it has judged.
"""

import asyncio
import math
import random
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from devices.clock import ManualClock
from devices.outcome import Outcome
from devices.registry import Registry
from ingest import dead_letter
from ingest.books import Books, balance
from ingest.dead_letter import Selection
from ingest.journal import Journal
from ingest.ledger import Ledger
from ingest.ledger_file import account_of
from ingest.message import Batch, Message
from ingest.pipeline import Pipeline
from ingest.point import NANOSECONDS
from ingest.series import open_store
from ingest.series_consumer import SeriesConsumer
from tests.integration.test_pipeline import Line
from tests.messages import NOON
from tests.servers import InfluxDB, eventually
from tests.shelf import decode, each

DEVICES = 20
JUDGED_WITHIN_S = 5.0
"""Alerts judge at once; a store in trouble is held for longer than a loaded machine takes."""


class Judge:
    """Stands in for the rules: notes how far it is, and never waits for anything."""

    name = "alerts"

    def __init__(self, journal: Journal) -> None:
        self.position = 0
        self._journal = journal

    def cursor(self) -> tuple[str, int] | None:
        return self._journal.id, self.position

    def handle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        self.position = batch.last

    def idle(self, frontier: int) -> None:
        """Nothing is due."""

    def close(self) -> None:
        """Nothing to make durable."""


class StoreWay:
    """From what arrives to what is stored.

    Args:
        folder: Fresh.
        url: Of the store; None: the embedded one.
    """

    def __init__(self, folder: Path, url: str | None) -> None:
        self.clock = ManualClock(NOON)
        self.journal = Journal.open(folder / "journal", min_free_bytes=0)
        self._path = folder / "ledger.db"
        self._ledger = Ledger.open(self._path)
        self._store = open_store(url, token=None, data_dir=folder)
        self.judge = Judge(self.journal)
        self._line = Line()
        self.sent: dict[tuple[str, int], float] = {}
        """By device and milliseconds."""
        self._chance = random.Random(7)
        self._brought = 0
        self.pipeline = Pipeline(
            journal=self.journal,
            sources=[self._line],
            consumers=[
                SeriesConsumer(
                    journal_id=self.journal.id,
                    ledger=self._ledger,
                    store=self._store,
                    decode=each(decode),
                    registry=Registry,
                    clock=self.clock,
                ),
                self.judge,
            ],
            decode=each(decode),
            reply=lambda _: [],
            publish=None,
            clock=self.clock,
        )

    @property
    def books(self) -> Books:
        """As anybody may read them."""
        return balance(account_of(self._path), head=self.journal.head)

    @property
    def held(self) -> str:
        """What the store's follower waits for."""
        return self.pipeline.status().followers["series"].held

    @property
    def letters(self) -> list[dead_letter.Letter]:
        """What the store will never take."""
        return dead_letter.letters(self._path, Selection(), limit=10_000)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["StoreWay"]:
        """Run it; afterwards everything is closed."""
        task = asyncio.create_task(self.pipeline.run())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self._store.close()
            self._ledger.close()
            self.journal.close()

    async def bring(self, count: int, *, apart: int = 1) -> None:
        """Let so many readings arrive, so many milliseconds apart; the alerts must not wait."""
        arrived = []
        for _ in range(count):
            self.clock.advance(apart)
            at, device = self.clock.now(), f"d{self._chance.randrange(DEVICES)}"
            value = self._any_float()
            self.sent[device, at] = value
            arrived.append(Message(device, b"t %r" % value, at))
        await self.bring_these(arrived)

    async def bring_these(self, arrived: list[Message]) -> None:
        """Let messages arrive, and see them judged."""
        self._brought += len(arrived)
        await self._line.bring(arrived)
        await eventually(lambda: len(self._line.acked) == self._brought, what="the acks")
        judged = partial(self._has_judged, self._brought)
        await eventually(
            judged, seconds=JUDGED_WITHIN_S, what="the alerts, which wait for no store"
        )

    async def has_stored_everything(self) -> None:
        """Wait until nothing is pending, and the books balance."""
        await eventually(lambda: not self.books.pending and not self.held, what="the store")
        books = self.books
        assert books.balanced
        assert books.received == books.stored + books.dead_open

    async def is_held(self, *words: str) -> None:
        """Wait until the store's follower says what it waits for, in one line with these words."""
        await eventually(
            lambda: all(word in self.held for word in words),
            what=f"{words}, not {self.held!r}",
        )
        assert "\n" not in self.held

    def _has_judged(self, position: int) -> bool:
        return self.judge.position >= position

    def _any_float(self) -> float:
        """Return any finite float but -0, whose sign JSON's readers lose."""
        while True:
            (value,) = struct.unpack("d", self._chance.randbytes(8))
            if math.isfinite(value) and value:
                return float(value)


def kept(server: InfluxDB, database: str) -> dict[tuple[str, int], float]:
    """Return every temperature in a database by device and milliseconds; none twice."""
    found = server.query("SELECT celsius FROM temperature GROUP BY device", database=database)
    rows = [
        ((series["tags"]["device"], row[0] // NANOSECONDS), float(row[1]))
        for series in found
        for row in series["values"]
    ]
    assert len(rows) == len(dict(rows)), "a point is there twice"
    return dict(rows)


def bits(values: dict[tuple[str, int], float]) -> dict[tuple[str, int], bytes]:
    """Return values as their bits, to be compared."""
    return {key: struct.pack("d", value) for key, value in values.items()}
