"""What the console is given by the process that starts it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from alerts.thresholds import Thresholds
from devices.clock import Clock
from devices.matcher import Matcher
from devices.registry import Registry
from ingest.decode_stage import Decode
from ingest.series import SeriesStore


@dataclass(frozen=True, slots=True)
class ConsoleContext:
    """Everything the console reads or calls; it owns none of it.

    Attributes:
        database: State database: incidents, registry, accounts, audit.
        registry: Returns the present snapshot of places, people and devices.
        clock: The community's clock. Sessions and throttling use real time instead.
        data_dir: Where the pipeline keeps ``status.json``, ledger and dead letters; nothing but the
            last is changed here.
        series: Returns the series store for reading; raises StoreHeld while it is away.
        decode: What becomes of messages by the profiles and the registry of today.
        matcher: Says what unknown messages look like, by the profiles of today.
        publish: Sends a hand-entered reading to the broker: (topic, payload); raises when it
            could not be handed over.
        is_migrated: Whether the database has the schema this program was written for.
        silent_after: Milliseconds after which a device of this profile is silent, None for never.
        thresholds: What charts draw as lines, the same numbers the rules use.
        console_url: Address people use, without a slash at the end; https makes cookies secure.
        language: For a browser that asks for neither English nor Chinese.
        version: Of this program.
        demo: Whether the demo phones are shown.
    """

    database: Engine
    registry: Callable[[], Registry]
    clock: Clock
    data_dir: Path
    series: Callable[[], SeriesStore]
    decode: Decode
    matcher: Matcher
    publish: Callable[[str, bytes], Awaitable[None]]
    is_migrated: Callable[[], bool]
    silent_after: Callable[[str], int | None]
    thresholds: Thresholds
    console_url: str
    language: str = "en"
    version: str = "0"
    demo: bool = False

    @property
    def secure(self) -> bool:
        """Whether people reach the console by https."""
        return self.console_url.startswith("https://")
