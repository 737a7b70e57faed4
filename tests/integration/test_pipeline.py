"""The pipeline on a real journal, with a source that is told what arrives."""

import asyncio
import base64
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import msgspec
import pytest

from devices.clock import ManualClock
from devices.outcome import Ignored, IgnoredReason, Outcome
from ingest.follower import CursorRefused, Held
from ingest.journal import Journal
from ingest.journal_file import list_files
from ingest.message import DUP, Batch, Message
from ingest.pipeline import Pipeline
from ingest.source import Sink, SourceStatus
from tests.messages import NOON, message, messages
from tests.servers import eventually

IGNORED: Outcome = Ignored(IgnoredReason.LOG_LINE)


class Line:
    """A source of the test's own: brings what it is given, notes what is acknowledged."""

    name = "main"
    sessions = 0
    window = 0

    def __init__(self) -> None:
        self.acked: list[Message] = []
        self.on_disk_at_ack: list[int] = []
        self.paused = False
        self.connected = True
        self.draining = False
        self.watches: Path | None = None
        self._sink: Sink | None = None

    async def run(self, sink: Sink) -> None:
        self._sink = sink
        await asyncio.Event().wait()

    async def bring(self, arrived: list[Message]) -> None:
        await eventually(lambda: self._sink)
        assert self._sink is not None
        self._sink(arrived)

    def ack(self, messages: Sequence[Message]) -> None:
        self.acked += messages
        if self.watches is not None:
            rows = [row for file in list_files(self.watches) for row in file.rows(0)]
            self.on_disk_at_ack.append(sum(row.count for row in rows))

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def status(self) -> SourceStatus:
        return SourceStatus(
            name=self.name,
            connected=self.connected,
            protocol="5",
            session=1,
            since=0,
            granted={},
            received=0,
            unguarded=0,
            acks=len(self.acked),
            reconnects=0,
            problem="",
            draining=self.draining,
        )


class Reader:
    """A consumer that notes what it gets and can be held, or made to fail."""

    def __init__(self, name: str, journal: Journal) -> None:
        self.name = name
        self.got: list[Message] = []
        self.bases: list[int] = []
        self.frontier = 0
        self.held = ""
        self.failure: Exception | None = None
        self.closed = False
        self._journal = journal

    def cursor(self) -> tuple[str, int] | None:
        return (self._journal.id, self.bases[-1]) if self.bases else None

    def handle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        if self.failure:
            raise self.failure
        if self.held:
            raise Held(self.held)
        assert len(outcomes) == len(batch)
        self.got += batch.messages
        self.bases.append(batch.last)

    def idle(self, frontier: int) -> None:
        self.frontier = frontier

    def close(self) -> None:
        self.closed = True


class Decoding:
    """Counts how often each position is decoded."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self._lock = threading.Lock()

    def __call__(self, positions: Sequence[int], arrived: Sequence[Message]) -> list[Outcome]:
        with self._lock:
            self.positions += positions
        return [IGNORED for _ in arrived]


class Bench:
    """A pipeline with one line and two readers."""

    def __init__(
        self, folder: Path, *, in_flight_bytes: int = 1_000_000, window: int = 0, **bounds: int
    ) -> None:
        self.journal = Journal.open(folder / "journal", min_free_bytes=0, **bounds)
        self.line = Line()
        self.line.window = window
        self.series = Reader("series", self.journal)
        self.alerts = Reader("alerts", self.journal)
        self.decoding = Decoding()
        self.clock = ManualClock(NOON + 1_000_000)
        self.sent: list[tuple[str, bytes]] = []
        self.pipeline = Pipeline(
            journal=self.journal,
            sources=[self.line],
            consumers=[self.series, self.alerts],
            decode=self.decoding,
            reply=lambda messages: [
                (one, "answer", one.payload) for one in messages if b"ask" in one.payload
            ],
            publish=self._publish,
            clock=self.clock,
            in_flight_bytes=in_flight_bytes,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Bench"]:
        task = asyncio.create_task(self.pipeline.run())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.journal.close()

    async def _publish(self, _: str, topic: str, payload: bytes) -> None:
        self.sent.append((topic, payload))


async def test_acknowledged_means_committed(tmp_path: Path) -> None:
    """At the moment of each ack everything acknowledged can be read from the files by anybody."""
    async with Bench(tmp_path).running() as bench:
        bench.line.watches = tmp_path / "journal"
        for number in range(0, 500, 10):
            await bench.line.bring(messages(range(number, number + 10)))
            await asyncio.sleep(0)
        await eventually(lambda: len(bench.line.acked) == 500)
        assert bench.line.acked == messages(range(500)), "in the order of arrival"
        acked = list(range(10, 501, 10))
        assert all(
            on_disk >= count
            for on_disk, count in zip(bench.line.on_disk_at_ack, acked, strict=True)
        )


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_face_never_reaches_the_disk(tmp_path: Path) -> None:
    """What a terminal sends with its event is journalled, acknowledged and handed on without it."""
    face = b"\xff\xd8\xff\xe0" + bytes(range(200)) * 20 + b"\xff\xd9"
    text = base64.b64encode(face)
    async with Bench(tmp_path).running() as bench:
        await bench.line.bring([message(1, payload=b'{"t":37.9,"pic":"%s"}' % text), message(2)])
        await eventually(lambda: len(bench.alerts.got) == len(bench.series.got) == 2)
        assert len(bench.line.acked) == 2
        assert bench.pipeline.status().pictures == 1
        assert bench.series.got[0].payload.startswith(b'{"t":37.9,"pic":"[jpeg ')
    on_disk = [path.read_bytes() for path in files_in(tmp_path)]
    assert on_disk
    assert not any(part in content for part in (text[:64], face[:64]) for content in on_disk)


async def test_both_followers_get_everything_and_it_is_decoded_once(tmp_path: Path) -> None:
    """The batch just written is handed to both in memory, with the outcomes made once."""
    async with Bench(tmp_path).running() as bench:
        for number in range(50):
            await bench.line.bring(messages(range(number * 20, number * 20 + 20)))
        await eventually(lambda: len(bench.alerts.got) == len(bench.series.got) == 1_000)
        assert bench.alerts.got == bench.series.got == messages(range(1_000))
        assert sorted(bench.decoding.positions) == list(range(1, 1_001))


async def test_a_held_follower_holds_nobody_else(tmp_path: Path) -> None:
    """While one consumer waits, intake and the other go on; later it gets all of it, in order."""
    async with Bench(tmp_path).running() as bench:
        bench.series.held = "the store is down"
        for number in range(100):
            await bench.line.bring(messages(range(number * 20, number * 20 + 20)))
            await asyncio.sleep(0.002)
        await eventually(lambda: len(bench.alerts.got) == len(bench.line.acked) == 2_000)
        status = bench.pipeline.status().followers["series"]
        assert (status.held, status.cursor) == ("the store is down", 0)
        assert (status.pending, status.oldest_at, status.age(NOON + 90)) == (2_000, NOON, 90)
        assert (status.held_by, set(status.holds)) == ("store", {"store"})
        parts = bench.pipeline.status()
        assert (parts.received, parts.journalled, parts.refused) == (2_000, 2_000, 0)
        assert parts.commits.count > 0
        assert (parts.followers["alerts"].oldest_at, parts.followers["alerts"].holds) == (None, {})
        bench.series.held = ""
        await eventually(lambda: len(bench.series.got) == 2_000)
        assert bench.series.got == messages(range(2_000))
        await eventually(lambda: bench.pipeline.status().followers["series"].held == "")


async def test_a_journal_that_cannot_be_read_holds_that_follower_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that refuses a read is waited for; what is in memory goes on meanwhile."""
    with closing(Journal.open(tmp_path / "journal")) as journal:
        journal.append(messages(range(10)))
    bench = Bench(tmp_path)
    read, disk = bench.journal.read, {"refuses": True}

    def refuse(*arguments: int, **more: int) -> list[Batch]:
        if disk["refuses"] and threading.current_thread().name == "follower series":
            raise sqlite3.OperationalError("disk I/O error")
        return read(*arguments, **more)

    monkeypatch.setattr(bench.journal, "read", refuse)
    async with bench.running():
        await eventually(lambda: "disk I/O" in bench.pipeline.status().followers["series"].held)
        await bench.line.bring(messages(range(10, 20)))
        await eventually(lambda: bench.alerts.got == messages(range(20)))
        assert len(bench.line.acked) == 10
        disk["refuses"] = False
        await eventually(lambda: bench.series.got == messages(range(20)))


async def test_a_failing_consumer_ends_the_service(tmp_path: Path) -> None:
    """What no consumer may raise ends the run with that very error: nothing dies alone."""
    bench = Bench(tmp_path)
    bench.alerts.failure = ZeroDivisionError("a mistake")
    run = asyncio.create_task(bench.pipeline.run())
    await bench.line.bring(messages([1]))
    with pytest.raises(ZeroDivisionError, match="a mistake"):
        await asyncio.wait_for(run, 10)
    assert bench.series.closed
    bench.journal.close()


async def test_a_stop_closes_the_consumers(tmp_path: Path) -> None:
    """After the run every consumer was told to make durable what is not yet."""
    async with Bench(tmp_path).running() as bench:
        await bench.line.bring(messages([1]))
        await eventually(lambda: bench.series.got)
    assert bench.series.closed
    assert bench.alerts.closed


async def test_a_repeat_is_acknowledged_and_not_journalled(tmp_path: Path) -> None:
    """A resumed session's resends are acked in their place, and counted, also after a restart."""
    async with Bench(tmp_path).running() as bench:
        await bench.line.bring(messages(range(10)))
        await eventually(lambda: len(bench.line.acked) == 10)
    async with Bench(tmp_path).running() as bench:
        resent = [message(8, flags=DUP, session=2), message(9, flags=DUP, session=2), message(10)]
        await bench.line.bring(resent)
        await eventually(lambda: len(bench.line.acked) == 3)
        assert bench.line.acked == resent
        assert bench.journal.head == 11
        assert bench.pipeline.status().repeats == 2


async def test_a_large_window_is_remembered_whole(tmp_path: Path) -> None:
    """A broker that may have 6,000 in flight may send each of them again, also after a start."""
    chunks = [messages(range(begin, begin + 500)) for begin in range(0, 6_000, 500)]
    oldest = message(0, flags=DUP, session=2)
    for resent in ([], [oldest]):
        async with Bench(tmp_path, window=6_000).running() as bench:
            for arrived in [resent] if resent else [*chunks, [oldest]]:
                await bench.line.bring(arrived)
            wanted = 1 if resent else 6_001
            await eventually(lambda wanted=wanted: len(bench.line.acked) == wanted)
            assert (bench.journal.head, bench.pipeline.status().repeats) == (6_000, 1)


async def test_what_waits_for_the_journal_belongs_to_the_session_it_came_in(tmp_path: Path) -> None:
    """A new session that begins before the commit is not taken to have sent what came before."""
    async with Bench(tmp_path).running() as bench:
        await bench.line.bring([message(3)])
        bench.line.sessions = 1
        await bench.line.bring([message(3, flags=DUP, session=2)])
        await eventually(lambda: len(bench.line.acked) == 2)
        assert bench.journal.head == 2
        assert bench.pipeline.status().repeats == 0


async def test_too_much_in_flight_pauses_the_source(tmp_path: Path) -> None:
    """What waits for the journal is bounded in bytes; reading goes on when it has been written."""
    async with Bench(tmp_path, in_flight_bytes=50_000).running() as bench:
        await bench.line.bring([message(1, payload=bytes(60_000))])
        assert bench.line.paused
        await eventually(lambda: not bench.line.paused)
        assert bench.pipeline.status().in_flight_bytes == 0


async def test_a_full_journal_stops_acknowledging_until_there_is_room(tmp_path: Path) -> None:
    """Nothing is acked and nothing lost while the journal is full; then all of it goes through."""
    big = [message(number, payload=bytes(200_000)) for number in range(120)]
    bench = Bench(tmp_path, in_flight_bytes=100_000_000, max_bytes=16_000_000, keep_ms=0)
    bench.series.held = "the store is down"
    async with bench.running():
        for one in big:
            await bench.line.bring([one])
        await eventually(lambda: bench.pipeline.status().problem)
        assert bench.line.paused
        assert bench.pipeline.status().refused > 0
        assert bench.pipeline.status().journal.level == "full"
        assert len(bench.line.acked) < len(big)
        assert len(bench.line.acked) == bench.journal.head
        bench.series.held = ""
        await eventually(lambda: bench.line.acked == big, seconds=60)
        await eventually(lambda: len(bench.series.got) == len(big), seconds=60)
        assert not bench.line.paused
        assert bench.pipeline.status().problem == ""


async def test_answers_follow_the_commit(tmp_path: Path) -> None:
    """A message that waits for an answer gets it, once it is journalled."""
    async with Bench(tmp_path).running() as bench:
        await bench.line.bring([message(1, payload=b"ask me"), message(2)])
        await eventually(lambda: bench.sent)
        assert bench.sent == [("answer", b"ask me")]
        assert bench.journal.head == 2
        assert bench.pipeline.status().answers.sent == 1


async def test_the_frontier_waits_for_what_is_not_judged(tmp_path: Path) -> None:
    """The frontier is now while all is judged, else the arrival of the next unjudged message."""
    async with Bench(tmp_path).running() as bench:
        await eventually(lambda: bench.alerts.frontier == NOON + 1_000_000)
        bench.alerts.held = "the database is away"
        bench.clock.set(NOON + 3_000_000)
        await bench.line.bring([message(2_000_000)])
        await eventually(lambda: bench.pipeline.status().followers["alerts"].held)
        assert bench.pipeline.frontier() <= NOON + 2_000_000
        bench.alerts.held = ""
        await eventually(lambda: bench.alerts.frontier == NOON + 3_000_000)


async def test_the_frontier_begins_where_judging_begins(tmp_path: Path) -> None:
    """After a restart nothing counts as silence that lies behind a message not yet judged."""
    async with Bench(tmp_path).running() as bench:
        await bench.line.bring([message(1_000)])
        await eventually(lambda: bench.journal.head == 1)
        await bench.line.bring([message(500_000)])
        await eventually(lambda: len(bench.alerts.got) == 2)
    bench = Bench(tmp_path)
    bench.alerts.held = "the database is away"
    async with bench.running():
        await eventually(lambda: bench.pipeline.status().followers["alerts"].held)
        assert bench.pipeline.frontier() == NOON + 1_000
        bench.alerts.held = ""
        await eventually(lambda: bench.alerts.frontier == NOON + 1_000_000)


@pytest.mark.parametrize("state", ["disconnected", "draining"])
async def test_the_frontier_stands_still_without_its_source(tmp_path: Path, state: str) -> None:
    """While a source is away, or its backlog is not here yet, nothing may be taken for silence."""
    async with Bench(tmp_path).running() as bench:
        await eventually(lambda: bench.alerts.frontier == NOON + 1_000_000)
        bench.line.connected, bench.line.draining = state == "draining", state == "draining"
        before = bench.pipeline.frontier()
        bench.clock.set(NOON + 9_000_000)
        await asyncio.sleep(0.5)  # Long enough for the frontier to have moved if it could.
        assert bench.pipeline.frontier() == before
        bench.line.connected, bench.line.draining = True, False
        await eventually(lambda: bench.alerts.frontier == NOON + 9_000_000)


@pytest.mark.parametrize("step", [-3_600_000, 3_600_000], ids=["back", "forward"])
async def test_a_step_of_the_clock_stops_and_loses_nothing(tmp_path: Path, step: int) -> None:
    """Messages go their way whatever the date; the frontier never goes back, and goes on."""
    start = NOON + 1_000_000
    async with Bench(tmp_path).running() as bench:
        await bench.line.bring([message(999_000)])
        await eventually(lambda: bench.alerts.frontier == start)
        bench.clock.advance(step)
        stepped = [message(1_000_000 + step + number) for number in range(10)]
        await bench.line.bring(stepped)
        everything = [message(999_000), *stepped]
        await eventually(lambda: bench.series.got == bench.alerts.got == everything)
        assert bench.line.acked == everything
        assert bench.pipeline.frontier() >= start
        bench.clock.set(start + 3_600_001)
        await eventually(lambda: bench.alerts.frontier == start + 3_600_001)


async def test_a_cursor_of_another_journal_is_refused(tmp_path: Path) -> None:
    """A cursor that belongs to another journal, or beyond this one's head, stops the start."""
    with closing(Journal.open(tmp_path / "journal")) as journal:
        journal.append(messages([1]))
        strange, beyond = Reader("series", journal), Reader("series", journal)
        strange.cursor = lambda: ("elsewhere", 1)  # type: ignore[method-assign]
        beyond.cursor = lambda: (journal.id, 2)  # type: ignore[method-assign]
        for reader, sentence in ((strange, "belongs to journal elsewhere"), (beyond, "ends at 1")):
            with pytest.raises(CursorRefused, match=sentence):
                Pipeline(
                    journal=journal,
                    sources=[],
                    consumers=[reader],
                    decode=Decoding(),
                    reply=lambda _: (),
                    publish=None,
                    clock=ManualClock(NOON),
                )


async def test_a_consumer_goes_on_from_its_own_cursor(tmp_path: Path) -> None:
    """After a restart a consumer gets what lies behind its durable cursor, and only that."""
    async with Bench(tmp_path).running() as bench:
        await bench.line.bring(messages(range(100)))
        await eventually(lambda: len(bench.series.got) == 100)
    with closing(Journal.open(tmp_path / "journal")) as journal:
        reader = Reader("series", journal)
        reader.bases = [60]
        pipeline = Pipeline(
            journal=journal,
            sources=[],
            consumers=[reader],
            decode=Decoding(),
            reply=lambda _: (),
            publish=None,
            clock=ManualClock(NOON),
        )
        run = asyncio.create_task(pipeline.run())
        await eventually(lambda: len(reader.got) == 40)
        assert reader.got == messages(range(60, 100))
        run.cancel()
        with suppress(asyncio.CancelledError):
            await run


async def test_a_held_consumer_gets_what_it_had_not_made_durable(tmp_path: Path) -> None:
    """What was handled and not durable when a consumer is held comes again, and nothing else."""
    async with Bench(tmp_path).running() as bench:
        durable = 0
        bench.alerts.cursor = lambda: (bench.journal.id, durable)  # type: ignore[method-assign]
        await bench.line.bring(messages(range(100)))
        await eventually(lambda: len(bench.alerts.got) == 100)
        durable = 40
        bench.alerts.held = "the database is away"
        await bench.line.bring(messages(range(100, 110)))
        await eventually(lambda: bench.pipeline.status().followers["alerts"].held)
        bench.alerts.got.clear()
        bench.alerts.held = ""
        await eventually(lambda: len(bench.alerts.got) == 70)
        assert bench.alerts.got == messages(range(40, 110))
        assert bench.series.got == messages(range(110))


@pytest.mark.parametrize("row", [0, 1, 2], ids=["first", "middle", "last"])
async def test_followers_pass_over_what_is_lost(tmp_path: Path, row: int) -> None:
    """A damaged row costs its own messages and no more, and leaves nothing pending for ever."""
    with closing(Journal.open(tmp_path / "journal")) as journal:
        for start in (0, 10, 20):
            journal.append(messages(range(start, start + 10)))
        with closing(sqlite3.connect(list_files(tmp_path / "journal")[0].path)) as connection:
            connection.execute("UPDATE batch SET body = x'90' WHERE base = ?", (row * 10 + 1,))
            connection.commit()
    async with Bench(tmp_path).running() as bench:
        kept = [number for number in range(30) if number // 10 != row]
        await eventually(lambda: bench.series.got == messages(kept))
        await eventually(lambda: bench.pipeline.status().followers["series"].pending == 0)
        await bench.line.bring(messages([30]))
        await eventually(lambda: bench.alerts.got == messages([*kept, 30]))
        assert bench.pipeline.status().journal.damaged_rows == 1


async def test_the_status_can_be_written_down(tmp_path: Path) -> None:
    """The whole status encodes as JSON."""
    async with Bench(tmp_path).running() as bench:
        status = msgspec.json.decode(msgspec.json.encode(bench.pipeline.status()))
        assert status["followers"]["alerts"]["pending"] == 0
