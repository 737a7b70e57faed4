"""A TCP proxy that fails on command: cut, half-open, slow. For fault tests of anything on TCP.

async with TcpProxy(port=broker.port) as proxy:
    client = connect(proxy.port)
    proxy.freeze()   # Half-open: connections stay, nothing passes.
    proxy.cut()      # Every connection is reset.
    proxy.cut_after(1_000)  # Each is, once so many bytes have come back: within a packet.
    proxy.refuse()   # New connections are closed at once.
    proxy.restore()  # All is well again, for connections that are left and new ones.
"""

import asyncio
from types import TracebackType
from typing import Self

CHUNK = 64 * 1024


class TcpProxy:
    """Forwards a free loopback port to another one, both ways.

    Args:
        port: Where connections are forwarded to.
        host: The host of that port.
    """

    def __init__(self, *, port: int, host: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._refusing = False
        self._delay = 0.0
        self._allowance: int | None = None
        self.port = 0
        self.connections = 0
        """Connections accepted so far."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.refuse()
        self._let_pass()
        self.cut()
        await asyncio.gather(*self._tasks)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset every connection; what was on its way is gone."""
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()

    def freeze(self) -> None:
        """Pass nothing on, either way, without closing anything: both ends wait."""
        self._passing.clear()

    def refuse(self) -> None:
        """Close new connections at once."""
        self._refusing = True

    def cut_after(self, count: int) -> None:
        """Pass so many bytes back to whoever connected, over all connections, then reset them."""
        self._allowance = count

    def delay(self, seconds: float) -> None:
        """Hold each chunk of bytes back for so long."""
        self._delay = seconds

    def restore(self) -> None:
        """Pass everything on again, at once."""
        self._refusing = False
        self._let_pass()

    def _let_pass(self) -> None:
        self._delay = 0.0
        self._allowance = None
        self._passing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self._refusing:
                writer.transport.abort()
            else:
                await self._forward(reader, writer)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, far_writer)
        self._pairs.add(pair)
        if self._refusing:
            self.cut()
        await asyncio.gather(
            self._pass_on(reader, far_writer), self._pass_on(far_reader, writer, counted=True)
        )
        self._pairs.discard(pair)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = False
    ) -> None:
        """Pass bytes one way until an end closes, then close the other."""
        try:
            while chunk := await reader.read(CHUNK):
                await asyncio.sleep(self._delay)
                await self._passing.wait()
                if counted and self._allowance is not None:
                    chunk = chunk[: self._allowance]
                    self._allowance -= len(chunk)
                writer.write(chunk)
                await writer.drain()
                if counted and self._allowance == 0:
                    self._allowance = None
                    self.cut()
        except ConnectionError:
            writer.transport.abort()
        finally:
            writer.close()
