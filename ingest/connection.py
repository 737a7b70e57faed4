"""What a connection to a broker does, in any version of MQTT, and how it can end."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from ingest.backlog import Backlog
from ingest.message import Message


class ConnectionLost(Exception):
    """The connection ended or could not be made; trying again may help."""


class VersionRefused(Exception):
    """The broker does not speak the version of MQTT it was addressed in, or did not answer it."""


class SourceRefused(Exception):
    """The broker refuses us in a way that waiting does not mend; the sentence says what does."""


class Connection(Protocol):
    """A connection from CONNECT until it is lost or closed; never used again.

    Attributes:
        protocol: "5" or "3.1.1".
        ended: Done when the connection has ended; its result says why.
        heard_at: The event loop's time in seconds when something last arrived.
        backlog: Whether messages that waited at the broker are still on their way.
        session_present: Whether the broker had kept our session.
        suback: By topic filter the granted QoS, or a reason code of 0x80 and more.
        keep_alive_s: In seconds, as the broker wants it.
    """

    protocol: str
    ended: asyncio.Future[Exception]
    heard_at: float
    backlog: Backlog
    session_present: bool
    suback: dict[str, int]
    keep_alive_s: int

    async def open(self) -> None:
        """Connect and subscribe; raises one of the three above."""
        ...

    def ack(self, messages: Sequence[Message]) -> int:
        """Acknowledge those that came on this connection, in order; return how many."""
        ...

    def ask(self) -> asyncio.Future[None]:
        """Ask for a sign of life; done when the answer is there."""
        ...

    def pause(self) -> None:
        """Stop reading."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    def abort(self, error: Exception) -> None:
        """End it at once, for the given reason."""
        ...

    async def close(self) -> None:
        """Say goodbye; the broker keeps the session and what is not acknowledged."""
        ...


def owed(messages: Sequence[Message], *, source: str, session: int) -> list[Message]:
    """Return those that one connection may acknowledge; packet ids mean nothing on another."""
    return [
        message
        for message in messages
        if message.session == session and message.qos and message.source == source
    ]


async def reach(
    connection: Connection, step: asyncio.Future[None], *, seconds: float, late: Exception
) -> None:
    """Wait for a step of opening; raise why the connection ended, or ``late``."""
    await asyncio.wait(
        (step, connection.ended), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
    )
    if connection.ended.done():
        raise connection.ended.result()
    if not step.done():
        connection.abort(late)
        raise late


def finish(step: asyncio.Future[None]) -> None:
    """Mark a step as reached; a broker that says it twice changes nothing."""
    if not step.done():
        step.set_result(None)
