"""The pipeline's status and the console's own numbers, as Prometheus reads them."""

from collections import Counter
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from alerts.tables import incident, page
from dashboards.console.context import ConsoleContext
from dashboards.console.pipeline_status import Word, hear_pipeline
from devices.clock import SECOND
from ingest.books import Books
from ingest.status import ServiceStatus


class Numbers(Collector):
    """Everything there is to count at this moment."""

    def __init__(self, context: ConsoleContext) -> None:
        self._context = context

    def collect(self) -> Iterable[Metric]:
        """Yield one family after the other; a missing pipeline leaves only its absence."""
        word = hear_pipeline(self._context.data_dir)
        yield GaugeMetricFamily(
            "gatehouse_pipeline_up", "1 while the pipeline tells of itself.", word.is_fresh
        )
        if word.status is not None:
            yield from _pipeline(word, word.status)
        yield from _people(self._context.database)


def expose(context: ConsoleContext) -> bytes:
    """Return all numbers in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(Numbers(context))
    return generate_latest(registry)


def _pipeline(word: Word, status: ServiceStatus) -> Iterable[Metric]:
    parts = status.pipeline
    yield GaugeMetricFamily(
        "gatehouse_status_age_seconds", "Age of the pipeline's status.", word.age / SECOND
    )
    for name, make, says, values in (
        ("source_connected", _gauge, "1 while connected.", "connected"),
        ("source_messages", _counter, "Messages taken in.", "received"),
        ("source_unguarded_messages", _counter, "Messages that came with QoS 0.", "unguarded"),
        ("source_reconnects", _counter, "Times the broker had to be found again.", "reconnects"),
        ("source_limited_filters", _gauge, "Filters granted at less than QoS 1.", "limited"),
        ("source_lost_sessions", _counter, "Times the broker had lost ours.", "sessions_lost"),
    ):
        yield make(name, says, "source", {one.name: getattr(one, values) for one in parts.sources})
    dropped = {
        one.name: one.dropped_at_broker
        for one in parts.sources
        if one.dropped_at_broker is not None
    }
    yield _gauge("broker_dropped_messages", "What it dropped, for anybody.", "source", dropped)
    refused = sum((Counter(one.refused) for one in parts.sources), Counter())
    yield _counter("refused_posts", "Posts that were not taken.", "status", refused)
    yield CounterMetricFamily("gatehouse_repeated_messages", "Repeats recognised.", parts.repeats)
    yield CounterMetricFamily(
        "gatehouse_cut_pictures", "Pictures cut out before the journal.", parts.pictures
    )
    yield GaugeMetricFamily("gatehouse_journal_bytes", "Bytes on disk.", parts.journal.bytes)
    yield GaugeMetricFamily(
        "gatehouse_journal_limit_bytes", "Bytes it may take.", parts.journal.limit_bytes
    )
    yield CounterMetricFamily(
        "gatehouse_journal_messages", "Messages journalled.", parts.journal.head
    )
    pending = {name: one.pending for name, one in parts.followers.items()}
    held = {name: bool(one.held) for name, one in parts.followers.items()}
    yield _gauge("follower_pending_messages", "Messages not yet handled.", "follower", pending)
    yield _gauge("follower_held", "1 while it waits for something.", "follower", held)
    yield from _books(status.books)
    yield _counter("judged_messages", "What the rules made of them.", "outcome", status.judged)


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


def _people(database: Engine) -> Iterable[Metric]:
    """Count open incidents and pages in the database, and whether that answers."""
    incidents = select(incident.c.kind, incident.c.state, func.count())
    pages = select(page.c.state, func.count()).group_by(page.c.state)
    try:
        with database.connect() as connection:
            opened = connection.execute(
                incidents.where(incident.c.state != "closed").group_by(
                    incident.c.kind, incident.c.state
                )
            ).all()
            paged = [(state, count) for state, count in connection.execute(pages)]
    except SQLAlchemyError:
        yield GaugeMetricFamily("gatehouse_database_up", "1 while the database answers.", 0)
        return
    yield GaugeMetricFamily("gatehouse_database_up", "1 while the database answers.", 1)
    family = GaugeMetricFamily(
        "gatehouse_incidents", "Incidents that are not closed.", labels=("kind", "state")
    )
    for kind, state, count in opened:
        family.add_metric((kind, state), count)
    yield family
    yield _gauge("pages", "Pages by state.", "state", dict(paged))


def _gauge(name: str, says: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"gatehouse_{name}", says, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


def _counter(name: str, says: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"gatehouse_{name}", says, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family
