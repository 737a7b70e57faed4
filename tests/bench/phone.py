"""A phone of our own: what is measured ends where a page leaves us."""

import http.server
import threading
import time

from tests.servers import free_port


class Phone:
    """Takes pages by HTTP and notes when each came, as ``time.monotonic`` says it."""

    def __init__(self) -> None:
        arrived: list[float] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                arrived.append(time.monotonic())
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.arrived = arrived
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Address for a worker's channel."""
        return f"json://127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
