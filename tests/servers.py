"""Real servers for tests: each on a free loopback port, in a fresh folder, ended by its own pid."""

import asyncio
import atexit
import contextlib
import functools
import getpass
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import psycopg

PATIENCE = 60.0
"""Seconds a condition may take before the test fails."""


BLOCKS = range(10_000, 32_000, 1_000)
"""First ports of the blocks that test processes share out: all below those that the kernel gives
to whoever asks for any port (32768 to 60999 on Linux)."""


def free_port() -> int:
    """Return a loopback port on which nobody listens, and which no other test is given."""
    while True:
        port = next(_ports())
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


@functools.cache
def _ports() -> Iterator[int]:
    """Take a block of ports for this process: its first one stays bound as long as it lives."""
    for first in BLOCKS:
        guard = socket.socket()
        try:
            guard.bind(("127.0.0.1", first))
        except OSError:
            guard.close()
            continue
        atexit.register(guard.close)
        return itertools.cycle(range(first + 1, first + BLOCKS.step))
    raise RuntimeError(f"every block of ports of {BLOCKS} is taken: end other test runs")


def wait_until(
    condition: Callable[[], Any],
    *,
    seconds: float = PATIENCE,
    every: float = 0.02,
    what: str = "",
) -> Any:
    """Poll until the condition is true and return its value; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(every)


async def eventually(
    condition: Callable[[], Any] | Callable[[], Awaitable[Any]],
    *,
    seconds: float = PATIENCE,
    what: str = "",
) -> Any:
    """Poll on the event loop until the condition is true and return its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        await asyncio.sleep(0.02)


def port_answers(port: int) -> bool:
    """Return whether somebody accepts a connection on the loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True


CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"
"""Of MQTT 3.1.1: a clean session without a name."""


def broker_answers(port: int) -> bool:
    """Return whether a broker on the loopback port answers a CONNECT, be it by closing."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
            connection.sendall(CONNECT)
            connection.recv(1)
    except ConnectionResetError:
        return True
    except OSError:
        return False
    return True


class Process:
    """A child process with a log file, ended only by its own pid."""

    def __init__(self, argv: Sequence[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.argv = list(argv)
        self.log = log
        self.env = env
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The child's process id; it must be running."""
        assert self._child is not None, "not started"
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the child has been started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def spawn(self) -> None:
        """Start the child; its output is appended to the log."""
        with self.log.open("ab") as sink:
            self._child = subprocess.Popen(
                self.argv, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, env=self.env
            )

    def end(self, how: signal.Signals, *, seconds: float = PATIENCE) -> int | None:
        """Send a signal and wait for the end; return the exit code."""
        if self._child is None:
            return None
        if self._child.poll() is None:
            self._child.send_signal(how)
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(seconds)
            raise

    def said(self) -> str:
        """Return everything it has printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Mosquitto:
    """A mosquitto of our own. Settings may be added as lines of its configuration file.

    Its queue takes what no test fills: with 0, "no limit", versions before 2.0.22 hang up on
    whoever publishes what is denied (mosquitto issue 3244).
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path, *, extra: str = "", port: int | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port or free_port()
        self.config = folder / "mosquitto.conf"
        self.configure(extra)
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self._process = Process([program, "-c", str(self.config)], folder / "mosquitto.log")

    def configure(self, extra: str = "") -> None:
        """Write the configuration file; takes effect at the next start."""
        anonymous = "" if "allow_anonymous" in extra else "allow_anonymous true\n"
        self.config.write_text(
            f"listener {self.port} 127.0.0.1\n{anonymous}"
            f"user {getpass.getuser()}\n"
            "persistence true\n"
            f"persistence_location {self.folder}/\n"
            "max_queued_messages 1000000000\nmax_inflight_messages 0\nsys_interval 1\n"
            f"{extra}\n"
        )

    @property
    def url(self) -> str:
        """Address for GATEHOUSE_MQTT_URL."""
        return f"mqtt://{self.host}:{self.port}"

    @property
    def log(self) -> str:
        """What the broker has printed."""
        return self._process.said()

    @property
    def pid(self) -> int:
        """The broker's process id."""
        return self._process.pid

    def start(self) -> Self:
        """Start and wait until it answers; before, it would forget a signal to stop."""
        self._process.spawn()
        wait_until(lambda: broker_answers(self.port) or not self._process.running, what="mosquitto")
        assert self._process.running, self.log
        return self

    def stop(self) -> None:
        """End it cleanly: it saves its sessions."""
        self._process.end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.end(signal.SIGKILL)


class InfluxDB:
    """An influxd 1.x of our own."""

    def __init__(self, folder: Path, *, asks_who: bool = False) -> None:
        """Prepare one; with ``asks_who`` every request needs a user."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self._config = folder / "influxdb.conf"
        self._config.write_text(
            "reporting-disabled = true\n"
            f'bind-address = "127.0.0.1:{free_port()}"\n'
            f'[meta]\n  dir = "{folder}/meta"\n'
            f'[data]\n  dir = "{folder}/data"\n  wal-dir = "{folder}/wal"\n'
            '  index-version = "tsi1"\n  query-log-enabled = false\n'
            "[monitor]\n  store-enabled = false\n"
            f'[http]\n  bind-address = "127.0.0.1:{self.port}"\n  log-enabled = false\n'
            f"  auth-enabled = {str(asks_who).lower()}\n"
        )
        program = shutil.which("influxd") or "/usr/bin/influxd"
        self._process = Process([program, "-config", str(self._config)], folder / "influxd.log")

    @property
    def url(self) -> str:
        """HTTP address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def start(self) -> Self:
        """Start and wait until it answers a ping."""
        self._process.spawn()
        wait_until(lambda: self._pings() or not self._process.running, what="influxd")
        assert self._process.running, self._process.said()[-2000:]
        return self

    def stop(self) -> None:
        """End it cleanly."""
        self._process.end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.end(signal.SIGKILL)

    def database(self, name: str) -> str:
        """Create a database and return its GATEHOUSE_SERIES_URL."""
        self.query(f'CREATE DATABASE "{name}"')
        return f"influxdb1://127.0.0.1:{self.port}/{name}"

    def query(
        self, influxql: str, *, database: str = "", seconds: float = 30.0
    ) -> list[dict[str, Any]]:
        """Run InfluxQL and return the series of the first statement."""
        form = urllib.parse.urlencode({"q": influxql, "db": database, "epoch": "ns"}).encode()
        with urllib.request.urlopen(f"{self.url}/query", form, timeout=seconds) as answer:
            result = json.load(answer)["results"][0]
        assert "error" not in result, result
        series: list[dict[str, Any]] = result.get("series", [])
        return series

    def _pings(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=1) as answer:
                return bool(answer.status == 204)
        except (urllib.error.URLError, OSError):
            return False


class PostgreSQL:
    """A PostgreSQL of our own, in a folder that its user may read; it refuses to run as root."""

    def __init__(self, programs: Path) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="gatehouse-postgresql-"))
        self._databases = itertools.count(1)
        self._drop_root: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
            self._drop_root = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        initdb = [programs / "initdb", "-D", self._folder / "data", "-U", "postgres"]
        self._run(*initdb, "-A", "trust", "-N", "--no-locale", "-E", "UTF8")
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        self._process = Process(
            [
                *self._drop_root,
                *map(str, (programs / "postgres", "-D", self._folder / "data", "-p", self.port)),
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            self._folder / "postgresql.log",
        )

    def start(self) -> Self:
        """Start and wait until it accepts connections."""
        self._process.spawn()
        wait_until(self._answers, what="postgresql")
        return self

    def end(self) -> None:
        """End it without waiting for clients; it can be started again."""
        self._process.end(signal.SIGINT)

    def stop(self) -> None:
        """End it, and remove its folder."""
        self.end()
        shutil.rmtree(self._folder)

    def database(self) -> str:
        """Create a database and return its GATEHOUSE_DATABASE_URL."""
        name = f"gatehouse_{next(self._databases)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _answers(self) -> bool:
        assert self._process.running, self._process.said()
        try:
            psycopg.connect(self._url("postgres"), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, *argv: object) -> None:
        command = [*self._drop_root, *map(str, argv)]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
        assert done.returncode == 0, done.stderr
