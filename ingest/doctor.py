"""Ask a broker once, as a visitor, what it would grant the service.

The visitor is the service's own source with another client id and a session that ends with it, so
it meets what the service would meet and takes nothing away from it: nothing it receives is acked.
"""

import asyncio
import contextlib
import secrets

from devices.clock import Clock
from ingest.broker import MqttSettings
from ingest.connection import SourceRefused
from ingest.source import SourceStatus, open_source

_LOOK_EVERY_S = 0.05


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
    try:
        async with asyncio.timeout(seconds):
            while not running.done() and not _has_answer(source.status(), settings):  # noqa: ASYNC110 - a source tells no news
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        pass
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError, SourceRefused):
            await running
    return source.status()


def _has_answer(status: SourceStatus, settings: MqttSettings) -> bool:
    return bool(status.problem) or set(settings.topics) <= set(status.granted)
