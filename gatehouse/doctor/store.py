"""The series store: there, ours to write and read, and keeping what is as old as it may be."""

from devices.clock import DAY
from devices.device_time import OLDEST
from gatehouse.doctor.found import Found
from gatehouse.parts import open_series, open_series_schema
from gatehouse.settings import Settings, SettingsError
from ingest.series import StoreHeld

_SHOWN = 3
"""Differences that are named; there may be one for each rollup."""


def store(settings: Settings) -> list[Found]:
    """Write a canary into the store and read it back, and one as old as a reading may be."""
    name = "series store"
    try:
        opened = open_series(settings)
    except SettingsError as error:
        return [Found.wrong(name, str(error))]
    try:
        opened.check()
        refused = opened.refuses_age(OLDEST)
    except StoreHeld as error:
        return [Found.wrong(name, str(error))]
    finally:
        opened.close()
    if refused:
        said = (
            f"a reading may be {OLDEST // DAY} days old when it comes, and is refused ({refused})"
        )
        return [Found.wrong(name, f"{said}: let it keep longer, `gatehouse migrate` says how")]
    kind = settings.series_url.partition(":")[0] if settings.series_url else "embedded"
    return [Found.fine(name, f"{kind}, a canary was written and read back")]


def retention(settings: Settings) -> list[Found]:
    """Compare what an InfluxDB keeps and rolls up with the settings."""
    name = "retention"
    if settings.series_url is None:
        return []  # The service keeps to them by itself.
    try:
        schema = open_series_schema(settings)
    except SettingsError:
        return []  # Said of the store.
    if schema is None:
        return [Found.fine(name, "InfluxDB 3 keeps as told when its database was made")]
    try:
        differs = [step.says for step in schema.plan()]
    except StoreHeld as error:
        return [Found.doubtful(name, f"cannot be examined: {error}")]
    finally:
        schema.close()
    if not differs:
        return [Found.fine(name, "as the settings say, with rollups by hour and day")]
    more = f" and {len(differs) - _SHOWN} more" if len(differs) > _SHOWN else ""
    said = f"`gatehouse migrate` would {'; '.join(differs[:_SHOWN])}{more}: run it"
    return [Found.doubtful(name, said)]
