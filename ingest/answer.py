"""Answers: some terminals resend a message until it is answered; they are, after its commit.

Low rate, best effort: an answer that cannot be sent is counted, and the terminal asks again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog

from ingest.message import Message

WAITING = 1_000
"""Answers that wait for the broker; beyond it they are dropped and counted."""
_PUBLISH_S = 10.0

log = structlog.get_logger()

Reply = Callable[[Message], tuple[str, bytes] | None]
"""A message to the topic and payload that answer it, or None."""
Publish = Callable[[str, bytes], Awaitable[None]]
"""Sends one payload to a topic; raises OSError or TimeoutError where it cannot."""


class AnswerStatus(msgspec.Struct, frozen=True):
    """How many answers were sent, failed at the broker, or were dropped for want of room."""

    sent: int
    failed: int
    dropped: int


class Answers:
    """Finds the answers to journalled messages and sends them, one after the other."""

    def __init__(self, reply: Reply, publish: Publish | None) -> None:
        self._reply = reply
        self._publish = publish
        self._queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(WAITING)
        self._sent = self._failed = self._dropped = 0

    def offer(self, messages: Sequence[Message]) -> None:
        """Queue the answers to messages that are journalled; never blocks."""
        if self._publish is None:
            return
        for message in messages:
            answer = self._reply(message)
            if answer is None:
                continue
            if self._queue.full():
                self._dropped += 1
            else:
                self._queue.put_nowait(answer)

    def status(self) -> AnswerStatus:
        """Return the counts since the start."""
        return AnswerStatus(self._sent, self._failed, self._dropped)

    async def run(self) -> None:
        """Send what is queued until cancelled."""
        while True:
            topic, payload = await self._queue.get()
            await self._send(topic, payload)

    async def _send(self, topic: str, payload: bytes) -> None:
        if self._publish is None:
            return
        try:
            async with asyncio.timeout(_PUBLISH_S):
                await self._publish(topic, payload)
            self._sent += 1
        except (OSError, TimeoutError) as error:
            self._failed += 1
            log.warning("answer_not_sent", why=type(error).__name__)
