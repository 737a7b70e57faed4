"""What the service does again and again: what passes is waited for, and nothing dies of it."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import OperationalError

from ingest.refusal import StoreHeld

WAITED_FOR = (OperationalError, sqlite3.OperationalError, OSError, StoreHeld)
"""A database that is away or locked, a disk that is full: they pass, and nothing dies of them."""

log = structlog.get_logger()


async def repeat(work: str, act: Callable[[], Awaitable[None]], every_s: float) -> None:
    """Act again and again; wait for what passes, and tell of it when it begins and when it ends."""
    held = False
    while True:
        try:
            await act()
        except WAITED_FOR as error:
            if not held:
                log.error(f"{work}_held", why=str(getattr(error, "orig", error)))
            held = True
        else:
            if held:
                log.info(f"{work}_resumed")
            held = False
        await asyncio.sleep(every_s)
