"""``make bench``: the whole way through mosquitto, measured from outside; never asserted.

``python -m tests.bench NAME…`` measures some parts only; ``--help`` names them.

CPU is what the operating system charged to the pipeline process, from before the first publish
until the last point was stored and judged, with every rule on. Broker, store, publisher and service
share this machine, so rates are lower bounds, and CPU a message is what to compare. Prints a table
with DESIGN's budgets beside what they are for; all parts write ``build/bench.json``, flat.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from ingest.series import open_store
from tests.bench import (
    decoding,
    importing,
    reading,
    registering,
    simulating,
    storing,
    taking_in,
    telegraf,
)
from tests.bench.catching_up import catch_up
from tests.bench.cost import describe_machine
from tests.bench.latency import observation_to_page, percentiles, publish_to_readable
from tests.bench.load import DEVICES, garbage
from tests.bench.results import BUDGETS, NAMES, Results
from tests.bench.stand_in import StandIn
from tests.bench.whole_way import Run, WholeWay
from tests.servers import InfluxDB, Process, free_port, wait_until
from tests.service import without_settings

MESSAGES = 200_000
STREAMED = 500_000
BACKLOG = 1_000_000
LIBRARIES = ("paho", "aiomqtt")
CALM_PER_S = 5_000
OUTAGE_PER_S = 1_000
BUSY_PER_S = 20_000
PACED_S = 8
PATIENCE_S = 120
BUILD = Path("build")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for, print a table; of everything, write build/bench.json."""
    parts = _parser().parse_args(arguments).parts or list(PARTS)
    results: Results = {**describe_machine(), "messages": MESSAGES}
    with tempfile.TemporaryDirectory() as scratch:
        for name in dict.fromkeys(parts):
            results |= PARTS[name][1](Path(scratch) / name)
    if set(parts) == set(PARTS):
        assert set(results) == set(NAMES), set(results) ^ set(NAMES)
        BUILD.mkdir(exist_ok=True)
        (BUILD / "bench.json").write_text(json.dumps(results, indent=2) + "\n")
    for name, value in results.items():
        print(f"{name:<38} {value!s:>12}   {BUDGETS.get(name, '')}".rstrip())


def _parser() -> argparse.ArgumentParser:
    width = max(len(name) for name in PARTS)
    listed = "\n".join(f"  {name:<{width}}  {says}" for name, (says, _) in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure Gatehouse: all parts, or those that are named.",
        epilog=f"parts:\n{listed}\n\nexample:\n  python -m tests.bench decoding catching_up\n\n"
        "All parts together take about 25 minutes and write build/bench.json;\n"
        "tests/README.md says what its names are.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # Not choices, which refuse that none is named.
    parser.add_argument("parts", nargs="*", metavar="PART", type=_part, help="what to measure")
    return parser


def _part(name: str) -> str:
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"no part {name!r}; there are {', '.join(PARTS)}")
    return name


def _measure_intake(folder: Path) -> Results:
    folder.mkdir()
    _say(f"{MESSAGES:,} messages from the socket into the journal ...")
    cpu_us, per_second, _ = taking_in.through_broker(folder / "broker", MESSAGES)
    _, stock, delivered = taking_in.through_broker(folder / "stock", MESSAGES, stock=True)
    _say(f"{MESSAGES:,} messages received and acknowledged by paho-mqtt, by aiomqtt ...")
    paho, aiomqtt = (
        taking_in.by_library(folder / library, library, MESSAGES) for library in LIBRARIES
    )
    _say(f"{STREAMED:,} messages from the stand-in into the journal ...")
    full, streamed_us = taking_in.from_stand_in(folder / "full", STREAMED)
    busy, _ = taking_in.from_stand_in(folder / "busy", BUSY_PER_S * PACED_S, per_second=BUSY_PER_S)
    return {
        "cpu_us_socket_to_ack": cpu_us,
        "messages_per_second_socket_to_ack": round(per_second),
        "messages_per_second_stock_broker": round(stock),
        "percent_delivered_by_stock_broker": round(delivered),
        "cpu_us_paho": paho[0],
        "messages_per_second_paho": round(paho[1]),
        "cpu_us_aiomqtt": aiomqtt[0],
        "messages_per_second_aiomqtt": round(aiomqtt[1]),
        "cpu_us_socket_to_ack_streamed": streamed_us,
        "messages_per_second_streamed": round(full.per_second),
        "publish_to_ack_p50_ms": busy.ack_p50_ms,
        "publish_to_ack_p99_ms": busy.ack_p99_ms,
    }


def _measure_streamed(folder: Path) -> Results:
    folder.mkdir()
    _say(f"{MESSAGES:,} messages from the stand-in into InfluxDB ...")
    with (
        StandIn(folder, MESSAGES) as broker,
        WholeWay(folder, influxdb=True, stand_in=broker) as way,
    ):
        run = way.stream()
    _say(f"{BACKLOG:,} messages of backlog ...")
    working_s, drained = taking_in.backlog(folder / "backlog", BACKLOG)
    return {
        "cpu_us_whole_way_streamed": run.cpu_us,
        "messages_per_second_whole_way_streamed": round(run.per_second),
        "backlog_working_again_s": working_s,
        "backlog_drained_per_second": drained,
    }


def _measure_influxdb(folder: Path) -> Results:
    with WholeWay(folder, influxdb=True) as way:
        assert way.influxdb is not None
        _say(f"{MESSAGES:,} messages into InfluxDB ...")
        full = way.send(MESSAGES)
        _say(f"{BUSY_PER_S:,} messages a second into InfluxDB ...")
        busy = way.send(BUSY_PER_S * PACED_S, per_second=BUSY_PER_S)
        _say(f"from publishing to reading at {CALM_PER_S:,} messages a second ...")
        readable = percentiles(publish_to_readable(way, way.influxdb, per_second=CALM_PER_S))
        _say(f"from a fever to its page at {BUSY_PER_S:,} messages a second ...")
        page = percentiles(observation_to_page(way, per_second=BUSY_PER_S))
        return {
            "messages_per_second": round(full.per_second),
            **_cost("into_influxdb", full),
            "cpu_us_with_rules": full.cpu_us,
            f"cpu_us_at_{BUSY_PER_S}_per_second": busy.cpu_us,
            f"messages_per_second_of_{BUSY_PER_S}": round(busy.per_second),
            "publish_to_readable_p50_ms": readable[0],
            "publish_to_readable_p99_ms": readable[1],
            "observation_to_page_p50_ms": page[0],
            "observation_to_page_p99_ms": page[1],
            "peak_mib": way.peak_mib,
        }


def _measure_catching_up(folder: Path) -> Results:
    with WholeWay(folder, influxdb=True) as way:
        assert way.influxdb is not None
        _say(f"{MESSAGES:,} messages while InfluxDB is away, and its return ...")
        drained, live = catch_up(way, way.influxdb, waiting=MESSAGES, per_second=OUTAGE_PER_S)
        p50_ms, p99_ms = percentiles(live)
        return {
            "catch_up_per_second": round(drained),
            "catch_up_readable_p50_ms": p50_ms,
            "catch_up_readable_p99_ms": p99_ms,
        }


def _measure_decoding(_: Path) -> Results:
    _say("examples of every family decoded ...")
    return {**decoding.measure()}


def _measure_sqlite(folder: Path) -> Results:
    _say(f"{MESSAGES:,} messages into the embedded store ...")
    with WholeWay(folder, influxdb=False) as way:
        full = way.send(MESSAGES)
        _say(f"{MESSAGES:,} messages that nobody can use ...")
        flood = way.send(MESSAGES, load=garbage)
        return {
            "messages_per_second_sqlite": round(full.per_second),
            **_cost("into_sqlite", full),
            "peak_mib_sqlite": way.peak_mib,
            "cpu_us_of_garbage": flood.cpu_us,
        }


def _measure_reading(folder: Path) -> Results:
    """Ask each store that holds a month of 1,300 households."""
    _say(f"a month of {reading.HOUSEHOLDS:,} households in each store ...")
    folder.mkdir()
    with closing(open_store(None, token=None, data_dir=folder)) as store:
        results = reading.measure(store, "sqlite")
    influxdb = InfluxDB(folder / "influxdb").start()
    try:
        url = influxdb.database("bench")
        with closing(open_store(url, token=None, data_dir=folder)) as store:
            return results | reading.measure(store, "influxdb")
    finally:
        influxdb.stop()


def _measure_storing(folder: Path) -> Results:
    """Measure our store alone, and what others' users write with, on the same points."""
    folder.mkdir()
    _say(f"{MESSAGES:,} points into InfluxDB by our store, and by influxdb-client ...")
    ours, client = (
        storing.store(folder / writer, writer, MESSAGES, series=DEVICES)
        for writer in storing.WRITERS
    )
    return {
        "points_per_second_into_influxdb": ours["per_second"],
        "cpu_us_a_point_into_influxdb": ours["cpu_us"],
        "points_per_second_by_client": client["per_second"],
        "cpu_us_a_point_by_client": client["cpu_us"],
    }


def _measure_telegraf(folder: Path) -> Results:
    """Measure what others' users run today on the same load, where it is installed."""
    if not telegraf.is_installed():
        return {"cpu_us_telegraf": "not installed"}
    _say(f"{MESSAGES:,} messages through Telegraf into InfluxDB ...")
    folder.mkdir()
    return {"cpu_us_telegraf": telegraf.cpu_us(folder, MESSAGES)}


def _measure_demo(folder: Path) -> Results:
    """Start the demo cold and wait for its console."""
    _say("the demo's console ...")
    port = free_port()
    folder.mkdir()
    demo = Process(
        [
            sys.executable,
            "-m",
            "gatehouse",
            "demo",
            "--data-dir",
            str(folder / "data"),
            "--port",
            str(port),
        ],
        folder / "demo.log",
        env=without_settings(),
    )
    began = time.monotonic()
    demo.spawn()
    try:
        wait_until(lambda: _answers(port), seconds=PATIENCE_S, what="the demo's console")
        return {"demo_console_s": round(time.monotonic() - began, 1)}
    finally:
        demo.end(signal.SIGINT)


def _cost(name: str, run: Run) -> Results:
    return {
        f"cpu_us_{name}": run.cpu_us,
        f"cpu_us_{name}_user": round(run.cpu.user / run.messages * 1e6, 2),
        f"cpu_us_{name}_system": round(run.cpu.system / run.messages * 1e6, 2),
    }


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _say(text: str) -> None:
    print(text, flush=True)


PARTS: dict[str, tuple[str, Callable[[Path], Results]]] = {
    "decoding": ("payloads of every family to observations", _measure_decoding),
    "intake": ("from the socket into the journal and acknowledged", _measure_intake),
    "influxdb": ("the whole way into InfluxDB, and latencies on it", _measure_influxdb),
    "catching_up": ("after an outage of InfluxDB, while live data flows", _measure_catching_up),
    "sqlite": ("the whole way into the embedded store", _measure_sqlite),
    "streamed": ("the whole way from a stand-in for the broker; a backlog", _measure_streamed),
    "reading": ("questions to both stores", _measure_reading),
    "storing": ("points into InfluxDB, beside influxdb-client", _measure_storing),
    "telegraf": ("Telegraf on the same load, where it is installed", _measure_telegraf),
    "demo": ("how soon the demo shows its console", _measure_demo),
    "importing": ("how soon 100,000 residents are imported", importing.measure),
    "registering": ("a registry of 100,000 households, looked up", registering.measure),
    "simulating": ("how soon a day of 1,315 simulated households is published", simulating.measure),
}
"""What is measured, in this order; each is given a folder that does not exist yet."""


if __name__ == "__main__":
    main()
