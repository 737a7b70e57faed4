"""From observations into a real InfluxDB: our store, and ``influxdb-client``'s own batching API.

Both are given the same observations and keep gzip and 5,000 points a request; each runs alone in a
child process, ``python -m tests.bench.storing WRITER PORT COUNT SERIES``, that tells what it cost
from the first observation until the last point was acknowledged. The client's requests go to the
path that 1.6.7 has.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from subprocess import run
from typing import Any

import influxdb_client
from influxdb_client import InfluxDBClient, WriteOptions

from devices.observation import Temperature
from devices.registry import Registry
from ingest.message import Message
from ingest.point import PointEncoder
from ingest.series import open_store
from tests.bench.cost import Cpu
from tests.servers import InfluxDB

DATABASE = "bench"
AT_ONCE = 5_000
PATIENCE_S = 600
_START = 1_581_681_600_000
_MESSAGE = Message("t", b"", _START)


def store(folder: Path, writer: str, count: int, *, series: int) -> dict[str, float]:
    """Return what storing so many points of so many series comes to.

    Args:
        folder: Fresh, for the server's files.
        writer: Of :data:`WRITERS`.
        count: Points.
        series: Devices they are of, in turn.

    Returns:
        ``per_second`` points; ``cpu_us``, and ``server_cpu_us`` of InfluxDB's, a point.
    """
    server = InfluxDB(folder).start()
    try:
        server.database(DATABASE)
        before = Cpu.of(server.pid)
        argv = [sys.executable, "-m", "tests.bench.storing", writer]
        argv += [str(number) for number in (server.port, count, series)]
        done = run(argv, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
        spent = Cpu.of(server.pid).since(before).microseconds(count)
        counted = "SELECT count(celsius) FROM temperature"
        [found] = server.query(counted, database=DATABASE, seconds=PATIENCE_S)
        assert found["values"][0][1] == count, "not every point is there"
        return {**json.loads(done.stdout), "server_cpu_us": spent}
    finally:
        server.kill()


def _observations(count: int, series: int) -> list[Temperature]:
    return [
        Temperature(
            device_id=f"device-{number % series}",
            observed_at=_START + number,
            received_at=_START + number,
            celsius=20 + number % 83 / 10,
        )
        for number in range(count)
    ]


def _batches(observations: Sequence[Temperature]) -> Iterator[Sequence[Temperature]]:
    for start in range(0, len(observations), AT_ONCE):
        yield observations[start : start + AT_ONCE]


def _ours(port: int, observations: Sequence[Temperature]) -> None:
    target = open_store(f"influxdb1://127.0.0.1:{port}/{DATABASE}", token=None, data_dir=Path())
    encoder, registry = PointEncoder(), Registry()
    for batch in _batches(observations):
        points = [
            point
            for position, observation in enumerate(batch)
            for point in encoder.encode((observation,), _MESSAGE, position, registry)
        ]
        assert not target.write(points)
    target.close()


def _theirs(port: int, observations: Sequence[Temperature]) -> None:
    client = InfluxDBClient(f"http://127.0.0.1:{port}", "", org="-", enable_gzip=True)
    pool = client.api_client.rest_client.pool_manager
    request = pool.request

    def to_version_1(method: str, url: str, **kwargs: Any) -> Any:
        path = url.partition("/api/v2/write?")[0]
        return request(method, f"{path}/write?db={DATABASE}&precision=ns", **kwargs)

    pool.request = to_version_1
    failed: list[Exception] = []
    options = WriteOptions(batch_size=AT_ONCE, flush_interval=1_000)
    with client.write_api(options, error_callback=lambda *said: failed.append(said[-1])) as writer:
        for observation in observations:
            point = influxdb_client.Point("temperature").tag("device", observation.device_id)
            point.field("celsius", observation.celsius)
            point.field("body_site", observation.body_site.value)
            writer.write(DATABASE, record=point.time(observation.observed_at * 1_000_000))
    client.close()
    assert not failed, failed


WRITERS: dict[str, Callable[[int, Sequence[Temperature]], None]] = {
    "ours": _ours,
    "client": _theirs,
}


def main(writer: str, port: str, count: str, series: str) -> None:
    """Write, and tell what it cost."""
    observations = _observations(int(count), int(series))
    began, spent = time.monotonic(), time.process_time()
    WRITERS[writer](int(port), observations)
    cpu_us = (time.process_time() - spent) / len(observations) * 1e6
    per_second = len(observations) / (time.monotonic() - began)
    sys.stdout.write(json.dumps({"per_second": round(per_second), "cpu_us": round(cpu_us, 2)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
