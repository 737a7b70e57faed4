"""``make bench``: the whole way through mosquitto, measured from outside; never asserted.

CPU is what the operating system charged to the pipeline process, from before the first publish
until the last point was stored and judged. Everything shares this machine: broker, stores,
publisher and the service, so rates are lower bounds and CPU a message is what to compare.
"""

import http.server
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from devices.clock import wall_now
from tests.bench.load import PERSON, messages, packets, write_bench_registry
from tests.bench.publisher import Publisher
from tests.servers import InfluxDB, Mosquitto, free_port, wait_until
from tests.service import RunningService

MESSAGES = 200_000
WARM_UP = 5_000
PROBES = 60
BACKGROUND_PER_S = 5_000
PATIENCE_S = 180
BUILD = Path("build")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Throughput:
    """One full-speed run."""

    messages_per_second: float
    cpu_us: float
    peak_mib: float


class Webhook:
    """Takes pages, as somebody's phone would, and notes when each came.

    A server of our own, because what is measured ends where a page leaves us.
    """

    def __init__(self) -> None:
        arrived: list[float] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                arrived.append(time.monotonic())
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.arrived = arrived
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Address for Apprise."""
        return f"json://127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()


def main() -> None:
    """Run everything, print the table, write build/bench.json."""
    results: dict[str, float | int | str] = _machine()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in ("influxdb", "sqlite"):
            _say(f"{MESSAGES:,} messages into {name} …")
            run, latency = _measure(folder / name, name)
            results |= {
                f"messages_per_second_{name}": round(run.messages_per_second),
                f"cpu_us_into_{name}": round(run.cpu_us, 2),
                f"peak_mib_{name}": round(run.peak_mib),
            }
            results |= latency
    results["messages_per_second"] = results["messages_per_second_influxdb"]
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench.json").write_text(json.dumps(results, indent=2) + "\n")
    for name, value in results.items():
        print(f"{name:<36} {value}")


def _measure(folder: Path, store: str) -> tuple[Throughput, dict[str, float]]:
    broker = Mosquitto(folder / "broker").start()
    influxdb = InfluxDB(folder / "influxdb").start() if store == "influxdb" else None
    webhook = Webhook()
    url = influxdb.database("bench") if influxdb else None
    service = RunningService(folder / "service", mqtt_url=broker.url, series_url=url)
    write_bench_registry(folder / "registry", webhook.url)
    service.import_registry(folder / "registry", now=wall_now())
    try:
        service.start()
        publisher = Publisher(broker.port)
        publisher.send(packets(messages(WARM_UP, wall_now() / 1000)))
        _wait(service, WARM_UP)
        run = _full_speed(service, publisher)
        latency = _latencies(service, publisher, webhook) if influxdb else {}
        publisher.close()
        assert service.stop() == 0, service.log[-2000:]
        return run, latency
    finally:
        service.kill()
        webhook.close()
        broker.stop()
        if influxdb:
            influxdb.stop()


def _full_speed(service: RunningService, publisher: Publisher) -> Throughput:
    load = packets(messages(MESSAGES, wall_now() / 1000))
    before, began = _cpu_seconds(service.pid), time.monotonic()
    publisher.send(load)
    _wait(service, WARM_UP + MESSAGES)
    seconds = time.monotonic() - began
    cpu = _cpu_seconds(service.pid) - before
    return Throughput(MESSAGES / seconds, cpu / MESSAGES * 1e6, _peak_mib(service.pid))


def _latencies(service: RunningService, publisher: Publisher, webhook: Webhook) -> dict[str, float]:
    """Probe under a background load: publish to readable, observation to page."""
    _say(f"latencies at {BACKGROUND_PER_S:,} messages a second …")
    background = packets(messages(BACKGROUND_PER_S * 20, wall_now() / 1000))
    probe = Publisher(int(service.settings.mqtt.port if service.settings.mqtt else 0))
    loader = threading.Thread(
        target=publisher.send, args=(background,), kwargs={"per_second": BACKGROUND_PER_S}
    )
    loader.start()
    readable = [_publish_to_readable(service, probe, number) for number in range(PROBES)]
    page = _observation_to_page(probe, webhook)
    loader.join()
    probe.close()
    return {
        "publish_to_readable_p50_ms": round(statistics.median(readable) * 1000, 1),
        "publish_to_readable_p99_ms": round(statistics.quantiles(readable, n=100)[98] * 1000, 1),
        "observation_to_page_ms": round(page * 1000, 1),
    }


def _publish_to_readable(service: RunningService, probe: Publisher, number: int) -> float:
    """Publish one reading and ask InfluxDB until it is there; seconds."""
    topic, celsius = f"zigbee2mqtt/room{5 * number}", 50 + number / 100
    began = time.monotonic()
    probe.send(packets(iter([(topic, json.dumps({"temperature": celsius}).encode())])))
    ask = f"SELECT celsius FROM temperature WHERE device='room{5 * number}' AND celsius = {celsius}"
    wait_until(lambda: _influx(service, ask), seconds=PATIENCE_S, what="the probe in InfluxDB")
    return time.monotonic() - began


def _observation_to_page(probe: Publisher, webhook: Webhook) -> float:
    """Let the person who lives alone have 38.6 and wait for the page; seconds."""
    before, began = len(webhook.arrived), time.monotonic()
    topic = f"{PERSON}/HealthThermometer/TemperatureMeasurement"
    probe.send(packets(iter([(topic, b"4,38.6,1")])))
    wait_until(lambda: len(webhook.arrived) > before, seconds=PATIENCE_S, what="the page")
    return webhook.arrived[before] - began


def _influx(service: RunningService, ask: str) -> bool:
    url = service.settings.series_url or ""
    port = int(url.split(":")[2].split("/")[0])
    server = InfluxDB.__new__(InfluxDB)
    server.port = port
    return bool(server.query(ask, database="bench"))


def _wait(service: RunningService, count: int) -> None:
    wait_until(lambda: service.has_caught_up(count), seconds=PATIENCE_S, what=f"{count} messages")


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _machine() -> dict[str, float | int | str]:
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "messages": MESSAGES,
    }


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
