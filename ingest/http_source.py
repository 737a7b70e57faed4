"""Terminals that only speak HTTP: ``POST /intake/{device}`` as a source of messages.

Invariants:
- 200 is answered after the commit of that very message, and never before. What a terminal sends
  again because it saw no answer is journalled again, after what it repeats; its event id makes
  both one.
- A message's topic is ``http/{device}``, and the device is the one whose secret came with it.
- While the journal takes nothing, or too much waits for it, posts get 503 and are not read in.
- Connections, bodies and waiting times are bounded.

What a crash leaves
    Before the commit: nothing; the terminal saw no 200 and sends it again. After the commit, before
    the answer: the same, and the repeat is known by its event id wherever that counts.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import h11
import structlog

from devices.clock import Clock
from devices.registry import Registry
from ingest.backoff import Backoff
from ingest.http_auth import Authenticator, Verdict
from ingest.http_connection import SERVER, HttpConnection, Room
from ingest.http_post import (
    RETRY_AFTER_S,
    Answer,
    Post,
    busy,
    device_of,
    read_head,
    refuse_body,
)
from ingest.message import POSTS, Message
from ingest.source_status import SourceStatus

NAME = POSTS
CONNECTIONS = 256
"""A terminal has one or two; beyond it a client is told to come again."""
UNKNOWN_OF_PEER = 32
"""Of one address, as long as they have not proved a credential: a proxy's soon have."""
BODIES_BYTES = 32 * 1024 * 1024
"""Of bodies that are being read, over all connections."""
COMMIT_S = 10.0
"""How long a terminal waits for the commit before it is told to send its post again."""
REFRESH_S = 1.0
"""Between two looks for credentials that were made or voided."""
TOLD_EVERY_S = 60.0
"""Between two lines in the log about the same device and the same status."""
_RETRY_BASE_S = 0.5
_RETRY_CAP_S = 30.0
_LOCAL = ("127.0.0.1", "::1")
"""A proxy on this machine sends everybody from here, so only :data:`CONNECTIONS` bounds these."""
_CROWDED = (
    f"HTTP/1.1 503 Service Unavailable\r\nserver: {SERVER}\r\nretry-after: {RETRY_AFTER_S}\r\n"
    "content-length: 0\r\nconnection: close\r\n\r\n"
).encode()

log = structlog.get_logger()

Sink = Callable[[list[Message]], None]
Reply = Callable[[Message], tuple[str, bytes] | None]


class HttpSource:
    """Listens for posts of devices that have a credential.

    Args:
        host, port: Where to listen.
        clock: Tells when messages arrived.
        registry: The present snapshot; asked once a second, in a thread, for its credentials.
        reply: What the terminal waits for in the answer to a message, as (topic, payload), or None.
    """

    name = NAME
    sessions = 0
    window = 0

    def __init__(
        self,
        host: str,
        port: int,
        *,
        clock: Clock,
        registry: Callable[[], Registry],
        reply: Reply,
    ) -> None:
        self.room = Room(BODIES_BYTES)
        self._host = host
        self._port = port
        self._clock = clock
        self._registry = registry
        self._reply = reply
        self._auth = Authenticator(lambda: asyncio.get_running_loop().time())
        self._credentials = Registry().credentials
        self._sink: Sink = _nowhere
        self._owed: dict[int, asyncio.Future[Message]] = {}
        self._paused = False
        self._listening = False
        self._problem = ""
        self._since = clock.now()
        self._open: set[HttpConnection] = set()
        self._accepted = 0
        self._received = 0
        self._acks = 0
        self._refused: dict[str, int] = {}
        self._told: dict[tuple[int, str], float] = {}

    async def run(self, sink: Sink) -> None:
        """Listen, and hand posts to ``sink`` on the loop; until cancelled."""
        self._sink = sink
        self._credentials = (await asyncio.to_thread(self._registry)).credentials
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._refresh(), name="http credentials")
            tasks.create_task(self._listen(tasks), name="http listener")

    def ack(self, messages: Sequence[Message]) -> None:
        """Let the posts of messages that are on disk be answered."""
        for message in messages:
            owed = self._owed.get(message.packet_id)
            if owed is not None and not owed.done():
                owed.set_result(message)

    def pause(self) -> None:
        """Refuse posts with 503; terminals keep what they cannot send."""
        self._paused = True

    def resume(self) -> None:
        """Take posts again."""
        self._paused = False

    def status(self) -> SourceStatus:
        """Return what it is doing."""
        return SourceStatus(
            name=self.name,
            connected=self._listening,
            protocol=NAME,
            session=1,
            since=self._since,
            granted={},
            received=self._received,
            unguarded=0,
            acks=self._acks,
            reconnects=0,
            problem=self._problem or self._full(),
            draining=False,
            refused=dict(self._refused),
            in_flight=len(self._owed),
        )

    def admit(self, request: h11.Request) -> Post | Answer:
        """Return whose post a head begins, or why it is not taken."""
        device = device_of(request.target)
        if device is None:
            return Answer(404, b"post to /intake/{device}")
        if request.method != b"POST":
            return Answer(405, b"post to /intake/{device}", (("allow", "POST"),))
        headers = dict(request.headers)
        proof = headers.get(b"authorization", b"")
        verdict = self._auth.judge(
            proof,
            device=device,
            method=request.method,
            target=request.target,
            credentials=self._credentials,
        )
        if verdict is not Verdict.RIGHT:
            return self._challenge(device, verdict, is_first=not proof)
        return self._not_now() or read_head(device, headers)

    async def take(self, post: Post, body: bytes) -> Answer:
        """Take a post in, and answer when it is on disk."""
        if answer := refuse_body(post, body) or self._not_now():
            return answer
        self._received += 1
        number = self._received
        owed = self._owed[number] = asyncio.get_running_loop().create_future()
        self._sink([self._message(post, body, number)])
        try:
            async with asyncio.timeout(COMMIT_S):
                kept = await owed
        except TimeoutError:
            return busy("it is not on disk yet")
        finally:
            del self._owed[number]
        self._acks += 1
        reply = self._reply(kept)
        return Answer(200, reply[1] if reply else b"")

    def note(self, answer: Answer, peer: str, target: bytes) -> None:
        """Count a refusal, and tell of it once a minute for each device and status."""
        status, device = str(answer.status), device_of(target) or ""
        if device not in self._credentials:
            device = ""  # Whatever somebody wrote.
        self._refused[status] = self._refused.get(status, 0) + 1
        now = asyncio.get_running_loop().time()
        if now >= self._told.get((answer.status, device), -TOLD_EVERY_S) + TOLD_EVERY_S:
            self._told[answer.status, device] = now
            why = answer.body.decode()
            log.warning("post_refused", device=device, peer=peer, status=status, why=why)

    def _message(self, post: Post, body: bytes, number: int) -> Message:
        return Message(
            topic=f"http/{post.device}",
            payload=body,
            received_at=self._clock.now(),
            source=self.name,
            session=1,
            packet_id=number,
            properties=(("content-type", post.content_type),) if post.content_type else (),
        )

    def _not_now(self) -> Answer | None:
        return busy("nothing can be taken in just now") if self._paused else None

    def _challenge(self, device: str, verdict: Verdict, *, is_first: bool) -> Answer:
        credential = self._credentials.get(device)
        challenges = self._auth.challenges(credential, verdict)
        asks = is_first and credential is not None and credential.digest_hash is not None
        return Answer(
            401,
            b"the credential is not that of the device",
            tuple(("www-authenticate", one) for one in challenges),
            is_counted=not (asks or verdict is Verdict.STALE),
        )

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            self._credentials = (await asyncio.to_thread(self._registry)).credentials

    async def _listen(self, tasks: asyncio.TaskGroup) -> None:
        """Listen for ever; a port that cannot be had is tried again, and told of meanwhile."""
        backoff = Backoff(base=_RETRY_BASE_S, cap=_RETRY_CAP_S)
        while True:
            try:
                server = await asyncio.start_server(
                    partial(self._accept, tasks), self._host, self._port, backlog=CONNECTIONS
                )
            except OSError as error:
                self._report(f"cannot listen on {self._host}:{self._port}: {error.strerror}")
                await asyncio.sleep(backoff.next())
                continue
            self._report("")
            async with server:
                await server.serve_forever()

    def _report(self, problem: str) -> None:
        """Say once that nobody can post, and once that they can."""
        if problem and problem != self._problem:
            log.warning("intake_not_listening", why=problem)
        if not problem:
            log.info("intake_listening", host=self._host, port=self._port)
        if self._listening == bool(problem):
            self._listening, self._since = not problem, self._clock.now()
        self._problem = problem

    def _accept(
        self, tasks: asyncio.TaskGroup, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = HttpConnection(reader, writer, self)
        if why := self._full() or self._full_for(connection.peer):
            writer.write(_CROWDED)
            writer.close()
            self.note(busy(why), connection.peer, b"")
            return
        self._accepted += 1
        self._open.add(connection)
        tasks.create_task(self._serve(connection), name=f"http connection {self._accepted}")

    def _full(self) -> str:
        """Return that nobody else can connect; empty where they can."""
        if len(self._open) < CONNECTIONS:
            return ""
        return f"all {CONNECTIONS} connections are taken, other terminals cannot post"

    def _full_for(self, peer: str) -> str:
        """Return that an address has too many connections without a credential, or nothing."""
        unknown = sum(one.peer == peer and not one.is_known for one in self._open)
        if peer in _LOCAL or unknown < UNKNOWN_OF_PEER:
            return ""
        return f"{unknown} connections of this address have proved no credential"

    async def _serve(self, connection: HttpConnection) -> None:
        try:
            await connection.serve()
        finally:
            self._open.discard(connection)


def _nowhere(_: list[Message]) -> None:
    """Nobody can post before :meth:`HttpSource.run` has been told where to."""
