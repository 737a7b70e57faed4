"""The simulated city as the folder of CSV files that the ordinary import takes."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from devices.clock import HOUR, MINUTE, rfc3339
from devices.csv_export import open_file
from devices.csv_rows import FILES
from devices.registry import GateKind, PlaceKind, ResidentClass, Role
from devices.simulator.community import Community
from devices.simulator.happening import Trip
from devices.simulator.home import Home
from devices.simulator.scenario import ZONE

CHANNEL = "demo://phone"
_SINCE = "2019-12-01"
_LEEWAY = 15 * MINUTE
_ALL_DAY = {"weekdays": "mon-sun", "begins": "00:00", "ends": "24:00"}

Record = dict[str, Any]


def write_city(folder: Path, communities: Iterable[Community]) -> None:
    """Write the registry of all communities into a folder, holding one of them at a time."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:
        files = {name: stack.enter_context(open_file(folder / name)) for name in FILES}
        for community in communities:
            for name, records in _records(community).items():
                files[name].writerows(records)


def _records(community: Community) -> dict[str, Iterable[Record]]:
    site, staff = community.site, _staff(community)
    return {
        "sites.csv": [{"id": site.id, "name": site.name, "community": site.name, "zone": ZONE.key}],
        "gates.csv": [
            {"id": gate, "site": site.id, "name": name, "kind": kind.value, "rank": rank}
            for gate, name, kind, rank in _gates(community)
        ],
        "grids.csv": [
            {"id": grid, "site": site.id, "name": f"{_last(grid)}网格 Grid {_last(grid)}"}
            for grid in _grids(community)
        ],
        "buildings.csv": [
            {"id": house, "grid": grid, "name": f"{number}号楼 Building {number}"}
            for number, (house, grid) in enumerate(community.buildings.items(), 1)
        ],
        "workers.csv": [{"id": who, "name": name} for who, name, _, _ in staff],
        "channels.csv": [{"worker": who, "rank": 1, "url": CHANNEL} for who, _, _, _ in staff],
        "rota.csv": [
            {"worker": who, "role": role.value, "site": site.id, "grid": grid, **_ALL_DAY}
            for who, _, role, grid in staff
        ],
        "households.csv": map(_household, community.homes),
        "residents.csv": _residents(community),
        "trips.csv": _trips(community),
        "devices.csv": _devices(community),
    }


def _trips(community: Community) -> Iterator[Record]:
    """Yield the ways out that were approved, a quarter of an hour more on either side."""
    for one in community.plan.told:
        if isinstance(one, Trip) and one.approved:
            leaves = community.midnight(one.day) + one.at
            returns = leaves + round(one.hours * HOUR)
            yield {
                "resident": community.plan.named[one.household].people[one.resident - 1].id,
                "since": rfc3339(leaves - _LEEWAY),
                "until": rfc3339(returns + _LEEWAY),
                "reason": "就医 Hospital",
            }


def _gates(community: Community) -> list[tuple[str, str, GateKind, int]]:
    """Return where people pass: (id, name, kind, rank)."""
    site = community.site
    return [
        (site.main_gate, "正门 Main gate", GateKind.GATE, 1),
        (site.north_gate, "北门 North gate", GateKind.GATE, 1),
        (site.checkpoint, "夜间卡口 Night checkpoint", GateKind.CHECKPOINT, 2),
    ]


def _grids(community: Community) -> list[str]:
    return list(dict.fromkeys(community.buildings.values()))


def _last(grid: str) -> str:
    return grid.rpartition("-")[2]


def _staff(community: Community) -> list[tuple[str, str, Role, str | None]]:
    """Return who is on call: (id, name, role, grid)."""
    prefix = community.site.prefix
    workers = [
        (f"{prefix}worker-{_last(grid)}", f"网格员 Worker {_last(grid)}", grid)
        for grid in _grids(community)
    ]
    return [
        (f"{prefix}guard", "门卫 Guard", Role.GUARD, None),
        *((who, name, Role.GRID_WORKER, grid) for who, name, grid in workers),
        (f"{prefix}secretary", "书记 Secretary", Role.SECRETARY, None),
        (f"{prefix}command", "街道指挥部 Street command", Role.STREET_COMMAND, None),
        (f"{prefix}operator", "运维 Operator", Role.OPERATOR, None),
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
    """Yield every device: gateways before what speaks through them."""
    site = community.site
    for device in _installed(community):
        yield {**device, "site": site.id, "since": _SINCE}


def _installed(community: Community) -> Iterator[Record]:
    site, homes = community.site, community.homes
    for gateway in sorted({home.meter.gateway for home in homes if home.meter.gateway}):
        yield _device(gateway, "dlt645_gateway", PlaceKind.SITE)
    for home in homes:
        meter = home.meter
        yield _device(meter.id, meter.kind.value, household=home.id, gateway=meter.gateway)
        if home.thermometer:
            yield _device(home.thermometer, "esp32_ble2mqtt", household=home.id)
        if home.room_sensor:
            sensor = home.room_sensor
            yield _device(sensor.id, sensor.kind.value, household=home.id)
    yield _device(site.huaan, "huaan_face_terminal", PlaceKind.GATE, gate=site.main_gate)
    yield _device(site.face_terminal, "face_terminal_mqtt", PlaceKind.GATE, gate=site.north_gate)
    yield _device(site.gun, "gatehouse", PlaceKind.CHECKPOINT, gate=site.checkpoint)
    for who, _, role, _ in _staff(community):
        if role is Role.GRID_WORKER:
            yield _device(f"by-hand-{who}", "gatehouse", PlaceKind.WORKER, worker=who)


def _device(
    identity: str, profile: str, place: PlaceKind = PlaceKind.HOUSEHOLD, **where: str | None
) -> Record:
    return {"id": identity, "profile": profile, "place": place.value, **where}
