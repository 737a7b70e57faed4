"""An HTTP server that gives recorded answers, or passes requests on to a real server behind it.

Stands in for what cannot be had: InfluxDB 2 and 3 are in no package, and the real 1.6.7 never says
401 to good credentials, 429 or half an answer, never redirects, and never lies.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self


class Request(NamedTuple):
    """What was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """What is answered.

    Attributes:
        length: Of the body as the header tells it; None: the true one.
        resets: The connection is reset instead.
        after: Seconds until the answer begins.
        drips: Seconds between two bytes of the body.
        head_drips: Seconds between two bytes of the head.
    """

    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None
    resets: bool = False
    after: float = 0.0
    drips: float = 0.0
    head_drips: float = 0.0


Script = Callable[[Request], Answer | None]
"""What to answer a request; None: what the server behind answers."""


class RecordedServer:
    """Answers by a script, which may be changed at any time.

    Args:
        script: See above.
        behind: Loopback port of the real server.
    """

    def __init__(self, script: Script | Answer, *, behind: int = 0) -> None:
        self.script: Script = (lambda _: script) if isinstance(script, Answer) else script
        self.requests: list[Request] = []
        self.clients: set[tuple[str, int]] = set()
        """Who has connected: one a connection."""
        self.pause_s = 0.0
        """How long what is passed on is held back."""
        self._behind = behind
        own = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                own._take(self)

            def do_GET(self) -> None:
                own._take(self)

            def do_PATCH(self) -> None:
                own._take(self)

            def log_message(self, *args: object) -> None:
                """Keep the test's output quiet."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """Keep quiet of clients that hang up."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        request = Request(handler.command, handler.path, dict(handler.headers), body)
        self.requests.append(request)
        self.clients.add(handler.client_address)
        answer = self.script(request)
        if answer is None:
            time.sleep(self.pause_s)
            self._pass_on(handler, request)
        elif answer.resets:
            linger = struct.pack("ii", 1, 0)  # Closing discards what was not sent: a reset.
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.close_connection = True
        else:
            _give(handler, answer)

    def _pass_on(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        real = HTTPConnection("127.0.0.1", self._behind, timeout=30)
        real.request(request.method, request.path, request.body, request.headers)
        said = real.getresponse()
        kept = tuple((name, said.headers[name]) for name in ("Content-Type",) if said.headers[name])
        _give(handler, Answer(said.status, said.read().decode(), kept))
        real.close()


def _give(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    time.sleep(answer.after)
    body = answer.body.encode()
    handler.send_response_only(answer.status)
    if "Date" not in dict(answer.headers):
        handler.send_header("Date", handler.date_time_string())
    for name, value in answer.headers:
        handler.send_header(name, value)
    if answer.status != 204:
        length = len(body) if answer.length is None else answer.length
        handler.send_header("Content-Length", str(length))
    if answer.head_drips:
        handler.send_header("X-Long", "x" * 200)
        head = b"".join(handler._headers_buffer)
        handler._headers_buffer.clear()
        _drip(handler, head, answer.head_drips)
    handler.end_headers()
    _drip(handler, body, answer.drips)
    if answer.length not in (None, len(body)):
        handler.close_connection = True


def _drip(handler: BaseHTTPRequestHandler, content: bytes, seconds: float) -> None:
    for start in range(0, len(content), step := 1 if seconds else max(len(content), 1)):
        handler.wfile.write(content[start : start + step])
        time.sleep(seconds)
