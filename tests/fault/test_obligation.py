"""The obligation test: what the broker accepted for us is a debt, whatever is killed meanwhile.

A debt is paid when the message's points are in InfluxDB, when it is knowingly ignored, or when it
is a dead letter. The service is killed at random moments, InfluxDB is away twice, the broker is
restarted once; afterwards every debt is paid, the books balance, and every incident owed exists
once. (Debts here are all messages the broker accepted, which is more than those the service had
acknowledged.)
"""

import random
import sqlite3
import time
from contextlib import closing

from sqlalchemy import func, select

from alerts.tables import incident
from devices.clock import MINUTE, wall_now
from gatehouse.database import connect
from ingest.ledger_file import LETTERS
from tests.debts import ILL, Debtor, books_balance, points_of
from tests.servers import InfluxDB, Mosquitto, wait_until
from tests.service import RunningService

KILLS = 10
CAUGHT_UP_S = 90.0


def test_every_accepted_message_is_accounted_for_after_kills_and_outages(
    service: RunningService, mosquitto: Mosquitto, influxdb: InfluxDB
) -> None:
    """After ten kills, two outages and a broker restart nothing is missing or doubled."""
    service.start()
    chance = random.Random(7)
    with Debtor(mosquitto.port, began=wall_now() - 50 * MINUTE) as debtor:
        for number in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.2))  # The moment of the kill is what is random.
            if number in (2, 6):
                influxdb.stop()
            if number in (4, 8):
                influxdb.start()
            if number == 5:
                mosquitto.stop()
                mosquitto.start()
            service.kill()
            service.start()
        wait_until(lambda: debtor.patient() is None, what="everybody measured twice")
    wait_until(lambda: service.has_caught_up(debtor.owed), seconds=CAUGHT_UP_S, what="catching up")
    books_balance(service)
    points = points_of(influxdb)
    assert set(points) >= debtor.stored
    assert set(points.values()) == {1}
    assert _dead_letters(service) >= debtor.dead
    assert _fevers(service) == [1] * ILL
    assert service.stop() == 0


def _dead_letters(service: RunningService) -> set[str]:
    with closing(sqlite3.connect(service.data_dir / LETTERS)) as letters:
        return {payload.decode() for (payload,) in letters.execute("SELECT payload FROM letter")}


def _fevers(service: RunningService) -> list[int]:
    """Return how many fever incidents each subject has."""
    database = connect(service.settings)
    with database.connect() as connection:
        query = (
            select(func.count())
            .where(incident.c.rule == "fever", incident.c.watch.is_(False))
            .group_by(incident.c.key)
        )
        counts = list(connection.scalars(query))
    database.dispose()
    return counts
