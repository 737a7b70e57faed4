"""How long a day of a simulated community takes, wound forward through a broker."""

import json
import subprocess
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from tests.bench.results import Results
from tests.servers import Mosquitto
from tests.service import without_settings

HOUSEHOLDS = 1_315
"""As Fozuling B in Wuhan has."""
_DAY = "2020-02-14T00:00:00+08:00"
_PATIENCE_S = 900


def measure(folder: Path) -> Results:
    """Return seconds until the last acknowledgement, and CPU seconds of what publishes."""
    broker = Mosquitto(folder, extra="set_tcp_nodelay true").start()
    try:
        before = getrusage(RUSAGE_CHILDREN)
        alone_s = _seconds(broker, processes=1)
        used = getrusage(RUSAGE_CHILDREN)
        cpu_s = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
        return {
            "simulate_day_1315_households_s": alone_s,
            "simulate_day_1315_households_cpu_s": round(cpu_s, 1),
            "simulate_day_1315_households_2_processes_s": _seconds(broker, processes=2),
        }
    finally:
        broker.stop()


def _seconds(broker: Mosquitto, *, processes: int) -> float:
    words = ["--url", broker.url, "--households", str(HOUSEHOLDS), "--from", _DAY, "--days", "1"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gatehouse", "simulate", *words),
            *("--processes", str(processes), "--json"),
        ],
        env=without_settings(),
        capture_output=True,
        check=True,
        timeout=_PATIENCE_S,
    )
    return float(json.loads(done.stdout)["seconds"])
