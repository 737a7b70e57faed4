"""HTTP connections on which an answer, head and body together, takes no longer than its timeout.

The standard library's timeout is from one byte to the next, so an answer that drips never ends.
Here the socket waits for each read only as long as is left of the whole.
"""

import io
import socket
import time
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


def bound_answers(pool: PoolManager) -> None:
    """Bound the answers of connections that a pool will make, each by its request's read timeout.

    An answer that takes longer ends as a read that timed out.
    """
    pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}


class _Reader(io.RawIOBase):
    """What a socket receives until a deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._socket = sock
        self._deadline = time.monotonic() + (sock.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock))


class TimedHttpConnection(HTTPConnection):
    """One that is not encrypted."""

    response_class = _Response


class TimedHttpsConnection(HTTPSConnection):
    """One with TLS."""

    response_class = _Response


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = TimedHttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = TimedHttpsConnection
