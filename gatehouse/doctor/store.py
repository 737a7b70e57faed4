"""The series store: there, ours to write and read, and keeping what is as old as it may be."""

from gatehouse.doctor.found import Found
from gatehouse.parts import open_series
from gatehouse.settings import Settings, SettingsError
from ingest.series import StoreHeld


def store(settings: Settings) -> list[Found]:
    """Write a canary into the store and read it back."""
    name = "series store"
    try:
        opened = open_series(settings)
    except SettingsError as error:
        return [Found.wrong(name, str(error))]
    try:
        opened.check()
    except StoreHeld as error:
        return [Found.wrong(name, str(error))]
    finally:
        opened.close()
    kind = settings.series_url.partition(":")[0] if settings.series_url else "embedded"
    return [Found.fine(name, f"{kind}, a canary was written and read back")]
