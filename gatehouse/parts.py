"""Parts that several processes and commands build from the same settings."""

from zoneinfo import ZoneInfo

from devices.decoder import Decoder
from devices.profile import Profile, built_in, load_profiles
from gatehouse.settings import Settings, SettingsError
from ingest.series import SeriesStore, open_store


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
