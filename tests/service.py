"""The real service as a child process, for tests of the whole way and for the bench."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from devices.csv_import import import_folder
from gatehouse.database import open_database
from gatehouse.settings import load
from ingest.status import ServiceStatus, read_status
from tests.servers import Process, free_port, wait_until

READY_S = 30.0


class RunningService:
    """``gatehouse run`` in its own process, with its settings in the environment."""

    def __init__(
        self,
        folder: Path,
        *,
        mqtt_url: str,
        series_url: str | None = None,
        database_url: str | None = None,
        intake_port: int | None = None,
        toml: str = "",
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data_dir = folder / "data"
        self.console_port = free_port()
        config = folder / "gatehouse.toml"
        config.write_text(toml)
        self.settings_environment = {
            "GATEHOUSE_DATA_DIR": str(self.data_dir),
            "GATEHOUSE_MQTT_URL": mqtt_url,
            "GATEHOUSE_CONSOLE_BIND": f"127.0.0.1:{self.console_port}",
            "GATEHOUSE_CONFIG": str(config),
            **environment,
        }
        if series_url:
            self.settings_environment["GATEHOUSE_SERIES_URL"] = series_url
        if database_url:
            self.settings_environment["GATEHOUSE_DATABASE_URL"] = database_url
        if intake_port:
            self.settings_environment["GATEHOUSE_INTAKE_BIND"] = f"127.0.0.1:{intake_port}"
        self.settings = load(self.settings_environment)
        self._process = Process(
            [sys.executable, "-m", "gatehouse", "run"],
            folder / "service.log",
            env={**without_settings(), **self.settings_environment},
        )

    @property
    def pid(self) -> int:
        """The pipeline process's id."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has printed."""
        return self._process.said()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.running

    def import_registry(self, folder: Path, *, now: int) -> None:
        """Bring a folder of CSV files into its registry."""
        database = open_database(self.settings)
        import_folder(database, folder, now=now)
        database.dispose()

    def start(self) -> Self:
        """Start and wait until it is connected and subscribed."""
        before = self._written_at()
        self.spawn()
        wait_until(
            lambda: not self.running or (self._written_at() != before and self.is_connected()),
            seconds=READY_S,
            what="the service to connect",
        )
        assert self.running, self.log[-4000:]
        return self

    def spawn(self) -> None:
        """Start without waiting for anything."""
        self._process.spawn()

    def stop(self) -> int | None:
        """End it as an operator would; return the exit code."""
        return self._process.end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.end(signal.SIGKILL)

    def status(self) -> ServiceStatus | None:
        """Return what it last told of itself."""
        return read_status(self.data_dir)

    def has_caught_up(self, messages: int) -> bool:
        """Whether so many messages are journalled and both followers have handled them all."""
        status = self.status()
        if status is None or status.books.received < messages:
            return False
        behind = [one.pending for one in status.pipeline.followers.values()]
        return status.books.pending == 0 and not any(behind)

    def is_connected(self) -> bool:
        """Whether every source says that it is connected."""
        status = self.status()
        return status is not None and all(one.connected for one in status.pipeline.sources)

    def _written_at(self) -> int:
        path = self.data_dir / "status.json"
        return path.stat().st_mtime_ns if path.exists() else 0


def without_settings() -> dict[str, str]:
    """Return this process's environment without settings of ours."""
    return {name: text for name, text in os.environ.items() if not name.startswith("GATEHOUSE_")}
