"""The pipeline's status and the console's own numbers, as Prometheus reads them."""

import re
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from alerts.tables import incident
from dashboards.console.context import ConsoleContext
from dashboards.console.pipeline_status import Number, Pipeline, Status, read_pipeline
from devices.clock import SECOND
from ingest.books import Books

_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Numbers(Collector):
    """Everything there is to count at this moment."""

    def __init__(self, context: ConsoleContext) -> None:
        self._context = context

    def collect(self) -> Iterable[Metric]:
        """Yield one family after the other; a missing pipeline leaves only its absence."""
        pipeline = read_pipeline(self._context.data_dir)
        yield GaugeMetricFamily(
            "gatehouse_pipeline_up", "1 while the pipeline tells of itself.", pipeline.is_alive
        )
        if pipeline.status is not None:
            yield from _pipeline(pipeline, pipeline.status)
        yield from _incidents(self._context.database)


def expose(context: ConsoleContext) -> bytes:
    """Return all numbers in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(Numbers(context))
    return generate_latest(registry)


def _pipeline(pipeline: Pipeline, status: Status) -> Iterable[Metric]:
    yield GaugeMetricFamily(
        "gatehouse_status_age_seconds", "Age of the pipeline's status.", pipeline.age / SECOND
    )
    yield _gauge("source_connected", "1 while connected.", "source", {
        one.name: one.connected for one in status.sources
    })  # fmt: skip
    yield _counter("source_messages", "Messages taken in.", "source", {
        one.name: one.received for one in status.sources
    })  # fmt: skip
    yield _counter("source_unguarded_messages", "Messages that came with QoS 0.", "source", {
        one.name: one.unguarded for one in status.sources
    })  # fmt: skip
    yield _counter("source_reconnects", "Times the broker had to be found again.", "source", {
        one.name: one.reconnects for one in status.sources
    })  # fmt: skip
    journal = status.journal
    yield GaugeMetricFamily("gatehouse_journal_bytes", "Bytes on disk.", journal.bytes)
    yield GaugeMetricFamily("gatehouse_journal_max_bytes", "Bytes allowed.", journal.max_bytes)
    yield CounterMetricFamily("gatehouse_journal_messages", "Messages journalled.", journal.head)
    followers = status.followers.items()
    yield _gauge("follower_pending_messages", "Messages not yet handled.", "follower", {
        name: one.pending for name, one in followers
    })  # fmt: skip
    yield _gauge("follower_held", "1 while a follower waits for something.", "follower", {
        name: bool(one.held) for name, one in followers
    })  # fmt: skip
    yield from _books(status.books)
    yield from _counters(status.counters)
    yield _gauge("pages", "Pages by what became of them.", "state", status.pages)


def _books(books: Books) -> Iterable[Metric]:
    yield CounterMetricFamily("gatehouse_received_messages", "Messages received.", books.received)
    yield CounterMetricFamily("gatehouse_stored_messages", "Messages stored.", books.stored)
    yield _counter("ignored_messages", "Knowingly ignored.", "reason", books.ignored)
    yield GaugeMetricFamily("gatehouse_dead_letters", "Dead letters kept.", books.dead_open)
    yield CounterMetricFamily(
        "gatehouse_discarded_dead_letters", "Dead letters discarded.", books.dead_discarded
    )
    yield CounterMetricFamily("gatehouse_expired_messages", "Taken by a bound.", books.expired)
    yield CounterMetricFamily("gatehouse_lost_messages", "Lost with the journal.", books.lost)
    yield GaugeMetricFamily(
        "gatehouse_books_balanced", "1 while every message is accounted for.", books.balanced
    )


def _counters(counters: dict[str, Number | dict[str, Number]]) -> Iterable[Metric]:
    for name, value in counters.items():
        if not _NAME.fullmatch(name):
            continue
        if isinstance(value, dict):
            yield _counter(name, name.replace("_", " "), "label", value)
        else:
            yield CounterMetricFamily(f"gatehouse_{name}", name.replace("_", " "), value)


def _incidents(database: Engine) -> Iterable[Metric]:
    query = select(incident.c.state, incident.c.kind, func.count())
    family = GaugeMetricFamily(
        "gatehouse_incidents", "Incidents that are not closed.", labels=("state", "kind")
    )
    try:
        with database.connect() as connection:
            rows = connection.execute(
                query.where(incident.c.state != "closed").group_by(
                    incident.c.state, incident.c.kind
                )
            ).all()
    except SQLAlchemyError:
        yield GaugeMetricFamily("gatehouse_database_up", "1 while the database answers.", 0)
        return
    yield GaugeMetricFamily("gatehouse_database_up", "1 while the database answers.", 1)
    for state, kind, count in rows:
        family.add_metric((state, kind), count)
    yield family


def _gauge(name: str, says: str, label: str, values: Mapping[str, Number]) -> Metric:
    family = GaugeMetricFamily(f"gatehouse_{name}", says, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


def _counter(name: str, says: str, label: str, values: Mapping[str, Number]) -> Metric:
    family = CounterMetricFamily(f"gatehouse_{name}", says, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family
