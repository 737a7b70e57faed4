"""Birth and counts at a broker that closes the connection upon them."""

import asyncio
from collections.abc import Sequence

from ingest.asides import TRIED, Asides
from ingest.broker import MqttSettings
from ingest.connection import Granted
from ingest.session_memory import SessionMemory

BROKER = MqttSettings(url="mqtt://broker")


class Unanswered:
    """A connection that ends before either is answered."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    def announce(self, topic: str, payload: bytes) -> "asyncio.Future[int]":
        self.said.append(payload)
        return asyncio.get_running_loop().create_future()

    def subscribe(self, topics: Sequence[str], qos: int) -> "asyncio.Future[Granted]":
        return asyncio.get_running_loop().create_future()


async def test_what_a_broker_does_not_bear_stays_left_out() -> None:
    """A connection that ends with nothing asked teaches nothing: it does not begin anew."""
    asides = Asides(BROKER, SessionMemory())
    said = []
    for _ in range(2 * TRIED + 2):
        connection = Unanswered()
        asked = asides.say(connection, BROKER)  # type: ignore[arg-type]
        asides.learn(asked, BROKER)
        asides.take_leave(connection, BROKER)  # type: ignore[arg-type]
        said.append(connection.said)
    assert all(each[0] == b"online" for each in said[:TRIED])
    assert said[TRIED:] == [[]] * (TRIED + 2)
