"""Answers: some terminals resend a message until it is answered; they are, after its commit.

Low rate, best effort: an answer that cannot be sent is counted, and the terminal asks again. What
devices are asked that only answer goes the same way; they are asked again when it is due again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec
import structlog

from ingest.message import Message
from ingest.publisher import PublishFailed

WAITING = 1_000
"""Answers that wait for one broker; beyond it they are dropped and counted."""

log = structlog.get_logger()

Reply = Callable[[Sequence[Message]], Iterable[tuple[Message, str, bytes]]]
"""Messages to those of them that are answered, each with the topic and payload of its answer."""
Publish = Callable[[str, str, bytes], Awaitable[None]]
"""Sends, to the broker of a source, to a topic, one payload, in bounded time; raises PublishFailed
where it cannot."""


class AnswerStatus(msgspec.Struct, frozen=True):
    """How many answers were sent, failed at the broker, or were dropped for want of room."""

    sent: int
    failed: int
    dropped: int


class Answers:
    """Finds the answers to journalled messages and sends them, each source's one after the other.

    Args:
        reply: Which messages are answered, with what, where to.
        publish: Sends an answer; None: nothing is answered.
        sources: Names of the sources; none waits for the broker of another.
    """

    def __init__(self, reply: Reply, publish: Publish | None, sources: Iterable[str]) -> None:
        self._reply = reply
        self._publish = publish
        self._queues: dict[str, asyncio.Queue[tuple[str, bytes]]] = {
            source: asyncio.Queue(WAITING) for source in sources
        }
        self._sent = self._failed = self._dropped = 0
        self._problems: dict[str, str] = {}

    def offer(self, messages: Sequence[Message]) -> None:
        """Queue the answers to messages that are journalled; never blocks."""
        if self._publish is None:
            return
        for message, topic, payload in self._reply(messages):
            self.say(message.source, topic, payload)

    def say(self, source: str, topic: str, payload: bytes) -> None:
        """Queue what is to be published to the broker of a source; never blocks."""
        if self._queues[source].full():
            self._dropped += 1
        else:
            self._queues[source].put_nowait((topic, payload))

    def status(self) -> AnswerStatus:
        """Return the counts since the start."""
        return AnswerStatus(self._sent, self._failed, self._dropped)

    async def run(self) -> None:
        """Send what is queued until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for source, queue in self._queues.items():
                tasks.create_task(self._serve(source, queue), name=f"answers {source}")
            await asyncio.Event().wait()

    async def _serve(self, source: str, queue: asyncio.Queue[tuple[str, bytes]]) -> None:
        while True:
            topic, payload = await queue.get()
            if self._publish is None:
                continue
            try:
                await self._publish(source, topic, payload)
            except PublishFailed as failed:
                self._failed += 1
                self._report(source, str(failed))
            else:
                self._sent += 1
                self._report(source, "")

    def _report(self, source: str, problem: str) -> None:
        """Say once that a source's answers cannot be sent, and once that they can again."""
        before = self._problems.get(source, "")
        if problem and not before:
            log.warning("answers_not_sent", source=source, why=problem)
        if before and not problem:
            log.info("answers_resumed", source=source, failed=self._failed)
        self._problems[source] = problem
