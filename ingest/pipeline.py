"""The pipeline: from the sources into the journal, then acknowledged, answered and handed over.

What always holds
    A message is acknowledged after the commit that made it durable, in the order of arrival, and
    never before. A repeat is acknowledged after the commit of what it repeats.
    What waits for the journal is bounded in bytes: above the bound, and while the journal can
    take nothing, the sources stop reading their sockets.
    A task never dies alone: whatever ends one ends :meth:`Pipeline.run`.

What a crash leaves
    Before the commit: nothing; the broker sends it again. After the commit, before the
    acknowledgement: the broker sends it again and the repeat is recognised. Followers go on from
    their own cursors.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import msgspec
import structlog

from devices.clock import Clock
from ingest.answer import Answers, AnswerStatus, Publish, Reply
from ingest.backoff import Backoff
from ingest.decode_stage import Decode, DecodeStage
from ingest.durations import Durations, Stopwatch
from ingest.follower import Consumer, Follower, FollowerStatus
from ingest.journal import Journal, JournalFull
from ingest.journal_room import MIB, JournalStatus
from ingest.message import Batch, Message
from ingest.picture import cut_all
from ingest.repeat import WINDOW, RepeatGuard
from ingest.source import Source, SourceStatus

IN_FLIGHT_BYTES = 32 * MIB
_BATCH_MESSAGES = 5_000
_BATCH_BYTES = 4 * MIB
_MESSAGE_BYTES = 200
"""What a message takes beside its payload, roughly; so that empty ones are bounded too."""
_TAIL_WINDOWS = 10
"""How far back a start looks for what a resumed session may repeat: other sources' messages lie
between."""
GROUP_S = 0.02
_LULL_S = 0.002
"""A commit costs as much as thirty messages: what comes within twenty milliseconds of the last one
joins the next, unless the broker waits for acks; that is looked for after a lull, then twice as
long, and so on."""
_CALM_S = 0.1
_TRIM_S = 1.0
_RETRY_BASE_S = 0.1
_RETRY_CAP_S = 5.0
_ALERTS = "alerts"

log = structlog.get_logger()


class TaskEnded(Exception):
    """A task that works for ever has ended without a reason."""


class PipelineStatus(msgspec.Struct, frozen=True):
    """Everything between the sockets and the consumers.

    Attributes:
        followers: By name.
        repeats: Messages recognised as journalled already.
        in_flight_bytes: Received and not yet journalled.
        paused: Whether the sources have stopped reading.
        problem: Why nothing can be journalled; empty: it can.
        frontier: Everything that arrived before has been judged; milliseconds UTC.
        pictures: How many were cut out of messages before the journal.
        received: Messages taken in from all sources since the start.
        journalled: Those of them that were journalled.
        refused: How often the journal could not take what waited.
        commits: How long the journal's commits took.
    """

    sources: list[SourceStatus]
    journal: JournalStatus
    followers: dict[str, FollowerStatus]
    answers: AnswerStatus
    repeats: int
    in_flight_bytes: int
    paused: bool
    problem: str
    frontier: int
    pictures: int = 0
    received: int = 0
    journalled: int = 0
    refused: int = 0
    commits: Durations = Durations([], 0.0)


class _Chunk(NamedTuple):
    """What one socket read brought."""

    source: Source
    messages: Sequence[Message]
    bytes: int
    sessions: int


class Pipeline:
    """Sources, journal and followers, tied together; :meth:`run` runs them."""

    def __init__(
        self,
        *,
        journal: Journal,
        sources: Sequence[Source],
        consumers: Sequence[Consumer],
        decode: Decode,
        reply: Reply,
        publish: Publish | None,
        clock: Clock,
        in_flight_bytes: int = IN_FLIGHT_BYTES,
    ) -> None:
        """Tie them together; nothing runs yet.

        Args:
            journal: Opened, and closed by the caller after :meth:`run` has ended.
            sources: Their names differ.
            consumers: The one named "alerts" decides how far the frontier is.
            decode: Positions and messages to an outcome each; raises for no input.
            reply: Which messages are answered, with what, where to.
            publish: Sends answers; None: nothing is answered.
            clock: The one clock.
            in_flight_bytes: How much may wait for the journal before the sources pause.

        Raises:
            CursorRefused: A consumer's cursor does not belong to this journal.
        """
        self._journal = journal
        self._sources = sources
        self._clock = clock
        self._limit = in_flight_bytes
        stage = DecodeStage(decode, followers=[consumer.name for consumer in consumers])
        self._followers = [
            Follower(consumer, journal, stage, self.frontier) for consumer in consumers
        ]
        self._judge = next((one for one in self._followers if one.name == _ALERTS), None)
        self._answers = Answers(reply, publish, [source.name for source in sources])
        self._window = max([WINDOW, *(source.window for source in sources)])
        self._repeats = RepeatGuard(self._window)
        self._pictures = self._received = self._journalled = self._refused = 0
        self._commits = Stopwatch()
        self._waiting: deque[_Chunk] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._bytes = 0
        self._grouped_at = 0.0
        self._grouped = 0
        self._paused = False
        self._problem = ""
        self._oldest: int | None = None
        self._calm = journal.arrival(journal.head) or 0
        self._frontier = 0

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            SourceRefused: A source cannot be used and waiting does not help.
            Exception: Whatever else a task died of.
        """
        self._remember_tail()
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, work in self._tasks():
                    tasks.create_task(_endless(name, work), name=name)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            self._thread.shutdown()

    def say(self, source: str, topic: str, payload: bytes) -> None:
        """Publish, at a low rate like an answer, to the broker of a source; never blocks."""
        self._answers.say(source, topic, payload)

    def frontier(self) -> int:
        """Return the time before which everything that arrived has been judged; never goes back.

        It is the arrival of the oldest message not yet judged; else the last moment at which
        every source was connected and had delivered its backlog. Read from upstream down, so
        that a message that moves on meanwhile is not overlooked.
        """
        bounds = [self._calm, self._oldest, self._unjudged()]
        self._frontier = max(self._frontier, min(at for at in bounds if at is not None))
        return self._frontier

    def status(self) -> PipelineStatus:
        """Return how everything is; may be asked from any thread."""
        return PipelineStatus(
            sources=[source.status() for source in self._sources],
            journal=self._journal.status(),
            followers={follower.name: follower.status() for follower in self._followers},
            answers=self._answers.status(),
            repeats=self._repeats.count,
            in_flight_bytes=self._bytes,
            paused=self._paused,
            problem=self._problem,
            frontier=self._frontier,
            pictures=self._pictures,
            received=self._received,
            journalled=self._journalled,
            refused=self._refused,
            commits=self._commits.durations(),
        )

    def _tasks(self) -> list[tuple[str, Coroutine[None, None, None]]]:
        sources = [
            (f"source {source.name}", source.run(partial(self._take_in, source)))
            for source in self._sources
        ]
        followers = [(f"follower {one.name}", one.run()) for one in self._followers]
        own = [("write", self._write()), ("calm", self._stay_calm()), ("trim", self._trim())]
        return [*followers, *own, ("answer", self._answers.run()), *sources]

    def _take_in(self, source: Source, messages: list[Message]) -> None:
        """Accept what one socket read brought, without its pictures; called on the loop."""
        messages, pictures = cut_all(messages)
        self._pictures += pictures
        self._received += len(messages)
        payload_bytes = sum([len(message.payload) for message in messages])
        size = payload_bytes + _MESSAGE_BYTES * len(messages)
        if self._oldest is None:
            self._oldest = messages[0].received_at
        self._waiting.append(_Chunk(source, messages, size, source.sessions))
        self._bytes += size
        self._arrived.set()
        if self._bytes > self._limit:
            self._regulate()

    async def _write(self) -> None:
        """Journal what waits, all of it at once, then acknowledge it and hand it over."""
        while True:
            await self._arrived.wait()
            await self._group()
            chunks = self._next_chunks()
            fresh = self._fresh(chunks)
            batch = await self._commit(fresh) if fresh else None
            if batch is not None:
                size = sum(chunk.bytes for chunk in chunks)
                for follower in self._followers:
                    follower.offer(batch, size)
            for chunk in chunks:
                chunk.source.ack(chunk.messages)
                self._answers.offer(chunk.messages)
            self._forget(chunks)

    async def _group(self) -> None:
        """Let more arrive, if the last commit was just now and more may come.

        A broker with a small window sends it at once and then waits for our acks: a lull, and as
        many messages as the last time.
        """
        loop = asyncio.get_running_loop()
        until, pause = self._grouped_at + GROUP_S, _LULL_S
        waiting = self._count_waiting()
        while (rest := until - loop.time()) > 0 and self._bytes < _BATCH_BYTES:
            await asyncio.sleep(min(pause, rest))
            before, waiting = waiting, self._count_waiting()
            if waiting == before == self._grouped:
                break
            pause *= 2
        self._grouped_at, self._grouped = loop.time(), waiting

    def _count_waiting(self) -> int:
        return sum([len(chunk.messages) for chunk in self._waiting])

    def _next_chunks(self) -> list[_Chunk]:
        chunks, count, size = [], 0, 0
        while self._waiting and count < _BATCH_MESSAGES and size < _BATCH_BYTES:
            chunk = self._waiting.popleft()
            chunks.append(chunk)
            count += len(chunk.messages)
            size += chunk.bytes
        return chunks

    def _fresh(self, chunks: Sequence[_Chunk]) -> Sequence[Message]:
        """Return what is to be journalled, in order of arrival."""
        fresh = [
            self._repeats.fresh(
                chunk.source.name, chunk.messages, chunk.bytes, sessions=chunk.sessions
            )
            for chunk in chunks
        ]
        return fresh[0] if len(fresh) == 1 else [one for messages in fresh for one in messages]

    async def _commit(self, messages: Sequence[Message]) -> Batch:
        """Journal the messages; while the journal cannot take them, keep them and try again."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(base=_RETRY_BASE_S, cap=_RETRY_CAP_S)
        while True:
            try:
                with self._commits.timing():
                    batch = await loop.run_in_executor(self._thread, self._journal.append, messages)
            except JournalFull as full:
                self._refused += 1
                self._report(str(full))
                await asyncio.sleep(backoff.next())
            else:
                self._journalled += len(messages)
                self._report("")
                return batch

    def _report(self, problem: str) -> None:
        """Say once that the journal takes nothing, and once that it does again."""
        if problem and not self._problem:
            log.error("journal_full", why=problem)
        if self._problem and not problem:
            log.info("journal_resumed", head=self._journal.head)
        self._problem = problem
        self._regulate()

    def _forget(self, chunks: Sequence[_Chunk]) -> None:
        self._bytes -= sum(chunk.bytes for chunk in chunks)
        if self._waiting:
            self._oldest = self._waiting[0].messages[0].received_at
        else:
            self._oldest = None
            self._arrived.clear()
        if self._paused:
            self._regulate()

    def _regulate(self) -> None:
        """Pause the sources above the bound, resume them below half of it."""
        bound = self._limit // 2 if self._paused else self._limit
        wanted = bool(self._problem) or self._bytes > bound
        if wanted == self._paused:
            return
        self._paused = wanted
        for source in self._sources:
            (source.pause if wanted else source.resume)()

    async def _stay_calm(self) -> None:
        """Note, again and again, the moment up to which every message has reached us."""
        while True:
            states = [source.status() for source in self._sources]
            if not self._paused and all(one.connected and not one.draining for one in states):
                self._calm = self._clock.now()
            await asyncio.sleep(_CALM_S)

    def _unjudged(self) -> int | None:
        """Return the arrival of the first journalled message the alerts have not judged."""
        if self._judge is None or self._judge.position >= self._journal.head:
            return None
        return self._journal.arrival(self._judge.position + 1)

    async def _trim(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            below = min((one.durable for one in self._followers), default=0)
            await loop.run_in_executor(self._thread, self._journal.trim, below)
            await asyncio.sleep(_TRIM_S)

    def _remember_tail(self) -> None:
        """Let the repeat guard know what was journalled last before this start."""
        position = max(self._journal.head - _TAIL_WINDOWS * self._window, self._journal.base - 1)
        while batches := self._journal.read(position, messages=_BATCH_MESSAGES):
            self._repeats.restore(batches)
            position = batches[-1].last


async def _endless(name: str, work: Awaitable[None]) -> None:
    await work
    raise TaskEnded(f"{name} ended by itself")
