"""When a connection is taken for dead."""

import asyncio

import pytest

from devices.clock import ManualClock
from ingest.backlog import Backlog
from ingest.broker import MqttSettings
from ingest.connection import ConnectionLost
from ingest.mqtt5 import Mqtt5Connection
from ingest.mqtt_source import MqttSource
from tests.messages import NOON


class HalfOpen:
    """A connection on which nothing arrives any more."""

    keep_alive_s = 1

    def __init__(self, heard_at: float) -> None:
        self.heard_at = heard_at
        self.backlog = Backlog()
        self.ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    def ask(self) -> "asyncio.Future[None]":
        return asyncio.get_running_loop().create_future()

    def abort(self, error: Exception) -> None:
        if not self.ended.done():
            self.ended.set_result(error)


async def test_silence_that_began_between_two_questions_is_found_in_time() -> None:
    """Also what was not quite long enough when the first answer was due: 1.25 keep-alives."""
    source = MqttSource(
        MqttSettings(url="mqtt://broker"), ManualClock(NOON), versions=(Mqtt5Connection,)
    )
    loop = asyncio.get_running_loop()
    connection = HalfOpen(loop.time() - 0.15)
    never = asyncio.create_task(asyncio.Event().wait())
    with pytest.raises(ConnectionLost, match="the connection is dead"):
        await source._keep_alive(connection, never)  # type: ignore[arg-type]
    never.cancel()
    assert loop.time() - connection.heard_at < 1.5


def test_its_window_is_what_the_broker_may_send_ahead() -> None:
    """So many messages may come again, and have to be remembered."""
    settings = MqttSettings(url="mqtt://broker", receive_maximum=10_000)
    assert MqttSource(settings, ManualClock(NOON), versions=(Mqtt5Connection,)).window == 10_000
