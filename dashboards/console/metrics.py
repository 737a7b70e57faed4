"""The pipeline's status and the console's own numbers, as Prometheus reads them.

Labels are names from closed lists or from the settings, never a device, a person or a place, so
the number of series is bounded.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from alerts import delivery
from alerts.delivery import Delivery, Totals
from alerts.tables import incident
from dashboards.console.context import ConsoleContext
from dashboards.console.outbox_stage import outbox_stage
from dashboards.console.pipeline_status import Word, hear_pipeline
from devices.clock import SECOND, wall_now
from ingest.books import Books
from ingest.durations import BOUNDS_S, Durations
from ingest.ledger_file import NAME as LEDGER
from ingest.ledger_file import LedgerRefused
from ingest.numbering_table import read_missing
from ingest.pipeline import PipelineStatus
from ingest.stage import Stage, stages
from ingest.status import ServiceStatus

Labels = str | tuple[str, ...]


class _People(NamedTuple):
    """What the state database says: open incidents by kind and state, and pages."""

    incidents: dict[tuple[str, str], int]
    delivery: Delivery
    totals: Totals


class Numbers(Collector):
    """Everything there is to count at this moment."""

    def __init__(self, context: ConsoleContext) -> None:
        self._context = context

    def collect(self) -> Iterable[Metric]:
        """Yield one family after the other; a missing pipeline leaves only its absence."""
        word, people = hear_pipeline(self._context.data_dir), _ask(self._context.database)
        passed: list[Stage] = []
        yield _gauge("pipeline_up", "1 while the pipeline tells of itself.", word.is_fresh)
        if word.status is not None:
            yield from _service(word, word.status)
            passed += stages(word.status)
        yield from _missing(self._context.data_dir)
        yield _gauge("database_up", "1 while the database answers.", people is not None)
        if people is not None:
            yield from _pages(people)
            passed.append(outbox_stage(people.totals))
        yield from _stages(passed)


def expose(context: ConsoleContext) -> bytes:
    """Return all numbers in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(Numbers(context))
    return generate_latest(registry)


def _service(word: Word, status: ServiceStatus) -> Iterable[Metric]:
    parts = status.pipeline
    yield _gauge("status_age_seconds", "Age of the pipeline's status.", word.age / SECOND)
    yield from _sources(parts)
    yield _counter("repeated_messages", "Repeats recognised.", parts.repeats)
    yield _counter("cut_pictures", "Pictures cut out before the journal.", parts.pictures)
    yield _gauge("in_flight_bytes", "Received and not yet journalled.", parts.in_flight_bytes)
    yield _gauge("intake_paused", "1 while the sources have stopped reading.", parts.paused)
    yield _gauge("journal_bytes", "Bytes on disk.", parts.journal.bytes)
    unread = parts.journal.unread_bytes
    yield _gauge("journal_unread_bytes", "What not every follower has passed.", unread)
    yield _gauge("journal_limit_bytes", "Bytes it may take.", parts.journal.limit_bytes)
    yield _counter("journal_messages", "Messages journalled.", parts.journal.head)
    yield from _followers(status)
    yield _writes({"journal": parts.commits, **status.durations})
    yield _gauges("file_bytes", "Databases in the data folder.", "file", status.disk.files)
    yield _gauge("disk_free_bytes", "Free disk of the data folder.", status.disk.free_bytes)
    yield _counter("console_starts", "Times the console was started.", status.console.starts)
    yield from _books(status.books)
    yield _counters("judged_messages", "What the rules made of them.", "outcome", status.judged)


def _sources(parts: PipelineStatus) -> Iterable[Metric]:
    for name, make, says, values in (
        ("source_connected", _gauges, "1 while connected.", "connected"),
        ("source_messages", _counters, "Messages taken in.", "received"),
        ("source_unguarded_messages", _counters, "Messages that came with QoS 0.", "unguarded"),
        ("source_reconnects", _counters, "Times the broker had to be found again.", "reconnects"),
        ("source_limited_filters", _gauges, "Filters granted at less than QoS 1.", "limited"),
        ("source_lost_sessions", _counters, "Times the broker had lost ours.", "sessions_lost"),
        ("source_in_flight_messages", _gauges, "Taken in, not yet acknowledged.", "in_flight"),
        ("source_window_messages", _gauges, "What may be in flight; 0: no bound.", "window"),
    ):
        yield make(name, says, "source", {one.name: getattr(one, values) for one in parts.sources})
    dropped = {
        one.name: one.dropped_at_broker
        for one in parts.sources
        if one.dropped_at_broker is not None
    }
    yield _gauges("broker_dropped_messages", "What it dropped, for anybody.", "source", dropped)
    refused = sum((Counter(one.refused) for one in parts.sources), Counter())
    yield _counters("refused_posts", "Posts that were not taken.", "status", refused)


def _followers(status: ServiceStatus) -> Iterable[Metric]:
    followers = status.pipeline.followers
    pending = {name: one.pending for name, one in followers.items()}
    held = {name: bool(one.held) for name, one in followers.items()}
    age = {name: one.age(status.at) / SECOND for name, one in followers.items()}
    yield _gauges("follower_pending_messages", "Messages not yet handled.", "follower", pending)
    yield _gauges(
        "follower_oldest_pending_age_seconds", "Since the oldest came; 0: none.", "follower", age
    )
    yield _gauges("follower_held", "1 while it waits for something.", "follower", held)
    ahead = {name: one.ahead for name, one in followers.items()}
    failed = {name: one.ahead_failed for name, one in followers.items()}
    yield _counters("ahead_messages", "Stored before their turn, too.", "follower", ahead)
    yield _counters("ahead_failures", "Times that failed.", "follower", failed)


def _writes(durations: Mapping[str, Durations]) -> Metric:
    family = HistogramMetricFamily(
        "gatehouse_write_duration_seconds", "How long one commit or request took.", labels=("to",)
    )
    bounds = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
    for to, one in durations.items():
        if one.counts:
            counts = list(zip(bounds, accumulate(one.counts), strict=True))
            family.add_metric((to,), counts, one.seconds)
    return family


def _missing(data_dir: Path) -> Iterable[Metric]:
    """Count the numbers of numbered devices that never came; nothing while they cannot be read."""
    with suppress(LedgerRefused, sqlite3.Error):
        missing = read_missing(data_dir / LEDGER)
        yield _gauges("missing_numbers", "Numbers that never came.", "cause", missing.by_cause)
        yield _gauge("renumbered_devices", "Times devices began to count anew.", missing.restarts)


def _books(books: Books) -> Iterable[Metric]:
    yield _counter("received_messages", "Messages received.", books.received)
    yield _counter("stored_messages", "Messages stored.", books.stored)
    yield _counters("ignored_messages", "Knowingly ignored.", "reason", books.ignored)
    yield _gauge("dead_letters", "Dead letters kept.", books.dead_open)
    yield _counter("discarded_dead_letters", "Dead letters discarded.", books.dead_discarded)
    yield _counter("expired_messages", "Taken by a bound.", books.expired)
    yield _counter("lost_messages", "Lost with the journal.", books.lost)
    yield _gauge("books_balanced", "1 while every message is accounted for.", books.balanced)


def _stages(passed: Iterable[Stage]) -> Iterable[Metric]:
    """Yield the four counts that every stage has."""
    each = list(passed)
    received = {one.name: one.received for one in each}
    sent = {one.name: one.sent for one in each}
    errors = {(one.name, why): n for one in each for why, n in one.errors.items()}
    dropped = {(one.name, why): n for one in each for why, n in one.dropped.items()}
    yield _counters("stage_received", "What came to a stage.", "stage", received)
    yield _counters("stage_sent", "What left it for the next.", "stage", sent)
    why = ("stage", "reason")
    yield _counters("stage_errors", "What went wrong; nothing is lost.", why, errors)
    yield _counters("stage_dropped", "What ends here for good.", why, dropped)


def _ask(database: Engine) -> _People | None:
    """Ask the state database; None where it does not answer."""
    counted = select(incident.c.kind, incident.c.state, func.count())
    opened = counted.where(incident.c.state != "closed")
    try:
        with database.connect() as connection:
            rows = connection.execute(opened.group_by(incident.c.kind, incident.c.state))
            return _People(
                {(kind, state): count for kind, state, count in rows},
                delivery.look(connection, wall=wall_now()),
                delivery.totals(connection),
            )
    except SQLAlchemyError:
        return None


def _pages(people: _People) -> Iterable[Metric]:
    labels = ("kind", "state")
    yield _gauges("incidents", "Incidents that are not closed.", labels, people.incidents)
    yield _gauges("pages", "Pages by state.", "state", people.totals.pages)
    yield _gauge("pages_due", "Pages that could be sent just now.", people.delivery.due)
    attempts = people.totals.attempts
    yield _counters("page_attempts", "Tries to send.", ("channel", "result"), attempts)


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(f"gatehouse_{name}", says, value)


def _counter(name: str, says: str, value: float) -> Metric:
    return CounterMetricFamily(f"gatehouse_{name}", says, value)


def _gauges(name: str, says: str, labels: Labels, values: Mapping[Any, float]) -> Metric:
    return _fill(GaugeMetricFamily(f"gatehouse_{name}", says, labels=_tuple(labels)), values)


def _counters(name: str, says: str, labels: Labels, values: Mapping[Any, float]) -> Metric:
    return _fill(CounterMetricFamily(f"gatehouse_{name}", says, labels=_tuple(labels)), values)


def _fill(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[Any, float]) -> Metric:
    """Add a sample for each key: the value of the only label, or of all."""
    for key, value in values.items():
        family.add_metric(_tuple(key), value)
    return family


def _tuple(one_or_more: Labels) -> tuple[str, ...]:
    return (one_or_more,) if isinstance(one_or_more, str) else one_or_more
