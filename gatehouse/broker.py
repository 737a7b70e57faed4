"""The demo's broker: mosquitto where it is installed, else amqtt in this process.

Mosquitto gets a folder and a port of its own, keeps its sessions on disk, and has its queue limits
lifted: by default it drops what exceeds 1,000 messages for a session that is away, silently.
"""

import asyncio
import getpass
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any, Protocol

import structlog

from gatehouse.child import end

PREFERRED_PORT = 18830
_START_SECONDS = 5.0
_STOP_SECONDS = 1.0
_PAUSE_SECONDS = 0.5
_QUEUED_BYTES = 512 * 1024 * 1024
_QUEUED = 1_000_000_000
"""Not 0, "no limit": before 2.0.22 that hangs up on whoever publishes what is denied (mosquitto
issue 3244), and with it 2.0.16 drops everything (2879)."""

log = structlog.get_logger()


class Broker(Protocol):
    """A broker that the demo started."""

    name: str
    mqtt_version: str
    port: int

    async def start(self) -> None:
        """Listen on the loopback port; raise BrokerError with what to do when that fails."""
        ...

    async def keep(self) -> None:
        """Start again whenever it ends by itself, until cancelled; raise BrokerError as start."""
        ...

    async def stop(self) -> None:
        """End, keeping what is kept."""
        ...


class BrokerError(Exception):
    """The broker did not start: one sentence that says what to do."""


def choose_broker(folder: Path) -> Broker:
    """Return mosquitto if it is on the PATH (or where Debian puts it), else amqtt."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    port = _free_port()
    return _Mosquitto(program, folder, port) if program else _Amqtt(port)


def _free_port() -> int:
    for wanted in (PREFERRED_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
            return port
    raise BrokerError("no free port on 127.0.0.1 for the demo's broker")


class _Mosquitto:
    name = "mosquitto"
    mqtt_version = "5"

    def __init__(self, program: str, folder: Path, port: int) -> None:
        self.port = port
        self._program = program
        self._folder = folder
        self._child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = self._folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser {getpass.getuser()}\n"
            f"persistence true\npersistence_location {self._folder.resolve()}/\n"
            "autosave_interval 30\nset_tcp_nodelay true\n"
            f"max_inflight_messages 0\nmax_queued_messages {_QUEUED}\n"
            f"max_queued_bytes {_QUEUED_BYTES}\n"
        )
        log = self._folder / "mosquitto.log"
        with log.open("ab") as sink:
            self._child = await asyncio.create_subprocess_exec(
                self._program,
                "-c",
                str(config),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        if not await _accepts(self.port):
            await self.stop()
            raise BrokerError(f"mosquitto did not start; {log} says why")

    async def keep(self) -> None:
        while self._child is not None:
            code = await self._child.wait()
            log.warning("broker_ended", code=code, starts_again_in_s=_PAUSE_SECONDS)
            await asyncio.sleep(_PAUSE_SECONDS)
            await self.start()

    async def stop(self) -> None:
        if self._child is not None:
            await end(self._child, seconds=_STOP_SECONDS)


class _Amqtt:
    name = "amqtt (in this process, for demonstration only)"
    mqtt_version = "3.1.1"

    def __init__(self, port: int) -> None:
        self.port = port
        self._broker: Any = None

    async def start(self) -> None:
        from amqtt.broker import (  # type: ignore[import-untyped]  # noqa: PLC0415 - slow, rare
            Broker as AmqttBroker,
        )

        self._broker = AmqttBroker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}},
                "plugins": {
                    "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
                },
            }
        )
        await self._broker.start()

    async def keep(self) -> None:
        await asyncio.Event().wait()

    async def stop(self) -> None:
        if self._broker is not None:
            await self._broker.shutdown()


async def _accepts(port: int) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _START_SECONDS
    while loop.time() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        await writer.wait_closed()
        return True
    return False
