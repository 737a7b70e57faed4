"""The intake alone, as a process to be measured: socket, journal, ack, and no followers.

``python -m tests.bench.intake FOLDER MQTT_URL`` runs until it is ended.
"""

import asyncio
import sys
from pathlib import Path

from devices.clock import WallClock
from devices.outcome import Ignored, IgnoredReason
from gatehouse.garbage import look_less_for_garbage
from gatehouse.parts import make_decoder
from gatehouse.settings import Settings
from ingest.broker import MqttSettings
from ingest.journal import Journal
from ingest.message import Message
from ingest.pipeline import Pipeline
from ingest.source import open_source


async def main(folder: Path, url: str) -> None:
    """Take in whatever the broker has."""
    clock = WallClock()
    decoder, _ = make_decoder(Settings())

    def reply(message: Message) -> tuple[str, bytes] | None:
        return decoder.reply(message.topic, message.payload)

    async def publish(_: str, topic: str, payload: bytes) -> None:
        raise AssertionError(f"nothing of the bench's load is answered: {topic} {payload!r}")

    pipeline = Pipeline(
        journal=Journal.open(folder),
        sources=[open_source(MqttSettings(url=url), clock)],
        consumers=[],
        decode=lambda _, messages: [Ignored(IgnoredReason.OTHER_CONTENT) for _ in messages],
        reply=reply,
        publish=publish,
        clock=clock,
    )
    look_less_for_garbage()
    await pipeline.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
