"""Parts that several processes and commands build from the same settings."""

from zoneinfo import ZoneInfo

from devices.decoder import Decoder
from devices.profile import Profile, built_in, load_profiles
from gatehouse.settings import Settings, SettingsError
from ingest.retention import SeriesSchema
from ingest.rollup import day_offset
from ingest.series import SeriesStore, open_store
from ingest.series_schema import open_schema
from ingest.series_upkeep import SeriesUpkeep


def make_decoder(settings: Settings) -> tuple[Decoder, tuple[Profile, ...]]:
    """Compile the built-in profiles and the operator's own.

    Raises:
        ProfileError: A profile is wrong; names file, line and reason.
    """
    folders = [settings.profiles_dir] if settings.profiles_dir else []
    profiles = load_profiles(built_in(), *folders)
    return Decoder(profiles, default_zone=ZoneInfo(settings.zone)), profiles


def open_series(settings: Settings, *, read_only: bool = False) -> SeriesStore:
    """Open the series store that the settings name.

    Raises:
        SettingsError: The address is none.
    """
    token = settings.series_token.get_secret_value() if settings.series_token else None
    try:
        return open_store(
            settings.series_url, token=token, data_dir=settings.data_dir, read_only=read_only
        )
    except ValueError as error:
        raise SettingsError(f"GATEHOUSE_SERIES_URL: {error}") from error


def open_series_schema(settings: Settings) -> SeriesSchema | None:
    """Open what brings the series store to the retention of the settings; None: it has none.

    Raises:
        SettingsError: The address of the store is none.
    """
    token = settings.series_token.get_secret_value() if settings.series_token else None
    now = settings.clock.now()
    try:
        return open_schema(
            settings.series_url,
            token=token,
            data_dir=settings.data_dir,
            retention=settings.retention,
            offset=day_offset(ZoneInfo(settings.zone), now),
            now=now,
        )
    except ValueError as error:
        raise SettingsError(f"GATEHOUSE_SERIES_URL: {error}") from error


def open_upkeep(settings: Settings) -> SeriesUpkeep | None:
    """Return the upkeep of the embedded store; None where an InfluxDB does its own."""
    if settings.series_url is not None:
        return None
    offset = day_offset(ZoneInfo(settings.zone), settings.clock.now())
    return SeriesUpkeep(settings.data_dir / "series.db", settings.retention, offset=offset)
