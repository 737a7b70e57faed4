"""A TCP proxy that fails on command: cut, half-open, slow. For fault tests of anything on TCP.

async with TcpProxy(port=broker.port) as proxy:
    client = connect(proxy.port)
    proxy.freeze()   # Half-open: connections stay, nothing passes.
    proxy.cut()      # Every connection is reset.
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
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
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

    def delay(self, seconds: float) -> None:
        """Hold each chunk of bytes back for so long."""
        self._delay = seconds

    def restore(self) -> None:
        """Pass everything on again, at once."""
        self._refusing = False
        self._delay = 0.0
        self._passing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, far_writer)
        self._pairs.add(pair)
        ways = [
            asyncio.create_task(self._pass_on(reader, far_writer)),
            asyncio.create_task(self._pass_on(far_reader, writer)),
        ]
        self._tasks.update(ways)
        await asyncio.wait(ways)
        self._tasks.difference_update(ways)
        self._pairs.discard(pair)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes one way until an end closes, then close the other."""
        try:
            while chunk := await reader.read(CHUNK):
                await asyncio.sleep(self._delay)
                await self._passing.wait()
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            writer.transport.abort()
        finally:
            writer.close()
