"""After an outage of the store: how fast what waited is drained, and how soon what comes in
meanwhile can be read."""

import time
from concurrent.futures import Future, ThreadPoolExecutor

from devices.clock import wall_now
from tests.bench.load import messages, packets, room
from tests.bench.publisher import Publisher
from tests.bench.whole_way import DATABASE, PATIENCE_S, WholeWay
from tests.servers import InfluxDB

_PROBE_EVERY_S = 0.2
_WARMEST = 50.0
"""°C, from which on no other room of the load is."""
_PROBES = f"SELECT celsius FROM temperature WHERE device = 'room0' AND celsius >= {_WARMEST}"


def catch_up(
    way: WholeWay, influxdb: InfluxDB, *, waiting: int, per_second: int
) -> tuple[float, list[float]]:
    """Stop InfluxDB while so many messages come in, at full speed, and start it again.

    Args:
        way: Running into ``influxdb``.
        influxdb: Is stopped and started.
        waiting: Messages taken in meanwhile.
        per_second: Live messages a second, all the time.

    Returns:
        Messages stored a second, from the first on that is, until no more wait than come in a
        second; seconds from publishing a reading until it can be read, of each that was published
        meanwhile.
    """
    with way.under_load(per_second=per_second) as live, ThreadPoolExecutor(1) as watcher:
        influxdb.stop()
        live.send(packets(messages(waiting, wall_now() / 1_000)))
        influxdb.start()
        way.wait_for_store()
        draining = watcher.submit(way.drain, spare=per_second)
        seconds = _probe(live, influxdb, draining)
        return draining.result(), seconds


def _probe(live: Publisher, influxdb: InfluxDB, draining: Future[float]) -> list[float]:
    """Publish a reading now and then, until all is drained; return how long until each was seen."""
    sent: dict[float, float] = {}
    seconds: list[float] = []
    began = due = time.monotonic()
    while sent or not draining.done():
        now = time.monotonic()
        assert now < began + 2 * PATIENCE_S, f"{sent} cannot be read"
        if now >= due and not draining.done():
            celsius = round(_WARMEST + (len(seconds) + len(sent)) / 100, 2)
            live.send(packets([room(0, celsius)]))
            sent[celsius], due = now, now + _PROBE_EVERY_S
        seen = _readable(influxdb) & sent.keys()
        seconds += [time.monotonic() - sent.pop(celsius) for celsius in seen]
        time.sleep(0.02)
    return seconds


def _readable(influxdb: InfluxDB) -> set[float]:
    found = influxdb.query(_PROBES, database=DATABASE)
    return {float(celsius) for series in found for _, celsius in series["values"]}
