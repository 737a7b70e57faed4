"""``gatehouse devices``: what is registered and when it was last heard, and what is not."""

import json
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from alerts.rules.clock import ClockState
from dashboards.account import Account
from dashboards.device_list import DeviceLine, list_devices, visible_devices, wrong_clocks
from devices.clock import MINUTE, SECOND, rfc3339
from devices.registry import Role
from devices.registry_store import load as load_registry
from gatehouse.cli import accept, candidates, change_device, enrol
from gatehouse.database import open_database
from gatehouse.failure import Failure
from gatehouse.parts import make_decoder, open_series
from gatehouse.settings import Settings, load
from ingest.measurement import MEASUREMENTS
from ingest.reading import MAX_READINGS
from ingest.series import Reading, SeriesReader, StoreHeld

_OPERATOR = Account(name="command line", role=Role.OPERATOR)

app = typer.Typer(help="Devices, registered and unknown.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    candidates.register(app)
    accept.register(app)
    enrol.register(app)
    change_device.register(app)
    parent.add_typer(app, name="devices")


@app.callback()
def group() -> None:
    """Look at devices, and register unknown ones."""


@app.command("list")
def list_(
    silent: Annotated[bool, typer.Option("--silent", help="Only those silent too long.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """List devices, silent ones first: last seen, battery, profile, place, a clock that is off.

    Example: gatehouse devices list --silent
    """
    settings = load()
    database = open_database(settings)
    registry = load_registry(database)
    with database.connect() as connection:
        clocks = wrong_clocks(connection)
    database.dispose()
    silence = {profile.name: profile.silent_after for profile in make_decoder(settings)[1]}
    now = settings.clock.now()
    lines = list_devices(
        visible_devices(registry, _OPERATOR, now=now),
        _newest_readings(settings, sorted(registry.devices)),
        silent_after=silence.get,
        now=now,
        clocks=clocks,
    )
    shown = [line for line in lines if line.is_silent] if silent else lines
    if as_json:
        print(json.dumps([_as_json(line) for line in shown], ensure_ascii=False))
        return
    zone = ZoneInfo(settings.zone)
    for line in shown:
        print(_as_text(line, zone))
    print(f"{len(shown)} devices")


def _newest_readings(settings: Settings, devices: Sequence[str]) -> list[Reading]:
    store = open_series(settings, read_only=True)
    try:
        return [one for name in MEASUREMENTS for one in _newest_of(store, name, devices)]
    except StoreHeld as error:
        raise Failure(str(error)) from error
    finally:
        store.close()


def _newest_of(store: SeriesReader, name: str, devices: Sequence[str]) -> list[Reading]:
    """Return the newest readings of all devices, which are given in order.

    One answer is bounded, and in order too: those beyond its end are asked for one by one.
    """
    found = store.last(name, limit=MAX_READINGS)
    if len(found) == MAX_READINGS:
        for device in devices[bisect_left(devices, found[-1].device) :]:
            found += store.last(name, device=device)
    return found


def _where(line: DeviceLine) -> str:
    place = line.place
    if place is None:
        return "nowhere"
    return " ".join(filter(None, (place.site, place.building, place.gate, place.kind.value)))


def _as_json(line: DeviceLine) -> dict[str, object]:
    return {
        "device_id": line.device.id,
        "profile": line.device.profile,
        "place": _where(line),
        "last_seen": rfc3339(line.seen_at) if line.seen_at else None,
        "battery": line.battery,
        "silent": line.is_silent,
        "clock_offset_seconds": line.clock.offset // SECOND if line.clock else None,
        "clock_off_since": rfc3339(line.clock.since) if line.clock else None,
    }


def _as_text(line: DeviceLine, zone: ZoneInfo) -> str:
    seen = "never" if line.seen_at is None else _local(line.seen_at, zone)
    mark = "silent" if line.is_silent else "ok"
    battery = "" if line.battery is None else f"{line.battery:g} %"
    device = f"{line.device.id:<28} {line.device.profile:<26}"
    clock = "" if line.clock is None else f"  {_of_clock(line.clock, zone)}"
    return f"{mark:<7} {device} {seen:<17} {battery:<6} {_where(line)}{clock}"


def _of_clock(clock: ClockState, zone: ZoneInfo) -> str:
    side = "ahead" if clock.offset > 0 else "behind"
    span = timedelta(minutes=abs(clock.offset) // MINUTE)
    return f"clock: {span} {side}, since {_local(clock.since, zone)}"


def _local(at: int, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(at // SECOND, UTC).astimezone(zone):%Y-%m-%d %H:%M}"
