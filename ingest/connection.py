"""What a connection to a broker does, in any version of MQTT, and how it can end."""

import asyncio
from collections.abc import Sequence
from typing import Protocol, TypeVar

from ingest.backlog import Backlog
from ingest.message import Message

ONLINE, OFFLINE = b"online", b"offline"
"""What we say of ourselves, and the broker says when we are gone: birth and will."""
Granted = dict[str, int]
"""By topic filter what the broker answered: the granted QoS, or a reason code of 0x80 and more."""
Answer = TypeVar("Answer")


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
        keep_alive_s: In seconds, as the broker wants it.
        session_expiry_s: For how many seconds the broker keeps our session; None: not said.
        client_id: Who we are to the broker, as it wants it.
    """

    protocol: str
    ended: asyncio.Future[Exception]
    heard_at: float
    backlog: Backlog
    session_present: bool
    keep_alive_s: int
    session_expiry_s: int | None
    client_id: str

    async def open(self) -> None:
        """Connect; raises one of the three above."""
        ...

    def subscribe(self, topics: Sequence[str], qos: int) -> asyncio.Future[Granted]:
        """Subscribe at a QoS of 0 or 1; done when every filter has its answer."""
        ...

    def unsubscribe(self, topics: Sequence[str]) -> asyncio.Future[Granted]:
        """Unsubscribe; done when every filter has its answer, 0x80 and more where refused."""
        ...

    def announce(self, topic: str, payload: bytes) -> asyncio.Future[int]:
        """Publish at QoS 1, retained; done with the broker's reason code. Nothing is sent again."""
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
    connection: Connection, step: asyncio.Future[Answer], *, seconds: float, late: Exception
) -> Answer:
    """Return what a step of opening brings; raise why the connection ended, or ``late``."""
    await asyncio.wait(
        (step, connection.ended), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
    )
    if connection.ended.done():
        raise connection.ended.result()
    if not step.done():
        connection.abort(late)
        raise late
    return step.result()


def finish(step: asyncio.Future[None]) -> None:
    """Mark a step as reached; a broker that says it twice changes nothing."""
    if not step.done():
        step.set_result(None)
