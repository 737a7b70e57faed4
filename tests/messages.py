"""Messages for tests of the ingest room."""

from collections.abc import Iterable

from ingest.message import Message

NOON = 1_581_652_800_000
"""2020-02-14T04:00:00Z, noon in Wuhan."""


def message(
    number: int, *, payload: bytes | None = None, flags: int = 0, **more: object
) -> Message:
    """Return the message with a number: it arrives that many milliseconds after noon."""
    fields = {"source": "main", "session": 1, "packet_id": number % 65_535 + 1, **more}
    body = b'{"n":%d}' % number if payload is None else payload
    return Message("site/a", body, NOON + number, flags=flags, **fields)  # type: ignore[arg-type]


def messages(numbers: Iterable[int]) -> list[Message]:
    """Return the messages with these numbers."""
    return [message(number) for number in numbers]
