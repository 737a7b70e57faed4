"""``gatehouse demo``: a broker, a community and the real service, on one machine, for anybody.

The demo only starts what an operator would start: the service runs as ``gatehouse run`` in a child
process with its settings in the environment. What differs is the clock (a scaled one, kept in the
data folder) and that the simulated devices live in this process.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from devices.clock import ScaledClock
from devices.csv_import import import_folder
from devices.simulator.city import City
from devices.simulator.community_csv import write_city
from devices.simulator.scenario import ZONE
from devices.simulator.simulation import simulate
from gatehouse.broker import Broker, choose_broker
from gatehouse.child import end
from gatehouse.database import open_database
from gatehouse.demo_screen import DemoScreen
from gatehouse.demo_visitor import invite
from gatehouse.display import Scene
from gatehouse.failure import WRONG_USE, Failure
from gatehouse.settings import DEMO_CLOCK, PREFIX, load
from gatehouse.signals import until_stopped
from ingest.folder_lock import FolderLock, FolderLocked

MARK = ".gatehouse-demo"
"""A folder without this file is never emptied. Its lock is held while a demo lives in the folder,
so it stays where it is when all the rest is deleted."""
CLOCK_BEHIND_MINUTES = 60
SERVICE_STOP_S = 1.3


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What a newcomer may choose; see ``gatehouse demo --help``."""

    data_dir: Path
    city: City
    speed: float
    port: int
    keep: bool


async def run_demo(options: DemoOptions) -> None:
    """Run until stopped.

    Raises:
        Failure: The data folder is not the demo's, another demo runs in it, or the service ended
            by itself.
    """
    lock = _take(options.data_dir)
    try:
        fresh = _prepare(options)
        await until_stopped(_Demo(options, fresh=fresh).run())
    finally:
        lock.release()


def _take(folder: Path) -> FolderLock:
    """Make the folder a demo's, and this demo's alone, before anything in it is touched."""
    mark = folder / MARK
    if folder.exists() and not folder.is_dir():
        raise Failure(f"{folder} is a file; name a folder with --data-dir", code=WRONG_USE)
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise Failure(f"{folder} holds something else; choose another with --data-dir")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return FolderLock(mark)
    except FolderLocked as error:
        raise Failure(
            f"a demo runs in {folder} already (process {error.owner or 'unknown'}): "
            "end it with Ctrl-C, or choose another folder with --data-dir"
        ) from error


def _prepare(options: DemoOptions) -> bool:
    """Keep what is in the folder or delete it; return whether the community begins anew."""
    folder = options.data_dir
    if options.keep and (folder / DEMO_CLOCK).exists():
        return False
    for path in folder.iterdir():
        if path.name == MARK:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    folder.chmod(0o700)
    return True


def _port(wanted: int) -> int:
    """Return the wanted port of the console, or a free one when somebody has it."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found: int = probe.getsockname()[1]
                return found
    raise Failure("no free port on 127.0.0.1 for the console")


class _Demo:
    """One demo: what is started, in order, and ended in the opposite order."""

    def __init__(self, options: DemoOptions, *, fresh: bool) -> None:
        self._options = options
        self._fresh = fresh
        self._folder = options.data_dir.resolve()
        self._port = _port(options.port)
        self._clock = ScaledClock(self._folder / DEMO_CLOCK)
        self._city = options.city
        self._broker: Broker = choose_broker(self._folder / "broker")
        self._history: tuple[int, int] | None = (0, 0) if fresh else None

    async def run(self) -> None:
        """Start everything and live on until cancelled."""
        async with AsyncExitStack() as stack:
            await self._broker.start()
            stack.push_async_callback(self._broker.stop)
            self._begin()
            settings = load(self._environment())
            database = open_database(settings)
            stack.callback(database.dispose)
            if self._fresh:
                self._settle_in(database)
            scene = self._scene(invite(database, settings.page_url))
            stack.callback(self._stand_still)
            screen = DemoScreen(scene, database, self._folder, self._clock)
            stack.callback(screen.close)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._broker.keep(), name="broker")
                tasks.create_task(self._serve(), name="service")
                tasks.create_task(self._live(), name="community")
                tasks.create_task(screen.run(lambda: self._history), name="screen")

    def _begin(self) -> None:
        """Set the community's clock before its history, or let it stand where it was saved."""
        if self._fresh:
            self._clock.set(self._city.begins, speed=0)
        else:
            self._clock.resume(speed=0)

    def _settle_in(self, database: Engine) -> None:
        """Register the community as an office would: from a folder of CSV files."""
        folder = self._folder / "community"
        write_city(folder, self._city.communities)
        import_folder(database, folder, now=self._clock.now())

    def _environment(self) -> dict[str, str]:
        return {
            "GATEHOUSE_DATA_DIR": str(self._folder),
            "GATEHOUSE_MQTT_URL": f"mqtt://127.0.0.1:{self._broker.port}",
            "GATEHOUSE_CONSOLE_BIND": f"127.0.0.1:{self._port}",
            "GATEHOUSE_CLOCK_FILE": str(self._folder / DEMO_CLOCK),
            "GATEHOUSE_CONFIG": str(self._configuration()),
        }

    def _configuration(self) -> Path:
        """Write the demo's ``gatehouse.toml``, so that one in this folder is left out of it.

        In the history its clock moves on by half an hour at a time, so everything seems late.
        """
        path = self._folder / "gatehouse.toml"
        mqtt = f'[mqtt]\nversion = "{self._broker.mqtt_version}"\n'
        device = f"[thresholds.device]\nclock_behind_minutes = {CLOCK_BEHIND_MINUTES}\n"
        path.write_text(f'zone = "{ZONE.key}"\n\n{mqtt}\n{device}')
        return path

    async def _serve(self) -> None:
        """Run ``gatehouse run`` as a child that ends with this process."""
        others = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
        log = self._folder / "service.log"
        with log.open("ab") as sink:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gatehouse", "run", "--with-parent"),
                env={**others, **self._environment()},
                stdin=asyncio.subprocess.PIPE,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        try:
            code = await child.wait()
        finally:
            await end(child, seconds=SERVICE_STOP_S)
        raise Failure(f"the service ended by itself ({code}); {log} says why")

    async def _live(self) -> None:
        def tell(done: int, total: int) -> None:
            self._history = (done, total) if done < total else None

        await simulate(
            url=f"mqtt://127.0.0.1:{self._broker.port}",
            clock=self._clock,
            city=self._city,
            speed=self._options.speed,
            progress=tell,
        )

    def _stand_still(self) -> None:
        self._clock.set(self._clock.now(), speed=0)

    def _scene(self, link: str) -> Scene:
        port = self._broker.port
        return Scene(
            console_url=f"http://127.0.0.1:{self._port}",
            sign_in_url=link,
            broker=f"{self._broker.name} at 127.0.0.1:{port}",
            publish_hint=self._hint(),
            zone=ZONE,
            speed=self._options.speed,
            data_dir=str(self._options.data_dir),
        )

    def _hint(self) -> str:
        """Return a command that gives somebody a fever: 38.4 in the armpit (type 1)."""
        homes = next(self._city.communities).homes
        mac = next(home.thermometer for home in homes if home.thermometer)
        topic = f"{mac}/HealthThermometer/TemperatureMeasurement"
        return f"mosquitto_pub -p {self._broker.port} -q 1 -t {topic} -m 4,38.4,1"
