"""The console's server: what it is made of, and serving it until it is asked to stop."""

from importlib.metadata import version

import uvicorn

from dashboards.console.app import create_app
from dashboards.console.context import ConsoleContext
from devices.matcher import Matcher
from devices.registry_store import RegistryCache
from gatehouse.database import newest_revision, open_database, revision
from gatehouse.decoding import decode_beside
from gatehouse.parts import make_decoder, open_series
from gatehouse.settings import Settings, SettingsError
from ingest.publisher import Publisher


def serve_console(settings: Settings) -> None:
    """Serve the console in this process until it is asked to stop."""
    if settings.mqtt is None:
        raise SettingsError("GATEHOUSE_MQTT_URL: not set; readings entered by hand go there")
    database = open_database(settings)
    decoder, profiles = make_decoder(settings)
    silence = {profile.name: profile.silent_after for profile in profiles}
    registry = RegistryCache(database).current
    series = open_series(settings, read_only=True)
    context = ConsoleContext(
        database=database,
        registry=registry,
        clock=settings.clock,
        data_dir=settings.data_dir,
        series=lambda: series,
        decode=decode_beside(settings.data_dir, decoder, registry),
        matcher=Matcher(decoder, profiles),
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
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
