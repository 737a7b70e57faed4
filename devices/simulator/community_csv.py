"""The simulated community as the folder of CSV files that the ordinary import takes."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from devices.csv_export import write_file
from devices.csv_rows import FILES
from devices.registry import PlaceKind, ResidentClass, Role
from devices.simulator.community import (
    CHECKPOINT,
    FACE_TERMINAL,
    GUN,
    HUAAN,
    MAIN_GATE,
    NORTH_GATE,
    SITE,
    SITE_NAME,
    ZONE,
    Community,
    Home,
)

CHANNEL = "demo://phone"
_SINCE = "2019-12-01"
_ALL_DAY = {"weekdays": "mon-sun", "begins": "00:00", "ends": "24:00"}

Record = dict[str, Any]


def write_community(folder: Path, community: Community) -> None:
    """Write the community's registry into a folder."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    staff = _staff(community)
    grids = sorted(set(community.buildings.values()))
    records: dict[str, Iterable[Record]] = {
        "sites.csv": [{"id": SITE, "name": SITE_NAME, "community": SITE_NAME, "zone": ZONE.key}],
        "grids.csv": [
            {"id": grid, "site": SITE, "name": f"{grid[-1]}网格 Grid {grid[-1]}"} for grid in grids
        ],
        "buildings.csv": [
            {"id": house, "grid": grid, "name": f"{int(house[1:])}号楼 Building {int(house[1:])}"}
            for house, grid in community.buildings.items()
        ],
        "workers.csv": [{"id": who, "name": name} for who, name, _, _ in staff],
        "channels.csv": [{"worker": who, "rank": 1, "url": CHANNEL} for who, _, _, _ in staff],
        "rota.csv": [
            {"worker": who, "role": role.value, "site": SITE, "grid": grid, **_ALL_DAY}
            for who, _, role, grid in staff
        ],
        "households.csv": [_household(home) for home in community.homes],
        "residents.csv": _residents(community),
        "devices.csv": _devices(community),
    }
    for name in FILES:
        write_file(folder / name, iter(records[name]))


def _staff(community: Community) -> list[tuple[str, str, Role, str | None]]:
    """Return who is on call: (id, name, role, grid)."""
    grids = sorted(set(community.buildings.values()))
    workers = [
        (f"worker-{grid[len(SITE) + 1 :]}", f"网格员 Worker {grid[len(SITE) + 1 :]}", grid)
        for grid in grids
    ]
    return [
        ("guard", "门卫 Guard", Role.GUARD, None),
        *((who, name, Role.GRID_WORKER, grid) for who, name, grid in workers),
        ("secretary", "书记 Secretary", Role.SECRETARY, None),
        ("command", "街道指挥部 Street command", Role.STREET_COMMAND, None),
        ("operator", "运维 Operator", Role.OPERATOR, None),
    ]


def _household(home: Home) -> Record:
    return {
        "id": home.id,
        "building": home.building,
        "flat": home.flat,
        "state": home.state.value,
        "since": _SINCE,
    }


def _residents(community: Community) -> Iterator[Record]:
    for home in community.homes:
        for person in home.people:
            is_told = person.kind is not ResidentClass.NONE
            yield {
                "id": person.id,
                "household": home.id,
                "name": person.name,
                "phone": person.phone,
                "since": _SINCE,
                "class": person.kind.value if is_told else "",
            }


def _devices(community: Community) -> Iterator[Record]:
    for gateway in sorted({home.meter.gateway for home in community.homes if home.meter.gateway}):
        yield _device(gateway, "dlt645_gateway", PlaceKind.SITE)
    for home in community.homes:
        meter = home.meter
        yield _device(meter.id, meter.kind.value, household=home.id, gateway=meter.gateway)
        if home.thermometer:
            yield _device(home.thermometer, "esp32_ble2mqtt", household=home.id)
        if home.room_sensor:
            yield _device(home.room_sensor, "zigbee2mqtt_temperature", household=home.id)
    yield _device(HUAAN, "huaan_face_terminal", PlaceKind.GATE, gate=MAIN_GATE)
    yield _device(FACE_TERMINAL, "face_terminal_mqtt", PlaceKind.GATE, gate=NORTH_GATE)
    yield _device(GUN, "gatehouse", PlaceKind.CHECKPOINT, gate=CHECKPOINT)
    for who, _, role, _ in _staff(community):
        if role is Role.GRID_WORKER:
            yield _device(f"by-hand-{who}", "gatehouse", PlaceKind.WORKER, worker=who)


def _device(
    identity: str, profile: str, place: PlaceKind = PlaceKind.HOUSEHOLD, **where: str | None
) -> Record:
    known = {"id": identity, "profile": profile, "place": place.value, "site": SITE}
    return {**known, "since": _SINCE, **where}
