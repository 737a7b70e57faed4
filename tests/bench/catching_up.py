"""After an outage of the store: how fast what waited is drained, while live messages go on."""

import time
from concurrent.futures import ThreadPoolExecutor

from devices.clock import wall_now
from tests.bench.load import messages, packets, room
from tests.bench.whole_way import DATABASE, PATIENCE_S, WholeWay
from tests.servers import InfluxDB, wait_until

_PROBE_CELSIUS = 59.5
"""No other room of the load is so warm."""
_PROBE = f"SELECT celsius FROM temperature WHERE device = 'room0' AND celsius = {_PROBE_CELSIUS}"


def catch_up(
    way: WholeWay, influxdb: InfluxDB, *, waiting: int, per_second: int
) -> tuple[float, float]:
    """Stop InfluxDB while so many messages come in, at full speed, and start it again.

    Args:
        way: Running into ``influxdb``.
        influxdb: Is stopped and started.
        waiting: Messages taken in meanwhile.
        per_second: Live messages a second, all the time.

    Returns:
        Messages stored a second, from the first on that is, until no more wait than come in a
        second; seconds from when InfluxDB answers again until what is published then can be read.
    """
    with way.under_load(per_second=per_second) as live, ThreadPoolExecutor(1) as watcher:
        influxdb.stop()
        live.send(packets(messages(waiting, wall_now() / 1_000)))
        influxdb.start()
        began = time.monotonic()
        draining = watcher.submit(way.drain, spare=per_second)
        live.send(packets([room(0, _PROBE_CELSIUS)]))
        wait_until(
            lambda: bool(influxdb.query(_PROBE, database=DATABASE)),
            seconds=PATIENCE_S,
            every=0.1,
            what="what is published after the outage",
        )
        readable_s = time.monotonic() - began
        return draining.result(), readable_s
