"""The console in a process of its own, so that a page never slows the intake.

The parent holds the child's standard input; when it closes, by whatever death, the child ends.
A console that ends by itself is started again, with a pause that doubles up to half a minute.
"""

import asyncio
import sys
from importlib.metadata import version

import structlog
import uvicorn

from dashboards.console.app import create_app
from dashboards.console.context import ConsoleContext
from devices.registry_store import RegistryCache
from gatehouse.child import end
from gatehouse.database import newest_revision, open_database, revision
from gatehouse.parts import make_decoder, open_series
from gatehouse.settings import Settings, SettingsError
from ingest.publisher import Publisher

log = structlog.get_logger()

PAUSE_S = 0.5
PAUSE_MAX_S = 30.0
LONG_ENOUGH_S = 60.0
STOP_S = 0.7


async def keep_console() -> None:
    """Run the console until cancelled; it reads the same settings from the environment."""
    loop = asyncio.get_running_loop()
    pause = PAUSE_S
    while True:
        began = loop.time()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gatehouse", "console"),
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            code = await child.wait()
        finally:
            await end(child, seconds=STOP_S)
        pause = PAUSE_S if loop.time() - began > LONG_ENOUGH_S else min(PAUSE_MAX_S, 2 * pause)
        log.error("console_ended", code=code, starts_again_in_s=pause)
        await asyncio.sleep(pause)


def serve_console(settings: Settings) -> None:
    """Serve the console in this process until it is asked to stop."""
    if settings.mqtt is None:
        raise SettingsError("GATEHOUSE_MQTT_URL: not set; readings entered by hand go there")
    database = open_database(settings)
    silence = {profile.name: profile.silent_after for profile in make_decoder(settings)[1]}
    series = open_series(settings, read_only=True)
    context = ConsoleContext(
        database=database,
        registry=RegistryCache(database).current,
        clock=settings.clock,
        data_dir=settings.data_dir,
        series=lambda: series,
        publish=Publisher(settings.mqtt).publish,
        is_migrated=lambda: revision(database) == newest_revision(),
        silent_after=silence.get,
        thresholds=settings.thresholds,
        console_url=settings.page_url,
        language=settings.language,
        version=version("gatehouse"),
        demo=settings.clock_file is not None,
    )
    uvicorn.run(
        create_app(context),
        host=settings.console_host,
        port=settings.console_port,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
