"""The outbox: ladders climbed, pages sent. The only module here that talks to the world.

What is durable when: a page owed commits with its cause (evidence.py); an attempt commits before
it is sent (claim.py); its result commits after (settlement.py). What a crash leaves at each step:
before the claim, a page still owed; between claim and result, an attempt that the next claim after
the lease repeats once, marked; after the result, nothing to do. Two processes on one database never
send the same page twice, because claims and moves are conditional UPDATEs.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from threading import Event, Thread

import structlog
from sqlalchemy import Engine, select

from alerts import evidence, record
from alerts.channels import Channel, channel_of
from alerts.claim import claim, count_due
from alerts.escalation import Policies
from alerts.ladder import Moment
from alerts.page_text import Circumstances, Language, Texts
from alerts.place import where
from alerts.record import IncidentError, State
from alerts.settlement import settle
from alerts.tables import incident as incidents
from devices.clock import Clock, wall_now
from devices.registry import Registry

log = structlog.get_logger()

MOVES_PER_TICK = 200
PAGES_PER_SENDER = 25
PATIENCE_S = 1.0
"""A tick waits this long for its senders; a channel that hangs keeps only its own sender longer."""


class Paging:
    """Climbs what is due and sends what is owed; ticked every quarter of a second from one thread.

    Args:
        registry: Returns the present snapshot.
        clock: The community's time, by which ladders climb.
        channels: The first that accepts an address takes the page.
        console_url: Where a page's link leads, without a slash at the end.
        wall: Real time in milliseconds, for retries and leases.
        senders: How many pages may be under way at once.
    """

    def __init__(  # noqa: PLR0913 - built in one place, each by name
        self,
        *,
        database: Engine,
        registry: Callable[[], Registry],
        clock: Clock,
        policies: Policies,
        channels: Sequence[Channel],
        console_url: str,
        language: Language,
        wall: Callable[[], int] = wall_now,
        senders: int = 4,
    ) -> None:
        self._database = database
        self._registry = registry
        self._clock = clock
        self._policies = policies
        self._channels = tuple(channels)
        self._texts = Texts(language, console_url=console_url)
        self._wall = wall
        self._senders = senders
        self._under_way: set[Future[int]] = set()
        self._postponed: set[str] = set()
        self._closing = Event()

    def tick(self) -> int:
        """Take every move that is due once, then send; return how many attempts were settled."""
        self._climb()
        return self._send()

    def close(self) -> None:
        """Wait a moment for what is being sent; pages still owed stay owed.

        A channel that hangs is left: its attempt is found open by the next start.
        """
        self._closing.set()
        wait(self._under_way, timeout=PATIENCE_S)

    def _moment(self) -> Moment:
        return Moment(self._clock.now(), self._registry(), self._policies)

    def _climb(self) -> None:
        with self._database.connect() as connection:
            due = connection.scalars(
                select(incidents.c.id)
                .where(incidents.c.next_at <= self._clock.now())
                .order_by(incidents.c.next_at)
                .limit(MOVES_PER_TICK)
            ).all()
        postponed = set()
        for incident_id in due:
            try:
                self._move(incident_id)
            except IncidentError as error:
                postponed.add(incident_id)
                if incident_id not in self._postponed:
                    log.warning("move_postponed", incident=incident_id, reason=str(error))
        self._postponed = postponed

    def _move(self, incident_id: str) -> None:
        """Take one move, unless somebody took it since it was found due."""
        moment = self._moment()
        with self._database.begin() as connection:
            incident = record.load(connection, incident_id, to_change=True)
            if incident.next_at is None or incident.next_at > moment.now:
                return
            if incident.state is State.TRIGGERED:
                evidence.climb(connection, incident, moment)
            else:
                evidence.trigger_again(connection, incident, moment)

    def _send(self) -> int:
        with self._database.connect() as connection:
            due = count_due(connection, wall=self._wall())
        free = self._senders - len(self._under_way)
        for _ in range(min(free, due)):
            self._under_way.add(self._start_sender())
        done, self._under_way = wait(self._under_way, timeout=PATIENCE_S)
        return sum(future.result() for future in done)

    def _start_sender(self) -> Future[int]:
        """Send in a daemon thread, so that a channel that hangs does not hold up the end."""
        future: Future[int] = Future()

        def run() -> None:
            try:
                future.set_result(self._send_some())
            except BaseException as error:  # noqa: BLE001 - raised again by the tick that waits
                future.set_exception(error)

        Thread(target=run, name="page-sender", daemon=True).start()
        return future

    def _send_some(self) -> int:
        """Send pages one after the other, each claimed only when its turn has come."""
        for settled in range(PAGES_PER_SENDER):
            if self._closing.is_set() or not self._send_one():
                return settled
        return PAGES_PER_SENDER

    def _send_one(self) -> bool:
        moment = self._moment()
        with self._database.begin() as connection:
            attempt = claim(connection, moment, wall=self._wall())
            if attempt is None:
                return False
            place = where(connection, attempt.incident)
        channel = channel_of(self._channels, attempt.address)
        text = self._texts.compose(
            attempt.incident,
            attempt.purpose,
            attempt.worker,
            Circumstances(
                where=place,
                zone=moment.registry.zone(attempt.incident.site or ""),
                is_first=attempt.is_first,
                possible_repeat=attempt.possible_repeat,
            ),
            now=moment.now,
        )
        outcome = channel.send(attempt.address, text)
        with self._database.begin() as connection:
            settle(connection, attempt, outcome, self._moment(), wall=self._wall())
        return True
