"""One client's HTTP connection: a request, its answer, the next request.

Invariants:
- Every step has a bound in time: a head and a body must be complete, an answer must be read.
- Every part has a bound in bytes: a head, a body, and all bodies that are being read together.
- What is refused is read to its end where it is small, so that the client sees the answer and may
  go on with the connection; where it is not, the answer is given and the connection closed.
- Nothing that a client does raises out of :meth:`HttpConnection.serve`.

Source: RFC 9110 (status codes), RFC 9112, 9.6 (closing without losing the answer).
"""

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol

import h11

from ingest.http_post import BODY_BYTES, Answer, Post, busy, too_large

SERVER = "gatehouse"
"""How answers name the program that gives them; ``doctor`` knows us by it."""
FIRST_BYTE_S = 5.0
"""For a request to begin, as long as the client has not proved a credential."""
HEAD_S = 30.0
"""For the next request to begin and its head to be complete."""
BODY_S = 30.0
"""For a body; two hundred kilobytes over a bad radio link take ten seconds."""
WRITE_S = 10.0
LINGER_S = 2.0
"""For a client to see the answer that came before it had sent everything."""
HEAD_BYTES = 16 * 1024
"""Of target and headers; ``h11`` itself bounds only what is still incomplete."""
READ_BYTES = 64 * 1024


class Desk(Protocol):
    """Who decides about requests."""

    room: "Room"

    def admit(self, request: h11.Request) -> Post | Answer:
        """Return what a head asks for, or why not; its body has not been read."""
        ...

    async def take(self, post: Post, body: bytes) -> Answer:
        """Take a post in and return what to answer."""
        ...

    def note(self, answer: Answer, peer: str, target: bytes) -> None:
        """Count an answer that is no success, to whom and about what."""
        ...


class Room:
    """How many bytes of bodies may be read at the same time, over all connections."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def take(self, size: int) -> bool:
        """Take so many bytes if there is room for them."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give(self, size: int) -> None:
        """Give them back."""
        self._left += size


class _Refused(Exception):
    """A body is not read on; ``answer`` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class HttpConnection:
    """One client, from its first byte until one of us closes.

    Attributes:
        peer: Its address.
        is_known: It has proved the credential of a device.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, desk: Desk
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._desk = desk
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self.peer = str((writer.get_extra_info("peername") or ("?",))[0])
        self.is_known = False
        self._request: h11.Request | None = None

    async def serve(self) -> None:
        """Answer one request after the other until one of us closes."""
        try:
            while await self._serve_one():
                self._http.start_next_cycle()
        except OSError:
            pass  # The client is gone, and with it whoever would read an answer.
        finally:
            self._writer.close()

    async def _serve_one(self) -> bool:
        """Answer the next request; return whether another may follow."""
        self._request = None
        try:
            event = await self._head()
            if not isinstance(event, h11.Request):
                return False  # Closed between two requests, as clients do.
            self._request = event
            answer = await self._answer(event)
        except TimeoutError:
            if self._request is None and not self._http.trailing_data[0]:
                return False  # Nothing was asked.
            answer = Answer(408, b"too slow")
        except h11.RemoteProtocolError as error:
            answer = Answer(error.error_status_hint, b"this is no HTTP request")
        if answer.status >= HTTPStatus.BAD_REQUEST and answer.is_counted:
            self._desk.note(answer, self.peer, self._request.target if self._request else b"")
        return await self._send(answer)

    async def _head(self) -> h11.Event:
        """Return what the client begins with; who is not known must begin soon."""
        async with asyncio.timeout(HEAD_S):
            if not self.is_known and not self._http.trailing_data[0]:
                async with asyncio.timeout(FIRST_BYTE_S):
                    self._http.receive_data(await self._reader.read(READ_BYTES))
            return await self._event()

    async def _answer(self, request: h11.Request) -> Answer:
        admitted = _refuse_head(request) or self._desk.admit(request)
        if isinstance(admitted, Answer):
            if not self._http.they_are_waiting_for_100_continue:
                with suppress(_Refused):
                    await self._read_body(keep=False)
            return admitted
        self.is_known = True
        try:
            body = await self._read_body(keep=True)
        except _Refused as refused:
            return refused.answer
        return await self._desk.take(admitted, body)

    async def _read_body(self, *, keep: bool) -> bytes:
        """Read a body to its end; one that is not kept is thrown away as it comes.

        Raises:
            _Refused: It is too large, or too much is being read already.
        """
        pieces: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_S):
                if self._http.they_are_waiting_for_100_continue:
                    self._write(h11.InformationalResponse(status_code=100, headers=[]))
                while isinstance(event := await self._event(), h11.Data):
                    size += len(event.data)
                    if size > BODY_BYTES:
                        raise _Refused(too_large())
                    if keep and not self._desk.room.take(len(event.data)):
                        raise _Refused(busy("too much is arriving"))
                    if keep:
                        pieces.append(event.data)
            return b"".join(pieces)
        finally:
            self._desk.room.give(sum(map(len, pieces)))

    async def _event(self) -> h11.Event:
        """Return what comes next; reads as long as it is not complete."""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Event):
                return event
            self._http.receive_data(await self._reader.read(READ_BYTES))

    async def _send(self, answer: Answer) -> bool:
        """Send an answer; return whether the connection can go on."""
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return False
        headers = [("server", SERVER), ("content-length", str(len(answer.body)))]
        if answer.body:
            headers.append(("content-type", _kind(answer.body)))
        if self._http.their_state is not h11.DONE:
            headers.append(("connection", "close"))
        self._write(h11.Response(status_code=answer.status, headers=[*headers, *answer.headers]))
        if answer.body and not (self._request and self._request.method == b"HEAD"):
            self._write(h11.Data(data=answer.body))
        self._write(h11.EndOfMessage())
        async with asyncio.timeout(WRITE_S):
            await self._writer.drain()
        if self._http.our_state is self._http.their_state is h11.DONE:
            return True
        await self._linger()
        return False

    def _write(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")

    async def _linger(self) -> None:
        """Read on a little: a socket closed with unread bytes takes our answer with it."""
        self._writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                left = BODY_BYTES
                while left > 0 and (piece := await self._reader.read(READ_BYTES)):
                    left -= len(piece)


def _refuse_head(request: h11.Request) -> Answer | None:
    """Return that a head is too large; each of its fields has four bytes of punctuation."""
    size = len(request.target) + sum(len(name) + len(value) + 4 for name, value in request.headers)
    return Answer(431, f"more than {HEAD_BYTES} bytes".encode()) if size > HEAD_BYTES else None


def _kind(body: bytes) -> str:
    return "application/json" if body.startswith(b"{") else "text/plain; charset=utf-8"
