"""Terminals that post, and an intake for them in this process: real sockets, journal, pipeline."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from devices.clock import WallClock
from devices.credential import hash_for_digest, hash_secret
from devices.decoder import Decoder
from devices.outcome import Ignored, IgnoredReason, Outcome
from devices.profile import Example, built_in, load_profiles
from devices.registry import Credential, Registry
from ingest.http_source import HttpSource
from ingest.journal import Journal
from ingest.message import Message
from ingest.pipeline import Pipeline
from ingest.source import SourceStatus
from tests.servers import eventually, free_port

GATE, HALL = ("gate-1", "a secret, not kept"), ("hall-2", "another of them")
"""Two terminals and their secrets; the second may use Digest."""
REGISTRY = Registry(
    credentials={
        GATE[0]: Credential(hash_secret(GATE[1]), None, 0),
        HALL[0]: Credential(hash_secret(HALL[1]), hash_for_digest(*HALL), 0),
    }
)
DECODER = Decoder(load_profiles(built_in()), default_zone=Example.model_fields["zone"].default)
FACE = b"\xff\xd8\xff\xe0" + random.Random(7).randbytes(200_000) + b"\xff\xd9"


def passage(number: int, at: str, **said: Any) -> dict[str, Any]:
    """Return the event of a terminal that recognised somebody, as its firmware writes it."""
    event = {
        "deviceName": "DS-K1T671",
        "majorEventType": 5,
        "subEventType": 75,
        "name": "<redacted>",
        "employeeNoString": "4366",
        "serialNo": number,
        "currentVerifyMode": "face",
        "mask": "unknown",
        "thermometryUnit": "celsius",
        "currTemperature": 36.6,
        "isAbnomalTemperature": False,
    }
    return {
        "ipAddress": "192.168.1.100",
        "dateTime": at,
        "eventType": "AccessControllerEvent",
        "eventState": "active",
        "AccessControllerEvent": event | said,
    }


def as_multipart(event: dict[str, Any], *pictures: bytes, boundary: str = "MIME_boundary") -> bytes:
    """Return the body of such a post, the pictures behind the event."""
    parts = [
        b'Content-Disposition: form-data; name="event_log"\r\nContent-Type: application/json'
        b"\r\n\r\n" + json.dumps(event).encode()
    ]
    parts += [
        b'Content-Disposition: form-data; name="Picture"; filename="Picture.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n" + picture
        for picture in pictures
    ]
    lines = [f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts]
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


MULTIPART = {"content-type": "multipart/form-data; boundary=MIME_boundary"}


class Intake:
    """A pipeline whose only source are posts."""

    def __init__(
        self,
        folder: Path,
        *,
        consumers: Sequence[type[Any]] = (),
        in_flight_bytes: int = 10**8,
        **bounds: int,
    ) -> None:
        self.port = free_port()
        self.registry = REGISTRY
        self.folder = folder / "journal"
        self.journal = Journal.open(self.folder, min_free_bytes=0, **bounds)
        self.source = HttpSource(
            "127.0.0.1",
            self.port,
            clock=WallClock(),
            registry=lambda: self.registry,
            reply=lambda message: DECODER.reply(message.topic, message.payload),
        )
        self.readers: list[Any] = [kind("series", self.journal) for kind in consumers]
        self.pipeline = Pipeline(
            journal=self.journal,
            sources=[self.source],
            consumers=self.readers,
            decode=_ignore,
            reply=lambda _: (),
            publish=None,
            clock=WallClock(),
            in_flight_bytes=in_flight_bytes,
        )

    @asynccontextmanager
    async def running(self, *, listens: bool = True) -> AsyncIterator["Intake"]:
        """Run it, and wait until terminals can connect."""
        task = asyncio.create_task(self.pipeline.run())
        try:
            await eventually(lambda: self.status.connected or not listens or task.done())
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.journal.close()

    @property
    def status(self) -> SourceStatus:
        """What the source tells of itself."""
        return self.source.status()

    def client(self) -> httpx.AsyncClient:
        """Return a client that knows where to post."""
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}",
            timeout=20,
            verify=False,  # There is no TLS; without it each client reads every authority.
        )

    async def post(self, content: bytes = b'{"a":1}', **how: Any) -> httpx.Response:
        """Post as the terminal at the gate, on a connection of its own."""
        async with self.client() as client:
            how = {"auth": GATE, **how}
            return await client.post(how.pop("path", "/intake/gate-1"), content=content, **how)

    async def say(self, said: bytes, *, until: bytes = b"") -> bytes:
        """Send bytes as they are; return what comes until ``until``, or until the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(said)
            async with asyncio.timeout(20):
                return await (reader.readuntil(until) if until else reader.read())
        finally:
            writer.close()

    def journalled(self) -> list[Message]:
        """Return every message that anybody can read from the files."""
        found: list[Message] = []
        while batches := self.journal.read(len(found), messages=1_000):
            found += [one for batch in batches for one in batch.messages]
        return found


def _ignore(_: Sequence[int], messages: Sequence[Message]) -> list[Outcome]:
    return [Ignored(IgnoredReason.LOG_LINE) for _ in messages]
