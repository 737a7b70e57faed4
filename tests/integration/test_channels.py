"""Channels against real endpoints: an HTTP server that answers well, badly, late, or not at all."""

import io
import logging
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import select

from alerts.channels import Failed, Sent, channel_of, open_channels
from alerts.channels import apprise_channel as module
from alerts.channels.apprise_channel import AppriseChannel
from alerts.channels.channel import label
from alerts.page_text import PageText
from alerts.tables import demo_message
from devices.clock import ManualClock
from tests.office import Office, make_registry
from tests.servers import free_port
from tests.state import open_state

# Apprise's first use imports all its plugins, one of which reads the standard library's imghdr.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

TEXT = PageText(
    "li", "7F3AC", "Case 7F3AC: fever", "Measure again.", "https://gate.example/i/7F3AC"
)
SECRET = "hunter2"


class Webhook(ThreadingHTTPServer):
    """Answers ``/<status>`` with that status and ``/hang`` never; remembers what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[bytes] = []
        self.busy = 0
        self.released = threading.Event()

    def address(self, path: str, **options: int) -> str:
        query = "".join(f"?{name}={value}" for name, value in options.items())
        return f"json://gate:{SECRET}@127.0.0.1:{self.server_port}/{path}{query}"


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/hang"):
            self.server.released.wait(30)
            return
        status = int(self.path.strip("/").partition("?")[0])
        if self.server.busy:
            self.server.busy -= 1
            status = 503
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_apprise_takes_a_page_to_a_webhook(webhook: Webhook) -> None:
    """Title, words and link arrive, once."""
    assert AppriseChannel().send(webhook.address("200"), TEXT) == Sent()
    (body,) = webhook.bodies
    for words in (TEXT.title, TEXT.body, TEXT.link):
        assert words.encode() in body


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        pytest.param(400, True, id="a request that will never be right"),
        pytest.param(401, True, id="a refused password"),
        pytest.param(404, True, id="an address that is gone"),
        pytest.param(408, False, id="too slow for the other side"),
        pytest.param(429, False, id="throttled"),
        pytest.param(500, False, id="a broken server"),
        pytest.param(503, False, id="a busy server"),
    ],
)
def test_an_answer_decides_whether_trying_again_can_help(
    webhook: Webhook, status: int, permanent: bool
) -> None:
    """4xx is for good, except where the other side only asks for patience; 5xx may pass."""
    outcome = AppriseChannel().send(webhook.address(str(status)), TEXT)
    assert outcome == Failed(permanent=permanent, error=f"HTTP {status}")
    assert len(webhook.bodies) == 1, "retries are the outbox's, not the channel's"


def test_nobody_listening_may_pass() -> None:
    """A refused connection is no reason to give up an address."""
    address = f"json://gate:{SECRET}@127.0.0.1:{free_port()}/"
    assert AppriseChannel().send(address, TEXT) == Failed(permanent=False, error="no connection")


def test_a_hanging_server_is_left(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and never answers keeps a sender no longer than the timeout."""
    monkeypatch.setattr(module, "SEND_TIMEOUT_S", 0.5)
    began = time.monotonic()
    outcome = AppriseChannel().send(webhook.address("hang", rto=20), TEXT)
    assert isinstance(outcome, Failed)
    assert not outcome.permanent
    assert time.monotonic() - began < 10


def test_a_server_that_drips_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps every read alive; the whole send has a bound all the same."""
    monkeypatch.setattr(module, "SEND_TIMEOUT_S", 0.5)
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not stop.wait(0.1):
                    peer.sendall(b".")
                peer.sendall(b"\r\nContent-Length: 0\r\n\r\n")

        dripping = threading.Thread(target=drip)
        dripping.start()
        began = time.monotonic()
        address = f"json://127.0.0.1:{listener.getsockname()[1]}/"
        outcome = AppriseChannel().send(address, TEXT)
        took = time.monotonic() - began
        stop.set()
        dripping.join()
    assert isinstance(outcome, Failed)
    assert took < 10


@pytest.mark.parametrize("address", ["nonsense://somewhere", "not an address", "", "json://"])
def test_an_address_that_cannot_be_understood_is_permanent(address: str) -> None:
    """A misspelt address fails for good with words that say so, and raises nothing."""
    outcome = AppriseChannel().send(address, TEXT)
    assert outcome == Failed(permanent=True, error="address not understood")


@pytest.mark.parametrize("is_listening", [True, False], ids=["refused by it", "unreachable"])
def test_no_secret_leaves_the_channel(
    webhook: Webhook, is_listening: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither the result nor any log line holds the address, its password, or the page's words.

    The log is read as the service sets it up: warnings of the libraries too.
    """
    address = webhook.address("404")
    if not is_listening:
        address = address.replace(str(webhook.server_port), str(free_port()))
    log = logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(log)
    outcome = AppriseChannel().send(address, TEXT)
    logging.getLogger().removeHandler(log)
    assert isinstance(outcome, Failed)
    captured = capfd.readouterr()
    said = f"{outcome} {log.stream.getvalue()} {captured.out} {captured.err}"
    for secret in (SECRET, "127.0.0.1", TEXT.title, TEXT.body):
        assert secret not in said
    assert label(address) == "json"


def test_a_page_reaches_a_webhook_that_was_busy(webhook: Webhook, tmp_path: Path) -> None:
    """503 twice, then 200: one page arrives by the third attempt, and nobody else is woken."""
    office = Office(open_state(tmp_path))
    office.registry = make_registry(channels={"worker": (webhook.address("200"),)})
    webhook.busy = 2
    opened = office.open_fever()
    office.paging.tick()
    office.retry()
    office.retry()
    office.retry()
    assert [one.result for one in office.attempts()] == ["failed", "failed", "sent"]
    assert len(webhook.bodies) == 3
    assert opened.encode() in webhook.bodies[-1]
    assert office.phones.taken == []
    office.close()


def test_a_webhook_that_is_gone_gives_way_to_the_next_step(
    webhook: Webhook, tmp_path: Path
) -> None:
    """404: the worker's address is dead, so the secretary is told at once."""
    office = Office(open_state(tmp_path))
    office.registry = make_registry(channels={"worker": (webhook.address("404"),)})
    office.open_fever()
    office.paging.tick()
    office.paging.tick()
    assert len(webhook.bodies) == 1
    assert "secretary" in [worker for _, worker in office.told()]
    office.close()


def test_the_demo_phone_shows_pages_by_worker(tmp_path: Path) -> None:
    """A page for a demo phone is a row that the console shows, at the community's time."""
    database = open_state(tmp_path)
    channels = open_channels(database, ManualClock(1_000))
    phone = channel_of(channels, "demo://phone")
    assert phone.send("demo://phone", TEXT) == Sent()
    with database.connect() as connection:
        (row,) = connection.execute(select(demo_message)).all()
    assert (row.worker, row.incident, row.at, row.title) == ("li", "7F3AC", 1_000, TEXT.title)
    assert isinstance(channel_of(channels, "json://somewhere"), AppriseChannel)
    database.dispose()


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("sms://13900001234", "address not understood"),
        ("mailto://u:p@b.example:9?smtp=127.0.0.1&to=a@b.example", "no connection"),
        ("json://127.0.0.1:9/x", "no connection"),
        ("syslog://", ""),
    ],
)
def test_a_channel_is_tried_without_sending(address: str, problem: str) -> None:
    """An address is read, and its server looked for where it names one."""
    assert AppriseChannel().probe(address) == problem
