"""The intake alone, as a process to be measured: socket, journal, ack, and no followers.

``python -m tests.bench.intake FOLDER MQTT_URL`` runs until it is ended; ``--receive-maximum`` and
``--group-ms`` put other numbers in the place of the service's.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from devices.clock import WallClock
from devices.outcome import Ignored, IgnoredReason
from gatehouse.garbage import look_less_for_garbage
from gatehouse.parts import make_decoder
from gatehouse.settings import Settings
from ingest import pipeline
from ingest.broker import MqttSettings
from ingest.journal import Journal
from ingest.message import Message
from ingest.source import open_source


async def main(folder: Path, url: str, receive_maximum: int) -> None:
    """Take in whatever the broker has."""
    clock, settings = WallClock(), MqttSettings(url=url, receive_maximum=receive_maximum)
    decoder, _ = make_decoder(Settings())

    def reply(messages: Sequence[Message]) -> Iterator[tuple[Message, str, bytes]]:
        for place in decoder.answerable([message.topic for message in messages]):
            answer = decoder.reply(messages[place].topic, messages[place].payload)
            if answer is not None:
                yield messages[place], *answer

    async def publish(_: str, topic: str, payload: bytes) -> None:
        raise AssertionError(f"nothing of the bench's load is answered: {topic} {payload!r}")

    intake = pipeline.Pipeline(
        journal=Journal.open(folder),
        sources=[open_source(settings, clock)],
        consumers=[],
        decode=lambda _, messages: [Ignored(IgnoredReason.OTHER_CONTENT) for _ in messages],
        reply=reply,
        publish=publish,
        clock=clock,
    )
    look_less_for_garbage()
    await intake.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("url")
    parser.add_argument("--receive-maximum", type=int, default=2_000)
    parser.add_argument("--group-ms", type=float)
    given = parser.parse_args()
    if given.group_ms is not None:
        pipeline.GROUP_S = given.group_ms / 1_000
    asyncio.run(main(given.folder, given.url, given.receive_maximum))
