"""Alarms of kind system into the state database: what self_watch.py finds becomes incidents.

A finding and what follows from it (incident, pages owed) commit together. Where the database is
away nothing is remembered as told, so it is told when the database is back.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
from sqlalchemy import Engine

from alerts import delivery, incident
from alerts.escalation import Policies
from devices.clock import Clock, wall_now
from devices.registry import Registry
from gatehouse.self_watch import SelfWatch
from ingest.status import ServiceStatus, read_status


class OwnAlarms:
    """The service's watch over itself; stepped with each of its statuses.

    Args:
        data_dir: Where the status of the run before lies: what it has told of lost positions is
            not told again.
        registry: Returns the present snapshot.
        wall: Real time in milliseconds, as the outbox has it.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        database: Engine,
        registry: Callable[[], Registry],
        clock: Clock,
        policies: Policies,
        wall: Callable[[], int] = wall_now,
    ) -> None:
        self._database = database
        self._registry = registry
        self._clock = clock
        self._policies = policies
        self._wall = wall
        self._watch = SelfWatch(lost_told=_lost_told(data_dir))

    @property
    def lost_told(self) -> int:
        """How many lost positions have been told of."""
        return self._watch.lost_told

    def step(self, status: ServiceStatus) -> None:
        """Open what has become wrong, once for each severity; clear what is over.

        Raises:
            OperationalError: The database is away; the next step tells the same.
        """
        with self._database.connect() as connection:
            pages = delivery.look(connection, wall=self._wall())
        watch, findings = self._watch.step(status, pages)
        if findings:
            with self._database.begin() as connection:
                for finding in findings:
                    incident.apply(
                        connection,
                        finding,
                        now=self._clock.now(),
                        registry=self._registry(),
                        policies=self._policies,
                    )
        self._watch = watch


def _lost_told(data_dir: Path) -> int:
    """Return of how many lost positions the service that ran before has told."""
    try:
        status = read_status(data_dir)
    except (OSError, msgspec.MsgspecError):  # Then it is told again.
        return 0
    return status.lost_told if status else 0
