"""The pipeline process: built from settings, started, stopped.

What runs where: the event loop holds the sources; the journal writer, each follower and the
paging have a thread of their own; the console is another process (``console_process``).
Everything a promise depends on is durable before it is acted on, so a stop at any moment, clean or
not, leaves nothing to repair; a clean one only saves the time of replaying.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from functools import partial
from importlib.metadata import version
from typing import Self

import structlog

from alerts.channels import open_channels
from alerts.engine import Engine
from alerts.outbox import Paging
from devices.clock import HOUR, SECOND, wall_now
from devices.registry_store import RegistryCache
from gatehouse.address import split_bind
from gatehouse.alerts_consumer import AlertsConsumer
from gatehouse.console_process import ConsoleProcess
from gatehouse.database import open_database
from gatehouse.decoding import Decoding
from gatehouse.garbage import look_less_for_garbage
from gatehouse.own_alarms import OwnAlarms
from gatehouse.parts import make_decoder, open_series, open_upkeep
from gatehouse.polls import Polls
from gatehouse.rebirths import Rebirths
from gatehouse.routine import WAITED_FOR, repeat
from gatehouse.settings import Settings, SettingsError
from ingest.books import balance
from ingest.description_store import NAME as DESCRIPTIONS
from ingest.description_store import DescriptionStore
from ingest.http_source import HttpSource
from ingest.journal import Journal
from ingest.journal_room import GIB
from ingest.ledger import Ledger
from ingest.ledger_file import NAME as LEDGER
from ingest.ledger_file import account_of
from ingest.message import POSTS, Message
from ingest.mqtt_source import MqttSource
from ingest.pipeline import Pipeline
from ingest.publisher import Publisher
from ingest.series_consumer import SeriesConsumer
from ingest.series_upkeep import SeriesUpkeep
from ingest.session_memory import NAME as SESSIONS
from ingest.session_memory import SessionMemory
from ingest.source import Source, open_source
from ingest.status import ServiceStatus, look_at_disk, write_status
from ingest.trouble import Troubles
from ingest.verification import TooBusy, count_missing_letters

log = structlog.get_logger()

STATUS_S = 1.0
PAGING_S = 0.25
POLL_S = 1.0
LETTERS_S = 30.0
"""Between two counts of the dead letters: one look at an index, under a second of a million."""
UPKEEP_S = 5.0


class Service:
    """Everything of one ``gatehouse run``: enter it, then :meth:`run` until cancelled."""

    def __init__(self, settings: Settings) -> None:
        if settings.mqtt is None:
            raise SettingsError(
                "GATEHOUSE_MQTT_URL: not set; say where the broker is, like mqtt://broker:1883"
            )
        if settings.is_demo_folder and settings.clock_file is None:
            raise SettingsError(
                f"GATEHOUSE_DATA_DIR: {settings.data_dir} holds a demo; name another folder, "
                "or go on with the demo by `gatehouse demo --keep`"
            )
        self._settings = settings
        self._clock = settings.clock
        self._decoder, profiles = make_decoder(settings)
        self._version = version("gatehouse")
        self._profiles = profiles
        self._silence = {profile.name: profile.silent_after for profile in profiles}
        self._told: ServiceStatus | None = None
        self._letters_missing = 0
        self._console = ConsoleProcess(settings.console_bind)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def run(self) -> None:
        """Take in, judge and tell until cancelled; a part that fails ends the whole."""
        look_less_for_garbage()
        log.info("service_started", version=self._version, data=str(self._settings.data_dir))
        brokers = self._open_brokers()
        async with AsyncExitStack() as stack:
            publishers = {
                one.name: await stack.enter_async_context(
                    Publisher(one, at=brokers[one.name].where)
                )
                for one in self._settings.sources
            }
            pipeline = Pipeline(
                journal=self._journal,
                sources=[*brokers.values(), *self._open_intake()],
                consumers=[self._series, self._alerts],
                decode=self._decoding.live,
                reply=self._reply,
                publish=partial(_publish, publishers),
                clock=self._clock,
            )
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(pipeline.run(), name="pipeline")
                    tasks.create_task(repeat("paging", self._page, PAGING_S), name="paging")
                    tell = partial(self._tell, pipeline)
                    tasks.create_task(repeat("status", tell, STATUS_S), name="status")
                    watch = repeat("self_watch", self._watch_itself, STATUS_S)
                    tasks.create_task(watch, name="self watch")
                    first = next(iter(brokers.values()))
                    ask = partial(self._polls.ask, first, pipeline)
                    tasks.create_task(repeat("polls", ask, POLL_S), name="polls")
                    revive = partial(self._rebirths.publish, pipeline.say)
                    tasks.create_task(repeat("rebirths", revive, POLL_S), name="rebirths")
                    if self._upkeep is not None:
                        keep = partial(asyncio.to_thread, self._keep_series, self._upkeep)
                        upkeep = repeat("series_upkeep", keep, UPKEEP_S)
                        tasks.create_task(upkeep, name="series upkeep")
                    count = repeat("letters", self._count_letters, LETTERS_S)
                    tasks.create_task(count, name="letters")
                    tasks.create_task(self._console.keep(), name="console")
            finally:
                with suppress(*WAITED_FOR):
                    self._write_status(pipeline)
                log.info("service_stopped")

    def _open_brokers(self) -> dict[str, MqttSource]:
        """Return the MQTT sources by name; each has its own session, identity and counters."""
        memory = SessionMemory(self._settings.data_dir / SESSIONS)
        sources = (open_source(one, self._clock, memory) for one in self._settings.sources)
        return {source.name: source for source in sources}

    def _open_intake(self) -> list[Source]:
        """Return where terminals post to, if that is opened."""
        if self._settings.intake_bind is None:
            return []
        host, port = split_bind(self._settings.intake_bind)
        registry = self._registry.current
        return [HttpSource(host, port, clock=self._clock, registry=registry, reply=self._answer)]

    def _open(self, stack: ExitStack) -> None:
        """Open what is kept, in an order in which closing it loses nothing."""
        settings = self._settings
        settings.make_data_dir()
        self._journal = Journal.open(
            settings.data_dir / "journal",
            max_bytes=int(settings.journal.max_gib * GIB),
            min_free_bytes=int(settings.journal.min_free_gib * GIB),
            keep_ms=int(settings.journal.keep_hours * HOUR),
        )
        stack.callback(self._journal.close)
        self._troubles = Troubles(self._journal.arrival(self._journal.head))
        self._database = open_database(settings)
        stack.callback(self._database.dispose)
        self._registry = RegistryCache(self._database)
        descriptions = DescriptionStore.open(
            settings.data_dir / DESCRIPTIONS, base=lambda: self._journal.base
        )
        stack.callback(descriptions.close)
        self._rebirths = Rebirths(self._clock, [one.name for one in settings.sources])
        self._decoding = Decoding(
            self._decoder, self._registry.current, descriptions, self._rebirths
        )
        self._polls = Polls(self._profiles, self._registry.current, self._clock)
        self._own_alarms = OwnAlarms(
            data_dir=settings.data_dir,
            database=self._database,
            registry=self._registry.current,
            clock=self._clock,
            policies=settings.escalation,
        )
        self._ledger = Ledger.open(
            settings.data_dir / LEDGER, begins=(self._journal.id, self._journal.base - 1)
        )
        stack.callback(self._ledger.close)
        store = open_series(settings)
        stack.callback(store.close)
        self._upkeep = open_upkeep(settings)
        if self._upkeep is not None:
            stack.callback(self._upkeep.close)
        self._series = SeriesConsumer(
            journal_id=self._journal.id,
            ledger=self._ledger,
            store=store,
            decode=self._decoding.again,
            registry=self._registry.current,
            clock=self._clock,
            troubles=self._troubles,
            refresh=self._registry.refresh,
            mask=self._decoder.masked,
        )
        self._alerts = AlertsConsumer(
            Engine(
                database=self._database,
                journal=self._journal.id,
                registry=self._registry.current,
                thresholds=settings.thresholds,
                silent_after=self._silence.get,
                clock=self._clock,
                policies=settings.escalation,
            ),
            clock=self._clock,
        )
        self._paging = Paging(
            database=self._database,
            registry=self._registry.current,
            clock=self._clock,
            policies=settings.escalation,
            channels=open_channels(self._database, self._clock),
            console_url=settings.page_url,
            language=settings.language,
        )
        stack.callback(self._paging.close)

    def _reply(self, messages: Sequence[Message]) -> Iterator[tuple[Message, str, bytes]]:
        """Yield what is published for messages; a post has its answer already.

        What came by a broker in a post's topic has none, or it would answer itself for ever.
        """
        for place in self._decoder.answerable([message.topic for message in messages]):
            message = messages[place]
            is_post = message.topic.startswith(f"{POSTS}/")
            answer = None if is_post else self._answer(message)
            if answer is not None:
                yield message, *answer

    def _answer(self, message: Message) -> tuple[str, bytes] | None:
        return self._decoder.reply(message.topic, message.payload)

    async def _page(self) -> None:
        """Climb and send what is due, in a thread of its own."""
        await asyncio.to_thread(self._paging.tick)

    async def _tell(self, pipeline: Pipeline) -> None:
        """Write ``status.json``: a few milliseconds, by one writer, so never half a file."""
        self._told = self._write_status(pipeline)
        self._troubles.observe(self._told.pipeline.sources, self._told.at)

    async def _watch_itself(self) -> None:
        """Raise what is wrong with the service, once for each severity; clear what is over."""
        if self._told is not None:
            await asyncio.to_thread(self._own_alarms.step, self._told)

    async def _count_letters(self) -> None:
        """Compare the dead letters there are with those that were counted."""
        ledger = self._settings.data_dir / LEDGER
        with suppress(TooBusy), self._ledger.seen_from_beside():
            self._letters_missing = await asyncio.to_thread(count_missing_letters, ledger)

    def _keep_series(self, upkeep: SeriesUpkeep) -> None:
        """Roll up and delete a little, in a thread."""
        upkeep.step(self._clock.now())

    def _write_status(self, pipeline: Pipeline) -> ServiceStatus:
        parts = pipeline.status()
        with self._ledger.seen_from_beside():
            account = account_of(self._settings.data_dir / LEDGER)
        status = ServiceStatus(
            at=self._clock.now(),
            wall_at=wall_now(),
            version=self._version,
            pipeline=parts,
            books=balance(account, head=parts.journal.head, letters_missing=self._letters_missing),
            judged=self._alerts.counters(),
            lost_told=self._own_alarms.lost_told,
            durations=self._series.durations(),
            ticks=round(time.monotonic() * SECOND),
            disk=look_at_disk(
                self._settings.data_dir,
                wanted_bytes=int(self._settings.journal.min_free_gib * GIB),
            ),
            polls=self._polls.status(),
            console=self._console.status(),
        )
        write_status(self._settings.data_dir, status)
        return status


async def _publish(
    publishers: Mapping[str, Publisher], source: str, topic: str, payload: bytes
) -> None:
    """Publish to the broker that a source is with."""
    await publishers[source].publish(topic, payload)
