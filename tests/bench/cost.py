"""What a process costs, as the operating system charges it; and what the machine is."""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds a process has used, in its own code and in the kernel's for it."""

    user: float
    system: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Return what a process has used up to now, with all its threads."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return cls(int(fields[11]) / _TICKS, int(fields[12]) / _TICKS)

    def since(self, before: "Cpu") -> "Cpu":
        """Return what was used after an earlier moment."""
        return Cpu(self.user - before.user, self.system - before.system)

    def microseconds(self, messages: int) -> float:
        """Return what a message costs."""
        return round((self.user + self.system) / messages * 1e6, 2)


def peak_mib(pid: int) -> int:
    """Return the most memory a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return round(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def describe_machine() -> dict[str, float | int | str]:
    """Return what this runs on, and how busy it is with something else."""
    return {
        "machine": f"{platform.machine()}, {_processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "background_cpu_percent": _busy_percent(seconds=2.0),
        "load_average": round(os.getloadavg()[0], 2),
        "python_loop_ns": _loop_ns(),
    }


def _loop_ns() -> float:
    """Return the CPU nanoseconds of one pass of a plain loop: what this machine is worth today."""
    passes = 3_000_000
    began = time.process_time_ns()
    for _ in range(passes):
        pass
    return round((time.process_time_ns() - began) / passes, 1)


def _processor() -> str:
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return models[0] if models else platform.processor()


def _busy_percent(seconds: float) -> int:
    """Return how much of all cores is in use while the bench itself only waits."""
    before = _busy_and_all()
    time.sleep(seconds)
    busy, whole = (now - then for now, then in zip(_busy_and_all(), before, strict=True))
    return round(100 * busy / max(whole, 1))


def _busy_and_all() -> tuple[int, int]:
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)
