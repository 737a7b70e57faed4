"""Ask a broker once, as a visitor, what it would grant the service.

The visitor is the service's own source with another client id and a session that ends with it, so
it meets what the service would meet and takes nothing away from it: nothing it receives is acked.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable

from devices.clock import Clock
from ingest.broker import MqttSettings
from ingest.connection import SourceRefused
from ingest.source import SourceStatus, open_source

_LOOK_EVERY_S = 0.05
_COUNTS_S = 1.0
"""For the broker's own counts to come, after it has granted the subscription; many have none."""


async def visit_broker(settings: MqttSettings, clock: Clock, *, seconds: float) -> SourceStatus:
    """Connect and subscribe as the service would; return the source's status.

    A status that is not connected, or lacks a filter, says why in ``problem``.
    """
    visitor = settings.model_copy(
        update={
            "client_id": f"gatehouse-doctor-{secrets.token_hex(4)}",
            "session_expiry_s": 1,
            "status_topic": "",
        }
    )
    source = open_source(visitor, clock)
    running = asyncio.create_task(source.run(lambda _: None))

    async def seen(what: Callable[[SourceStatus], bool]) -> None:
        while not running.done() and not what(source.status()):  # noqa: ASYNC110 - a source tells no news
            await asyncio.sleep(_LOOK_EVERY_S)

    try:
        async with asyncio.timeout(seconds):
            await seen(lambda status: _has_answer(status, settings))
        async with asyncio.timeout(_COUNTS_S):
            await seen(lambda status: not status.connected or status.dropped_at_broker is not None)
    except TimeoutError:
        pass
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError, SourceRefused):
            await running
    return source.status()


def _has_answer(status: SourceStatus, settings: MqttSettings) -> bool:
    return bool(status.problem) or set(settings.topics) <= set(status.granted)
