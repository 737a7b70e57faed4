"""How long it takes until somebody can see it: a reading in InfluxDB, a page on a phone."""

import random
import statistics
import time
from collections.abc import Callable, Sequence

from tests.bench.load import PATIENTS, Published, fever, packets, room
from tests.bench.publisher import Publisher
from tests.bench.whole_way import DATABASE, PATIENCE_S, WholeWay
from tests.servers import InfluxDB, wait_until

PROBES = 60
PROBING_S = 90
"""No further probe after so long: where the service cannot keep up, each waits longer."""


def publish_to_readable(way: WholeWay, influxdb: InfluxDB, *, per_second: float) -> list[float]:
    """Return the seconds from publishing a reading until InfluxDB gives it back, under load."""
    seconds = []
    with way.under_load(per_second=per_second) as probe:
        for number in range(PROBES):
            device, celsius = 5 * number, 50 + number / 100
            ask = (
                "SELECT celsius FROM temperature "
                f"WHERE device = 'room{device}' AND celsius = {celsius}"
            )
            seconds.append(
                _seconds(
                    probe,
                    room(device, celsius),
                    lambda ask=ask: bool(influxdb.query(ask, database=DATABASE)),  # type: ignore[misc]
                )
            )
    return seconds


def observation_to_page(way: WholeWay, *, per_second: float) -> list[float]:
    """Return the seconds from publishing a fever until its page is at the phone, under load."""
    seconds: list[float] = []
    ends = time.monotonic() + PROBING_S
    with way.under_load(per_second=per_second) as probe:
        for patient in range(PATIENTS):
            if len(seconds) > 1 and time.monotonic() > ends:
                break
            time.sleep(random.random())  # Else each begins when pages have just been sent.
            pages = len(way.phone.arrived)
            seconds.append(
                _seconds(
                    probe,
                    fever(patient),
                    lambda pages=pages: len(way.phone.arrived) > pages,  # type: ignore[misc]
                )
            )
    return seconds


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    high = statistics.quantiles(seconds, n=100, method="inclusive")[98]
    return round(statistics.median(seconds) * 1_000, 1), round(high * 1_000, 1)


def _seconds(probe: Publisher, published: Published, is_seen: Callable[[], bool]) -> float:
    [packet], began = packets([published]), time.monotonic()
    probe.send([packet])
    wait_until(is_seen, seconds=PATIENCE_S, what=f"what was published to {published[0]}")
    return time.monotonic() - began
